//! What a commit changed: the one stream behind live queries, caches and relays.

use crate::model::{Collection, CollectionId, FieldId, Key, Timestamp, Value};

/// A commit's place in the order of all commits of one store. Starts at 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(pub u64);

/// A record as it is stored: a value for each stored field of its collection, in the model's order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Image(pub Vec<Value>);

impl Image {
    /// Moves on `version` and `updated`: for a record that a store changes of itself, such as by a cascade.
    pub fn touch(&mut self, collection: &Collection, now: Timestamp) {
        crate::operations::touch(collection, self, now);
    }
}

/// Targets that a to-many field gained and lost.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkImage {
    pub field: FieldId,
    pub added: Vec<Value>,
    pub removed: Vec<Value>,
}

/// One record's change. `before` is `None` for a create, `after` for a delete.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub collection: CollectionId,
    pub key: Key,
    pub before: Option<Image>,
    pub after: Option<Image>,
    pub links: Vec<LinkImage>,
}
