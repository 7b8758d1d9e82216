//! MySQL and MariaDB: connections over the network, many writers at once.
//!
//! [`MySqlStore::open`] reaches the server once, to see that it can; connections are made as they are needed. Reads
//! are single statements where that is enough, and a snapshot otherwise; writes are described in `store`.

mod accounts;
mod address;
pub mod backup;
mod change_log;
mod error;
mod explain;
mod gtid;
mod migrator;
mod nodes;
mod options;
mod pool;
mod relocation;
mod replicas;
mod session;
mod staging;
mod store;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod value;

use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use engine::Model;
use engine::model::Epoch;
use engine::ports::feed::Feed;
use engine::ports::store::StoreError;
use mysql_async::Error;
use mysql_async::prelude::Queryable as _;

pub use options::{MySqlOpenError, MySqlOptions};

pub(crate) use pool::Connection;

pub(crate) use error::described;
use error::is_replica;
use nodes::MySqlBoards;
use pool::Pool;
use replicas::Replicas;

use crate::dialect::Server;
use crate::migrate::mysql::system;
use crate::nodes::Node;
use crate::order::Order;

/// The oldest versions that have all that we say.
const MYSQL_MIN: (u16, u16, u16) = (8, 0, 21);
const MARIADB_MIN: (u16, u16, u16) = (10, 6, 0);

/// A database on a server.
pub struct MySqlStore {
    pool: Arc<Pool>,
    /// That are read from where a read may be of a moment ago.
    replicas: Option<Replicas>,
    model: Arc<RwLock<Arc<Model>>>,
    feed: Arc<Feed>,
    order: Arc<Order>,
    /// Among those that have the database open; begins where the database has a place for it.
    node: OnceLock<Node>,
    query_timeout: Duration,
    attempts_max: u32,
}

impl MySqlStore {
    /// Whether a URL is one of this database.
    pub fn takes(url: &str) -> bool {
        url.starts_with("mysql://") || url.starts_with("mariadb://")
    }

    /// Reaches the database. Its structure is the business of `migrate`.
    ///
    /// # Errors
    /// See [`MySqlOpenError`]; each is the operator's to solve.
    pub async fn open(url: &str, options: &MySqlOptions) -> Result<Self, MySqlOpenError> {
        let pool = pool::of(url, options)?;
        let mut connection = reach(&pool, options).await?;
        let has_tables = fits(&mut connection, options).await? > 0;
        let refused = |error| MySqlOpenError::Refused(described(&error));
        if backup::is_interrupted(&mut connection).await.map_err(refused)? {
            return Err(MySqlOpenError::Restoring);
        }
        if !options.adopts && is_foreign(&mut connection).await? {
            return Err(MySqlOpenError::Foreign);
        }
        if !options.replicas.is_empty() {
            let log = replicas::log_of(&mut connection).await;
            log.map_err(MySqlOpenError::NoLog)?;
        }
        let recovered = staging::recover(connection).await;
        recovered.map_err(|error| MySqlOpenError::Refused(error.to_string()))?;
        let feed = Arc::new(Feed::new(options.changes_kept_max, options.changes_behind_max));
        let pool = Arc::new(pool);
        let store = Self {
            replicas: replicas::of(&pool, options)?,
            pool,
            model: Arc::default(),
            order: Arc::new(Order::new(Arc::clone(&feed))),
            feed,
            node: OnceLock::new(),
            query_timeout: options.query_timeout,
            attempts_max: options.attempts_max,
        };
        if has_tables {
            store.join().await;
        }
        Ok(store)
    }

    /// Takes its place among the nodes, if it has none.
    fn join(&self) -> impl Future<Output = ()> + use<> {
        let boards = MySqlBoards(Arc::clone(&self.pool));
        Node::join(&self.node, boards, &self.feed, &self.model)
    }

    /// The adopted model; an empty one before the first.
    fn current(&self) -> Arc<Model> {
        Arc::clone(&self.model.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The adopted model, if it is the one that a permit was made under.
    fn model(&self, epoch: Epoch) -> Result<Arc<Model>, StoreError> {
        let model = self.current();
        if model.epoch == epoch {
            Ok(model)
        } else {
            Err(StoreError::StaleEpoch)
        }
    }
}

/// The first connection.
async fn reach(pool: &Pool, options: &MySqlOptions) -> Result<Connection, MySqlOpenError> {
    let connected = tokio::time::timeout(options.connect_timeout, pool.connect()).await;
    let connected = connected.map_err(|_| MySqlOpenError::Unreachable("no answer in time".to_owned()))?;
    connected.map_err(|error| match error {
        Error::Server(_) => MySqlOpenError::Refused(described(&error)),
        _ if is_replica(&error) => MySqlOpenError::ReadsOnly,
        _ => MySqlOpenError::Unreachable(described(&error)),
    })
}

/// A connection of its own, for who only wants to look.
pub(crate) async fn connected(url: &str) -> Result<Connection, String> {
    let options = MySqlOptions::default();
    let pool = pool::of(url, &options).map_err(|error| error.to_string())?;
    pool.connect().await.map_err(|error| described(&error))
}

/// Whether there are tables, and none of Ninefold's.
async fn is_foreign(connection: &mut Connection) -> Result<bool, MySqlOpenError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM information_schema.tables \
               WHERE table_schema = DATABASE() AND table_type <> 'VIEW')";
    let refused = |error| MySqlOpenError::Refused(described(&error));
    let has_tables: Option<bool> = connection.conn.query_first(sql).await.map_err(refused)?;
    Ok(has_tables == Some(true) && system::format(connection).await.map_err(refused)? == 0)
}

/// Whether the server and the database are such as we need; the format of our own tables.
async fn fits(connection: &mut Connection, options: &MySqlOptions) -> Result<i64, MySqlOpenError> {
    let refused = |error| MySqlOpenError::Refused(described(&error));
    let version: Option<String> = connection.conn.query_first("SELECT VERSION()").await.map_err(refused)?;
    let version = version.unwrap_or_default();
    let min = match connection.dialect.0 {
        Server::MySql => MYSQL_MIN,
        Server::MariaDb => MARIADB_MIN,
    };
    if numbers(&version) < min {
        return Err(MySqlOpenError::TooOld(version));
    }
    if !options.incomplete && relocation::mark(connection).await.map_err(refused)?.is_some() {
        return Err(MySqlOpenError::Incomplete);
    }
    let found = system::format(connection).await.map_err(refused)?;
    if found > system::FORMAT {
        let known = system::FORMAT;
        return Err(MySqlOpenError::Newer { found, known });
    }
    Ok(found)
}

/// Of `10.11.19-MariaDB-0+deb12u1`.
fn numbers(version: &str) -> (u16, u16, u16) {
    let mut parts = version.split(|character: char| !character.is_ascii_digit());
    let mut next = || parts.next().and_then(|part| part.parse().ok()).unwrap_or(0);
    (next(), next(), next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert_eq!(numbers("10.11.19-MariaDB-0+deb12u1"), (10, 11, 19));
        assert!(numbers("8.0.9") < MYSQL_MIN);
        assert!(numbers("8.4.0-commercial") > MYSQL_MIN);
    }
}
