//! How a MySQL store runs, and why it can't be opened.

use std::time::Duration;

/// Every limit and time-out of the store.
#[derive(Debug, Clone)]
pub struct MySqlOptions {
    /// Whether a database that others made may get our own tables. Without it one is refused that has none of them.
    pub adopts: bool,
    /// Whether a server that only reads will do.
    pub reads_only: bool,
    /// Servers that follow the primary, for reads that may be of a moment ago. Each URL names one.
    pub replicas: Vec<String>,
    /// How far behind what is read from them may be.
    pub replica_lag_max: Duration,
    /// How many connections there are at most; who needs another waits for one.
    pub connections_max: usize,
    /// How long to wait for one of the connections when all are in use.
    pub acquire_timeout: Duration,
    /// How long making a connection may take.
    pub connect_timeout: Duration,
    /// No statement runs longer than this, whatever its caller's deadline.
    pub query_timeout: Duration,
    /// How long a statement waits for a lock of another, in whole seconds.
    pub lock_timeout: Duration,
    /// How often a write is tried that others got in the way of.
    pub attempts_max: u32,
    /// Prepared statements kept by each connection.
    pub statements_max: usize,
    /// Changed records kept in memory, commit by commit, for those who come back after a short absence.
    pub changes_kept_max: usize,
    /// Commits that a slow listener may be behind before it has to start over.
    pub changes_behind_max: usize,
    /// Remember which connections are this store's own: a move wants to know of others.
    pub moves: bool,
    /// Be content with a database that a move fills.
    pub incomplete: bool,
}

impl Default for MySqlOptions {
    fn default() -> Self {
        Self {
            adopts: true,
            reads_only: false,
            replicas: Vec::new(),
            replica_lag_max: Duration::from_secs(2),
            connections_max: 16,
            acquire_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(5),
            query_timeout: Duration::from_secs(10),
            lock_timeout: Duration::from_secs(5),
            attempts_max: 16,
            statements_max: 256,
            changes_kept_max: 16_384,
            changes_behind_max: 1024,
            moves: false,
            incomplete: false,
        }
    }
}

/// Why the database can't be opened. The command line has a sentence for each.
#[derive(Debug, thiserror::Error)]
pub enum MySqlOpenError {
    #[error("the URL can't be used: {0}")]
    Url(String),
    #[error("the URL of replica {number} can't be used: {reason}")]
    Replica { number: usize, reason: String },
    #[error("no replica can be read from, as nobody can say how far the primary is: {0}")]
    NoLog(String),
    /// Nobody listens there, or not for long enough.
    #[error("the server does not answer: {0}")]
    Unreachable(String),
    /// The server doesn't let us in: another password, no such database.
    #[error("the server refuses: {0}")]
    Refused(String),
    #[error("the server only reads: it is a replica, or was told not to write")]
    ReadsOnly,
    #[error("the server is {0}; MySQL 8.0.21 or MariaDB 10.6 or later is needed")]
    TooOld(String),
    #[error("the database is incomplete: a move fills it")]
    Incomplete,
    #[error("the database is incomplete: a restore of it was interrupted")]
    Restoring,
    #[error("the database was not made by Ninefold and lacks its tables")]
    Foreign,
    #[error("the database was written by a newer Ninefold (format {found}, this one knows {known})")]
    Newer { found: i64, known: i64 },
}
