//! Indexes, and what a unique one demands of the data.

use engine::model::{StoredCollection, StoredIndex, StoredType, Structure};

use crate::dialect::Sqlite;
use crate::migrate::check::{Check, Complaint};
use crate::migrate::condition;
use crate::migrate::sqlite::action::Action;
use crate::migrate::sqlite::ddl::{self, quoted};

/// # Errors
/// In words, when the condition of a partial index can't be read.
pub(in crate::migrate::sqlite) fn create(
    structure: &Structure,
    collection: &str,
    index: &StoredIndex,
) -> Result<String, String> {
    let collection = structure
        .collection(collection)
        .expect("a replayed step names what is there");
    let condition = condition(structure, collection, index)?;
    Ok(ddl::create_index(collection, index, condition.as_deref()))
}

/// Stops when records share what will be unique. Nulls are all different.
pub(super) fn duplicates(
    structure: &Structure,
    collection: &StoredCollection,
    index: &StoredIndex,
) -> Result<Option<Action>, String> {
    if !index.unique {
        return Ok(None);
    }
    let columns: Vec<String> = collection.columns(&index.fields).map(quoted).collect();
    let mut conditions: Vec<String> = columns.iter().map(|column| format!("{column} IS NOT NULL")).collect();
    conditions.extend(condition(structure, collection, index)?.map(|condition| format!("({condition})")));
    let groups = format!(
        "SELECT {} FROM {} WHERE {} GROUP BY {0} HAVING count(*) > 1",
        columns.join(", "),
        quoted(&collection.table),
        conditions.join(" AND "),
    );
    let kinds = index
        .fields
        .iter()
        .filter_map(|name| collection.field(name))
        .map(|field| field.kind.clone());
    Ok(Some(Action::Check(Check {
        count: format!("SELECT count(*) FROM ({groups})"),
        examples: Some(groups),
        shows: kinds.collect::<Vec<StoredType>>(),
        complaint: Complaint::Duplicates {
            place: format!("{}.{}", collection.name, index.fields.join(" + ")),
        },
    })))
}

fn condition(
    structure: &Structure,
    collection: &StoredCollection,
    index: &StoredIndex,
) -> Result<Option<String>, String> {
    condition::condition(&Sqlite, structure, collection, index)
}
