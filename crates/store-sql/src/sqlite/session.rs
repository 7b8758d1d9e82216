//! Statements on a SQLite connection: binding, stepping, reading values back.

use std::time::Instant;

use engine::Model;
use engine::model::{Date, Decimal, Timestamp, Value};
use engine::ports::store::StoreError;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection};
use uuid::Uuid;

use super::connection::Timed;
use super::error::{store_error, write_error};
use crate::compile::{DialectRef, Kind, Statement};
use crate::dialect::Sqlite;
use crate::session::{Columns, Session};

/// A connection for as long as one job has it.
pub(super) struct SqliteSession<'c> {
    place: Place<'c>,
    model: &'c Model,
}

enum Place<'c> {
    /// Under a deadline already, for as long as the job runs.
    Reader(&'c Connection),
    /// Only what reads is under the deadline: SQLite answers an interrupted write by giving up the transaction, and
    /// with it every other request of the group. Writes are by key, and short.
    Writer(&'c Timed, Instant),
}

impl<'c> SqliteSession<'c> {
    pub(super) fn reading(connection: &'c Connection, model: &'c Model) -> Self {
        Self {
            place: Place::Reader(connection),
            model,
        }
    }

    pub(super) fn writing(connection: &'c Timed, deadline: Instant, model: &'c Model) -> Self {
        Self {
            place: Place::Writer(connection, deadline),
            model,
        }
    }
}

impl Session for SqliteSession<'_> {
    fn dialect(&self) -> DialectRef {
        &Sqlite
    }

    async fn query(&mut self, statement: Statement<'_>) -> Result<Vec<Columns>, StoreError> {
        let result = match self.place {
            Place::Reader(connection) => rows(connection, &statement),
            Place::Writer(timed, deadline) => timed.within(deadline, |connection| rows(connection, &statement)),
        };
        result.map_err(|error| store_error(&error))
    }

    async fn execute(&mut self, statement: Statement<'_>) -> Result<u64, StoreError> {
        let connection = match self.place {
            Place::Reader(connection) => connection,
            Place::Writer(timed, _) => timed.connection(),
        };
        let changed = prepared(connection, &statement).and_then(|mut prepared| prepared.raw_execute());
        let changed = changed.map_err(|error| write_error(&error, self.model))?;
        if mutant!(OneTransaction) {
            let apart = connection.execute_batch("COMMIT; BEGIN IMMEDIATE; SAVEPOINT request");
            apart.map_err(|error| store_error(&error))?;
        }
        Ok(changed as u64)
    }

    async fn insert(&mut self, statement: Statement<'_>) -> Result<Option<Columns>, StoreError> {
        let connection = match self.place {
            Place::Reader(connection) => connection,
            Place::Writer(timed, _) => timed.connection(),
        };
        let mut rows = rows(connection, &statement).map_err(|error| write_error(&error, self.model))?;
        Ok(rows.pop())
    }
}

fn prepared<'c>(connection: &'c Connection, statement: &Statement<'_>) -> rusqlite::Result<CachedStatement<'c>> {
    let mut prepared = connection.prepare_cached(&statement.text)?;
    for (index, value) in statement.binds.iter().enumerate() {
        prepared.raw_bind_parameter(index + 1, Bound(value))?;
    }
    Ok(prepared)
}

fn rows(connection: &Connection, statement: &Statement<'_>) -> rusqlite::Result<Vec<Columns>> {
    let mut prepared = prepared(connection, statement)?;
    let mut found = Vec::new();
    let mut rows = prepared.raw_query();
    while let Some(row) = rows.next()? {
        let mut columns = Vec::with_capacity(statement.columns.len());
        for (index, kind) in statement.columns.iter().enumerate() {
            columns.push(value(row.get_ref(index)?, *kind).ok_or_else(|| unreadable(row, index, *kind))?);
        }
        found.push(columns);
    }
    Ok(found)
}

fn unreadable(row: &rusqlite::Row<'_>, index: usize, kind: Kind) -> rusqlite::Error {
    let found = row
        .get_ref(index)
        .map_or(rusqlite::types::Type::Null, |value| value.data_type());
    rusqlite::Error::InvalidColumnType(index, format!("{kind:?}"), found)
}

/// `None`: the column holds what no value of its type is stored as.
pub(crate) fn value(stored: ValueRef<'_>, kind: Kind) -> Option<Value> {
    let value = match (stored, kind) {
        (ValueRef::Null, _) => Value::Null,
        (ValueRef::Integer(number), Kind::Bool) => Value::Bool(number != 0),
        (ValueRef::Integer(number), Kind::Int) => Value::Int(number),
        (ValueRef::Integer(number), Kind::Decimal) => Value::Decimal(Decimal(number)),
        (ValueRef::Integer(number), Kind::DateTime) => Value::DateTime(Timestamp(number)),
        (ValueRef::Integer(number), Kind::Date) => Value::Date(Date(i32::try_from(number).ok()?)),
        (ValueRef::Integer(number), Kind::Duration) => Value::Duration(number),
        (ValueRef::Real(number), Kind::Float) => Value::Float(number),
        #[expect(
            clippy::cast_precision_loss,
            reason = "as SQLite itself does where a number has become an integer"
        )]
        (ValueRef::Integer(number), Kind::Float) => Value::Float(number as f64),
        (ValueRef::Text(text), Kind::Text) => Value::text(std::str::from_utf8(text).ok()?),
        (ValueRef::Text(text), Kind::Json) => Value::Json(std::str::from_utf8(text).ok()?.into()),
        (ValueRef::Blob(bytes), Kind::Id) => Value::Id(Uuid::from_slice(bytes).ok()?),
        (ValueRef::Blob(bytes), Kind::Bytes) => Value::Bytes(bytes.into()),
        _ => return None,
    };
    Some(value)
}

/// A value as it is stored.
pub(crate) struct Bound<'a>(pub(crate) &'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let stored = match self.0 {
            Value::Null => ValueRef::Null,
            Value::Bool(truth) => ValueRef::Integer(i64::from(*truth)),
            Value::Int(number)
            | Value::Duration(number)
            | Value::Decimal(Decimal(number))
            | Value::DateTime(Timestamp(number)) => ValueRef::Integer(*number),
            Value::Date(date) => ValueRef::Integer(i64::from(date.0)),
            Value::Float(number) => ValueRef::Real(*number),
            Value::Text(text) | Value::Json(text) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
            Value::Id(id) => ValueRef::Blob(id.as_bytes()),
            Value::List(_) | Value::Record(_) | Value::Hidden => {
                let reason = "a value that is never stored was bound";
                return Err(rusqlite::Error::ToSqlConversionFailure(reason.into()));
            }
        };
        Ok(ToSqlOutput::Borrowed(stored))
    }
}
