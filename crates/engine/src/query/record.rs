//! Telling records apart.

use crate::model::keyed::Keyed;
use crate::model::{Collection, CollectionId, Key, Value};
use crate::query::Image;

/// A record among those of all collections.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct RecordId(CollectionId, Vec<Keyed>);

impl RecordId {
    pub fn new(collection: CollectionId, key: &Key) -> Self {
        Self(collection, key.0.iter().cloned().map(Keyed).collect())
    }
}

/// The key that the record is stored under.
///
/// # Panics
/// The image is of another collection.
pub fn key_of(collection: &Collection, image: &Image) -> Key {
    let part = |field| {
        let slot = collection.slot(field).expect("a key's fields are stored");
        image.0.get(slot).cloned().unwrap_or(Value::Null)
    };
    Key(collection.key.iter().map(|field| part(*field)).collect())
}
