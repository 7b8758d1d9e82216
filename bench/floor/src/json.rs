//! From columns to JSON, straight into the buffer.

use std::ops::Range;

use anyhow::{Result, bail};
use floor::columns::{Column, Kind, write_id, write_time};
use rusqlite::types::ValueRef;
use uuid::Uuid;

/// Some members of an object that the caller closes.
pub(crate) fn write<'v>(
    body: &mut Vec<u8>,
    columns: &[Column],
    range: Range<usize>,
    value: impl Fn(usize) -> Result<ValueRef<'v>>,
) -> Result<()> {
    for index in range {
        let (name, kind) = columns[index];
        body.extend_from_slice(name.as_bytes());
        match (kind, value(index)?) {
            (Kind::Id, ValueRef::Blob(id)) => write_id(body, Uuid::from_slice(id)?),
            (Kind::Int, ValueRef::Integer(number)) => body.extend_from_slice(number.to_string().as_bytes()),
            (Kind::Bool, ValueRef::Integer(number)) => {
                body.extend_from_slice(if number == 0 { b"false" } else { b"true" });
            }
            (Kind::Text, ValueRef::Text(text)) => serde_json::to_writer(&mut *body, std::str::from_utf8(text)?)?,
            (Kind::Json, ValueRef::Text(text)) => body.extend_from_slice(text),
            (Kind::Time, ValueRef::Integer(ms)) => write_time(body, ms),
            (_, other) => bail!("column {index} holds {:?}", other.data_type()),
        }
    }
    Ok(())
}
