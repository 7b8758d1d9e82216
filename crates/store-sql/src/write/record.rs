//! Telling records apart.

use engine::model::{Collection, CollectionId, Key, Value};
use engine::query::Image;

use crate::keyed::Keyed;

/// A record among those of all collections.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct RecordId(CollectionId, Vec<Keyed>);

impl RecordId {
    pub(super) fn new(collection: CollectionId, key: &Key) -> Self {
        Self(collection, key.0.iter().cloned().map(Keyed).collect())
    }
}

pub(super) fn key_of(collection: &Collection, image: &Image) -> Key {
    let part = |field| {
        let slot = collection.slot(field).expect("a key's fields are stored");
        image.0.get(slot).cloned().unwrap_or(Value::Null)
    };
    Key(collection.key.iter().map(|field| part(*field)).collect())
}
