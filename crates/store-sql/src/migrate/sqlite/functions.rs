//! What migrations add to SQL for as long as they run.

use engine::model::StoredType;
use engine::model::migration::Conversion;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::Value;
use rusqlite::{Connection, Error};

use super::stored;

/// `ninefold_convert(value, from, to)`: the value as the other type, null when it can't be without loss.
pub(super) const CONVERT: &str = "ninefold_convert";
const ARGUMENTS: i32 = 3;

pub(super) fn register(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY;
    connection.create_scalar_function(CONVERT, ARGUMENTS, flags, convert)
}

pub(super) fn unregister(connection: &Connection) -> rusqlite::Result<()> {
    connection.remove_function(CONVERT, ARGUMENTS)
}

fn convert(context: &Context<'_>) -> rusqlite::Result<Value> {
    let kind = |place: usize| -> rusqlite::Result<StoredType> {
        let text: String = context.get(place)?;
        text.parse()
            .map_err(|error: String| Error::UserFunctionError(error.into()))
    };
    let (from, to) = (kind(1)?, kind(2)?);
    let converted =
        stored::read(context.get_raw(0), &from).and_then(|value| Conversion::between(&from, &to)?.apply(&value));
    converted.map_or(Ok(Value::Null), |value| stored::write(&value))
}
