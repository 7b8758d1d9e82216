//! From columns in PostgreSQL's binary format to JSON, straight into the buffer.

use std::error::Error;
use std::ops::Range;

use anyhow::{Context, Result};
use floor::columns::{Column, Kind, write_id, write_time};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};
use uuid::Uuid;

/// From 1970-01-01 to 2000-01-01, from where PostgreSQL counts.
pub(crate) const EPOCH_MS: i64 = 10_957 * 86_400_000;

/// A column as the server sent it.
pub(crate) struct Raw<'a>(pub(crate) &'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl Raw<'_> {
    pub(crate) fn int(&self) -> Result<i64> {
        Ok(i64::from_be_bytes(self.0.try_into()?))
    }

    pub(crate) fn id(&self) -> Result<Uuid> {
        Ok(Uuid::from_slice(self.0)?)
    }

    pub(crate) fn truth(&self) -> Result<bool> {
        Ok(*self.0.first().context("a boolean is one byte")? != 0)
    }
}

/// Some members of an object that the caller closes.
pub(crate) fn write(body: &mut Vec<u8>, columns: &[Column], range: Range<usize>, row: &Row) -> Result<()> {
    for index in range {
        let (name, kind) = columns[index];
        body.extend_from_slice(name.as_bytes());
        let value: Raw<'_> = row.try_get(index)?;
        match kind {
            Kind::Id => write_id(body, value.id()?),
            Kind::Int => body.extend_from_slice(value.int()?.to_string().as_bytes()),
            Kind::Bool => body.extend_from_slice(if value.truth()? { b"true" } else { b"false" }),
            Kind::Text => serde_json::to_writer(&mut *body, std::str::from_utf8(value.0)?)?,
            Kind::Json => body.extend_from_slice(value.0),
            Kind::Time => write_time(body, value.int()?.div_euclid(1000) + EPOCH_MS),
        }
    }
    Ok(())
}
