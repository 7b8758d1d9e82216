//! What servers are asked to know how far they are: over a connection of its own to each.

use std::time::Duration;

use tokio_postgres::{Client, Error, Statement};

use super::written::{Layout, Lsn};
use crate::postgres::error::described;
use crate::postgres::pool::Pool;

/// How long any question may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// How far a server has replayed the log of the one that it follows; null where it follows none.
pub(in crate::postgres) const PROGRESS: &str =
    "SELECT CASE WHEN pg_is_in_recovery() THEN (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint END";

/// Fails on a server that follows another.
const WRITTEN: &str = "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint, \
                       current_setting('transaction_read_only') = 'on'";

const IDENTITY: &str = "SELECT system_identifier, current_database()::text, current_schema()::text, \
                        current_setting('wal_block_size')::bigint, pg_size_bytes(current_setting('wal_segment_size')) \
                        FROM pg_control_system()";

/// By what copies of the same data are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    system: i64,
    database: String,
    schema: Option<String>,
    layout: Layout,
}

pub(super) struct Primary(Probe);

pub(super) struct Follower(Probe);

struct Probe {
    client: Client,
    identity: Identity,
    question: Statement,
}

impl Primary {
    pub(super) async fn connect(pool: &Pool) -> Result<Self, String> {
        Probe::connect(pool, WRITTEN).await.map(Self)
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// How far its log goes.
    pub(super) async fn written(&self) -> Result<Lsn, String> {
        let row = within(self.0.client.query_one(&self.0.question, &[])).await?;
        let read = || Ok((row.try_get(0)?, row.try_get(1)?));
        match read().map_err(failed)? {
            (_, true) => Err("it only reads".to_owned()),
            (next, false) => Ok(self.0.identity.layout.end(next)),
        }
    }
}

impl Follower {
    pub(super) async fn connect(pool: &Pool) -> Result<Self, String> {
        Probe::connect(pool, PROGRESS).await.map(Self)
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.0.identity
    }

    pub(super) async fn replayed(&self) -> Result<Lsn, String> {
        let row = within(self.0.client.query_one(&self.0.question, &[])).await?;
        let replayed: Option<Lsn> = row.try_get(0).map_err(failed)?;
        replayed.ok_or_else(|| "it follows no other server".to_owned())
    }
}

impl Probe {
    async fn connect(pool: &Pool, question: &str) -> Result<Self, String> {
        let connected = tokio::time::timeout(pool.connect_timeout(), pool.connect()).await;
        let connected = connected.map_err(|_| "no connection in time".to_owned())?;
        let client = connected.map_err(failed)?.client;
        let row = within(client.query_one(IDENTITY, &[])).await?;
        let read = || {
            Ok(Identity {
                system: row.try_get(0)?,
                database: row.try_get(1)?,
                schema: row.try_get(2)?,
                layout: Layout {
                    block: row.try_get(3)?,
                    segment: row.try_get(4)?,
                },
            })
        };
        let identity = read().map_err(failed)?;
        let question = within(client.prepare(question)).await?;
        Ok(Self {
            client,
            identity,
            question,
        })
    }
}

fn failed(error: Error) -> String {
    described(&error)
}

async fn within<T>(asking: impl Future<Output = Result<T, Error>>) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(answered) => answered.map_err(failed),
        Err(_) => Err("no answer in time".to_owned()),
    }
}
