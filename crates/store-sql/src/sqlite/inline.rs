//! The connections that callers read with on their own threads, and the snapshots that these keep.
//!
//! Beginning and ending a read costs as much as finding a record by its key: locks, and a look at the file's size. So
//! a connection keeps its snapshot after a read, and the next read goes on with it for as long as that is the current
//! state of the database:
//! - [`Commits`] counts what this process commits, before anybody is told of it;
//! - what another process commits is seen after [`KEPT_MAX`].
//!
//! A snapshot that nobody reads from would hold up checkpoints, so it is let go of.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use engine::ports::store::StoreError;
use rusqlite::Connection;

use super::connection::Timed;
use super::error::store_error;

/// How long a snapshot may hide what another process has committed.
const KEPT_MAX: Duration = Duration::from_millis(1);
/// After which a snapshot counts as one that nobody reads from any more.
pub(super) const UNUSED: Duration = Duration::from_millis(10);

/// How often this process has committed something.
#[derive(Default)]
pub(super) struct Commits(AtomicU64);

impl Commits {
    /// After the commit, and before anybody is told of it.
    pub(super) fn note(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// At most one connection for each slot, made when it is first needed.
pub(super) struct Inline {
    slots: Vec<Mutex<Option<Reader>>>,
    /// Somebody has undertaken to call [`Inline::let_go_of_unused`].
    is_watched: AtomicBool,
    is_closed: AtomicBool,
}

pub(super) struct Reader {
    timed: Timed,
    kept: Option<Snapshot>,
}

/// A transaction that is open.
#[derive(Clone, Copy)]
struct Snapshot {
    /// [`Commits`] when it began, or before.
    commits: u64,
    began: Instant,
}

/// A slot, for as long as a read has it.
pub(super) struct Place<'i> {
    inline: &'i Inline,
    slot: MutexGuard<'i, Option<Reader>>,
}

impl Inline {
    pub(super) fn new(connections_max: usize) -> Self {
        Self {
            slots: (0..connections_max).map(|_| Mutex::new(None)).collect(),
            is_watched: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
        }
    }

    /// A slot that is free, if there is one: the calling thread's own for preference.
    pub(super) fn place(&self) -> Option<Place<'_>> {
        let (first, count) = (thread_number(), self.slots.len());
        let slot = (0..count).find_map(|offset| self.slots[(first + offset) % count].try_lock().ok())?;
        Some(Place { inline: self, slot })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Ends snapshots that began so long ago; one that is read from begins anew every [`KEPT_MAX`]. Whether others
    /// are left.
    pub(super) fn let_go(&self, age: Duration) -> bool {
        let mut left = false;
        for slot in &self.slots {
            // Who has it reads from it.
            let Ok(mut slot) = slot.try_lock() else {
                left = true;
                continue;
            };
            let Some(mut reader) = slot.take() else { continue };
            if reader.kept.is_some_and(|kept| kept.began.elapsed() < age) {
                left = true;
            } else if let Err(error) = reader.end() {
                tracing::warn!(%error, "a snapshot could not be ended; its connection is closed");
                continue;
            }
            *slot = Some(reader);
        }
        left
    }

    /// Ends snapshots that nobody reads from any more. Whether it has to be called again; if not, who keeps the next one
    /// asks for it.
    pub(super) fn let_go_of_unused(&self) -> bool {
        self.is_watched.store(false, Ordering::SeqCst);
        let left = self.let_go(UNUSED);
        if left {
            self.is_watched.store(true, Ordering::SeqCst);
        }
        left
    }

    /// Closes the connections, for good.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        for slot in &self.slots {
            slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
    }
}

impl Place<'_> {
    /// Runs `read` on this place's connection, which `connect` makes where there is none yet; on the current state.
    /// `watch` is called where nobody has undertaken to let go of the snapshot.
    pub(super) fn read<T>(
        &mut self,
        commits: &Commits,
        connect: impl FnOnce() -> Result<Timed, StoreError>,
        watch: impl FnOnce(),
        read: impl FnOnce(&Timed) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        // Out of its slot: a connection on which something panics is not used again.
        let mut reader = match self.slot.take() {
            Some(reader) => reader,
            None => Reader {
                timed: connect()?,
                kept: None,
            },
        };
        reader.renew(commits).map_err(|error| store_error(&error))?;
        let result = read(&reader.timed);
        if result.is_err() {
            reader.end().map_err(|error| store_error(&error))?;
        }
        let keeps = reader.kept.is_some();
        *self.slot = Some(reader);
        let is_watched = &self.inline.is_watched;
        if keeps && !is_watched.load(Ordering::SeqCst) && !is_watched.swap(true, Ordering::SeqCst) {
            watch();
        }
        result
    }
}

impl Reader {
    /// Makes sure that what is read is the current state.
    fn renew(&mut self, commits: &Commits) -> rusqlite::Result<()> {
        let (count, now) = (commits.count(), Instant::now());
        let is_current = |kept: Snapshot| kept.commits == count && now.duration_since(kept.began) < KEPT_MAX;
        if self.kept.is_some_and(is_current) {
            return Ok(());
        }
        self.end()?;
        if mutant!(OneMoment) {
            return Ok(());
        }
        // It takes its snapshot with the first statement: not before the commits were counted.
        execute(self.timed.connection(), "BEGIN")?;
        self.kept = Some(Snapshot {
            commits: count,
            began: now,
        });
        Ok(())
    }

    /// Nothing was written: this only lets go of the state. An interrupted statement may have done so already.
    fn end(&mut self) -> rusqlite::Result<()> {
        let connection = self.timed.connection();
        if self.kept.take().is_some() && !connection.is_autocommit() {
            execute(connection, "ROLLBACK")?;
        }
        Ok(())
    }
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.raw_execute().map(|_| ())
}

/// A small number for each thread, so that each tends to the same connection.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static NUMBER: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed)));
    NUMBER.with(Cell::get)
}

#[cfg(test)]
mod tests;
