//! Tables that are Ninefold's own, and what they say about the database.

use engine::model::Structure;
use rusqlite::{Connection, OptionalExtension, params};

use super::accounts;

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

const META: &str = "_ninefold_meta";
const SYSTEM_VERSION: &str = "system_version";
const STRUCTURE: &str = "structure";

/// Brings our own tables to this version of Ninefold. Cheap when they are.
pub(super) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    let done = version(connection)?;
    let missing = VERSIONS.get(done..).unwrap_or_default();
    if missing.is_empty() {
        return Ok(());
    }
    for statement in missing.iter().copied().flatten() {
        connection.execute_batch(statement)?;
    }
    write(connection, SYSTEM_VERSION, &VERSIONS.len().to_string())
}

fn version(connection: &Connection) -> rusqlite::Result<usize> {
    Ok(read(connection, SYSTEM_VERSION)?
        .and_then(|text| text.parse().ok())
        .unwrap_or(0))
}

/// The structure that the database was last brought to; `None` where Ninefold has never been.
pub(super) fn read_structure(connection: &Connection) -> rusqlite::Result<Option<Structure>> {
    let Some(json) = read(connection, STRUCTURE)? else {
        return Ok(None);
    };
    let structure = serde_json::from_str(&json)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error.into()))?;
    Ok(Some(structure))
}

pub(super) fn write_structure(connection: &Connection, structure: &Structure) -> rusqlite::Result<()> {
    let json = serde_json::to_string(structure).expect("a structure is plain data");
    write(connection, STRUCTURE, &json)
}

fn read(connection: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    if !connection.table_exists(None, META)? {
        return Ok(None);
    }
    connection
        .query_row("SELECT value FROM _ninefold_meta WHERE key = ?1", [key], |row| {
            row.get(0)
        })
        .optional()
}

fn write(connection: &Connection, key: &str, value: &str) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO _ninefold_meta (key, value) VALUES (?1, ?2)
         ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        params![key, value],
    )?;
    Ok(())
}
