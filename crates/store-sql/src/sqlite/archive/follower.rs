//! What the threads of the store and those of the archiver share.

use std::collections::VecDeque;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use engine::ports::clock::Clock;

use super::capture::{Capture, CaptureError, Taken};
use super::names::SegmentName;
use super::pages::{self, Hash, Header};
use crate::sqlite::options::SqliteOptions;

/// A segment that is not in the archive yet.
pub(super) struct Segment {
    pub(super) name: SegmentName,
    /// Without a name: it is gone with the process.
    pub(super) file: File,
    bytes: u64,
}

/// Segments on their way.
struct Queue {
    waiting: VecDeque<Segment>,
    bytes: u64,
    /// Of the next segment.
    sequence: u64,
    /// The hash of the last one.
    previous: Hash,
    /// A segment is wanted, whether there is anything new or not.
    wanted: bool,
    /// The last one that was made because it was wanted.
    made: Option<u64>,
    /// Nothing more is written to the database.
    is_ending: bool,
    /// No segment comes any more.
    is_sealed: bool,
    /// Why there is a gap.
    broken: Option<String>,
}

impl Queue {
    fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            bytes: 0,
            sequence: 1,
            previous: Hash::default(),
            wanted: false,
            made: None,
            is_ending: false,
            is_sealed: false,
            broken: None,
        }
    }
}

/// Where the archiver's threads get what they need.
pub(super) struct Source {
    pub(super) database: PathBuf,
    pub(super) options: SqliteOptions,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) spool_bytes_max: u64,
}

impl Source {
    /// Where files are that nobody else sees.
    pub(super) fn spool(&self) -> PathBuf {
        let folder = self.database.parent().map(PathBuf::from).unwrap_or_default();
        if folder.as_os_str().is_empty() {
            PathBuf::from(".")
        } else {
            folder
        }
    }
}

/// See the module. The database is never the worse for what fails here: then there is a gap, and a new chain begins.
pub(in crate::sqlite) struct Follower {
    pub(super) source: Source,
    capture: Mutex<Option<Capture>>,
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Follower {
    pub(super) fn new(source: Source) -> Self {
        Self {
            source,
            capture: Mutex::new(None),
            queue: Mutex::new(Queue::new()),
            changed: Condvar::new(),
        }
    }

    /// Looks at what was committed, so that it can be copied into the database.
    pub(in crate::sqlite) fn advance(&self) {
        self.with_capture(Capture::advance);
    }

    /// Lets the log be started over, between two transactions.
    pub(in crate::sqlite) fn step_aside(&self, patience: Duration) {
        self.with_capture(|capture| capture.step_aside(patience));
    }

    /// Lets go of the log: nothing more is written.
    pub(in crate::sqlite) fn finish(&self, patience: Duration) {
        self.with_capture(|capture| capture.finish(patience));
        self.queue().is_ending = true;
        self.changed.notify_all();
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn capture(&self) -> MutexGuard<'_, Option<Capture>> {
        self.capture.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` where nothing is followed, or no longer.
    fn with_capture<T>(&self, work: impl FnOnce(&mut Capture) -> Result<T, CaptureError>) -> Option<T> {
        let mut held = self.capture();
        match work(held.as_mut()?) {
            Ok(done) => Some(done),
            Err(error) => {
                *held = None;
                drop(held);
                self.give_up(&error.to_string());
                None
            }
        }
    }

    fn give_up(&self, reason: &str) {
        let mut queue = self.queue();
        queue.broken.get_or_insert_with(|| reason.to_owned());
        queue.waiting.clear();
        queue.bytes = 0;
        self.changed.notify_all();
    }

    /// Begins a chain.
    pub(super) fn begin(&self) -> Result<(), CaptureError> {
        {
            let mut queue = self.queue();
            *queue = Queue {
                is_ending: queue.is_ending,
                ..Queue::new()
            };
        }
        let Source {
            database,
            options,
            clock,
            spool_bytes_max,
        } = &self.source;
        let mut held = self.capture();
        let started = Capture::start(
            database,
            &self.source.spool(),
            options,
            *spool_bytes_max,
            Arc::clone(clock),
        )?;
        *held = Some(started);
        Ok(())
    }

    /// Ends a chain before its time.
    pub(super) fn abandon(&self) {
        *self.capture() = None;
        self.give_up("it is abandoned");
    }

    /// From which segment on a base must be followed that is read from now on; `None` as long as a reader holds up what
    /// that takes.
    pub(super) fn base_point(&self) -> Option<u64> {
        let is_whole = self.with_capture(|capture| {
            capture.copy_ahead()?;
            capture.step_aside(Duration::ZERO)
        });
        (is_whole == Some(true)).then(|| self.queue().sequence)
    }

    /// One look at the log, and at how long it is.
    pub(super) fn tick(&self) {
        let pages_max = self.source.options.wal_pages_max;
        let patience = self.source.options.restart_timeout;
        self.with_capture(|capture| {
            capture.advance()?;
            // Others' writes, of which the store's own checkpoints know nothing.
            if capture.log_pages() > pages_max {
                capture.copy_ahead()?;
                capture.step_aside(patience)?;
            }
            Ok(())
        });
    }

    /// Makes a segment of what was committed since the last one.
    pub(super) fn seal(&self) {
        let wanted = std::mem::take(&mut self.queue().wanted);
        let taken = self.with_capture(|capture| {
            capture.advance()?;
            match wanted || capture.has_pending() {
                true => capture.take().map(Some),
                false => Ok(None),
            }
        });
        if let Some(Some(taken)) = taken
            && let Err(error) = self.push(&taken, wanted)
        {
            *self.capture() = None;
            self.give_up(&format!("the spool failed: {error}"));
        }
    }

    fn push(&self, taken: &Taken, wanted: bool) -> std::io::Result<()> {
        let (sequence, previous) = {
            let queue = self.queue();
            (queue.sequence, queue.previous)
        };
        let file = tempfile::tempfile_in(self.source.spool())?;
        let numbers = taken.pending.numbers();
        let header = Header {
            page_bytes: taken.pending.page_bytes(),
            database_pages: taken.pending.database_pages,
            count: u32::try_from(numbers.len()).expect("a database has fewer pages"),
            sequence,
            began: taken.began,
            ended: taken.ended,
            previous,
        };
        let mut numbers = numbers.into_iter();
        let hash = pages::write(&file, &header, |page| {
            let number = numbers.next().expect("there are as many as were counted");
            taken.pending.read(number, page).map(|()| number)
        })?;
        let bytes = file.metadata()?.len();
        let name = SegmentName {
            sequence,
            began: taken.began,
            ended: taken.ended,
        };
        let mut queue = self.queue();
        if queue.broken.is_some() {
            return Ok(());
        }
        queue.waiting.push_back(Segment { name, file, bytes });
        queue.bytes += bytes;
        queue.sequence += 1;
        queue.previous = hash;
        if wanted {
            queue.made = Some(sequence);
        }
        let is_full = queue.bytes > self.source.spool_bytes_max;
        drop(queue);
        self.changed.notify_all();
        if is_full {
            *self.capture() = None;
            self.give_up(&CaptureError::Full.to_string());
        }
        Ok(())
    }

    /// No segment comes any more.
    pub(super) fn sealed(&self) {
        self.queue().is_sealed = true;
        self.changed.notify_all();
    }

    /// Asks for a segment even if there is nothing new.
    pub(super) fn want(&self) {
        let mut queue = self.queue();
        queue.wanted = true;
        queue.made = None;
        self.changed.notify_all();
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.queue().wanted
    }

    /// The segment that was asked for, once it is made; at the end the last one.
    pub(super) fn made(&self) -> Option<u64> {
        let queue = self.queue();
        match queue.is_sealed {
            true => Some(queue.sequence - 1),
            false => queue.made,
        }
    }

    /// What is to be archived next; it stays until [`Follower::archived`].
    pub(super) fn next(&self) -> Option<(SegmentName, File)> {
        let queue = self.queue();
        let segment = queue.waiting.front()?;
        // Of a file that is open another handle can always be had, but for a lack of them.
        Some((segment.name, segment.file.try_clone().ok()?))
    }

    pub(super) fn archived(&self, sequence: u64) {
        let mut queue = self.queue();
        if queue
            .waiting
            .front()
            .is_some_and(|segment| segment.name.sequence == sequence)
            && let Some(segment) = queue.waiting.pop_front()
        {
            queue.bytes -= segment.bytes;
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.queue().waiting.len()
    }

    pub(super) fn broken(&self) -> Option<String> {
        self.queue().broken.clone()
    }

    pub(super) fn is_ending(&self) -> bool {
        self.queue().is_ending
    }

    pub(super) fn is_sealed(&self) -> bool {
        self.queue().is_sealed
    }

    /// Waits until there may be something to do: for the one who seals (`wanted` or the end), or who archives.
    pub(super) fn wait(&self, longest: Duration, whose: Whose) {
        let until = Instant::now() + longest;
        let mut queue = self.queue();
        loop {
            let is_due = match whose {
                Whose::Sealer => queue.wanted || queue.is_ending,
                Whose::Shipper => !queue.waiting.is_empty() || queue.is_sealed || queue.broken.is_some(),
                Whose::Nobody => queue.is_ending,
            };
            let left = until.saturating_duration_since(Instant::now());
            if is_due || left.is_zero() {
                return;
            }
            let waited = self.changed.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Who waits, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    Sealer,
    Shipper,
    /// Only the end is worth waking up for.
    Nobody,
}
