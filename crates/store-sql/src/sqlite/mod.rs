//! The embedded engine: one file, one process, no server.
//!
//! [`SqliteStore::open`] takes sole possession of the file and starts the store's threads: one writer with group
//! commit, some readers, one for checkpoints. Reads and writes reach them through [`readers`] and [`writer`].

mod checkpoint;
mod connection;
pub(crate) mod error;
mod functions;
mod open;
mod options;
mod queue;
mod readers;
mod writer;

use std::sync::{Mutex, PoisonError};

pub use options::{Location, OpenError, SqliteOptions, Synchronous};

pub(crate) use readers::Readers;
pub(crate) use writer::Writer;

use open::Threads;

/// A database in one file. Dropping it without [`close`](engine::ports::store::Store::close) waits until what is queued is written.
pub struct SqliteStore {
    writer: Writer,
    readers: Readers,
    /// `None` once closed.
    threads: Mutex<Option<Threads>>,
}

impl SqliteStore {
    /// Opens or creates the database. Its structure is the business of `migrate`.
    ///
    /// # Errors
    /// See [`OpenError`]; each is the operator's to solve.
    pub fn open(location: &Location, options: &SqliteOptions) -> Result<Self, OpenError> {
        open::open(location, options)
    }

    pub(crate) fn writer(&self) -> &Writer {
        &self.writer
    }

    pub(crate) fn readers(&self) -> &Readers {
        &self.readers
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
