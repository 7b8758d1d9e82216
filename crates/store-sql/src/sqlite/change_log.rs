//! The log of changes on SQLite: triggers, made and taken away in one transaction.

use async_trait::async_trait;
use engine::Model;
use engine::ports::change_log::{Begun, ChangeLog, Entry};
use engine::ports::relocation::Part;
use engine::ports::store::StoreError;
use rusqlite::{Connection, OptionalExtension, params};

use super::error::store_error;
use super::relocation::{SqliteRelocation, set, transaction};
use super::session::SqliteSession;
use crate::change_log;
use crate::compile::{LOG, LogTable, NOTE};
use crate::dialect::{Dialect as _, Sqlite};
use crate::session::at_once;

#[async_trait]
impl ChangeLog for SqliteRelocation {
    async fn note(&mut self) -> Result<Option<String>, StoreError> {
        self.run(|connection, model| at_once(change_log::note(&mut SqliteSession::reading(connection, model))))
            .await
    }

    async fn begin(&mut self, note: String) -> Result<Begun, StoreError> {
        self.run(move |connection, model| {
            transaction(connection, model, || {
                let failed = |error: rusqlite::Error| store_error(&error);
                end(connection).map_err(failed)?;
                let without = begin(connection, model).map_err(failed)?;
                set(connection, NOTE, &note)?;
                Ok(Begun::Without(without))
            })
        })
        .await
    }

    async fn renote(&mut self, from: &str, to: String) -> Result<bool, StoreError> {
        let from = from.to_owned();
        self.run(move |connection, model| {
            transaction(connection, model, || {
                at_once(change_log::renote(
                    &mut SqliteSession::reading(connection, model),
                    &from,
                    &to,
                ))
            })
        })
        .await
    }

    async fn entries(&mut self, part: Part, after: i64, limit: u32) -> Result<Vec<Entry>, StoreError> {
        self.run(move |connection, model| {
            let mut session = SqliteSession::reading(connection, model);
            at_once(change_log::entries(&mut session, model, part, after, limit))
        })
        .await
    }

    async fn forget(&mut self, part: Part, numbers: Vec<i64>, from: &str, to: String) -> Result<bool, StoreError> {
        let from = from.to_owned();
        self.run(move |connection, model| {
            transaction(connection, model, || {
                let mut session = SqliteSession::reading(connection, model);
                at_once(change_log::forget(&mut session, model, part, &numbers, &from, &to))
            })
        })
        .await
    }

    async fn stands(&mut self, parts: &[Part]) -> Result<bool, StoreError> {
        let parts = parts.to_vec();
        self.run(move |connection, model| {
            for part in &parts {
                let stands = stands(connection, &LogTable::of(model, *part));
                if !stands.map_err(|error| store_error(&error))? {
                    return Ok(false);
                }
            }
            Ok(true)
        })
        .await
    }

    async fn end(&mut self) -> Result<bool, StoreError> {
        self.run(|connection, model| {
            transaction(connection, model, || {
                end(connection).map_err(|error| store_error(&error))
            })
        })
        .await
    }
}

/// Answers the parts that can't be followed.
fn begin(connection: &Connection, model: &Model) -> rusqlite::Result<Vec<Part>> {
    let mut without = Vec::new();
    for part in Part::all(model) {
        let table = LogTable::of(model, part);
        let sql = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ? COLLATE NOCASE";
        let is_table = connection.query_row(sql, [table.of], |_| Ok(())).optional()?;
        match is_table {
            Some(()) => connection.execute_batch(&definitions(&table))?,
            // What a view shows changes elsewhere.
            None => without.push(part),
        }
    }
    Ok(without)
}

fn definitions(table: &LogTable<'_>) -> String {
    let mut of = String::new();
    Sqlite.identifier(&mut of, table.of);
    let (name, columns) = (&table.name, table.columns());
    let declared = table.key(&Sqlite, |_, place| format!("key_{place} ANY")).join(", ");
    let row = |row: &str| table.key(&Sqlite, |column, _| format!("{row}.{column}")).join(", ");
    let (old, new) = (row("OLD"), row("NEW"));
    let same = table.key(&Sqlite, |column, _| {
        format!("OLD.{column} COLLATE BINARY IS NEW.{column}")
    });
    let same = same.join(" AND ");
    format!(
        "CREATE TABLE {name} (number INTEGER PRIMARY KEY, {declared}) STRICT;
         CREATE TRIGGER {name}_insert AFTER INSERT ON {of} BEGIN
             INSERT INTO {name} ({columns}) VALUES ({new});
         END;
         CREATE TRIGGER {name}_update AFTER UPDATE ON {of} BEGIN
             INSERT INTO {name} ({columns}) VALUES ({new});
             INSERT INTO {name} ({columns}) SELECT {old} WHERE NOT ({same});
         END;
         CREATE TRIGGER {name}_delete AFTER DELETE ON {of} BEGIN
             INSERT INTO {name} ({columns}) VALUES ({old});
         END;"
    )
}

/// Whether its triggers are there.
fn stands(connection: &Connection, table: &LogTable<'_>) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) = 3 FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?2 COLLATE NOCASE \
               AND name IN (?1 || '_insert', ?1 || '_update', ?1 || '_delete')";
    connection.query_row(sql, params![table.name, table.of], |row| row.get(0))
}

/// Answers whether there was one.
fn end(connection: &Connection) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare(
        "SELECT type, name FROM sqlite_schema
         WHERE type IN ('trigger', 'table') AND substr(name, 1, length(?1)) = ?1 ORDER BY type DESC",
    )?;
    let found = statement.query_map([LOG], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let found: Vec<(String, String)> = found.collect::<Result<_, _>>()?;
    for (kind, name) in found {
        connection.execute_batch(&format!("DROP {kind} {name}"))?;
    }
    let sql = "DELETE FROM _ninefold_meta WHERE key = ?";
    Ok(connection.execute(sql, params![NOTE])? > 0)
}
