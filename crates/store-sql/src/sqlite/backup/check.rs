//! What a backup says of itself, and whether SQLite finds it whole.

use std::path::Path;

use engine::model::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::BackupError;
use crate::migrate::sqlite::FORMAT;
use crate::sqlite::open::stored_format;

/// Under this key `_ninefold_meta` of a backup has when it was made; a database that is served has no such key.
const KEY: &str = "backup";

/// Makes a backup of a copy.
pub(super) fn write_manifest(copy: &Path, made: Timestamp) -> Result<(), BackupError> {
    open(copy)?.execute(
        "INSERT OR REPLACE INTO _ninefold_meta (key, value) VALUES (?, ?)",
        params![KEY, made.0],
    )?;
    Ok(())
}

/// When the file was made, which claims to be a backup.
pub(super) fn read_manifest(path: &Path) -> Result<Timestamp, BackupError> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let not_a_backup = || BackupError::NotABackup(path.to_owned());
    let format = stored_format(&connection)?.ok_or_else(not_a_backup)?;
    let sql = "SELECT value FROM _ninefold_meta WHERE key = ?";
    let made: Option<i64> = connection.query_row(sql, [KEY], |row| row.get(0)).optional()?;
    let made = made.ok_or_else(not_a_backup)?;
    if format > FORMAT {
        return Err(BackupError::Newer {
            path: path.to_owned(),
            found: format,
            known: FORMAT,
        });
    }
    Ok(Timestamp(made))
}

/// Makes of a backup a database to be served. Its positions begin behind every one that was given out before `now`: those
/// who come back after a restore must not take what they missed for nothing.
pub(super) fn make_servable(copy: &Path, now: Timestamp) -> Result<(), BackupError> {
    // Far more than a process commits in a millisecond.
    let position = now.0.saturating_mul(1000);
    let connection = open(copy)?;
    let transaction = connection.unchecked_transaction()?;
    transaction.execute("DELETE FROM _ninefold_meta WHERE key = ?", [KEY])?;
    transaction.execute(
        "INSERT INTO _ninefold_meta (key, value) VALUES ('position', ?)
         ON CONFLICT (key) DO UPDATE SET value = max(value, excluded.value)",
        [position],
    )?;
    transaction.commit()?;
    Ok(())
}

/// Checks a copy and makes it one file, without a log; answers the format of our own tables, if they are there. `named`
/// is what an error speaks of.
pub(super) fn whole(copy: &Path, named: &Path) -> Result<Option<i64>, BackupError> {
    let damaged = |finding: String| BackupError::Damaged {
        path: named.to_owned(),
        finding,
    };
    let connection = open(copy)?;
    let mode: String = connection.query_row("PRAGMA journal_mode = delete", [], |row| row.get(0))?;
    if mode != "delete" {
        return Err(damaged(format!("it can't be made one file (it stays {mode})")));
    }
    let findings: Vec<String> = connection
        .prepare("PRAGMA integrity_check(10)")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    if findings != ["ok"] {
        return Err(damaged(findings.join("; ")));
    }
    let dangling: Option<String> = connection
        .query_row("PRAGMA foreign_key_check", [], |row| row.get(0))
        .optional()?;
    if let Some(table) = dangling {
        return Err(damaged(format!("a row of {table} refers to nothing")));
    }
    Ok(stored_format(&connection)?)
}

fn open(copy: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    crate::sqlite::functions::register(&connection)?;
    Ok(connection)
}
