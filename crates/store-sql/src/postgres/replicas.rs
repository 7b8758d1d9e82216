//! Servers that follow the primary by PostgreSQL's own streaming replication, and what they are asked.

use std::sync::Arc;

use tokio_postgres::{Client, Error, Statement};

use super::error::described;
use super::options::{PostgresOpenError, PostgresOptions};
use super::pool::{self, Pool, PostgresWire};
use crate::replicas::{self, Position, Probe};

pub(super) type Replicas = replicas::Replicas<PostgresProbe>;

/// A place in the log of a server.
pub(super) type Lsn = i64;

/// How far a server has replayed the log of the one that it follows; null where it follows none.
pub(super) const PROGRESS: &str =
    "SELECT CASE WHEN pg_is_in_recovery() THEN (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint END";

/// Fails on a server that follows another.
const WRITTEN: &str = "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint, \
                       current_setting('transaction_read_only') = 'on'";

const IDENTITY: &str = "SELECT system_identifier, current_database()::text, current_schema()::text, \
                        current_setting('wal_block_size')::bigint, pg_size_bytes(current_setting('wal_segment_size')) \
                        FROM pg_control_system()";

/// Those that the options name, unless there are none.
pub(super) fn of(primary: &Arc<Pool>, options: &PostgresOptions) -> Result<Option<Replicas>, PostgresOpenError> {
    let options = PostgresOptions {
        reads_only: true,
        ..options.clone()
    };
    let numbered = options.replicas.iter().zip(1..);
    let pools = numbered.map(|(url, number)| pool_of(number, url, &options));
    let pools = pools.collect::<Result<_, _>>()?;
    Ok(Replicas::new(primary, pools, options.replica_lag_max))
}

fn pool_of(number: usize, url: &str, options: &PostgresOptions) -> Result<Pool, PostgresOpenError> {
    let wrong = |reason| PostgresOpenError::Replica { number, reason };
    let pool = pool::of(url, options).map_err(|error| match error {
        PostgresOpenError::Url(reason) => wrong(reason),
        other => other,
    })?;
    if pool.wire().hosts() != 1 {
        return Err(wrong("it names several servers; give each a URL of its own".to_owned()));
    }
    Ok(pool)
}

impl Position for Lsn {
    fn has(&self, written: &Self) -> bool {
        self >= written
    }

    fn is_within(&self, written: &Self) -> bool {
        self <= written
    }
}

/// By what copies of the same data are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    system: i64,
    database: String,
    schema: Option<String>,
    layout: Layout,
}

pub(super) struct PostgresProbe {
    client: Client,
    identity: Identity,
    question: Statement,
}

impl Probe for PostgresProbe {
    type Wire = PostgresWire;
    type Position = Lsn;
    type Identity = Identity;

    async fn of_primary(pool: &Pool) -> Result<Self, String> {
        Self::connect(pool, WRITTEN).await
    }

    async fn of_follower(pool: &Pool) -> Result<Self, String> {
        Self::connect(pool, PROGRESS).await
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    async fn written(&mut self) -> Result<Lsn, String> {
        let asked = self.client.query_one(&self.question, &[]).await;
        let row = asked.map_err(failed)?;
        let read = || Ok((row.try_get(0)?, row.try_get(1)?));
        match read().map_err(failed)? {
            (_, true) => Err("it only reads".to_owned()),
            (next, false) => Ok(self.identity.layout.end(next)),
        }
    }

    async fn replayed(&mut self) -> Result<Lsn, String> {
        let asked = self.client.query_one(&self.question, &[]).await;
        let row = asked.map_err(failed)?;
        let replayed: Option<Lsn> = row.try_get(0).map_err(failed)?;
        replayed.ok_or_else(|| "it follows no other server".to_owned())
    }
}

impl PostgresProbe {
    async fn connect(pool: &Pool, question: &str) -> Result<Self, String> {
        let client = pool.connect().await.map_err(failed)?.client;
        let row = client.query_one(IDENTITY, &[]).await.map_err(failed)?;
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
        let question = client.prepare(question).await.map_err(failed)?;
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

/// How a server's log is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layout {
    block: i64,
    segment: i64,
}

/// What stands at the beginning of each page of the log, and of its files.
const PAGE_HEADER: i64 = 24;
const FILE_HEADER: i64 = 40;

impl Layout {
    /// Where the last record ends, of which only the beginning of the next is known: before the header of a page that
    /// nothing follows on. Who has replayed that record is no further.
    fn end(self, next: Lsn) -> Lsn {
        if next % self.segment == FILE_HEADER {
            next - FILE_HEADER
        } else if next % self.block == PAGE_HEADER {
            next - PAGE_HEADER
        } else {
            next
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_one_server() {
        let url = "postgresql://nobody@one.example,two.example/shop";
        let refused = pool_of(3, url, &PostgresOptions::default()).err().unwrap();
        let refused = refused.to_string();
        assert!(
            refused.contains("replica 3") && refused.contains("several servers"),
            "{refused}"
        );
    }

    #[test]
    fn the_last_record_ends_before_the_header_of_an_empty_page() {
        let layout = Layout {
            block: 8192,
            segment: 16 * 1024 * 1024,
        };
        let file = 3 * layout.segment;
        for (next, end) in [
            (file + FILE_HEADER, file),
            (file + 8192 + PAGE_HEADER, file + 8192),
            (file + 8192 + FILE_HEADER, file + 8192 + FILE_HEADER),
            (file + 8192, file + 8192),
            (file + 4096, file + 4096),
        ] {
            assert_eq!(layout.end(next), end, "{next}");
        }
    }
}
