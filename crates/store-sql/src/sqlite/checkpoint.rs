//! Keeps the write-ahead log short without holding anybody up for long.
//!
//! A thread of its own copies the log into the database (`PASSIVE`, which waits for nobody) after some thousand
//! writes. Under a steady load that never empties the log, so beyond a bound the writer starts it over between two
//! batches (`RESTART`): little is left to copy by then, and it waits for readers only briefly. A read that outlasts
//! the wait postpones it to the next round; reads have a time limit, so the log stays bounded. Snapshots that callers'
//! connections only keep for the next read are ended beforehand, and where nobody reads from them any more.
//!
//! Another program may read for as long as it likes. Then nothing behind its snapshot can be copied, and trying costs
//! more the longer the log is; so it is tried rarely, until at a limit writes are refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::archive::Follower;
use super::connection::{self, Timed};
use super::inline::{Inline, UNUSED};
use super::open::Possession;
use super::options::SqliteOptions;

/// What the side thread is asked for. Each at most once at a time.
enum Errand {
    Copy,
    Watch,
    End,
}

/// Between two tries while a reader holds up the log.
const HELD_UP_PAUSE: Duration = Duration::from_millis(500);

/// More than can be under way, so that nobody waits who asks.
const ERRANDS_MAX: usize = 4;

/// How others reach the side thread.
#[derive(Clone)]
pub(super) struct Errands(SyncSender<Errand>);

impl Errands {
    /// Lets go of snapshots when nobody reads from them any more.
    pub(super) fn watch(&self) {
        // A thread that has ended has no snapshots to wait for.
        let _ = self.0.try_send(Errand::Watch);
    }
}

/// The writer's half.
pub(super) struct Checkpoints {
    errands: Errands,
    inline: Arc<Inline>,
    /// What archives the log has to see it before it is started over.
    follower: Option<Arc<Follower>>,
    shared: Arc<Shared>,
    writes: usize,
    /// The side thread is at work, or its result has not been looked at.
    asked: bool,
    /// Pages in the log when the side thread was last done.
    pages_copied: u32,
    /// A reader holds up the log: not to be tried again before.
    held_up_until: Option<Instant>,
    checkpoint_writes: usize,
    wal_pages_max: u32,
    wal_pages_limit: u32,
    restart_timeout: Duration,
    busy_timeout: Duration,
    possession: Possession,
}

#[derive(Default)]
struct Shared {
    /// Pages in the log, as the last commit left it.
    pages: AtomicU32,
    /// The side thread has done what it was asked for.
    copied: AtomicBool,
    /// Pages of the log that it could not copy then.
    left: AtomicU32,
}

impl Checkpoints {
    /// `writer` is the connection that commits; `side` becomes the side thread's.
    pub(super) fn start(
        writer: &mut Timed,
        side: Timed,
        inline: Arc<Inline>,
        follower: Option<Arc<Follower>>,
        options: &SqliteOptions,
        possession: Possession,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let shared = Arc::new(Shared::default());
        let counted = Arc::clone(&shared);
        writer
            .on_commit(move |pages| counted.pages.store(pages, Ordering::Relaxed))
            .map_err(std::io::Error::other)?;
        let (sender, errands) = sync_channel(ERRANDS_MAX);
        let aside = Side {
            connection: side,
            inline: Arc::clone(&inline),
            follower: follower.clone(),
            shared: Arc::clone(&shared),
        };
        let handle = thread::Builder::new()
            .name("sqlite-checkpoint".to_owned())
            .spawn(move || aside.serve(&errands))?;
        let checkpoints = Self {
            errands: Errands(sender),
            inline,
            follower,
            shared,
            writes: 0,
            asked: false,
            pages_copied: 0,
            held_up_until: None,
            checkpoint_writes: options.checkpoint_writes,
            wal_pages_max: options.wal_pages_max,
            wal_pages_limit: options.wal_pages_limit,
            restart_timeout: options.restart_timeout,
            busy_timeout: options.busy_timeout,
            possession,
        };
        Ok((checkpoints, handle))
    }

    pub(super) fn errands(&self) -> Errands {
        self.errands.clone()
    }

    /// Between two batches, on the writing thread.
    pub(super) fn after_batch(&mut self, connection: &Connection, writes: usize) {
        self.writes += writes;
        let pages = self.shared.pages.load(Ordering::Relaxed);
        if self.asked {
            // Two checkpoints exclude each other.
            if !self.shared.copied.load(Ordering::Acquire) {
                return;
            }
            self.asked = false;
            self.pages_copied = pages;
            if self.shared.left.load(Ordering::Relaxed) > self.wal_pages_max / 2 {
                self.wait_for_reader(pages);
                return;
            }
            self.held_up_until = None;
            if pages > self.wal_pages_max {
                self.restart(connection);
            }
        } else if self.is_due(pages) {
            self.writes = 0;
            self.shared.copied.store(false, Ordering::Relaxed);
            self.asked = self.errands.0.try_send(Errand::Copy).is_ok();
        }
    }

    /// Whether nothing more may be written until a reader has gone.
    pub(super) fn is_full(&self) -> bool {
        self.shared.pages.load(Ordering::Relaxed) >= self.wal_pages_limit
    }

    fn is_due(&self, pages: u32) -> bool {
        match self.held_up_until {
            Some(pause) => pause <= Instant::now(),
            None => {
                let is_long = pages.saturating_sub(self.pages_copied) >= self.wal_pages_max;
                self.writes >= self.checkpoint_writes || is_long || self.is_full()
            }
        }
    }

    fn wait_for_reader(&mut self, pages: u32) {
        if self.held_up_until.is_none() {
            tracing::warn!(
                pages,
                "a reader of the database holds up its log, which grows until the reader ends"
            );
        }
        self.held_up_until = Some(Instant::now() + HELD_UP_PAUSE);
    }

    fn restart(&mut self, connection: &Connection) {
        self.inline.let_go(Duration::ZERO);
        if let Some(follower) = &self.follower {
            follower.step_aside(self.restart_timeout);
        }
        let result = connection
            .busy_timeout(self.restart_timeout)
            .and_then(|()| checkpoint(connection, "RESTART"));
        if let Err(error) = connection.busy_timeout(self.busy_timeout) {
            tracing::warn!(%error, "the busy time-out could not be set back");
        }
        match result {
            Ok(Progress { is_busy: false, .. }) => {
                self.shared.pages.store(0, Ordering::Relaxed);
                self.pages_copied = 0;
            }
            Ok(_) => {
                tracing::debug!("a reader holds up the restart of the log; trying again after the next checkpoint")
            }
            Err(error) => tracing::warn!(%error, "the log could not be started over"),
        }
    }

    /// Ends the side thread.
    pub(super) fn end(&self) {
        // Only a thread that has ended already doesn't take it.
        let _ = self.errands.0.send(Errand::End);
    }

    /// The last checkpoint, when everybody else has gone. Beside another process it would only hold that one up.
    pub(super) fn finish(self, connection: &Connection) {
        if let Some(follower) = &self.follower {
            follower.finish(self.busy_timeout);
        }
        if self.possession == Possession::Beside {
            return;
        }
        if let Err(error) = checkpoint(connection, "TRUNCATE") {
            tracing::warn!(%error, "the log could not be emptied; it is read again at the next start");
        }
    }
}

/// The side thread's half.
struct Side {
    connection: Timed,
    inline: Arc<Inline>,
    follower: Option<Arc<Follower>>,
    shared: Arc<Shared>,
}

impl Side {
    fn serve(&self, errands: &Receiver<Errand>) {
        let mut watches = false;
        loop {
            let errand = if watches {
                errands.recv_timeout(UNUSED)
            } else {
                errands.recv().map_err(RecvTimeoutError::from)
            };
            match errand {
                Ok(Errand::Copy) => self.copy(),
                Ok(Errand::Watch) => watches = true,
                Err(RecvTimeoutError::Timeout) => watches = self.inline.let_go_of_unused(),
                Ok(Errand::End) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn copy(&self) {
        self.inline.let_go(Duration::ZERO);
        if let Some(follower) = &self.follower {
            follower.advance();
        }
        match checkpoint(self.connection.connection(), "PASSIVE") {
            Ok(progress) => {
                tracing::trace!(?progress, "checkpoint");
                self.shared.left.store(progress.pages_left, Ordering::Relaxed);
            }
            Err(error) => tracing::warn!(%error, "a checkpoint failed"),
        }
        self.shared.copied.store(true, Ordering::Release);
    }
}

/// How far a checkpoint came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    /// Readers or another checkpoint kept it from all that was asked.
    is_busy: bool,
    /// Pages in the log that could not be copied.
    pub(super) pages_left: u32,
    /// Pages in the log.
    pub(super) pages: u32,
}

impl Progress {
    /// Whether it was its turn at all.
    pub(super) fn is_looked_at(self) -> bool {
        !self.is_busy
    }
}

/// One that fails is followed by one that copies the whole log. A sync of the database that failed may have lost what
/// earlier checkpoints had copied without a sync, as those do that don't reach the log's end; SQLite itself would go on
/// behind it, and start over a log that has the only good copy.
pub(super) fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<Progress> {
    let done = connection.query_row(&format!("PRAGMA main.wal_checkpoint({mode})"), [], |row| {
        // -1 where it did not get to look.
        let pages = |column| Ok::<_, rusqlite::Error>(u32::try_from(row.get::<_, i64>(column)?).unwrap_or(0));
        let (pages, copied) = (pages(1)?, pages(2)?);
        Ok(Progress {
            is_busy: row.get(0)?,
            pages_left: pages.saturating_sub(copied),
            pages,
        })
    });
    if done.is_err()
        && !mutant!(CopyAgain)
        && let Err(error) = connection::forget_copied(connection)
    {
        tracing::error!(%error, "what a failed checkpoint may have lost can't be copied again before the next start");
    }
    done
}
