//! The log of changes: see [`engine::ports::change_log`]. Each part has a table of its own, with the columns of its key and a number for each entry.

use std::borrow::Cow;

use engine::Model;
use engine::model::Value;
use engine::ports::relocation::Part;
use sha2::{Digest, Sha256};

use super::DialectRef;
use super::part::PartTable;
use super::sql::{Sql, Statement};
use crate::compile::Kind;

/// What all that belongs to the log is named after.
pub(crate) const LOG: &str = "_ninefold_change_";
/// Under this key `_ninefold_meta` has the log's note; an empty one until the log stands.
pub(crate) const NOTE: &str = "changes";

/// As many as tell the tables of a database apart.
const HASH_BYTES: usize = 8;

/// Where the changes of a part are logged.
pub(crate) struct LogTable<'a> {
    pub(crate) name: String,
    /// The part's own table.
    pub(crate) of: &'a str,
    key: Vec<(&'a str, Kind)>,
}

impl<'a> LogTable<'a> {
    pub(crate) fn of(model: &'a Model, part: Part) -> Self {
        let table = PartTable::of(model, part);
        // A name of any length, of which no two may be the same in any database's eyes.
        let hash = Sha256::digest(table.name());
        let hash: String = hash[..HASH_BYTES].iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            name: format!("{LOG}{hash}"),
            of: table.name(),
            key: table.key(),
        }
    }

    /// `key_0, key_1`.
    pub(crate) fn columns(&self) -> String {
        let names: Vec<_> = (0..self.key.len()).map(|place| format!("key_{place}")).collect();
        names.join(", ")
    }

    /// What `each` makes of the names of the key's columns, which are SQL, and their places.
    pub(crate) fn key(&self, dialect: DialectRef, each: impl Fn(&str, usize) -> String) -> Vec<String> {
        let names = self.key.iter().map(|(column, _)| {
            let mut name = String::new();
            dialect.identifier(&mut name, column);
            name
        });
        names.enumerate().map(|(place, name)| each(&name, place)).collect()
    }

    /// Behind the number `after`.
    pub(crate) fn entries(&self, dialect: DialectRef, after: i64, limit: u32) -> Statement<'static> {
        let mut sql = Sql::new(dialect);
        sql.column(Kind::Int);
        for (_, kind) in &self.key {
            sql.column(*kind);
        }
        sql.push("SELECT number, ").push(&self.columns());
        sql.push(" FROM ").push(&self.name).push(" WHERE number > ");
        sql.bind(Cow::Owned(Value::Int(after)));
        sql.push(" ORDER BY number LIMIT ");
        sql.number(limit.into());
        sql.finish()
    }

    /// Of some of these entries. More of them than one statement takes are for the next.
    pub(crate) fn forget<'n>(&self, dialect: DialectRef, numbers: &'n [Value]) -> (Statement<'n>, &'n [Value]) {
        let numbers_max = if dialect.locks_in_passing() {
            1
        } else {
            dialect.keys_max()
        };
        let (numbers, rest) = numbers.split_at(numbers.len().min(numbers_max));
        let mut sql = Sql::new(dialect);
        sql.push("DELETE FROM ").push(&self.name).push(" WHERE number");
        sql.in_list(numbers);
        (sql.finish(), rest)
    }
}

/// What `_ninefold_meta` has under a key.
pub(crate) fn meta(dialect: DialectRef, key: &str) -> Statement<'static> {
    let mut sql = Sql::new(dialect);
    sql.column(Kind::Text);
    sql.push("SELECT value FROM _ninefold_meta WHERE ")
        .name("key")
        .push(" = ");
    sql.constant(&Value::text(key));
    sql.finish()
}

/// Puts something in the place of what `_ninefold_meta` is to have under a key.
pub(crate) fn exchange<'n>(dialect: DialectRef, key: &str, from: &'n Value, to: &'n Value) -> Statement<'n> {
    let mut sql = Sql::new(dialect);
    sql.push("UPDATE _ninefold_meta SET value = ").assign(Cow::Borrowed(to));
    sql.push(" WHERE ").name("key").push(" = ");
    sql.constant(&Value::text(key));
    sql.push(" AND value = ").bind(Cow::Borrowed(from));
    sql.finish()
}

/// Takes away what `_ninefold_meta` has under a key, if it is this.
pub(crate) fn take<'n>(dialect: DialectRef, key: &str, value: &'n Value) -> Statement<'n> {
    let mut sql = Sql::new(dialect);
    sql.push("DELETE FROM _ninefold_meta WHERE ").name("key").push(" = ");
    sql.constant(&Value::text(key));
    sql.push(" AND value = ").bind(Cow::Borrowed(value));
    sql.finish()
}
