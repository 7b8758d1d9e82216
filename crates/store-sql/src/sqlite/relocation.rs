//! Moving a database's data, on SQLite: on a connection of its own, which checks relations only at the end.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use engine::Model;
use engine::model::Value;
use engine::ports::change_log::ChangeLog;
use engine::ports::relocation::{Part, Relocation, Turn};
use engine::ports::store::StoreError;
use rusqlite::{Connection, OptionalExtension, params};

use super::checkpoint::checkpoint;
use super::connection::{self, Timed};
use super::error::{store_error, write_error};
use super::open::{Place, Possession};
use super::session::SqliteSession;
use crate::relocation::{self, MARK, MOVED};
use crate::session::at_once;

/// Pages in the log after which this connection copies it into the database: the store's own checkpoints count only
/// what its writer commits.
const CHECKPOINT_PAGES: u32 = 4000;

/// How long to wait for one who serves the database.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct SqliteRelocation {
    connection: Arc<Mutex<Timed>>,
    model: Arc<Model>,
    /// In the log, as the last commit left it.
    log_pages: Arc<AtomicU32>,
}

/// # Errors
/// Another process has the database.
pub(super) fn start(place: &Place, model: Arc<Model>, is_served: bool) -> Result<SqliteRelocation, StoreError> {
    if place.possession == Possession::Beside && !is_served {
        return Err(super::error::unavailable("another process serves the database"));
    }
    let open = || {
        let timed = connection::writing(&place.path, &place.options)?;
        timed.connection().pragma_update(None, "foreign_keys", false)?;
        Ok(timed)
    };
    let mut connection = open().map_err(|error| store_error(&error))?;
    let log_pages = Arc::new(AtomicU32::new(0));
    // Where the database is served, its log is looked after already.
    if !is_served {
        let counted = Arc::clone(&log_pages);
        let told = connection.on_commit(move |pages| counted.store(pages, Ordering::Relaxed));
        told.map_err(|error| store_error(&error))?;
    }
    Ok(SqliteRelocation {
        connection: Arc::new(Mutex::new(connection)),
        model,
        log_pages,
    })
}

/// The mark of the move that fills this database.
pub(super) fn mark(connection: &Connection) -> rusqlite::Result<Option<String>> {
    if !connection.table_exists(None, "_ninefold_meta")? {
        return Ok(None);
    }
    let sql = "SELECT value FROM _ninefold_meta WHERE key = ?";
    connection.query_row(sql, [MARK], |row| row.get(0)).optional()
}

impl SqliteRelocation {
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &Model) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (connection, model) = (Arc::clone(&self.connection), Arc::clone(&self.model));
        let working = move || {
            let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            work(connection.connection(), &model)
        };
        let worked = tokio::task::spawn_blocking(working).await;
        worked.map_err(|error| StoreError::Failed(error.to_string()))?
    }
}

#[async_trait]
impl Relocation for SqliteRelocation {
    async fn alone(&mut self) -> Result<(), StoreError> {
        // As long as this one is open, no server can open it.
        Ok(())
    }

    async fn count(&mut self, part: Part) -> Result<u64, StoreError> {
        self.run(move |connection, model| {
            at_once(relocation::count(
                &mut SqliteSession::reading(connection, model),
                model,
                part,
            ))
        })
        .await
    }

    async fn read(&mut self, part: Part, after: Option<Vec<Value>>, limit: u32) -> Result<Vec<Vec<Value>>, StoreError> {
        self.run(move |connection, model| {
            let mut session = SqliteSession::reading(connection, model);
            at_once(relocation::read(&mut session, model, part, after.as_deref(), limit))
        })
        .await
    }

    async fn find(&mut self, part: Part, keys: Vec<Vec<Value>>) -> Result<Vec<Vec<Value>>, StoreError> {
        self.run(move |connection, model| {
            let mut session = SqliteSession::reading(connection, model);
            at_once(relocation::find(&mut session, model, part, &keys))
        })
        .await
    }

    fn change_log(&mut self) -> Option<&mut dyn ChangeLog> {
        Some(self)
    }

    async fn mark(&mut self) -> Result<Option<String>, StoreError> {
        self.run(|connection, _| mark(connection).map_err(|error| store_error(&error)))
            .await
    }

    async fn position(&mut self) -> Result<String, StoreError> {
        // A number there.
        let sql = "SELECT CAST(value AS TEXT) FROM _ninefold_meta WHERE key = 'position'";
        self.run(|connection, _| {
            let found = connection.query_row(sql, [], |row| row.get(0)).optional();
            found
                .map(Option::unwrap_or_default)
                .map_err(|error| store_error(&error))
        })
        .await
    }

    async fn moved(&mut self) -> Result<Option<String>, StoreError> {
        self.run(|connection, model| at_once(relocation::meta(&mut SqliteSession::reading(connection, model), MOVED)))
            .await
    }

    async fn begin(&mut self, mark: String) -> Result<bool, StoreError> {
        self.run(move |connection, model| {
            transaction(connection, model, || {
                let failed = |error: rusqlite::Error| store_error(&error);
                let sql = "INSERT OR IGNORE INTO _ninefold_meta (key, value) VALUES (?, ?)";
                if connection.execute(sql, [MARK, &mark]).map_err(failed)? == 0 {
                    return Ok(false);
                }
                let sql = "DELETE FROM _ninefold_meta WHERE key = ?";
                connection.execute(sql, [MOVED]).map_err(failed).map(|_| true)
            })
        })
        .await
    }

    async fn put(
        &mut self,
        part: Part,
        gone: Vec<Vec<Value>>,
        rows: Vec<Vec<Value>>,
        turn: Turn,
    ) -> Result<bool, StoreError> {
        let log_pages = Arc::clone(&self.log_pages);
        self.run(move |connection, model| {
            let put = transaction(connection, model, || {
                let mut session = SqliteSession::reading(connection, model);
                at_once(relocation::put(&mut session, model, part, &gone, &rows, &turn))
            })?;
            if log_pages.load(Ordering::Relaxed) >= CHECKPOINT_PAGES
                && let Err(error) = checkpoint(connection, "PASSIVE")
            {
                tracing::warn!(%error, "a checkpoint of the move failed");
            }
            Ok(put)
        })
        .await
    }

    async fn finish(&mut self, mark: &str, moved: String) -> Result<bool, StoreError> {
        let mark = mark.to_owned();
        self.run(move |connection, model| {
            let failed = |error: rusqlite::Error| store_error(&error);
            let sql = "SELECT \"table\", \"parent\" FROM pragma_foreign_key_check LIMIT 1";
            let dangling: Option<(String, String)> = connection
                .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()
                .map_err(failed)?;
            if let Some((table, parent)) = dangling {
                let message = format!("a row of {table} refers to a row of {parent} that isn't there");
                return Err(StoreError::Failed(message));
            }
            connection.pragma_update(None, "synchronous", "full").map_err(failed)?;
            transaction(connection, model, || {
                if !at_once(relocation::unmark(
                    &mut SqliteSession::reading(connection, model),
                    &mark,
                ))? {
                    return Ok(false);
                }
                // Behind every position of the former database: those who come back start over.
                let sql = "INSERT OR REPLACE INTO _ninefold_meta (key, value) \
                           VALUES ('position', CAST(unixepoch('subsec') * 1000000 AS INTEGER))";
                connection.execute(sql, []).map_err(failed)?;
                set(connection, MOVED, &moved).map(|()| true)
            })
        })
        .await
    }
}

pub(super) fn transaction<T>(
    connection: &Connection,
    model: &Model,
    work: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let sql = |text: &str| {
        connection
            .execute_batch(text)
            .map_err(|error| write_error(&error, model))
    };
    connection::begin(connection, PATIENCE).map_err(|error| write_error(&error, model))?;
    match work().and_then(|done| sql("COMMIT").map(|()| done)) {
        Ok(done) => Ok(done),
        Err(error) => {
            // What SQLite has taken back by itself can't be taken back again.
            let _ = sql("ROLLBACK");
            Err(error)
        }
    }
}

pub(super) fn set(connection: &Connection, key: &str, value: &str) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO _ninefold_meta (key, value) VALUES (?, ?)";
    let set = connection
        .prepare_cached(sql)
        .and_then(|mut set| set.execute(params![key, value]));
    set.map_err(|error| store_error(&error)).map(|_| ())
}
