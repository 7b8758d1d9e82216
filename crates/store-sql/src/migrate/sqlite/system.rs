//! Tables that are Ninefold's own, and what they say about the database.

use engine::model::migration::FileId;
use engine::model::{Structure, Timestamp};
use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension, ToSql, params};

use super::accounts;
use crate::compile::NOTE;

/// Statements by version: a database at version `n` has run the first `n` groups. Groups are only ever appended.
const VERSIONS: &[&[&str]] = &[
    &[
        "CREATE TABLE _ninefold_meta (key TEXT NOT NULL PRIMARY KEY, value ANY NOT NULL) STRICT",
        "CREATE TABLE _ninefold_idempotency (
        scope BLOB NOT NULL PRIMARY KEY,
        request BLOB NOT NULL,
        outcome BLOB NOT NULL,
        expires_at INTEGER NOT NULL
    ) STRICT",
        "CREATE INDEX _ninefold_idempotency_expires ON _ninefold_idempotency (expires_at)",
        "CREATE TABLE _ninefold_migration (
        id INTEGER NOT NULL PRIMARY KEY,
        name TEXT NOT NULL,
        checksum BLOB NOT NULL,
        applied_at INTEGER NOT NULL
    ) STRICT",
    ],
    accounts::TABLES,
];

/// The format of our own tables, as this version of Ninefold knows it; the database's is in `_ninefold_meta`.
pub(crate) const FORMAT: i64 = VERSIONS.len() as i64;

const FORMAT_KEY: &str = "format";
const STRUCTURE_KEY: &str = "structure";

/// Brings our own tables to the newest format. Cheap when they are there already.
///
/// # Errors
/// What SQLite says; call it in a transaction to have all or nothing.
pub fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    let done: i64 = read(connection, FORMAT_KEY)?.unwrap_or(0);
    let done = usize::try_from(done).unwrap_or(usize::MAX);
    let missing = VERSIONS.get(done..).unwrap_or_default();
    if missing.is_empty() {
        return Ok(());
    }
    for statement in missing.iter().copied().flatten() {
        connection.execute_batch(statement)?;
    }
    write(connection, FORMAT_KEY, &FORMAT)
}

/// The structure that the database was last brought to; `None` where Ninefold has never been.
pub(super) fn read_structure(connection: &Connection) -> rusqlite::Result<Option<Structure>> {
    let Some(json) = read::<String>(connection, STRUCTURE_KEY)? else {
        return Ok(None);
    };
    let structure = serde_json::from_str(&json)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error.into()))?;
    Ok(Some(structure))
}

pub(super) fn write_structure(connection: &Connection, structure: &Structure) -> rusqlite::Result<()> {
    let json = serde_json::to_string(structure).expect("a structure is plain data");
    write(connection, STRUCTURE_KEY, &json)
}

/// Files that the database has run, in order.
pub(super) fn read_applied(connection: &Connection) -> rusqlite::Result<Vec<FileId>> {
    if !connection.table_exists(None, "_ninefold_migration")? {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare("SELECT id, name, checksum FROM _ninefold_migration ORDER BY id")?;
    let rows = statement.query_map([], |row| {
        Ok(FileId {
            number: row.get(0)?,
            name: row.get(1)?,
            checksum: row.get(2)?,
        })
    })?;
    rows.collect()
}

pub(super) fn write_applied(connection: &Connection, file: &FileId, now: Timestamp) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO _ninefold_migration (id, name, checksum, applied_at) VALUES (?1, ?2, ?3, ?4)",
        params![file.number, file.name, file.checksum, now.0],
    )?;
    Ok(())
}

/// Whether a move follows the database.
pub(super) fn is_followed(connection: &Connection) -> rusqlite::Result<bool> {
    Ok(read::<String>(connection, NOTE)?.is_some())
}

fn read<T: FromSql>(connection: &Connection, key: &str) -> rusqlite::Result<Option<T>> {
    if !connection.table_exists(None, "_ninefold_meta")? {
        return Ok(None);
    }
    let sql = "SELECT value FROM _ninefold_meta WHERE key = ?1";
    connection.query_row(sql, [key], |row| row.get(0)).optional()
}

fn write(connection: &Connection, key: &str, value: &dyn ToSql) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO _ninefold_meta (key, value) VALUES (?1, ?2)
         ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        params![key, value],
    )?;
    Ok(())
}
