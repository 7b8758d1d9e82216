//! Moving a database's data, on MySQL: on a connection for which the server doesn't look after references. The end does.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use engine::Model;
use engine::model::Value;
use engine::ports::change_log::ChangeLog;
use engine::ports::relocation::{Part, Relocation, Turn};
use engine::ports::store::StoreError;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Error, Row};

use super::MySqlStore;
use super::error::{described, unavailable};
use super::nodes::FORMAT_MIN;
use super::pool::{Connection, Pool};
use super::session::MySqlSession;
use crate::dialect::Server;
use crate::migrate::mysql::system;
use crate::relocation::{self, MARK, MOVED};

/// How long to wait until the server has noticed that others are gone.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);

pub(super) struct MySqlRelocation {
    pub(super) connection: Connection,
    pub(super) model: Arc<Model>,
    pool: Arc<Pool>,
}

/// # Errors
/// Others are connected to the database.
pub(super) async fn start(
    store: &MySqlStore,
    model: Arc<Model>,
    is_served: bool,
) -> Result<MySqlRelocation, StoreError> {
    let connected = store.pool.connect().await;
    let mut connection = connected.map_err(|error| unavailable(&described(&error)))?;
    connection.never_checks = true;
    // It takes as long as it takes.
    let unlimited = match connection.dialect.0 {
        Server::MySql => "max_execution_time",
        Server::MariaDb => "max_statement_time",
    };
    let mut session = MySqlSession::new(&mut connection, &model);
    session
        .command(&format!("SET foreign_key_checks = 0, {unlimited} = 0"))
        .await?;
    let mut relocation = MySqlRelocation {
        connection,
        model,
        pool: Arc::clone(&store.pool),
    };
    if !is_served {
        relocation.alone().await?;
    }
    Ok(relocation)
}

/// How many connections to the database others have, when they have had the time to end them. Servers can't be told from
/// others who are connected. What is `own` is asked each time: a connection is known only some moments after the server has it.
pub(super) async fn await_others(
    connection: &mut Connection,
    own: impl Fn() -> Vec<u32> + Send,
) -> Result<usize, Error> {
    let began = Instant::now();
    let database: Option<String> = connection.conn.query_first("SELECT DATABASE()").await?;
    loop {
        // `information_schema` has it, too, but fails on MySQL where a statement of anybody's holds bytes that are no text.
        let all: Vec<Row> = connection.conn.query("SHOW PROCESSLIST").await?;
        let here = all
            .iter()
            .filter(|row| row.get::<Option<String>, _>("db").flatten() == database);
        let mut connected: BTreeSet<u32> = here.filter_map(|row| row.get("Id")).collect();
        connected.extend(nodes(connection).await?);
        let own = own();
        let others = connected.iter().filter(|id| !own.contains(id)).count();
        if others == 0 || began.elapsed() >= PATIENCE {
            return Ok(others);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Connections by which servers are known to one another: those of another user are not in the list of processes for everybody.
async fn nodes(connection: &mut Connection) -> Result<Vec<u32>, Error> {
    if system::format(connection).await? < FORMAT_MIN {
        return Ok(Vec::new());
    }
    let sql = "SELECT IS_USED_LOCK(CONCAT('_ninefold_node ', id)) FROM _ninefold_node";
    let holders: Vec<Option<u32>> = connection.conn.query(sql).await?;
    Ok(holders.into_iter().flatten().collect())
}

/// The mark of the move that fills this database.
pub(super) async fn mark(connection: &mut Connection) -> Result<Option<String>, Error> {
    if system::format(connection).await? == 0 {
        return Ok(None);
    }
    let sql = "SELECT value FROM _ninefold_meta WHERE `key` = ?";
    connection.conn.exec_first(sql, (MARK,)).await
}

impl MySqlRelocation {
    pub(super) fn session(&mut self) -> (MySqlSession<'_>, &Model) {
        (MySqlSession::new(&mut self.connection, &self.model), &self.model)
    }

    pub(super) async fn command(&mut self, text: &str) -> Result<(), StoreError> {
        self.session().0.command(text).await
    }

    pub(super) async fn set(&mut self, key: &str, value: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO _ninefold_meta (`key`, value) VALUES (?, ?) ON DUPLICATE KEY UPDATE value = ?";
        let set = self.connection.conn.exec_drop(sql, (key, value, value)).await;
        set.map_err(|error| StoreError::Failed(described(&error)))
    }

    pub(super) async fn ended<T>(&mut self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        match done {
            Ok(done) => self.command("COMMIT").await.map(|()| done),
            Err(error) => {
                // Of a lost connection the server takes it back by itself.
                let _ = self.command("ROLLBACK").await;
                Err(error)
            }
        }
    }

    /// Looks for rows that refer to nothing.
    async fn check_references(&mut self) -> Result<(), StoreError> {
        let sql = "SELECT TABLE_NAME, COLUMN_NAME, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME \
                   FROM information_schema.KEY_COLUMN_USAGE \
                   WHERE TABLE_SCHEMA = DATABASE() AND REFERENCED_TABLE_SCHEMA = DATABASE()";
        let failed = |error: Error| StoreError::Failed(described(&error));
        let keys: Vec<(String, String, String, String)> = self.connection.conn.query(sql).await.map_err(failed)?;
        let name = |name: &str| format!("`{}`", name.replace('`', "``"));
        for (table, column, parent, key) in keys {
            let (quoted, target) = (name(&table), name(&parent));
            let (column, key) = (name(&column), name(&key));
            let sql = format!(
                "SELECT 1 FROM {quoted} c LEFT JOIN {target} p ON p.{key} = c.{column} \
                 WHERE c.{column} IS NOT NULL AND p.{key} IS NULL LIMIT 1"
            );
            let dangling: Option<i64> = self.connection.conn.query_first(sql).await.map_err(failed)?;
            if dangling.is_some() {
                let message = format!("a row of {table} refers to a row of {parent} that isn't there");
                return Err(StoreError::Failed(message));
            }
        }
        Ok(())
    }

    async fn complete(&mut self, mark: &str, moved: &str) -> Result<bool, StoreError> {
        if !relocation::unmark(&mut self.session().0, mark).await? {
            return Ok(false);
        }
        // Behind every position of the former database: those who come back start over.
        self.command(
            "UPDATE _ninefold_meta SET value = FLOOR(UNIX_TIMESTAMP(NOW(3)) * 1000000) WHERE `key` = 'position'",
        )
        .await?;
        self.set(MOVED, moved).await.map(|()| true)
    }

    async fn set_mark(&mut self, mark: &str) -> Result<bool, StoreError> {
        let sql = "INSERT IGNORE INTO _ninefold_meta (`key`, value) VALUES (?, ?)";
        let marked = self.connection.conn.exec_drop(sql, (MARK, mark)).await;
        marked.map_err(|error| StoreError::Failed(described(&error)))?;
        if self.connection.conn.affected_rows() == 0 {
            return Ok(false);
        }
        let forget = format!("DELETE FROM _ninefold_meta WHERE `key` = '{MOVED}'");
        self.command(&forget).await.map(|()| true)
    }
}

#[async_trait]
impl Relocation for MySqlRelocation {
    async fn alone(&mut self) -> Result<(), StoreError> {
        let pool = Arc::clone(&self.pool);
        let others = await_others(&mut self.connection, || pool.wire().own()).await;
        match others.map_err(|error| StoreError::Failed(described(&error)))? {
            0 => Ok(()),
            others => Err(unavailable(&format!(
                "others have {others} connections to it open; stop the servers first"
            ))),
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
        let found = mark(&mut self.connection).await;
        found.map_err(|error| StoreError::Failed(described(&error)))
    }

    async fn position(&mut self) -> Result<String, StoreError> {
        relocation::position(&mut self.session().0).await
    }

    async fn moved(&mut self) -> Result<Option<String>, StoreError> {
        relocation::meta(&mut self.session().0, MOVED).await
    }

    async fn begin(&mut self, mark: String) -> Result<bool, StoreError> {
        self.command("START TRANSACTION").await?;
        let done = self.set_mark(&mark).await;
        self.ended(done).await
    }

    async fn put(
        &mut self,
        part: Part,
        gone: Vec<Vec<Value>>,
        rows: Vec<Vec<Value>>,
        turn: Turn,
    ) -> Result<bool, StoreError> {
        self.command("START TRANSACTION").await?;
        let (mut session, model) = self.session();
        let done = relocation::put(&mut session, model, part, &gone, &rows, &turn).await;
        self.ended(done).await
    }

    async fn finish(&mut self, mark: &str, moved: String) -> Result<bool, StoreError> {
        self.check_references().await?;
        self.command("START TRANSACTION").await?;
        let done = self.complete(mark, &moved).await;
        self.ended(done).await
    }
}
