//! The log of changes: see [`engine::ports::change_log`]. Each part has a table of its own, with the columns of its key and a number for each entry.

use std::borrow::Cow;

use engine::Model;
use engine::model::Value;
use engine::ports::relocation::Part;

use super::DialectRef;
use super::part::PartTable;
use super::sql::{Sql, Statement};
use crate::compile::Kind;

/// What all that belongs to the log is named after.
pub(crate) const LOG: &str = "_ninefold_change_";
/// Under this key `_ninefold_meta` has the log's note; an empty one until the log stands.
pub(crate) const NOTE: &str = "changes";

/// Where the changes of a part are logged.
pub(crate) struct LogTable<'a> {
    pub(crate) name: String,
    /// The part's own table.
    pub(crate) of: &'a str,
    key: Vec<(&'a str, Kind)>,
}

impl<'a> LogTable<'a> {
    pub(crate) fn of(model: &'a Model, part: Part) -> Self {
        let place = Part::all(model).iter().position(|found| *found == part);
        let table = PartTable::of(model, part);
        Self {
            name: format!("{LOG}{}", place.expect("it is one of the model's parts")),
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

/// The note, and nobody changes it before the transaction ends.
pub(crate) fn keep_note(dialect: DialectRef) -> Statement<'static> {
    let mut sql = Sql::new(dialect);
    note_column(&mut sql);
    let for_update = sql.dialect.for_update();
    sql.push(for_update);
    sql.finish()
}

pub(crate) fn note(dialect: DialectRef) -> Statement<'static> {
    let mut sql = Sql::new(dialect);
    note_column(&mut sql);
    sql.finish()
}

fn note_column(sql: &mut Sql<'_>) {
    sql.column(Kind::Text);
    sql.push("SELECT value FROM _ninefold_meta WHERE ")
        .name("key")
        .push(" = ");
    sql.constant(&Value::text(NOTE));
}

pub(crate) fn renote<'n>(dialect: DialectRef, from: &'n Value, to: &'n Value) -> Statement<'n> {
    let mut sql = Sql::new(dialect);
    sql.push("UPDATE _ninefold_meta SET value = ").assign(Cow::Borrowed(to));
    sql.push(" WHERE ").name("key").push(" = ");
    sql.constant(&Value::text(NOTE));
    sql.push(" AND value = ").bind(Cow::Borrowed(from));
    sql.finish()
}
