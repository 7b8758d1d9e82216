//! Tables that others made: what is said of them on every database.

use engine::model::migration::MappedTable;
use engine::ports::store::StoreError;
use engine::query::Refusal;
use engine::{FieldError, Model};

/// Such a table may demand what the schema doesn't say.
pub(crate) fn refused() -> StoreError {
    let reason = "the database refuses it: a constraint or trigger of its own doesn't hold";
    StoreError::Refused(Refusal::Invalid(vec![FieldError::new("", "constraint", reason)]))
}

/// The fields of the index that is violated under this name; none where the schema doesn't know it.
pub(crate) fn violated_fields(table: Option<&str>, index: Option<&str>, model: &Model) -> Vec<String> {
    let mut collections = model.collections.iter();
    let collection = collections.find(|collection| Some(&*collection.table) == table);
    let found = collection.and_then(|collection| collection.indexes.iter().find(|found| Some(&*found.name) == index));
    let (Some(collection), Some(found)) = (collection, found) else {
        return Vec::new();
    };
    let names = found.fields.iter().map(|field| collection.field(*field).name.clone());
    names.collect()
}

/// What the schema takes for granted, and `columns` of the table don't have. `same`: how the database compares names.
pub(crate) fn missing(mapped: &MappedTable, columns: &[String], same: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let table = &mapped.table;
    if columns.is_empty() {
        return vec![format!(
            "there is no table or view {table}, which the schema takes as it is"
        )];
    }
    let is_there = |wanted: &&String| columns.iter().any(|column| same(column, wanted));
    let missing = mapped.columns.iter().filter(|column| !is_there(column));
    missing
        .map(|column| format!("{table} has no column {column}"))
        .collect()
}
