//! Imports: what `staging::server` asks of PostgreSQL. What is staged isn't logged by the server until a part of it is
//! going to be live.

use std::sync::Arc;

use engine::Model;
use engine::ports::staging::StagePlan;
use engine::ports::store::StoreError;

use super::PostgresStore;
use super::error::{described, unavailable};
use super::pool::Connection;
use super::session::PostgresSession;
use crate::compile::{DialectRef, Statement};
use crate::dialect::Postgres;
use crate::session::{Columns, Session as _};
use crate::staging::Import;
use crate::staging::layout::{Layout, Links, PLACE, STAGED, Unique, records_of};
use crate::staging::server::{self, Done, Failed, Range, Server};

struct Importer {
    connection: Connection,
    /// By which an error is told.
    model: Arc<Model>,
}

/// # Errors
/// Another import is under way, or the staging tables can't be made.
pub(super) async fn start(store: &PostgresStore, model: Arc<Model>, plan: StagePlan) -> Result<Import, StoreError> {
    let (pool, told) = (Arc::clone(&store.pool), Arc::clone(&model));
    let connect = async move || {
        let connected = tokio::time::timeout(pool.connect_timeout(), pool.connect()).await;
        let connected = connected.map_err(|_| unavailable("the database can't be reached"))?;
        let connection = connected.map_err(|error| unavailable(&described(&error)))?;
        Ok(Importer {
            connection,
            model: told,
        })
    };
    server::start("postgres-import", Arc::clone(&store.feed), model, plan, connect).await
}

/// Takes back what an import that died left behind. An import that is alive is left alone.
pub(super) async fn recover(connection: Connection) -> Result<(), StoreError> {
    let model = Arc::default();
    server::recover(&mut Importer { connection, model }).await
}

impl Server for Importer {
    /// In each schema.
    const LOCK: &'static str =
        "SELECT pg_try_advisory_lock(hashtextextended('ninefold.import.' || current_schema(), 0))";
    const UNLOCK: &'static str =
        "SELECT pg_advisory_unlock(hashtextextended('ninefold.import.' || current_schema(), 0))";
    const CREATE: &'static str = "CREATE UNLOGGED TABLE";
    const HAS_META: &'static str = "SELECT to_regclass('_ninefold_meta') IS NOT NULL";
    const HASH: &'static str = "encode(sha256(convert_to(value, 'UTF8')), 'hex')";
    const BEGIN: &'static str = "BEGIN ISOLATION LEVEL READ COMMITTED";
    const BEGIN_SERIALIZABLE: &'static str = "BEGIN ISOLATION LEVEL SERIALIZABLE";
    const SETTLE: Option<&'static str> = Some("SET CONSTRAINTS ALL IMMEDIATE");

    fn dialect(&self) -> DialectRef {
        &Postgres
    }

    async fn command(&mut self, text: &str) -> Done<()> {
        let mut session = PostgresSession::new(&self.connection, &self.model);
        let done = session.command(text).await;
        done.map_err(|error| Failed::of(error, session.met_conflict()))
    }

    async fn query(&mut self, statement: Statement<'_>) -> Done<Vec<Columns>> {
        let mut session = PostgresSession::new(&self.connection, &self.model);
        let rows = session.query(statement).await;
        rows.map_err(|error| Failed::of(error, session.met_conflict()))
    }

    async fn execute(&mut self, statement: Statement<'_>) -> Done<u64> {
        let mut session = PostgresSession::new(&self.connection, &self.model);
        let changed = session.execute(statement).await;
        changed.map_err(|error| Failed::of(error, session.met_conflict()))
    }

    fn patient(&self) -> &'static str {
        "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0"
    }

    fn stage(&self, table: &str, unique: &[Unique]) -> Vec<String> {
        let create = Self::CREATE;
        let mut made = vec![format!(
            "{create} {STAGED} (LIKE {table} INCLUDING DEFAULTS, {PLACE} bigint NOT NULL UNIQUE)"
        )];
        for Unique { columns, condition, .. } in unique {
            let condition = condition.as_ref().map(|condition| format!(" WHERE {condition}"));
            let (columns, condition) = (columns.join(", "), condition.unwrap_or_default());
            made.push(format!("CREATE UNIQUE INDEX ON {STAGED} ({columns}){condition}"));
        }
        made
    }

    fn stage_links(&self, links: &Links) -> Vec<String> {
        let (create, staged) = (Self::CREATE, &links.staged);
        vec![
            format!("{create} {staged} (LIKE {})", links.table),
            format!("CREATE INDEX ON {staged} ({})", links.source),
        ]
    }

    fn keep(&self, table: &str) -> Option<String> {
        Some(format!("ALTER TABLE {table} SET LOGGED"))
    }

    fn analyze(&self, tables: &[String]) -> String {
        format!("ANALYZE {}", tables.join(", "))
    }

    fn remove(&self, table: &str, column: &str, layout: &Layout, range: Range) -> String {
        format!(
            "DELETE FROM {table} WHERE {column} IN (SELECT s.{} FROM {})",
            layout.key,
            records_of(range)
        )
    }

    /// References are checked at the end.
    fn loosen(&self, _layout: &Layout, _range: Range) -> Option<String> {
        None
    }
}
