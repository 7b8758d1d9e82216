//! Imports: what `staging::server` asks of MySQL.

use std::sync::Arc;

use engine::Model;
use engine::ports::staging::StagePlan;
use engine::ports::store::StoreError;

use super::MySqlStore;
use super::error::{described, unavailable};
use super::pool::Connection;
use super::session::MySqlSession;
use super::store::{BEGIN, BEGIN_SERIALIZABLE};
use crate::compile::{DialectRef, Statement};
use crate::dialect::Server as Kind;
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
pub(super) async fn start(store: &MySqlStore, model: Arc<Model>, plan: StagePlan) -> Result<Import, StoreError> {
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
    server::start("mysql-import", Arc::clone(&store.feed), model, plan, connect).await
}

/// Takes back what an import that died left behind. An import that is alive is left alone.
pub(super) async fn recover(connection: Connection) -> Result<(), StoreError> {
    let model = Arc::default();
    server::recover(&mut Importer { connection, model }).await
}

impl Server for Importer {
    /// In each database. The lock's name may have 64 characters; MySQL has no `MD5` any more.
    const LOCK: &'static str = "SELECT GET_LOCK(CONCAT('ninefold.import.', LEFT(SHA2(DATABASE(), 256), 40)), 0)";
    const UNLOCK: &'static str = "DO RELEASE_LOCK(CONCAT('ninefold.import.', LEFT(SHA2(DATABASE(), 256), 40)))";
    const CREATE: &'static str = "CREATE TABLE";
    const HAS_META: &'static str = "SELECT EXISTS (SELECT 1 FROM information_schema.tables \
                                    WHERE table_schema = DATABASE() AND table_name = '_ninefold_meta')";
    const HASH: &'static str = "SHA2(value, 256)";
    const BEGIN: &'static str = BEGIN;
    const BEGIN_SERIALIZABLE: &'static str = BEGIN_SERIALIZABLE;
    const SETTLE: Option<&'static str> = None;

    fn dialect(&self) -> DialectRef {
        self.connection.dialect
    }

    async fn command(&mut self, text: &str) -> Done<()> {
        let mut session = MySqlSession::new(&mut self.connection, &self.model);
        let done = session.command(text).await;
        done.map_err(|error| Failed::of(error, session.met_conflict()))
    }

    async fn query(&mut self, statement: Statement<'_>) -> Done<Vec<Columns>> {
        let mut session = MySqlSession::new(&mut self.connection, &self.model);
        let rows = session.query(statement).await;
        rows.map_err(|error| Failed::of(error, session.met_conflict()))
    }

    async fn execute(&mut self, statement: Statement<'_>) -> Done<u64> {
        let mut session = MySqlSession::new(&mut self.connection, &self.model);
        let changed = session.execute(statement).await;
        changed.map_err(|error| Failed::of(error, session.met_conflict()))
    }

    /// What `INSERT ... SELECT` reads is locked at any other level.
    fn patient(&self) -> &'static str {
        match self.connection.dialect.0 {
            Kind::MySql => "SET SESSION max_execution_time = 0; SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            Kind::MariaDb => {
                "SET SESSION max_statement_time = 0; SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"
            }
        }
    }

    /// With the indexes of the live one, and the columns that those of some records are made of.
    fn stage(&self, table: &str, _unique: &[Unique]) -> Vec<String> {
        vec![
            format!("CREATE TABLE {STAGED} LIKE {table}"),
            format!("ALTER TABLE {STAGED} ADD COLUMN {PLACE} bigint NOT NULL UNIQUE"),
        ]
    }

    fn stage_links(&self, links: &Links) -> Vec<String> {
        vec![format!("CREATE TABLE {} LIKE {}", links.staged, links.table)]
    }

    /// They do from the beginning.
    fn keep(&self, _table: &str) -> Option<String> {
        None
    }

    fn analyze(&self, tables: &[String]) -> String {
        format!("ANALYZE TABLE {}", tables.join(", "))
    }

    /// A join, because a subquery would be asked for each row of the table.
    fn remove(&self, table: &str, column: &str, layout: &Layout, range: Range) -> String {
        format!(
            "DELETE m FROM {table} m JOIN (SELECT s.{} AS own FROM {}) r ON m.{column} = r.own",
            layout.key,
            records_of(range)
        )
    }

    /// References are checked row by row.
    fn loosen(&self, layout: &Layout, range: Range) -> Option<String> {
        let Layout { table, key, loose, .. } = layout;
        let nulls: Vec<String> = loose.iter().map(|column| format!("m.{column} = NULL")).collect();
        (!nulls.is_empty()).then(|| {
            format!(
                "UPDATE {table} m JOIN (SELECT s.{key} AS own FROM {}) r ON m.{key} = r.own SET {}",
                records_of(range),
                nulls.join(", ")
            )
        })
    }
}
