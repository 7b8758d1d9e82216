//! Entity tags (RFC 9110 §8.8).
//!
//! The tag of a plain answer is the record's version. What `fields`, `expand` or rights shape has `version-hash`, or the
//! hash alone where the version isn't in the answer; `If-Match` looks at the version. Of a collection without one, the tag of
//! a plain answer is a hash of the record as it is stored.

use sha2::{Digest, Sha256};

use crate::model::{Collection, FieldKind, Model, Row, Value};
use crate::operations::get::SharedShape;
use crate::query::json::write_row;
use crate::query::{Expected, Image};

/// Bytes of a hash that are kept: enough that nobody meets two by chance.
const HASH_BYTES: usize = 12;

pub(crate) fn of(model: &Model, shape: &SharedShape, row: &Row) -> String {
    let collection = model.collection(shape.projection.collection);
    let version = collection.version.and_then(|version| {
        let position = shape.projection.items.iter().position(|item| item.field == version)?;
        row.0.get(position)?.as_int()
    });
    match version {
        Some(version) if shape.plain => version.to_string(),
        None if collection.version.is_none() && shape.plain && is_whole(collection, shape) => {
            content_hash(collection, &row.0)
        }
        version => {
            let mut body = Vec::with_capacity(256);
            write_row(&mut body, model, &shape.projection, row);
            let hash = hex(&Sha256::digest(&body)[..HASH_BYTES]);
            version.map_or(hash.clone(), |version| format!("{version}-{hash}"))
        }
    }
}

/// Whether the answer holds all that is stored, in its order.
fn is_whole(collection: &Collection, shape: &SharedShape) -> bool {
    let items = shape.projection.items.iter().map(|item| item.field);
    items.eq(collection.stored().map(|field| field.id))
}

/// What `If-Match` with these tags demands of a record.
pub(crate) fn expected(collection: &Collection, tags: &[String]) -> Expected {
    if collection.version.is_some() {
        let version = |tag: &String| tag.split('-').next()?.parse().ok();
        Expected::Versions(tags.iter().filter_map(version).collect())
    } else {
        Expected::Hashes(tags.to_vec())
    }
}

/// The tag of a record without a version, as it is stored.
pub(crate) fn content_hash(collection: &Collection, values: &[Value]) -> String {
    let mut bytes = Vec::with_capacity(256);
    for (field, value) in collection.stored().zip(values) {
        debug_assert!(
            !matches!(field.kind, FieldKind::Inverse { .. }),
            "inverse fields store nothing"
        );
        crate::query::codec::write(&mut bytes, value);
    }
    hex(&Sha256::digest(&bytes)[..HASH_BYTES])
}

/// The version in an image, where the collection has one.
pub(crate) fn version(collection: &Collection, image: &Image) -> Option<i64> {
    let slot = collection.slot(collection.version?)?;
    image.0.get(slot).and_then(Value::as_int)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
