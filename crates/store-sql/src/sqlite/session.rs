//! Statements on a SQLite connection: binding, stepping, reading values back.

use std::time::Instant;

use engine::Model;
use engine::model::{Date, Decimal, Timestamp, Value, ValueRef};
use engine::ports::store::StoreError;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef as Stored};
use rusqlite::{CachedStatement, Connection};
use uuid::Uuid;

use super::connection::Timed;
use super::error::{store_error, write_error};
use crate::compile::{DialectRef, Kind, Statement};
use crate::dialect::Sqlite;
use crate::session::{Columns, EachRow, Session, owned};

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

    async fn each(&mut self, statement: Statement<'_>, row: EachRow<'_>) -> Result<(), StoreError> {
        let result = match self.place {
            Place::Reader(connection) => read(connection, &statement, row),
            Place::Writer(timed, deadline) => timed.within(deadline, |connection| read(connection, &statement, row)),
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
        let mut last = None;
        read(connection, &statement, &mut |row| last = Some(owned(row)))
            .map_err(|error| write_error(&error, self.model))?;
        Ok(last)
    }
}

fn prepared<'c>(connection: &'c Connection, statement: &Statement<'_>) -> rusqlite::Result<CachedStatement<'c>> {
    let mut prepared = connection.prepare_cached(&statement.text)?;
    for (index, value) in statement.binds.iter().enumerate() {
        prepared.raw_bind_parameter(index + 1, Bound(value))?;
    }
    Ok(prepared)
}

fn read(connection: &Connection, statement: &Statement<'_>, each: EachRow<'_>) -> rusqlite::Result<()> {
    let mut prepared = prepared(connection, statement)?;
    let mut rows = prepared.raw_query();
    while let Some(row) = rows.next()? {
        let mut columns = Vec::with_capacity(statement.columns.len());
        for (index, kind) in statement.columns.iter().enumerate() {
            columns.push(value(row.get_ref(index)?, *kind).ok_or_else(|| unreadable(row, index, *kind))?);
        }
        each(&columns);
    }
    Ok(())
}

fn unreadable(row: &rusqlite::Row<'_>, index: usize, kind: Kind) -> rusqlite::Error {
    let found = row
        .get_ref(index)
        .map_or(rusqlite::types::Type::Null, |value| value.data_type());
    rusqlite::Error::InvalidColumnType(index, format!("{kind:?}"), found)
}

/// `None`: the column holds what no value of its type is stored as.
pub(crate) fn value(stored: Stored<'_>, kind: Kind) -> Option<ValueRef<'_>> {
    let value = match (stored, kind) {
        (Stored::Null, _) => ValueRef::Null,
        (Stored::Integer(number), Kind::Bool) => ValueRef::Bool(number != 0),
        (Stored::Integer(number), Kind::Int) => ValueRef::Int(number),
        (Stored::Integer(number), Kind::Decimal) => ValueRef::Decimal(Decimal(number)),
        (Stored::Integer(number), Kind::DateTime) => ValueRef::DateTime(Timestamp(number)),
        (Stored::Integer(number), Kind::Date) => ValueRef::Date(Date(i32::try_from(number).ok()?)),
        (Stored::Integer(number), Kind::Duration) => ValueRef::Duration(number),
        (Stored::Real(number), Kind::Float) => ValueRef::Float(number),
        #[expect(
            clippy::cast_precision_loss,
            reason = "as SQLite itself does where a number has become an integer"
        )]
        (Stored::Integer(number), Kind::Float) => ValueRef::Float(number as f64),
        (Stored::Text(text), Kind::Text) => ValueRef::Text(std::str::from_utf8(text).ok()?),
        (Stored::Text(text), Kind::Json) => ValueRef::Json(std::str::from_utf8(text).ok()?),
        (Stored::Blob(bytes), Kind::Id) => ValueRef::Id(Uuid::from_slice(bytes).ok()?),
        (Stored::Blob(bytes), Kind::Bytes) => ValueRef::Bytes(bytes),
        _ => return None,
    };
    Some(value)
}

/// A value as it is stored.
pub(crate) struct Bound<'a>(pub(crate) &'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let stored = match self.0 {
            Value::Null => Stored::Null,
            Value::Bool(truth) => Stored::Integer(i64::from(*truth)),
            Value::Int(number)
            | Value::Duration(number)
            | Value::Decimal(Decimal(number))
            | Value::DateTime(Timestamp(number)) => Stored::Integer(*number),
            Value::Date(date) => Stored::Integer(i64::from(date.0)),
            Value::Float(number) => Stored::Real(*number),
            Value::Text(text) | Value::Json(text) => Stored::Text(text.as_bytes()),
            Value::Bytes(bytes) => Stored::Blob(bytes),
            Value::Id(id) => Stored::Blob(id.as_bytes()),
            Value::List(_) | Value::Record(_) | Value::Hidden => {
                let reason = "a value that is never stored was bound";
                return Err(rusqlite::Error::ToSqlConversionFailure(reason.into()));
            }
        };
        Ok(ToSqlOutput::Borrowed(stored))
    }
}
