//! What nodes tell one another, on PostgreSQL: woken by `NOTIFY`.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio_postgres::{Client, Error};

use super::error::described;
use super::options::SERVING;
use super::pool::Pool;
use crate::migrate::postgres::system;
use crate::nodes::{Board, Boards, Entry, READ_MAX};

/// The format that has the tables.
const FORMAT_MIN: i64 = 2;

pub(super) struct PostgresBoards(pub(super) Arc<Pool>);

pub(super) struct PostgresBoard {
    client: Client,
    woken: Arc<Notify>,
}

fn failed(error: Error) -> String {
    described(&error)
}

/// What `pg_locks` has of a node's lock, for which `id` stands.
const HELD: &str = "locktype = 'advisory' AND granted AND objsubid = 1 \
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
                    AND (classid::bigint << 32) | objid::bigint = id";

/// How many connections servers have to the database: by their name, which a URL may change, and by the locks of nodes. `own`: the
/// caller's node, which may have taken its place only now; 0: it has none.
pub(super) async fn serving(client: &Client, own: impl Fn() -> i64) -> Result<usize, Error> {
    let mut sql = "SELECT pid, NULL::bigint FROM pg_stat_activity \
                   WHERE datname = current_database() AND application_name = $1"
        .to_owned();
    if system::format(client).await? >= FORMAT_MIN {
        sql += &format!(" UNION SELECT pid, id FROM _ninefold_node JOIN pg_locks ON {HELD}");
    }
    let sql = format!("SELECT * FROM ({sql}) AS found WHERE pid <> pg_backend_pid()");
    let rows = client.query(&sql, &[&SERVING]).await?;
    let read = |row: &tokio_postgres::Row| Ok((row.try_get(0)?, row.try_get(1)?));
    let found: Vec<(i32, Option<i64>)> = rows.iter().map(read).collect::<Result<_, Error>>()?;
    let mut serving: BTreeSet<i32> = found.iter().map(|(pid, _)| *pid).collect();
    let own = own();
    for (pid, _) in found.iter().filter(|(_, node)| *node == Some(own)) {
        serving.remove(pid);
    }
    Ok(serving.len())
}

impl Boards for PostgresBoards {
    type Board = PostgresBoard;

    async fn open(&self) -> Result<Option<PostgresBoard>, String> {
        let (client, woken) = self.0.wire().connect_listening().await.map_err(failed)?;
        if system::format(&client).await.map_err(failed)? < FORMAT_MIN {
            return Ok(None);
        }
        client.batch_execute("LISTEN _ninefold_feed").await.map_err(failed)?;
        Ok(Some(PostgresBoard { client, woken }))
    }
}

impl Board for PostgresBoard {
    async fn join(&mut self, node: i64) -> Result<(), String> {
        let sql = "SELECT pg_advisory_lock($1)";
        self.client.execute(sql, &[&node]).await.map_err(failed)?;
        let sql = "INSERT INTO _ninefold_node (id) VALUES ($1)";
        self.client.execute(sql, &[&node]).await.map_err(failed).map(drop)
    }

    async fn nodes(&mut self) -> Result<Vec<(i64, bool)>, String> {
        let sql = format!("SELECT id, EXISTS (SELECT FROM pg_locks WHERE {HELD}) FROM _ninefold_node");
        let rows = self.client.query(&sql, &[]).await.map_err(failed)?;
        let read = |row: &tokio_postgres::Row| Ok((row.try_get(0)?, row.try_get(1)?));
        rows.iter().map(read).collect::<Result<_, _>>().map_err(failed)
    }

    async fn forget(&mut self, node: i64) -> Result<(), String> {
        let sql = "DELETE FROM _ninefold_node WHERE id = $1";
        self.client.execute(sql, &[&node]).await.map_err(failed).map(drop)
    }

    async fn last(&mut self) -> Result<i64, String> {
        let sql = "SELECT coalesce(max(number), 0) FROM _ninefold_feed";
        let row = self.client.query_one(sql, &[]).await.map_err(failed)?;
        row.try_get(0).map_err(failed)
    }

    async fn post(&mut self, number: i64, node: i64, tables: Option<&str>) -> Result<bool, String> {
        let sql = "INSERT INTO _ninefold_feed (number, node, tables) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        let posted = self.client.execute(sql, &[&number, &node, &tables]).await;
        posted.map(|posted| posted == 1).map_err(failed)
    }

    async fn read(&mut self, after: i64) -> Result<Vec<Entry>, String> {
        let sql = "SELECT number, node, tables FROM _ninefold_feed WHERE number > $1 ORDER BY number LIMIT $2";
        let rows = self.client.query(sql, &[&after, &READ_MAX]).await.map_err(failed)?;
        let read = |row: &tokio_postgres::Row| {
            Ok(Entry {
                number: row.try_get(0)?,
                node: row.try_get(1)?,
                tables: row.try_get(2)?,
            })
        };
        rows.iter().map(read).collect::<Result<_, _>>().map_err(failed)
    }

    async fn trim(&mut self, number: i64) -> Result<(), String> {
        let sql = "DELETE FROM _ninefold_feed WHERE number <= $1";
        self.client.execute(sql, &[&number]).await.map_err(failed).map(drop)
    }

    async fn wake(&mut self) -> Result<(), String> {
        self.client.batch_execute("NOTIFY _ninefold_feed").await.map_err(failed)
    }

    async fn woken(&mut self) {
        self.woken.notified().await;
    }
}
