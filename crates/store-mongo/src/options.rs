//! How a MongoDB store is opened, and why it can't be.

use std::time::Duration;

#[derive(Debug, Clone)]
pub struct MongoOptions {
    /// Operations that use a connection at the same time; who wants another waits for one.
    pub connections_max: u32,
    /// How long to wait for one of the connections when all are in use.
    pub acquire_timeout: Duration,
    /// No read runs longer than this, whatever its caller's deadline.
    pub query_timeout: Duration,
    /// How long to look for a server that can be written to.
    pub connect_timeout: Duration,
    /// Writes that wait for their turn at most.
    pub write_queue_max: usize,
    /// How often to ask whether another node has committed something.
    pub poll_interval: Duration,
    /// Changed records kept in memory, commit by commit, for those who come back after a short absence.
    pub changes_kept_max: usize,
    /// Commits that a slow listener may be behind before it has to start over.
    pub changes_behind_max: usize,
    /// Be content with a database that a move fills.
    pub incomplete: bool,
    /// A move from here reads one state of the database, in one transaction, while others write.
    pub still: bool,
}

impl Default for MongoOptions {
    fn default() -> Self {
        Self {
            connections_max: 32,
            acquire_timeout: Duration::from_secs(5),
            query_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            write_queue_max: 4096,
            poll_interval: Duration::from_millis(500),
            changes_kept_max: 16_384,
            changes_behind_max: 1024,
            incomplete: false,
            still: false,
        }
    }
}

/// Why the database can't be opened. The command line has a sentence for each.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the database's URL can't be read: {0}")]
    Url(String),
    #[error("the URL names no database: write mongodb://{{host}}/NAME")]
    NoDatabase,
    /// Without transactions nothing could be promised.
    #[error(
        "{host} is a standalone server, and has no transactions: start it with `--replSet rs0`, run `rs.initiate()` once \
         in `mongosh`, and try again; a replica set of one member will do"
    )]
    Standalone { host: String },
    #[error("MongoDB does not answer: {0}")]
    Unreachable(String),
    #[error("the database is incomplete: a move fills it")]
    Incomplete,
    #[error("the database can't be opened: {0}")]
    Other(String),
}
