//! Follows the database's log, so that no committed page is missed, whoever writes and whoever checkpoints.
//!
//! A read transaction is open at all times, and the next one begins before it ends. SQLite starts a log over only when
//! nobody reads from it. A transaction that began while all of the log was in the database doesn't read from it, so then
//! it may be started over beneath us; but nothing is copied into the database while such a transaction is open, so that
//! at most once, and without a page that was not followed. Hence: as long as everything that the open transaction sees has
//! been followed, nothing is lost.
//!
//! So that the log doesn't grow for ever, [`Capture::step_aside`] ends the transaction while it holds the write lock and
//! has all of the log copied into the database: the next transaction doesn't read from the log.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use engine::model::Timestamp;
use engine::ports::clock::Clock;
use rusqlite::Connection;

use super::log::{Header, Position, Sink};
use crate::sqlite::checkpoint::checkpoint;
use crate::sqlite::connection::{self, Timed, is_busy};
use crate::sqlite::open::beside;
use crate::sqlite::options::SqliteOptions;

/// Why the log can't be followed any longer: what is captured from now on would have a gap.
#[derive(Debug, thiserror::Error)]
pub(super) enum CaptureError {
    #[error("another program holds the database's write lock")]
    Busy,
    #[error("the log can't be read as SQLite reads it")]
    Unreadable,
    #[error("more was written than the spool may hold")]
    Full,
    #[error("the log or the spool failed: {0}")]
    Files(#[from] io::Error),
    #[error("the database failed: {0}")]
    Database(#[from] rusqlite::Error),
}

/// Pages that were committed and are not yet in a segment, each as it last was.
pub(super) struct Pending {
    raw: File,
    page_bytes: u32,
    slots: HashMap<u32, u64>,
    /// Of pages that have been written again since.
    free: Vec<u64>,
    slots_made: u64,
    /// Of the transaction under way.
    uncommitted: HashMap<u32, u64>,
    pub(super) database_pages: u32,
    pages_max: u64,
}

impl Pending {
    fn new(folder: &Path, page_bytes: u32, bytes_max: u64) -> io::Result<Self> {
        Ok(Self {
            raw: tempfile::tempfile_in(folder)?,
            page_bytes,
            slots: HashMap::new(),
            free: Vec::new(),
            slots_made: 0,
            uncommitted: HashMap::new(),
            database_pages: 0,
            pages_max: bytes_max / u64::from(page_bytes),
        })
    }

    pub(super) fn page_bytes(&self) -> u32 {
        self.page_bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    fn clear(&mut self) {
        self.free.extend(self.slots.drain().map(|(_, slot)| slot));
    }

    pub(super) fn numbers(&self) -> Vec<u32> {
        let mut numbers: Vec<_> = self.slots.keys().copied().collect();
        numbers.sort_unstable();
        numbers
    }

    pub(super) fn read(&self, number: u32, page: &mut [u8]) -> io::Result<()> {
        let slot = self.slots[&number];
        self.raw.read_exact_at(page, slot * u64::from(self.page_bytes))
    }
}

impl Sink for Pending {
    fn page(&mut self, number: u32, content: &[u8]) -> io::Result<()> {
        let slot = match self.uncommitted.get(&number) {
            Some(slot) => *slot,
            None => {
                let slot = self.free.pop().unwrap_or_else(|| {
                    self.slots_made += 1;
                    self.slots_made - 1
                });
                self.uncommitted.insert(number, slot);
                slot
            }
        };
        if self.slots_made > self.pages_max {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        self.raw.write_all_at(content, slot * u64::from(self.page_bytes))
    }

    fn commit(&mut self, database_pages: u32) {
        for (number, slot) in self.uncommitted.drain() {
            self.free.extend(self.slots.insert(number, slot));
        }
        self.database_pages = database_pages;
    }

    fn forget(&mut self) {
        self.free.extend(self.uncommitted.drain().map(|(_, slot)| slot));
    }
}

/// What [`Capture::take`] gives.
pub(super) struct Taken {
    pub(super) pending: Pending,
    pub(super) began: Timestamp,
    pub(super) ended: Timestamp,
}

pub(super) struct Capture {
    log: File,
    position: Option<Position>,
    readers: [Timed; 2],
    /// Which of the readers has a transaction open.
    reading: Option<usize>,
    /// Holds the write lock for a moment.
    locking: Timed,
    pending: Pending,
    spool: std::path::PathBuf,
    bytes_max: u64,
    /// Around the last look at the log.
    began: Timestamp,
    ended: Timestamp,
    clock: Arc<dyn Clock>,
}

impl Capture {
    /// Follows what is not in the database itself by now.
    pub(super) fn start(
        database: &Path,
        spool: &Path,
        options: &SqliteOptions,
        bytes_max: u64,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, CaptureError> {
        let options = SqliteOptions {
            mmap_bytes: 0,
            ..options.clone()
        };
        let open = || connection::writing(database, &options);
        let (readers, locking) = ([open()?, open()?], open()?);
        let number = |sql: &str| locking.connection().query_row(sql, [], |row| row.get::<_, u32>(0));
        let now = clock.now();
        let mut capture = Self {
            log: File::open(beside(database, "-wal"))?,
            position: None,
            readers,
            reading: None,
            pending: Pending::new(spool, number("PRAGMA page_size")?, bytes_max)?,
            locking,
            spool: spool.to_owned(),
            bytes_max,
            began: now,
            ended: now,
            clock,
        };
        capture.copy_ahead()?;
        if let Err(error) = connection::begin(capture.locking.connection(), options.busy_timeout) {
            return Err(match is_busy(&error) {
                true => CaptureError::Busy,
                false => error.into(),
            });
        }
        let begun = capture.begin_following();
        capture.locking.connection().execute_batch("ROLLBACK")?;
        begun.map(|()| capture)
    }

    /// While nobody writes.
    fn begin_following(&mut self) -> Result<(), CaptureError> {
        let reader = self.readers[0].connection();
        let progress = checkpoint(reader, "PASSIVE")?;
        begin(reader)?;
        self.reading = Some(0);
        self.pending.database_pages = reader.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        self.follow()?;
        if progress.is_looked_at() && progress.pages_left == 0 {
            // The base will have it.
            self.pending.clear();
        }
        (self.began, self.ended) = (self.ended, self.clock.now());
        Ok(())
    }

    /// Looks at what was committed since.
    pub(super) fn advance(&mut self) -> Result<(), CaptureError> {
        let Some(current) = self.reading else { return Ok(()) };
        let began = self.clock.now();
        let next = 1 - current;
        begin(self.readers[next].connection())?;
        self.follow()?;
        end(self.readers[current].connection())?;
        self.reading = Some(next);
        (self.began, self.ended) = (began, self.clock.now());
        Ok(())
    }

    fn follow(&mut self) -> Result<(), CaptureError> {
        let Some(header) = Header::read(&self.log)? else {
            return Ok(());
        };
        if header.page_bytes != self.pending.page_bytes {
            return Err(CaptureError::Unreadable);
        }
        let position = match self.position {
            Some(position) if position.salt == header.salt => position,
            // It was started over, and nothing is lost by that: see above.
            _ => header.start(),
        };
        let followed = header.follow(&self.log, position, &mut self.pending);
        self.position = Some(followed.map_err(|error| match error.kind() {
            io::ErrorKind::QuotaExceeded => CaptureError::Full,
            _ => CaptureError::Files(error),
        })?);
        Ok(())
    }

    /// Copies most of the log into the database, so that little is left for [`Capture::step_aside`], which holds up writes.
    pub(super) fn copy_ahead(&mut self) -> Result<(), CaptureError> {
        self.advance()?;
        // Another one that is under way does the same.
        checkpoint(self.locking.connection(), "PASSIVE")?;
        Ok(())
    }

    /// Makes way for whoever wants to start the log over. Answers whether all that is committed is in the database now.
    pub(super) fn step_aside(&mut self, patience: Duration) -> Result<bool, CaptureError> {
        if let Err(error) = connection::begin(self.locking.connection(), patience) {
            return match is_busy(&error) {
                true => Ok(false),
                false => Err(error.into()),
            };
        }
        let done = self.copy_all();
        self.locking.connection().execute_batch("ROLLBACK")?;
        done
    }

    /// While nobody writes.
    fn copy_all(&mut self) -> Result<bool, CaptureError> {
        self.advance()?;
        let Some(current) = self.reading else { return Ok(false) };
        let reader = self.readers[current].connection();
        end(reader)?;
        let progress = checkpoint(reader, "PASSIVE")?;
        begin(reader)?;
        let header = Header::read(&self.log)?;
        let followed = match (header, self.position) {
            (Some(header), Some(position)) if header.salt == position.salt => position.frames,
            _ => 0,
        };
        if progress.is_looked_at() && progress.pages != followed {
            return Err(CaptureError::Unreadable);
        }
        Ok(progress.is_looked_at() && progress.pages_left == 0)
    }

    /// Pages in the log, as far as it has been followed.
    pub(super) fn log_pages(&self) -> u32 {
        self.position.map_or(0, |position| position.frames)
    }

    /// What was committed since it was last called.
    pub(super) fn take(&mut self) -> Result<Taken, CaptureError> {
        let mut next = Pending::new(&self.spool, self.pending.page_bytes, self.bytes_max)?;
        next.database_pages = self.pending.database_pages;
        Ok(Taken {
            pending: std::mem::replace(&mut self.pending, next),
            began: self.began,
            ended: self.ended,
        })
    }

    pub(super) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Follows what there is, and lets go for good.
    pub(super) fn finish(&mut self, patience: Duration) -> Result<(), CaptureError> {
        self.step_aside(patience)?;
        self.advance()?;
        if let Some(current) = self.reading.take() {
            end(self.readers[current].connection())?;
        }
        Ok(())
    }
}

fn begin(connection: &Connection) -> rusqlite::Result<()> {
    connection.prepare_cached("BEGIN")?.raw_execute()?;
    // The snapshot is taken by the first read.
    let mut read = connection.prepare_cached("SELECT count(*) FROM (SELECT 1 FROM sqlite_schema LIMIT 1)")?;
    read.query_row([], |_| Ok(()))
}

fn end(connection: &Connection) -> rusqlite::Result<()> {
    connection.prepare_cached("COMMIT")?.raw_execute().map(|_| ())
}
