//! The log of changes on MySQL: triggers on each table, one statement after the other. They don't fire for what a foreign
//! key does to the rows that refer; Ninefold's own do nothing, and a table with others is not followed.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use engine::Model;
use engine::ports::change_log::{Begun, ChangeLog, Entry};
use engine::ports::relocation::Part;
use engine::ports::store::StoreError;
use mysql_async::Error;
use mysql_async::prelude::Queryable as _;

use super::error::{described, unavailable};
use super::relocation::MySqlRelocation;
use crate::change_log;
use crate::compile::{LOG, LogTable, NOTE};
use crate::dialect::{Dialect as _, MySql};
use crate::migrate::mysql::{LOCK, run::is_in_use};

/// How long others queue up behind an attempt to lock a table, and how long it is tried.
const ATTEMPT_SECONDS: u32 = 2;
const PATIENCE: Duration = Duration::from_secs(120);
/// How long to wait for a migration.
const LOCK_SECONDS: u32 = 60;
/// Each has a trigger of its own.
const EVENTS: [&str; 3] = ["insert", "update", "delete"];
/// The user may make no triggers, or none beside a binary log, or no tables.
const DENIED: [u16; 4] = [1044, 1142, 1227, 1419];

#[async_trait]
impl ChangeLog for MySqlRelocation {
    async fn note(&mut self) -> Result<Option<String>, StoreError> {
        change_log::note(&mut self.session().0).await
    }

    async fn begin(&mut self, note: String) -> Result<Begun, StoreError> {
        self.take_turn().await?;
        let begun = self.begin_log(&note).await;
        self.end_turn().await?;
        begun
    }

    async fn renote(&mut self, from: &str, to: String) -> Result<bool, StoreError> {
        change_log::renote(&mut self.session().0, from, &to).await
    }

    async fn entries(&mut self, part: Part, after: i64, limit: u32) -> Result<Vec<Entry>, StoreError> {
        let (mut session, model) = self.session();
        change_log::entries(&mut session, model, part, after, limit).await
    }

    async fn forget(&mut self, part: Part, numbers: Vec<i64>, from: &str, to: String) -> Result<bool, StoreError> {
        self.command("START TRANSACTION").await?;
        let (mut session, model) = self.session();
        let done = change_log::forget(&mut session, model, part, &numbers, from, &to).await;
        self.ended(done).await
    }

    async fn stands(&mut self, parts: &[Part]) -> Result<bool, StoreError> {
        let model = std::sync::Arc::clone(&self.model);
        let tables = self.followable().await.map_err(failed)?;
        let sql = "SELECT event_object_table, trigger_name FROM information_schema.triggers \
                   WHERE trigger_schema = DATABASE() AND LEFT(trigger_name, CHAR_LENGTH(?)) = ?";
        let found: Vec<(String, String)> = self.connection.conn.exec(sql, (LOG, LOG)).await.map_err(failed)?;
        let is_followed = |table: &LogTable<'_>| {
            let is_followable = tables.iter().any(|name| name == table.of);
            is_followable
                && EVENTS.iter().all(|event| {
                    let name = format!("{}_{event}", table.name);
                    found.iter().any(|(of, trigger)| *of == table.of && *trigger == name)
                })
        };
        Ok(parts.iter().all(|part| is_followed(&LogTable::of(&model, *part))))
    }

    async fn end(&mut self) -> Result<bool, StoreError> {
        self.take_turn().await?;
        let done = self.end_log().await;
        self.end_turn().await?;
        done.map_err(failed)
    }
}

impl MySqlRelocation {
    /// No migration runs meanwhile.
    async fn take_turn(&mut self) -> Result<(), StoreError> {
        let wait = format!("SET SESSION lock_wait_timeout = {ATTEMPT_SECONDS}");
        self.command(&wait).await?;
        let lock = format!("SELECT GET_LOCK({LOCK}, {LOCK_SECONDS})");
        let locked: Option<Option<i64>> = self.connection.conn.query_first(lock).await.map_err(failed)?;
        match locked.flatten() {
            Some(1) => Ok(()),
            _ => Err(unavailable("a migration of the database is under way")),
        }
    }

    async fn end_turn(&mut self) -> Result<(), StoreError> {
        self.command(&format!("DO RELEASE_LOCK({LOCK})")).await
    }

    async fn begin_log(&mut self, note: &str) -> Result<Begun, StoreError> {
        self.end_log().await.map_err(failed)?;
        // From here on there is one that doesn't stand, and no migration.
        self.set(NOTE, "").await?;
        let model = std::sync::Arc::clone(&self.model);
        match self.follow(&model).await {
            Ok(without) => {
                self.set(NOTE, note).await?;
                Ok(Begun::Without(without))
            }
            Err(Error::Server(reported)) if DENIED.contains(&reported.code) => {
                self.end_log().await.map_err(failed)?;
                Ok(Begun::Refused(reported.message))
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Tables for whose every change triggers fire.
    async fn followable(&mut self) -> Result<Vec<String>, Error> {
        let sql = "SELECT table_name FROM information_schema.tables \
                   WHERE table_schema = DATABASE() AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')";
        let mut tables: Vec<String> = self.connection.conn.query(sql).await?;
        let sql = "SELECT DISTINCT table_name FROM information_schema.referential_constraints \
                   WHERE constraint_schema = DATABASE() AND (delete_rule NOT IN ('RESTRICT', 'NO ACTION') \
                   OR update_rule NOT IN ('RESTRICT', 'NO ACTION'))";
        let cascading: Vec<String> = self.connection.conn.query(sql).await?;
        tables.retain(|table| !cascading.contains(table));
        Ok(tables)
    }

    /// Answers the parts that can't be followed.
    async fn follow(&mut self, model: &Model) -> Result<Vec<Part>, Error> {
        let tables = self.followable().await?;
        let mut without = Vec::new();
        for part in Part::all(model) {
            let table = LogTable::of(model, part);
            if !tables.iter().any(|found| found == table.of) {
                without.push(part);
                continue;
            }
            for definition in definitions(self.connection.dialect, &table) {
                self.patiently(&definition).await?;
            }
        }
        Ok(without)
    }

    /// Answers whether there was one.
    async fn end_log(&mut self) -> Result<bool, Error> {
        let conn = &mut self.connection.conn;
        // Whoever follows it finds it gone before anything of it is.
        let sql = "SELECT 1 FROM _ninefold_meta WHERE `key` = ?";
        let there: Option<i64> = conn.exec_first(sql, (NOTE,)).await?;
        let sql = "UPDATE _ninefold_meta SET value = '' WHERE `key` = ?";
        conn.exec_drop(sql, (NOTE,)).await?;
        let sql = "SELECT CONCAT('DROP TRIGGER ', trigger_name) FROM information_schema.triggers \
                   WHERE trigger_schema = DATABASE() AND LEFT(trigger_name, CHAR_LENGTH(?)) = ? \
                   UNION ALL SELECT CONCAT('DROP TABLE ', table_name) FROM information_schema.tables \
                   WHERE table_schema = DATABASE() AND LEFT(table_name, CHAR_LENGTH(?)) = ?";
        let drops: Vec<String> = conn.exec(sql, (LOG, LOG, LOG, LOG)).await?;
        for drop in drops {
            self.patiently(&drop).await?;
        }
        let sql = "DELETE FROM _ninefold_meta WHERE `key` = ?";
        self.connection.conn.exec_drop(sql, (NOTE,)).await?;
        Ok(there.is_some())
    }

    /// Who waits for a table keeps everybody out who comes later: so others are let through between two attempts.
    async fn patiently(&mut self, sql: &str) -> Result<(), Error> {
        let began = Instant::now();
        loop {
            let tried = Instant::now();
            match self.connection.conn.query_drop(sql).await {
                Err(error) if is_in_use(&error) && began.elapsed() < PATIENCE => {
                    tokio::time::sleep(tried.elapsed()).await;
                }
                done => return done,
            }
        }
    }
}

fn failed(error: Error) -> StoreError {
    match is_in_use(&error) {
        true => unavailable("a transaction of somebody else's keeps a table and does not end"),
        false => StoreError::Failed(described(&error)),
    }
}

fn definitions(dialect: &'static MySql, table: &LogTable<'_>) -> [String; 4] {
    let mut of = String::new();
    dialect.identifier(&mut of, table.of);
    let (name, columns) = (&table.name, table.columns());
    let selected = table
        .key(dialect, |column, place| format!("{column} AS key_{place}"))
        .join(", ");
    let row = |row: &str| table.key(dialect, |column, _| format!("{row}.{column}")).join(", ");
    let (old, new) = (row("OLD"), row("NEW"));
    // What compares as equal may be spelled otherwise.
    let same = table.key(dialect, |column, _| {
        format!("CAST(OLD.{column} AS BINARY) <=> CAST(NEW.{column} AS BINARY)")
    });
    let same = same.join(" AND ");
    let trigger = |event: &str, body: &str| {
        let on = event.to_ascii_uppercase();
        format!("CREATE TRIGGER {name}_{event} AFTER {on} ON {of} FOR EACH ROW {body}")
    };
    let log = |row: &str| format!("INSERT INTO {name} ({columns}) VALUES ({row})");
    let [insert, update, delete] = EVENTS;
    [
        format!(
            "CREATE TABLE {name} (number bigint NOT NULL AUTO_INCREMENT PRIMARY KEY) ENGINE = InnoDB \
             SELECT {selected} FROM {of} WHERE FALSE"
        ),
        trigger(insert, &log(&new)),
        trigger(
            update,
            &format!("BEGIN {}; IF NOT ({same}) THEN {}; END IF; END", log(&new), log(&old)),
        ),
        trigger(delete, &log(&old)),
    ]
}
