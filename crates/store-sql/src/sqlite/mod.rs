//! The embedded engine: one file, one process, no server.
//!
//! [`SqliteStore::open`] takes sole possession of the file and starts the store's threads: one writer with group
//! commit, some readers, one for checkpoints. Reads and writes reach them through `readers` and `writer`.

mod accounts;
mod archive;
mod backup;
mod change_log;
mod checkpoint;
mod connection;
pub(crate) mod error;
mod explain;
mod functions;
mod inline;
mod migrator;
mod open;
mod options;
mod positions;
mod presence;
mod queue;
mod readers;
mod relocation;
pub(crate) mod session;
mod staging;
mod store;
#[cfg(test)]
pub(crate) mod testing;
mod writer;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use engine::Model;
use engine::ports::feed::Feed;

pub use archive::{ArchiveProblem, Archiving, RestoredTo, restore_at};
pub use backup::{BackupError, Copied, Restored, Told, back_up, restore};
pub use options::{Location, OpenError, SqliteOptions, Synchronous};

pub(crate) use readers::Readers;
pub(crate) use writer::Writer;

use inline::Commits;
use open::{Place, Possession, Threads};
use positions::Positions;
use presence::Presence;

/// A database in one file. Dropping it without [`close`](engine::ports::store::Store::close) waits until what is queued is written.
pub struct SqliteStore {
    writer: Writer,
    readers: Readers,
    shared: Arc<Shared>,
    presence: Arc<Presence>,
    place: Place,
    /// `None` once closed.
    threads: Mutex<Option<Threads>>,
}

/// What the writing thread and the callers both see.
struct Shared {
    model: RwLock<Arc<Model>>,
    positions: Mutex<Positions>,
    feed: Feed,
    commits: Arc<Commits>,
}

impl Shared {
    fn new(options: &SqliteOptions) -> Self {
        Self {
            model: RwLock::default(),
            positions: Mutex::default(),
            feed: Feed::new(options.changes_kept_max, options.changes_behind_max),
            commits: Arc::default(),
        }
    }

    /// The adopted model; an empty one before the first.
    fn current(&self) -> Arc<Model> {
        Arc::clone(&self.model.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// After something was committed whose changes nobody is told one by one.
    fn start_over(&self) {
        self.commits.note();
        self.feed.start_over();
    }

    fn positions(&self) -> MutexGuard<'_, Positions> {
        self.positions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SqliteStore {
    /// Opens or creates the database. Its structure is the business of `migrate`.
    ///
    /// # Errors
    /// See [`OpenError`]; each is the operator's to solve.
    pub fn open(location: &Location, options: &SqliteOptions) -> Result<Self, OpenError> {
        open::open(location, options, false)
    }

    /// As [`SqliteStore::open`]; but where another process serves the database, this store works beside it. It may read,
    /// and [`stage`](engine::ports::store::Store::stage) an import. It must not commit: the positions of commits are the
    /// other's to give.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_beside(location: &Location, options: &SqliteOptions) -> Result<Self, OpenError> {
        open::open(location, options, true)
    }

    /// As [`SqliteStore::open_beside`], to look at what is there: no database is made.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_existing(location: &Location, options: &SqliteOptions) -> Result<Self, OpenError> {
        match location {
            Location::File(path) if !path.exists() => Err(OpenError::Missing(path.clone())),
            _ => Self::open_beside(location, options),
        }
    }

    /// Whether no other process serves the database.
    pub fn is_alone(&self) -> bool {
        self.place.possession != Possession::Beside
    }

    pub(crate) fn writer(&self) -> &Writer {
        &self.writer
    }

    /// Refuses what comes from now on; `None` when another call did so before.
    fn shut(&self) -> Option<Threads> {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.writer.close();
        self.readers.close();
        threads
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        if let Some(threads) = self.shut() {
            threads.join();
        }
    }
}

#[cfg(test)]
mod tests;
