//! One step of a migration, the same on every engine.
//!
//! A step names things as the schema does, with what the database calls them beside; so a file of steps can be read,
//! reviewed and replayed without a model or a database ([`Step::replay`]).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::fill::Fill;
use crate::model::{StoredCollection, StoredField, StoredIndex, StoredLinks};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// With its links and indexes.
    AddCollection(StoredCollection),
    RemoveCollection {
        collection: String,
    },
    /// Of the type, of its table, or of both.
    RenameCollection {
        from: String,
        to: String,
        table: String,
    },
    /// What identifies a record.
    ChangeKey {
        collection: String,
        key: Vec<String>,
    },
    AddField {
        collection: String,
        field: StoredField,
        /// What records that exist get; a required field needs one unless there are none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fill: Option<Fill>,
    },
    RemoveField {
        collection: String,
        field: String,
    },
    /// Of the field, of its column, or of both.
    RenameField {
        collection: String,
        from: String,
        to: String,
        column: String,
    },
    /// Another type, or whether it is required, or what it refers to; never its name or column.
    ChangeField {
        collection: String,
        field: StoredField,
        /// What takes the place of nulls where the field becomes required.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fill: Option<Fill>,
    },
    AddLinks {
        collection: String,
        links: StoredLinks,
    },
    RemoveLinks {
        collection: String,
        field: String,
    },
    /// Of the field `from`, of its table, or of the columns.
    RenameLinks {
        collection: String,
        from: String,
        links: StoredLinks,
    },
    AddIndex {
        collection: String,
        index: StoredIndex,
    },
    RemoveIndex {
        collection: String,
        index: String,
    },
    /// Statements of an engine's own language, run as they stand: `sqlite = "UPDATE …"`.
    Run(BTreeMap<String, String>),
}

impl Step {
    /// What is lost for good when it runs, if there is data.
    pub fn destroys(&self) -> Option<String> {
        match self {
            Self::RemoveCollection { collection } => Some(format!("all records of {collection}")),
            Self::RemoveField { collection, field } => Some(format!("all values of {collection}.{field}")),
            Self::RemoveLinks { collection, field } => Some(format!("all relations of {collection}.{field}")),
            Self::AddCollection(_)
            | Self::RenameCollection { .. }
            | Self::ChangeKey { .. }
            | Self::AddField { .. }
            | Self::RenameField { .. }
            | Self::ChangeField { .. }
            | Self::AddLinks { .. }
            | Self::RenameLinks { .. }
            | Self::AddIndex { .. }
            | Self::RemoveIndex { .. }
            | Self::Run(_) => None,
        }
    }
}

/// In words, for people who are about to run it.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddCollection(collection) => {
                write!(f, "add collection {} (table {})", collection.name, collection.table)
            }
            Self::RemoveCollection { collection } => write!(f, "remove collection {collection}"),
            Self::RenameCollection { from, to, table } if from == to => {
                write!(f, "move collection {to} to table {table}")
            }
            Self::RenameCollection { from, to, table } => {
                write!(f, "rename collection {from} to {to} (table {table})")
            }
            Self::ChangeKey { collection, key } => write!(f, "change the key of {collection} to {}", key.join(", ")),
            Self::AddField {
                collection,
                field,
                fill,
            } => write!(
                f,
                "add field {collection}.{}{}",
                Described(field),
                Filled(fill.as_ref())
            ),
            Self::RemoveField { collection, field } => write!(f, "remove field {collection}.{field}"),
            Self::RenameField {
                collection,
                from,
                to,
                column,
            } if from == to => write!(f, "move field {collection}.{to} to column {column}"),
            Self::RenameField {
                collection,
                from,
                to,
                column,
            } => write!(f, "rename field {collection}.{from} to {to} (column {column})"),
            Self::ChangeField {
                collection,
                field,
                fill,
            } => write!(
                f,
                "change field {collection}.{}{}",
                Described(field),
                Filled(fill.as_ref())
            ),
            Self::AddLinks { collection, links } => {
                write!(
                    f,
                    "add relation {collection}.{}: [{}] (table {})",
                    links.name, links.target, links.table
                )
            }
            Self::RemoveLinks { collection, field } => write!(f, "remove relation {collection}.{field}"),
            Self::RenameLinks {
                collection,
                from,
                links,
            } => write!(
                f,
                "rename relation {collection}.{from} to {} (table {})",
                links.name, links.table
            ),
            Self::AddIndex { collection, index } => {
                let kind = if index.unique { "unique index" } else { "index" };
                write!(
                    f,
                    "add {kind} {} on {collection} ({})",
                    index.name,
                    index.fields.join(", ")
                )?;
                index.only.iter().try_for_each(|only| write!(f, " where {only}"))
            }
            Self::RemoveIndex { collection, index } => write!(f, "remove index {index} of {collection}"),
            Self::Run(engines) => {
                let names: Vec<&str> = engines.keys().map(String::as_str).collect();
                write!(f, "run statements for {}", names.join(", "))
            }
        }
    }
}

/// `sent: DateTime!`, `room: Room!`.
struct Described<'a>(&'a StoredField);

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = self.0;
        let mark = if field.required { "!" } else { "" };
        match &field.refers {
            Some(target) => write!(f, "{}: {target}{mark}", field.name),
            None => write!(f, "{}: {}{mark}", field.name, field.kind),
        }
    }
}

struct Filled<'a>(Option<&'a Fill>);

impl fmt::Display for Filled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |fill| write!(f, ", filled with {fill}"))
    }
}
