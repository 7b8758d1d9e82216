//! An existing database as a schema: what a store read of its structure, and the `schema.graphql` that serves it.
//!
//! A store describes what is there ([`Database`]), in its own names; [`schema`] decides what becomes of it. All that
//! can't be said in the schema is told by name, with the reason: nothing is left out in silence.

mod choose;
mod names;
mod relations;
mod write;

use crate::model::{OnDelete, Scalar};

/// What a database holds, as far as it may be served.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Database {
    pub tables: Vec<Table>,
    /// Types whose values are a few names.
    pub enums: Vec<Enum>,
    /// What the store knows already to be of no use.
    pub notes: Vec<Note>,
}

/// A table or a view.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    pub name: String,
    pub comment: Option<String>,
    pub is_view: bool,
    pub columns: Vec<Column>,
    /// Columns of the primary key, in its order; of a view those that are unique in the data that there is.
    pub key: Vec<String>,
    pub foreign_keys: Vec<ForeignKey>,
    pub indexes: Vec<Index>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub name: String,
    pub comment: Option<String>,
    pub kind: Kind,
    /// Never null.
    pub required: bool,
    /// The most characters of a text.
    pub length: Option<u32>,
    /// The least and the greatest number, where the type says more than the schema's.
    pub range: Option<(i32, i32)>,
    pub default: Option<ColumnDefault>,
    /// Nobody but the database says what it holds: it is computed, or numbered and so declared.
    pub is_computed: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Scalar(Scalar),
    /// One of [`Database::enums`].
    Enum(String),
    /// A text that the table itself restricts to a few.
    Values(Vec<String>),
    /// It can't be served, because of this.
    Unfit(String),
}

/// What a column holds when nobody says.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnDefault {
    Text(String),
    /// As it stands in SQL and in the schema alike.
    Number(String),
    Boolean(bool),
    Now,
    /// The next number.
    Serial,
    /// An expression of the database's own language.
    Other(String),
}

#[derive(Debug, Clone, PartialEq)]
pub struct ForeignKey {
    pub columns: Vec<String>,
    pub table: String,
    /// Empty: the target's primary key.
    pub targets: Vec<String>,
    pub on_delete: OnDelete,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Index {
    /// `None` where the database named it.
    pub name: Option<String>,
    /// `None` for an expression.
    pub columns: Vec<Option<String>>,
    pub unique: bool,
    pub partial: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enum {
    pub name: String,
    pub comment: Option<String>,
    pub values: Vec<String>,
}

/// Something that the schema doesn't say, or that was guessed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// `track.bytes`, `view totals`.
    pub what: String,
    pub reason: String,
}

impl Note {
    pub fn new(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            reason: reason.into(),
        }
    }
}

/// The schema of a database, and what it leaves out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub schema: String,
    pub collections: usize,
    pub notes: Vec<Note>,
}

/// `source` is what the schema's head calls the database.
pub fn schema(database: &Database, source: &str) -> Written {
    let mut notes = database.notes.clone();
    let mut chosen = choose::choose(database, &mut notes);
    relations::relate(database, &mut chosen, &mut notes);
    let collections = chosen.collections.len();
    let schema = write::write(&chosen, source, &notes);
    Written {
        schema,
        collections,
        notes,
    }
}
