//! Moving a schema's data, on PostgreSQL: without foreign keys until all of it is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use engine::Model;
use engine::model::{FieldKind, Value};
use engine::ports::change_log::ChangeLog;
use engine::ports::relocation::{Part, Relocation, Turn};
use engine::ports::store::StoreError;
use tokio_postgres::Client;

use super::error::{described, store_error, unavailable};
use super::pool::Connection;
use super::session::PostgresSession;
use super::{PostgresStore, nodes};
use crate::nodes::Node;
use crate::relocation::{self, MARK, MOVED};

/// Under this key `_ninefold_meta` has the statements that make the foreign keys again.
const FOREIGN_KEYS: &str = "move_foreign_keys";
/// How long to wait until the server has noticed that others are gone.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);

pub(super) struct PostgresRelocation {
    pub(super) connection: Connection,
    pub(super) model: Arc<Model>,
    /// This process among the nodes.
    node: Option<Arc<AtomicI64>>,
}

/// # Errors
/// A server is connected to the database.
pub(super) async fn start(
    store: &PostgresStore,
    model: Arc<Model>,
    is_served: bool,
) -> Result<PostgresRelocation, StoreError> {
    let connected = store.pool.connect().await;
    let connection = connected.map_err(|error| unavailable(&described(&error)))?;
    let failed = |error: tokio_postgres::Error| store_error(&error, &model);
    // It takes as long as it takes.
    let patient = "SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0";
    connection.client.batch_execute(patient).await.map_err(failed)?;
    let node = store.node.get().map(Node::number);
    let mut relocation = PostgresRelocation {
        connection,
        model,
        node,
    };
    if !is_served {
        relocation.alone().await?;
    }
    Ok(relocation)
}

/// The mark of the move that fills this database.
pub(super) async fn mark(client: &Client) -> Result<Option<String>, tokio_postgres::Error> {
    let sql = "SELECT to_regclass('_ninefold_meta') IS NOT NULL";
    if !client.query_one(sql, &[]).await?.try_get::<_, bool>(0)? {
        return Ok(None);
    }
    let sql = "SELECT value FROM _ninefold_meta WHERE key = $1";
    let found = client.query_opt(sql, &[&MARK]).await?;
    found.map(|row| row.try_get(0)).transpose()
}

impl PostgresRelocation {
    pub(super) fn session(&mut self) -> (PostgresSession<'_>, &Model) {
        (PostgresSession::new(&self.connection, &self.model), &self.model)
    }

    pub(super) fn failed(&self, error: &tokio_postgres::Error) -> StoreError {
        match error.as_db_error() {
            Some(_) => StoreError::Failed(described(error)),
            None => store_error(error, &self.model),
        }
    }

    pub(super) async fn command(&self, text: &str) -> Result<(), StoreError> {
        let done = self.connection.client.batch_execute(text).await;
        done.map_err(|error| self.failed(&error))
    }

    pub(super) async fn set(&self, key: &str, value: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO _ninefold_meta (key, value) VALUES ($1, $2) \
                   ON CONFLICT (key) DO UPDATE SET value = excluded.value";
        let set = self.connection.client.execute(sql, &[&key, &value]).await;
        set.map_err(|error| self.failed(&error)).map(|_| ())
    }

    pub(super) async fn transaction<T>(&self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        match done {
            Ok(done) => self.command("COMMIT").await.map(|()| done),
            Err(error) => {
                // Of a lost connection the server takes it back by itself.
                let _ = self.command("ROLLBACK").await;
                Err(error)
            }
        }
    }

    /// Takes away the foreign keys of our tables, and remembers how to make them again.
    async fn take_foreign_keys(&self, mark: &str) -> Result<bool, StoreError> {
        let sql = "INSERT INTO _ninefold_meta (key, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        let marked = self.connection.client.execute(sql, &[&MARK, &mark]).await;
        if marked.map_err(|error| self.failed(&error))? == 0 {
            return Ok(false);
        }
        self.command(&format!("DELETE FROM _ninefold_meta WHERE key = '{MOVED}'"))
            .await?;
        let failed = |error: tokio_postgres::Error| self.failed(&error);
        let tables = tables(&self.model);
        let sql = "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname), \
                   format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(c.oid)) \
                   FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid \
                   WHERE contype = 'f' AND t.relnamespace = current_schema()::regnamespace AND t.relname = ANY($1) \
                   ORDER BY t.relname, conname";
        let mut again = Vec::new();
        for row in self.connection.client.query(sql, &[&tables]).await.map_err(failed)? {
            let take: String = row.try_get(0).map_err(failed)?;
            self.command(&take).await?;
            again.push(row.try_get::<_, String>(1).map_err(failed)?);
        }
        let again = serde_json::to_string(&again).expect("texts are plain data");
        self.set(FOREIGN_KEYS, &again).await.map(|()| true)
    }

    async fn complete(&mut self, mark: &str, moved: &str) -> Result<bool, StoreError> {
        if !relocation::unmark(&mut self.session().0, mark).await? {
            return Ok(false);
        }
        let sql = "SELECT value FROM _ninefold_meta WHERE key = $1";
        let found = self.connection.client.query_opt(sql, &[&FOREIGN_KEYS]).await;
        let found = found.map_err(|error| self.failed(&error))?;
        let again: Option<String> = found.and_then(|row| row.try_get(0).ok());
        let again: Option<Vec<String>> = again.and_then(|again| serde_json::from_str(&again).ok());
        let again = again.ok_or_else(|| StoreError::Failed("the foreign keys to make are not kept".to_owned()))?;
        for statement in &again {
            self.command(statement).await?;
        }
        // Behind every position of the former database: those who come back start over.
        let sql = "INSERT INTO _ninefold_meta (key, value) \
                   VALUES ('position', floor(extract(epoch FROM now()) * 1000000)::bigint::text) \
                   ON CONFLICT (key) DO UPDATE SET value = excluded.value";
        self.command(sql).await?;
        self.command(&format!("DELETE FROM _ninefold_meta WHERE key = '{FOREIGN_KEYS}'"))
            .await?;
        self.set(MOVED, moved).await.map(|()| true)
    }
}

fn tables(model: &Model) -> Vec<&str> {
    let mut tables = Vec::new();
    for collection in &model.collections {
        tables.push(collection.table.as_str());
        for field in &collection.fields {
            if let FieldKind::Links { table, .. } = &field.kind {
                tables.push(table);
            }
        }
    }
    tables
}

#[async_trait]
impl Relocation for PostgresRelocation {
    async fn alone(&mut self) -> Result<(), StoreError> {
        let until = Instant::now() + PATIENCE;
        loop {
            let own = || self.node.as_ref().map_or(0, |own| own.load(Ordering::Relaxed));
            let serving = nodes::serving(&self.connection.client, own).await;
            match serving.map_err(|error| self.failed(&error))? {
                0 => return Ok(()),
                serving if Instant::now() >= until => {
                    return Err(unavailable(&format!(
                        "Ninefold has {serving} connections to it open; stop the servers first"
                    )));
                }
                _ => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    async fn count(&mut self, part: Part) -> Result<u64, StoreError> {
        let (mut session, model) = self.session();
        relocation::count(&mut session, model, part).await
    }

    async fn read(&mut self, part: Part, after: Option<Vec<Value>>, limit: u32) -> Result<Vec<Vec<Value>>, StoreError> {
        let (mut session, model) = self.session();
        relocation::read(&mut session, model, part, after.as_deref(), limit).await
    }

    async fn find(&mut self, part: Part, keys: Vec<Vec<Value>>) -> Result<Vec<Vec<Value>>, StoreError> {
        let (mut session, model) = self.session();
        relocation::find(&mut session, model, part, &keys).await
    }

    fn change_log(&mut self) -> Option<&mut dyn ChangeLog> {
        Some(self)
    }

    async fn mark(&mut self) -> Result<Option<String>, StoreError> {
        mark(&self.connection.client).await.map_err(|error| self.failed(&error))
    }

    async fn position(&mut self) -> Result<String, StoreError> {
        relocation::position(&mut self.session().0).await
    }

    async fn moved(&mut self) -> Result<Option<String>, StoreError> {
        relocation::meta(&mut self.session().0, MOVED).await
    }

    async fn begin(&mut self, mark: String) -> Result<bool, StoreError> {
        self.command("BEGIN").await?;
        let done = self.take_foreign_keys(&mark).await;
        self.transaction(done).await
    }

    async fn put(
        &mut self,
        part: Part,
        gone: Vec<Vec<Value>>,
        rows: Vec<Vec<Value>>,
        turn: Turn,
    ) -> Result<bool, StoreError> {
        self.command("BEGIN").await?;
        let (mut session, model) = self.session();
        let done = relocation::put(&mut session, model, part, &gone, &rows, &turn).await;
        self.transaction(done).await
    }

    async fn finish(&mut self, mark: &str, moved: String) -> Result<bool, StoreError> {
        self.command("BEGIN").await?;
        let done = self.complete(mark, &moved).await;
        self.transaction(done).await
    }
}
