//! PostgreSQL: connections over the network, many writers at once.
//!
//! [`PostgresStore::open`] reaches the server once, to see that it can; connections are made as they are needed. Reads
//! are single statements where that is enough, and a snapshot otherwise; writes are described in `store`.

mod accounts;
pub mod backup;
mod change_log;
mod error;
mod explain;
mod insert;
mod migrator;
mod nodes;
mod options;
mod pool;
mod relocation;
mod replicas;
mod session;
mod shared;
mod staging;
mod store;
#[cfg(test)]
pub(crate) mod testing;
mod tls;
pub(crate) mod value;

use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use engine::Model;
use engine::model::Epoch;
use engine::ports::feed::Feed;
use engine::ports::store::StoreError;
use tokio_postgres::Client;

pub use options::{PostgresOpenError, PostgresOptions};

pub(crate) use error::described;
use error::is_standby;
use nodes::PostgresBoards;
use pool::Pool;
use replicas::Replicas;
use shared::SharedConnections;

use crate::migrate::postgres::system;
use crate::nodes::Node;
use crate::order::Order;

/// The oldest version that has all that we say.
const VERSION_MIN: i64 = 150_000;

/// A schema of a database on a server: the first of the search path.
pub struct PostgresStore {
    pool: Arc<Pool>,
    shared: SharedConnections,
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

impl PostgresStore {
    /// Whether a URL is one of this database.
    pub fn takes(url: &str) -> bool {
        url.starts_with("postgresql://") || url.starts_with("postgres://")
    }

    /// Reaches the database. Its structure is the business of `migrate`.
    ///
    /// # Errors
    /// See [`PostgresOpenError`]; each is the operator's to solve.
    pub async fn open(url: &str, options: &PostgresOptions) -> Result<Self, PostgresOpenError> {
        let pool = pool::of(url, options)?;
        let connected = tokio::time::timeout(options.connect_timeout, pool.connect()).await;
        let connected = connected.map_err(|_| PostgresOpenError::Unreachable("no answer in time".to_owned()))?;
        let connection = connected.map_err(|error| match error.as_db_error() {
            None if is_standby(&error) => PostgresOpenError::Standby,
            Some(_) => PostgresOpenError::Refused(described(&error)),
            None => PostgresOpenError::Unreachable(described(&error)),
        })?;
        let has_tables = fits(&connection.client, options).await? > 0;
        if !options.adopts && is_foreign(&connection.client).await? {
            return Err(PostgresOpenError::Foreign);
        }
        let recovered = staging::recover(connection).await;
        recovered.map_err(|error| PostgresOpenError::Refused(error.to_string()))?;
        let feed = Arc::new(Feed::new(options.changes_kept_max, options.changes_behind_max));
        let pool = Arc::new(pool);
        let store = Self {
            replicas: replicas::of(&pool, options)?,
            shared: SharedConnections::new(Arc::clone(&pool)),
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
        let boards = PostgresBoards(Arc::clone(&self.pool));
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

/// A connection of its own, for who only wants to look.
pub(crate) async fn connected(url: &str) -> Result<Client, String> {
    let options = PostgresOptions {
        reads_only: true,
        ..PostgresOptions::default()
    };
    let pool = pool::of(url, &options).map_err(|error| error.to_string())?;
    let connected = tokio::time::timeout(options.connect_timeout, pool.connect()).await;
    let connected = connected.map_err(|_| "no answer in time".to_owned())?;
    connected
        .map(|connection| connection.client)
        .map_err(|error| described(&error))
}

/// Whether there are tables, and none of Ninefold's.
async fn is_foreign(client: &Client) -> Result<bool, PostgresOpenError> {
    let sql = "SELECT EXISTS (SELECT FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p'))";
    let refused = |error| PostgresOpenError::Refused(described(&error));
    let has_tables: bool = client.query_one(sql, &[]).await.map_err(refused)?.get(0);
    Ok(has_tables && system::format(client).await.map_err(refused)? == 0)
}

/// Whether the server and the database are such as we need; the format of our own tables.
async fn fits(client: &Client, options: &PostgresOptions) -> Result<i64, PostgresOpenError> {
    let refused = |error| PostgresOpenError::Refused(described(&error));
    let sql = "SELECT current_setting('server_version_num')::bigint, current_setting('server_version'), \
               current_setting('server_encoding'), current_schema()::text";
    let row = client.query_one(sql, &[]).await.map_err(refused)?;
    let read = || Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?));
    let (number, version, encoding, schema): (i64, String, String, Option<String>) = read().map_err(refused)?;
    if number < VERSION_MIN {
        return Err(PostgresOpenError::TooOld(version));
    }
    if encoding != "UTF8" {
        return Err(PostgresOpenError::Encoding(encoding));
    }
    if schema.is_none() {
        return Err(PostgresOpenError::Refused(
            "none of the schemas of the search path is there".to_owned(),
        ));
    }
    if !options.incomplete && relocation::mark(client).await.map_err(refused)?.is_some() {
        return Err(PostgresOpenError::Incomplete);
    }
    let found = system::format(client).await.map_err(refused)?;
    if found > system::FORMAT {
        let known = system::FORMAT;
        return Err(PostgresOpenError::Newer { found, known });
    }
    Ok(found)
}
