//! Reading: short things at once on the caller's thread, everything else on threads of its own.
//!
//! Most reads take some microseconds, less than handing them to another thread would; so each is tried by
//! [`Readers::try_inline`] for a slice of time. What takes longer goes to [`Readers::run`]: a bounded queue, a few
//! threads, and a deadline that interrupts the statement. Ranges, whose length nobody knows beforehand, go there directly
//! for a while after one of them overran its slice: slow ones take at most a fiftieth of the callers' threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use engine::ports::store::StoreError;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::checkpoint::Errands;
use super::connection::{self, Timed};
use super::error::{store_error, unavailable};
use super::inline::{Commits, Inline};
use super::options::SqliteOptions;
use super::presence::Presence;
use super::queue::{Queue, Refused};

/// The most that a read may take of a thread that serves others too.
const INLINE_SLICE: Duration = Duration::from_millis(2);
/// How long ranges go to the reader threads after one of them overran its slice.
const RANGES_PAUSE: Duration = Duration::from_millis(100);

/// What a read may come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// One record by its key, and what belongs to it.
    Point,
    Range,
}

pub(crate) struct Readers {
    queue: Arc<Queue<Job>>,
    inline: Arc<Inline>,
    commits: Arc<Commits>,
    /// To those who let go of snapshots.
    errands: Errands,
    began: Instant,
    /// Until when ranges are not tried inline, in milliseconds after `began`.
    ranges_paused_until: AtomicU64,
    path: PathBuf,
    presence: Arc<Presence>,
    options: SqliteOptions,
}

type Job = Box<dyn FnOnce(&Timed) + Send>;

impl Readers {
    pub(super) fn start(
        path: PathBuf,
        presence: Arc<Presence>,
        (inline, commits): (Arc<Inline>, Arc<Commits>),
        errands: Errands,
        options: &SqliteOptions,
    ) -> rusqlite::Result<(Self, Vec<JoinHandle<()>>)> {
        let queue = Arc::new(Queue::new(options.read_queue_max));
        let mut threads = Vec::with_capacity(options.readers);
        for number in 0..options.readers.max(1) {
            let connection = connection::reading(&path, options)?;
            let served = Arc::clone(&queue);
            let thread = thread::Builder::new()
                .name(format!("sqlite-reader-{number}"))
                .spawn(move || serve(&connection, &served))
                .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
            threads.push(thread);
        }
        let readers = Self {
            queue,
            inline,
            commits,
            errands,
            began: Instant::now(),
            ranges_paused_until: AtomicU64::new(0),
            path,
            presence,
            options: options.clone(),
        };
        Ok((readers, threads))
    }

    /// Runs `job` on a reader thread; its statements are interrupted at `deadline`.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        deadline: Instant,
        job: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let deadline = deadline.min(Instant::now() + self.options.query_timeout);
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |timed| {
            if reply.is_closed() {
                return;
            }
            let result = if deadline <= Instant::now() {
                Err(StoreError::Timeout)
            } else {
                timed.within(deadline, job)
            };
            // A caller that has gone needs no answer.
            let _ = reply.send(result);
        });
        self.queue.push(job).map_err(|refused| match refused {
            Refused::Full => unavailable("too many reads are waiting"),
            Refused::Closed => unavailable("the database is being closed"),
        })?;
        answer
            .await
            .unwrap_or_else(|_| Err(StoreError::Failed("a read panicked; see the log".to_owned())))
    }

    /// Runs `job` here and now, on a connection that is free, for [`INLINE_SLICE`] at most. `None`: there is none
    /// free, or it took too long; then it belongs on a reader thread.
    pub(super) fn try_inline<T>(
        &self,
        effort: Effort,
        deadline: Instant,
        job: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Option<Result<T, StoreError>> {
        let now = Instant::now();
        if deadline <= now {
            return Some(Err(StoreError::Timeout));
        }
        if effort == Effort::Range && self.ranges_are_paused(now) {
            return None;
        }
        let mut place = self.inline.place()?;
        if self.inline.is_closed() {
            return Some(Err(unavailable("the database is being closed")));
        }
        let result = place.read(
            &self.commits,
            || self.connect(),
            || self.errands.watch(),
            |timed| timed.within(deadline.min(now + INLINE_SLICE), job),
        );
        drop(place);
        match result {
            Err(StoreError::Timeout) if Instant::now() < deadline => {
                if effort == Effort::Range {
                    self.pause_ranges();
                }
                None
            }
            other => Some(other),
        }
    }

    /// To the same database as all the others.
    fn connect(&self) -> Result<Timed, StoreError> {
        let timed = connection::reading(&self.path, &self.options).map_err(|error| store_error(&error))?;
        self.presence.check().map_err(|reason| unavailable(&reason))?;
        Ok(timed)
    }

    fn ranges_are_paused(&self, now: Instant) -> bool {
        self.since_began(now) < self.ranges_paused_until.load(Ordering::Relaxed)
    }

    fn pause_ranges(&self) {
        let until = self.since_began(Instant::now() + RANGES_PAUSE);
        self.ranges_paused_until.store(until, Ordering::Relaxed);
    }

    fn since_began(&self, moment: Instant) -> u64 {
        let elapsed = moment.saturating_duration_since(self.began);
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    }

    /// Takes nothing more, finishes what is queued, and lets go of the callers' connections.
    pub(super) fn close(&self) {
        self.queue.close();
        self.inline.close();
    }
}

fn serve(connection: &Timed, queue: &Queue<Job>) {
    while let Some(jobs) = queue.take(1) {
        for job in jobs {
            // The panic hook tells the log, the dropped reply tells the caller.
            let _ = catch_unwind(AssertUnwindSafe(|| job(connection)));
        }
    }
}
