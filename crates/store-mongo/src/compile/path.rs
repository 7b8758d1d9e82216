//! Where a field stands in its document. What identifies a record is `_id`: the value of the one key field, or a document
//! of the several.

use engine::model::{Collection, Field, Key, StoredCollection};
use mongodb::bson::{Bson, Document};

use crate::value::encode;

pub(crate) const ID: &str = "_id";

pub(crate) fn of(collection: &Collection, field: &Field) -> String {
    let is_key = collection.key.contains(&field.id);
    within(is_key, collection.key.len(), &field.column)
}

/// As [`of`], of the column of a stored collection.
pub(crate) fn of_column(collection: &StoredCollection, column: &str) -> String {
    let is_key = collection.columns(&collection.key).any(|key| key == column);
    within(is_key, collection.key.len(), column)
}

fn within(is_key: bool, parts: usize, column: &str) -> String {
    match (is_key, parts) {
        (false, _) => column.to_owned(),
        (true, 1) => ID.to_owned(),
        (true, _) => format!("{ID}.{column}"),
    }
}

/// A key as the `_id` of its record.
pub(crate) fn id(collection: &Collection, key: &Key) -> Bson {
    match key.0.as_slice() {
        [value] => encode(value),
        values => {
            let columns = collection.key.iter().map(|field| &collection.field(*field).column);
            let parts = columns
                .zip(values)
                .map(|(column, value)| (column.clone(), encode(value)));
            Bson::Document(parts.collect::<Document>())
        }
    }
}
