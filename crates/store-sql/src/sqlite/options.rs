//! How a SQLite store runs, and why it can't be opened.

use std::path::PathBuf;
use std::time::Duration;

use super::archive::Archiving;

/// Where the database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    File(PathBuf),
    /// A file of its own in a private temporary folder, deleted on close: several connections share it and it behaves
    /// as any other file does, which SQLite's own `:memory:` would not.
    Memory,
}

impl Location {
    /// `sqlite:data/app.db` or `sqlite::memory:`; `None` for a URL of another scheme or without a path.
    pub fn from_url(url: &str) -> Option<Self> {
        match url.strip_prefix("sqlite:")? {
            "" | "//" => None,
            ":memory:" => Some(Self::Memory),
            path => Some(Self::File(PathBuf::from(path.strip_prefix("//").unwrap_or(path)))),
        }
    }
}

/// What an acknowledged write survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Synchronous {
    /// A crash of the process and a loss of power: the log is synced at each group commit.
    Full,
    /// A crash of the process; after a loss of power the last commits may be gone, and the database is still consistent.
    Normal,
}

/// Every limit and time-out of the store.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// Whether Ninefold's own tables may be added to a database that others made.
    pub adopts: bool,
    pub synchronous: Synchronous,
    /// Be content with a database that a move fills.
    pub incomplete: bool,
    /// How much of the file each connection maps into memory.
    pub mmap_bytes: u64,
    /// Threads for lists, scans and whatever may take long.
    pub readers: usize,
    /// Connections for point reads on the caller's own thread; beyond them a point read goes to the reader threads.
    pub inline_readers_max: usize,
    pub read_queue_max: usize,
    pub write_queue_max: usize,
    /// The most writes that share a commit.
    pub batch_max: usize,
    /// No read runs longer than this, whatever its caller's deadline.
    pub query_timeout: Duration,
    /// How long to wait for another program that holds the file's write lock.
    pub busy_timeout: Duration,
    /// Writes between two passive checkpoints.
    pub checkpoint_writes: usize,
    /// Beyond so many pages the writer starts the log over, as soon as the readers let it.
    pub wal_pages_max: u32,
    /// At so many pages, which only a reader that never ends can bring about, writes are refused until it has gone.
    pub wal_pages_limit: u32,
    /// How long the writer waits for readers when it starts the log over.
    pub restart_timeout: Duration,
    /// Prepared statements kept by each connection.
    pub statements_max: usize,
    /// Changed records kept in memory, commit by commit, for those who come back after a short absence.
    pub changes_kept_max: usize,
    /// Commits that a slow listener may be behind before it has to start over.
    pub changes_behind_max: usize,
    /// Where everything that is committed is kept as well, elsewhere.
    pub archiving: Option<Archiving>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            adopts: true,
            synchronous: Synchronous::Full,
            incomplete: false,
            mmap_bytes: 256 * 1024 * 1024,
            readers: 4,
            inline_readers_max: 2 * cores,
            read_queue_max: 1024,
            write_queue_max: 4096,
            batch_max: 512,
            query_timeout: Duration::from_secs(10),
            busy_timeout: Duration::from_secs(5),
            checkpoint_writes: 4000,
            wal_pages_max: 8192,
            wal_pages_limit: 512 * 1024,
            restart_timeout: Duration::from_millis(20),
            statements_max: 256,
            changes_kept_max: 16_384,
            changes_behind_max: 1024,
            archiving: None,
        }
    }
}

/// Why the database can't be opened. The command line has a sentence for each.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the folder {} does not exist", .0.display())]
    NoFolder(PathBuf),
    /// Of those that are not made.
    #[error("there is no database {}", .0.display())]
    Missing(PathBuf),
    #[error("{} can't be written to", .0.display())]
    ReadOnly(PathBuf),
    #[error("{} is in use by another process", .0.display())]
    Locked(PathBuf),
    #[error("{} is incomplete: a move fills it", .0.display())]
    Incomplete(PathBuf),
    #[error("{} is not a SQLite database, or it is damaged", .0.display())]
    NotADatabase(PathBuf),
    #[error("{} was not made by Ninefold and lacks its tables", .0.display())]
    Foreign(PathBuf),
    #[error("{} was written by a newer Ninefold (format {found}, this one knows {known})", path.display())]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("{} can't be opened: {reason}", path.display())]
    Other { path: PathBuf, reason: String },
}
