//! Servers that follow the primary by MySQL's or MariaDB's own replication, and what they are asked.
//!
//! A server's log says nothing of whose it is on MariaDB, where all of them may count in the same domain under the same number.
//! So the database has a name of its own, which its replicas have by replication. That a server follows another only those
//! may see who administer it; that it is written to by nobody else, as `read_only` says, everybody.

use std::sync::Arc;

use engine::model::Value;
use mysql_async::Error;
use mysql_async::prelude::Queryable as _;

use super::error::described;
use super::gtid::Gtids;
use super::options::{MySqlOpenError, MySqlOptions};
use super::pool::{self, Connection, MySqlWire, Pool, READS_ONLY};
use crate::dialect::{Dialect as _, MySql, Server};
use crate::migrate::mysql::system;
use crate::replicas::{self, Probe};

pub(super) type Replicas = replicas::Replicas<MySqlProbe>;

/// How far a server has replayed the log of the one that it follows; null where it may be written to, its log would not tell it, or the database isn't
/// the one of this name.
pub(super) fn progress(dialect: &MySql, identity: &str) -> String {
    let (strict, position) = match dialect.0 {
        // Where it was written to itself, its own last transaction.
        Server::MariaDb => (STRICT, "@@global.gtid_current_pos"),
        Server::MySql => ("TRUE", "@@global.gtid_executed"),
    };
    let mut name = String::new();
    dialect.literal(&mut name, &Value::text(identity));
    format!(
        "SELECT IF({READS_ONLY} AND {strict} AND {} = {name}, {position}, NULL)",
        system::IDENTITY
    )
}

const STRICT: &str = "@@global.gtid_strict_mode";

/// Whether a server only reads, whether it has a log for others to follow, and which transactions are in it.
fn written(server: Server) -> String {
    let log = match server {
        // Also what it has from one that it followed before.
        Server::MariaDb => "@@global.log_bin, CONCAT(@@global.gtid_slave_pos, ',', @@global.gtid_binlog_state)",
        // A replica may have what is only about to be committed here.
        Server::MySql => {
            "@@global.log_bin AND @@global.gtid_mode IN ('ON', 'ON_PERMISSIVE'), \
             CONCAT(@@global.gtid_owned, ',', @@global.gtid_executed)"
        }
    };
    format!("SELECT {READS_ONLY}, {log}")
}

/// Those that the options name, unless there are none.
pub(super) fn of(primary: &Arc<Pool>, options: &MySqlOptions) -> Result<Option<Replicas>, MySqlOpenError> {
    let options = MySqlOptions {
        reads_only: true,
        ..options.clone()
    };
    let numbered = options.replicas.iter().zip(1..);
    let pools = numbered.map(|(url, number)| {
        pool::of(url, &options).map_err(|error| match error {
            MySqlOpenError::Url(reason) => MySqlOpenError::Replica { number, reason },
            other => other,
        })
    });
    let pools = pools.collect::<Result<_, _>>()?;
    Ok(Replicas::new(primary, pools, options.replica_lag_max))
}

/// How far the log of a server goes that replicas follow.
pub(super) async fn log_of(connection: &mut Connection) -> Result<Gtids, String> {
    let server = connection.dialect.0;
    let answer = connection.conn.query_first(written(server)).await.map_err(failed)?;
    let (reads_only, has_log, gtids): (bool, bool, String) = answer.unwrap_or_default();
    if reads_only {
        return Err("it only reads".to_owned());
    }
    if !has_log {
        return Err("it writes no binary log, or on MySQL none with GTIDs".to_owned());
    }
    Gtids::read(server, &gtids).ok_or_else(|| format!("its GTIDs are not understood: {gtids}"))
}

/// How far a server has replayed a log, by its answer to what was asked as [`progress`].
pub(super) fn replayed(server: Server, answer: Option<Option<String>>) -> Option<Gtids> {
    Gtids::read(server, &answer??)
}

/// Fails where a server's log doesn't tell what was written to it while it followed nobody: on MariaDB, without these settings.
async fn tells_own_writes(connection: &mut Connection) -> Result<(), String> {
    if connection.dialect.0 == Server::MySql {
        return Ok(());
    }
    let sql = "SELECT @@global.log_bin, @@global.log_slave_updates, @@global.gtid_strict_mode";
    let answer = connection.conn.query_first(sql).await.map_err(failed)?;
    let (log, updates, strict): (bool, bool, bool) = answer.unwrap_or_default();
    let settings = [
        ("log_bin", log),
        ("log_slave_updates", updates),
        ("gtid_strict_mode", strict),
    ];
    match settings.into_iter().find(|(_, is_on)| !is_on) {
        Some((setting, _)) => Err(format!(
            "its log would not tell what was written to it by itself: turn on `{setting}` there"
        )),
        None => Ok(()),
    }
}

pub(super) struct MySqlProbe {
    connection: Connection,
    identity: String,
}

impl Probe for MySqlProbe {
    type Wire = MySqlWire;
    type Position = Gtids;
    type Identity = String;

    async fn of_primary(pool: &Pool) -> Result<Self, String> {
        let mut connection = pool.connect().await.map_err(failed)?;
        system::name(&mut connection).await.map_err(failed)?;
        Self::on(connection).await
    }

    async fn of_follower(pool: &Pool) -> Result<Self, String> {
        let mut follower = Self::on(pool.connect().await.map_err(failed)?).await?;
        tells_own_writes(&mut follower.connection).await?;
        Ok(follower)
    }

    fn identity(&self) -> &String {
        &self.identity
    }

    async fn written(&mut self) -> Result<Gtids, String> {
        log_of(&mut self.connection).await
    }

    async fn replayed(&mut self) -> Result<Gtids, String> {
        let question = progress(self.connection.dialect, &self.identity);
        let asked = self.connection.conn.query_first(question).await;
        let answer = asked.map_err(failed)?;
        replayed(self.connection.dialect.0, answer).ok_or_else(|| {
            "it may be written to: `read_only` is off; or `gtid_strict_mode` is, on MariaDB; or it holds another database now"
                .to_owned()
        })
    }
}

impl MySqlProbe {
    async fn on(mut connection: Connection) -> Result<Self, String> {
        let identity = system::identity(&mut connection).await.map_err(failed)?;
        let identity = identity.ok_or_else(|| "it holds another database, or not yet this one".to_owned())?;
        Ok(Self { connection, identity })
    }
}

fn failed(error: Error) -> String {
    described(&error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::testing::Database;

    #[test]
    fn a_database_of_another_name_says_nothing_of_how_far_it_is() {
        let mut database = Database::empty();
        database.command(
            "CREATE TABLE _ninefold_meta (`key` varchar(40) PRIMARY KEY, value longtext); \
             INSERT INTO _ninefold_meta VALUES ('identity', 'ours')",
        );
        let (runtime, connection) = database.connection();
        for (name, is_told) in [("ours", true), ("a stranger's", false)] {
            let question = progress(connection.dialect, name)
                .replace(READS_ONLY, "TRUE")
                .replace(STRICT, "TRUE");
            let told = runtime
                .block_on(connection.conn.query_first::<Option<String>, _>(question))
                .unwrap();
            assert_eq!(told.flatten().is_some(), is_told, "{name}");
        }
    }

    #[test]
    fn a_server_that_only_reads_is_known_by_a_number_and_by_a_word() {
        let mut database = Database::empty();
        let (runtime, connection) = database.connection();
        for (value, expected) in [
            ("@@global.read_only", false),
            ("0", false),
            ("1", true),
            ("'OFF'", false),
            ("'ON'", true),
            ("'NO_LOCK'", true),
            ("'NO_LOCK_NO_ADMIN'", true),
        ] {
            let sql = format!("SELECT {}", READS_ONLY.replace("@@global.read_only", value));
            let found = runtime.block_on(connection.conn.query_first::<bool, _>(sql));
            assert_eq!(found.unwrap(), Some(expected), "{value}");
        }
    }
}
