//! Values as a SQLite column holds them, by the type that a structure gives it.

use engine::model::{StoredType, Value};
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, Value as Held, ValueRef};

use crate::compile::Kind;
use crate::dialect::{Dialect, Sqlite};
use crate::sqlite::session::{self, Bound};

/// `None`: no value of the type is stored like this.
pub(super) fn read(held: ValueRef<'_>, kind: &StoredType) -> Option<Value> {
    session::value(held, Kind::of_stored(kind)).map(Value::from)
}

pub(super) fn write(value: &Value) -> rusqlite::Result<Held> {
    Ok(match Bound(value).to_sql()? {
        ToSqlOutput::Owned(held) => held,
        ToSqlOutput::Borrowed(held) => held.try_into()?,
        _ => Held::Null,
    })
}

/// For definitions, which know no parameters.
pub(super) fn literal(value: &Value) -> String {
    let mut sql = String::new();
    Sqlite.literal(&mut sql, value);
    sql
}

pub(super) fn text_literal(text: &str) -> String {
    literal(&Value::text(text))
}
