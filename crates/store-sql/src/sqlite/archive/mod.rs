//! Continuous backup: everything that is committed is kept elsewhere as well, and the database of any moment comes back.
//!
//! One thread follows the log (`capture`) and makes a segment of what was committed, every so often; another brings
//! segments to the archive, and from time to time a base, which is the database's file (`ship`). Nobody waits for either:
//! where the archive can't be reached, segments gather in files without a name, up to a bound; beyond it there is a gap, and
//! a new base begins a new chain. [`restore_at`] puts a base and the segments after it together. `names` says what is where.
//!
//! Pages are replaced whole, in the order in which they were committed; so a segment may hold a page that the base has
//! already, and a base may be read while pages are written, as long as all segments since are there.

mod base;
mod capture;
mod follower;
mod log;
mod names;
mod pages;
mod restore;
mod ship;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use engine::ports::archive::Archive;
use engine::ports::clock::Clock;

use super::options::SqliteOptions;
use follower::{Source, Whose};
use ship::Shipper;

pub(super) use follower::Follower;
pub use restore::{ArchiveProblem, RestoredTo, restore_at};

/// How long the log may be read from without a new look.
const TICK: Duration = Duration::from_secs(1);

/// After its time-out the thread that archives has so long to notice, unless a request is under way.
const GRACE: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(10);

/// Where a database is archived, and how.
#[derive(Clone)]
pub struct Archiving {
    pub archive: Arc<dyn Archive>,
    pub clock: Arc<dyn Clock>,
    /// Between two segments: what may be lost with the machine.
    pub interval: Duration,
    /// Between two bases: how many segments a restore reads at most.
    pub base_interval: Duration,
    /// How far back one can go.
    pub retention: Duration,
    /// What may wait for the archive beside the database.
    pub spool_bytes_max: u64,
    /// How long the end of the server may wait for the archive.
    pub stop_timeout: Duration,
}

impl fmt::Debug for Archiving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Archiving").field(&self.archive.name()).finish()
    }
}

/// The threads of a database that is archived.
pub(super) struct Archiver {
    threads: [JoinHandle<()>; 2],
    patience: Duration,
}

impl Archiver {
    pub(super) fn start(follower: Arc<Follower>, archiving: &Archiving) -> std::io::Result<Self> {
        let (sealing, interval) = (Arc::clone(&follower), archiving.interval);
        let sealer = thread::Builder::new()
            .name("sqlite-archive-log".to_owned())
            .spawn(move || seal(&sealing, interval))?;
        let shipper = Shipper {
            follower,
            archiving: archiving.clone(),
            deadline: None,
        };
        let shipper = thread::Builder::new()
            .name("sqlite-archive".to_owned())
            .spawn(move || shipper.run())?;
        Ok(Self {
            threads: [sealer, shipper],
            patience: archiving.stop_timeout,
        })
    }

    /// After the writer's end: waits until all is in the archive, or the time for that is over.
    pub(super) fn end(self) {
        let until = Instant::now() + self.patience + GRACE;
        for thread in self.threads {
            while !thread.is_finished() {
                if Instant::now() >= until {
                    tracing::warn!("the archive does not answer; the last that was written may not be there");
                    return;
                }
                thread::sleep(LOOK);
            }
            if thread.join().is_err() {
                tracing::error!("a thread of the archive panicked");
            }
        }
    }
}

/// What [`Archiver`] and the store's own threads share.
pub(super) fn follower(database: &Path, options: &SqliteOptions, archiving: &Archiving) -> Arc<Follower> {
    Arc::new(Follower::new(Source {
        database: database.to_owned(),
        options: options.clone(),
        clock: Arc::clone(&archiving.clock),
        spool_bytes_max: archiving.spool_bytes_max,
    }))
}

fn seal(follower: &Follower, interval: Duration) {
    let mut last = Instant::now();
    loop {
        let left = interval.saturating_sub(last.elapsed());
        follower.wait(left.min(TICK), Whose::Sealer);
        if follower.is_ending() {
            // So that a base that is under way has its last segment.
            follower.want();
            follower.seal();
            return follower.sealed();
        }
        if last.elapsed() >= interval || follower.is_wanted() {
            last = Instant::now();
            follower.seal();
        } else {
            follower.tick();
        }
    }
}

#[cfg(test)]
mod tests;
