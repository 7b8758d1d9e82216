//! What nodes tell one another, on MySQL and MariaDB: looked for a few times a second.

use std::sync::Arc;
use std::time::Duration;

use mysql_async::Error;
use mysql_async::prelude::Queryable as _;

use super::error::described;
use super::pool::{Connection, Pool};
use crate::migrate::mysql::system;
use crate::nodes::{Board, Boards, Entry, READ_MAX};

/// The format that has the tables.
pub(super) const FORMAT_MIN: i64 = 2;
/// Nothing else tells of an entry.
const INTERVAL: Duration = Duration::from_millis(250);

pub(super) struct MySqlBoards(pub(super) Arc<Pool>);

pub(super) struct MySqlBoard(Connection);

fn failed(error: Error) -> String {
    described(&error)
}

impl Boards for MySqlBoards {
    type Board = MySqlBoard;

    async fn open(&self) -> Result<Option<MySqlBoard>, String> {
        let mut connection = self.0.connect().await.map_err(failed)?;
        if system::format(&mut connection).await.map_err(failed)? < FORMAT_MIN {
            return Ok(None);
        }
        Ok(Some(MySqlBoard(connection)))
    }
}

impl MySqlBoard {
    async fn run(&mut self, sql: String) -> Result<(), String> {
        self.0.conn.query_drop(sql).await.map_err(failed)
    }
}

impl Board for MySqlBoard {
    async fn join(&mut self, node: i64) -> Result<(), String> {
        let sql = format!("SELECT GET_LOCK('_ninefold_node {node}', 0)");
        let got: Option<Option<i64>> = self.0.conn.query_first(sql).await.map_err(failed)?;
        if got.flatten() != Some(1) {
            return Err("the lock of a new node is taken".to_owned());
        }
        self.run(format!("INSERT INTO _ninefold_node (id) VALUES ({node})"))
            .await
    }

    async fn nodes(&mut self) -> Result<Vec<(i64, bool)>, String> {
        let sql = "SELECT id, IS_USED_LOCK(CONCAT('_ninefold_node ', id)) IS NOT NULL FROM _ninefold_node";
        self.0.conn.query(sql).await.map_err(failed)
    }

    async fn forget(&mut self, node: i64) -> Result<(), String> {
        self.run(format!("DELETE FROM _ninefold_node WHERE id = {node}")).await
    }

    async fn last(&mut self) -> Result<i64, String> {
        let sql = "SELECT COALESCE(MAX(number), 0) FROM _ninefold_feed";
        let last: Option<i64> = self.0.conn.query_first(sql).await.map_err(failed)?;
        Ok(last.unwrap_or(0))
    }

    async fn post(&mut self, number: i64, node: i64, tables: Option<&str>) -> Result<bool, String> {
        let sql = "INSERT IGNORE INTO _ninefold_feed (number, node, tables) VALUES (?, ?, ?)";
        let posted = self.0.conn.exec_drop(sql, (number, node, tables)).await;
        posted.map_err(failed)?;
        Ok(self.0.conn.affected_rows() == 1)
    }

    async fn read(&mut self, after: i64) -> Result<Vec<Entry>, String> {
        let sql = "SELECT number, node, tables FROM _ninefold_feed WHERE number > ? ORDER BY number LIMIT ?";
        let rows: Vec<(i64, i64, Option<String>)> = self.0.conn.exec(sql, (after, READ_MAX)).await.map_err(failed)?;
        let entry = |(number, node, tables)| Entry { number, node, tables };
        Ok(rows.into_iter().map(entry).collect())
    }

    async fn trim(&mut self, number: i64) -> Result<(), String> {
        self.run(format!("DELETE FROM _ninefold_feed WHERE number <= {number}"))
            .await
    }

    async fn wake(&mut self) -> Result<(), String> {
        // They look by themselves.
        Ok(())
    }

    async fn woken(&mut self) {
        tokio::time::sleep(INTERVAL).await;
    }
}
