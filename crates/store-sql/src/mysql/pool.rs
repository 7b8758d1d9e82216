//! Connections to MySQL and MariaDB, with what each session begins with.

use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Error, Opts, OptsBuilder};

use super::address;
use super::error::described;
use super::options::{MySqlOpenError, MySqlOptions};
use crate::dialect::{MySql, Server};
use crate::pool::Wire;

pub(super) type Pool = crate::pool::Pool<MySqlWire>;
pub(super) type Lease = crate::pool::Lease<MySqlWire>;

/// Whether a server only reads: 0 or 1 in SQL. MySQL and MariaDB say it by a number, MariaDB from 12.0 on by one of several words.
pub(super) const READS_ONLY: &str = "UPPER(CAST(@@global.read_only AS CHAR)) NOT IN ('0', 'OFF')";
/// How long a connection rests until the other end is looked for.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);

pub(super) struct MySqlWire {
    opts: Opts,
    /// Known after the first connection.
    server: OnceLock<Server>,
    options: MySqlOptions,
    /// Which connections were made, where that is of interest.
    own: Mutex<Vec<u32>>,
}

pub(crate) struct Connection {
    pub(crate) conn: Conn,
    pub(crate) dialect: &'static MySql,
    /// Whether the server checks references now.
    pub(super) checks: bool,
    /// It checks none, until somebody else does.
    pub(super) never_checks: bool,
    /// Something of an operation is still under way, or was left in the middle.
    pub(super) is_busy: bool,
}

pub(super) fn of(url: &str, options: &MySqlOptions) -> Result<Pool, MySqlOpenError> {
    let opts = address::read(url).map_err(MySqlOpenError::Url)?;
    let opts = OptsBuilder::from_opts(opts)
        .stmt_cache_size(options.statements_max)
        .prefer_socket(false)
        .tcp_keepalive(Some(KEEPALIVE_IDLE))
        .tcp_nodelay(true);
    let wire = MySqlWire {
        opts: opts.into(),
        server: OnceLock::new(),
        options: options.clone(),
        own: Mutex::default(),
    };
    Ok(Pool::new(wire, options.connections_max, options.acquire_timeout))
}

impl MySqlWire {
    /// Which connections were made, where the options say that it remembers.
    pub(super) fn own(&self) -> Vec<u32> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Wire for MySqlWire {
    type Connection = Connection;
    type Error = Error;

    async fn connect(&self) -> Result<Connection, Error> {
        let connecting = tokio::time::timeout(self.options.connect_timeout, Conn::new(self.opts.clone()));
        let mut conn = connecting
            .await
            .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))?;
        let about: Option<(String, bool)> = conn.query_first(format!("SELECT VERSION(), {READS_ONLY}")).await?;
        let (version, reads_only) = about.unwrap_or_default();
        if reads_only && !self.options.reads_only {
            // It is a replica, or was the primary: another has taken its place.
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the server only reads").into());
        }
        let dialect = MySql::of(*self.server.get_or_init(|| which(&version)));
        conn.query_drop(settings(dialect, &self.options)).await?;
        if self.options.moves {
            let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
            own.push(conn.id());
        }
        Ok(Connection {
            conn,
            dialect,
            checks: true,
            never_checks: false,
            is_busy: false,
        })
    }

    fn connect_timeout(&self) -> Duration {
        self.options.connect_timeout
    }

    fn described(error: &Error) -> String {
        described(error)
    }

    fn is_spent(connection: &Connection) -> bool {
        connection.is_busy || connection.conn.is_disconnected()
    }

    async fn ask(connection: &mut Connection) -> Result<(), Error> {
        connection.conn.ping().await
    }

    fn give_up(self: Arc<Self>, connection: Connection) {
        let id = connection.conn.id();
        if let (Ok(runtime), false) = (tokio::runtime::Handle::try_current(), connection.conn.is_disconnected()) {
            // For a moment at most; the server ends the query by itself otherwise, a little later.
            runtime.spawn(async move {
                let killing = async {
                    let mut other = Conn::new(self.opts.clone()).await?;
                    other.query_drop(format!("KILL CONNECTION {id}")).await?;
                    other.disconnect().await
                };
                let killed = tokio::time::timeout(self.options.connect_timeout, killing).await;
                tracing::debug!(?killed, "a connection to the database was given up");
            });
        }
    }

    async fn end(connection: Connection) {
        // The server notices the end by itself otherwise.
        let _ = connection.conn.disconnect().await;
    }
}

pub(super) fn which(version: &str) -> Server {
    if version.contains("MariaDB") {
        Server::MariaDb
    } else {
        Server::MySql
    }
}

/// What each session begins with. `ANSI_QUOTES` and its like are left to what the server is used to, which is no more
/// than this.
fn settings(dialect: &MySql, options: &MySqlOptions) -> String {
    // MariaDB cuts moments off by itself where there is less room for them.
    let cut_off = match dialect.0 {
        Server::MySql => ",TIME_TRUNCATE_FRACTIONAL",
        Server::MariaDb => "",
    };
    // MySQL 8.0 makes a join of a subquery over a list's items, and reads them before the row that has the list.
    let planning = match dialect.0 {
        Server::MySql => "optimizer_switch = 'semijoin=off', ",
        Server::MariaDb => "",
    };
    let collation = dialect.collation();
    let lock_seconds = options.lock_timeout.as_secs().max(1);
    // Where a table's structure is just replayed, its readers ask the primary, after the shortest time that can be said.
    let table_limit = match options.reads_only {
        true => "lock_wait_timeout = 1, ",
        false => "",
    };
    let time_limit = match dialect.0 {
        // Of reads alone; what writes is ended with its connection.
        Server::MySql => format!("max_execution_time = {}", options.query_timeout.as_millis()),
        Server::MariaDb => format!("max_statement_time = {}", options.query_timeout.as_secs_f64()),
    };
    format!(
        "SET NAMES utf8mb4 COLLATE {collation}; \
         SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO{cut_off}', time_zone = '+00:00', autocommit = 1, \
         div_precision_increment = 30, foreign_key_checks = 1, unique_checks = 1, sql_safe_updates = 0, \
         sql_select_limit = DEFAULT, innodb_lock_wait_timeout = {lock_seconds}, {planning}{table_limit}{time_limit}; \
         SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locked_table_costs_a_reader_of_a_replica_a_second() {
        let limit = |reads_only| {
            let options = MySqlOptions {
                reads_only,
                lock_timeout: Duration::from_secs(30),
                ..MySqlOptions::default()
            };
            let settings = settings(MySql::of(Server::MariaDb), &options);
            let (_, limit) = settings.split_once(" lock_wait_timeout = ")?;
            limit.split_once(',').map(|(seconds, _)| seconds.to_owned())
        };
        assert_eq!(limit(true).as_deref(), Some("1"));
        assert_eq!(limit(false), None, "elsewhere the limit is the server's");
    }
}
