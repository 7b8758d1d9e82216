//! The thread that brings bases and segments to the archive.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::model::Timestamp;
use engine::ports::archive::ArchiveError;

use super::Archiving;
use super::base::DatabaseFile;
use super::follower::{Follower, Whose};
use super::names::{self, BASES, Base, CHAINS, SegmentName};
use super::pages::{self, Hash, Header};

/// Bytes of pages in a part of a base.
const PART_BYTES: usize = 16 * 1024 * 1024;
/// Between two tries while the archive can't be reached.
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Between two looks at whether a base can begin, or is through.
const STEP: Duration = Duration::from_millis(100);

/// How far a base is.
enum Stage {
    Resting {
        until: Instant,
    },
    /// As soon as all that is committed is in the database's file.
    Due,
    Reading(Reading),
    /// The segment with what changed while it was read is to come.
    Through(Base),
}

struct Reading {
    file: DatabaseFile,
    base: Base,
    next_page: u32,
}

/// What goes wrong, in words.
type Failed = String;

pub(super) struct Shipper {
    pub(super) follower: Arc<Follower>,
    pub(super) archiving: Archiving,
    /// Set at the end: until when to go on.
    pub(super) deadline: Option<Instant>,
}

/// One run of segments without a gap.
struct Chain<'s> {
    shipper: &'s mut Shipper,
    name: String,
    stage: Stage,
    bases: u32,
    /// The last segment that is in the archive.
    last: Option<SegmentName>,
    pause: Option<Duration>,
}

impl Shipper {
    /// Until the database is closed and all is archived, or the time for that is over.
    pub(super) fn run(mut self) {
        let mut pause = PAUSE_MIN;
        loop {
            let began = Instant::now();
            match self.chain() {
                Ok(()) => return,
                Err(reason) if self.is_over() => {
                    tracing::warn!(%reason, "not all that was written last is in the archive");
                    return;
                }
                Err(reason) => {
                    tracing::warn!(%reason, "the archive has a gap; a new base is made");
                }
            }
            self.follower.abandon();
            if self.follower.is_ending() {
                return;
            }
            pause = if began.elapsed() > PAUSE_MAX {
                PAUSE_MIN
            } else {
                (pause * 2).min(PAUSE_MAX)
            };
            self.follower.wait(pause, Whose::Nobody);
        }
    }

    fn is_over(&mut self) -> bool {
        if !self.follower.is_ending() {
            return false;
        }
        let patience = self.archiving.stop_timeout;
        let deadline = *self.deadline.get_or_insert_with(|| Instant::now() + patience);
        Instant::now() >= deadline
    }

    fn chain(&mut self) -> Result<(), Failed> {
        let now = self.archiving.clock.now();
        let name = names::chain(now, self.archiving.clock.new_id());
        // Nothing is followed, and the log kept from starting over, for an archive that can't be reached.
        self.put_text(&names::begun(&name), &format!("{now}\n"))?;
        self.follower.begin().map_err(|error| error.to_string())?;
        let file = self.database_file()?;
        let mut chain = Chain {
            name,
            bases: 0,
            stage: Stage::Due,
            last: None,
            pause: None,
            shipper: self,
        };
        // What is not in the database's file is in the first segment.
        chain.read(file, 1);
        chain.run()
    }

    fn database_file(&self) -> Result<DatabaseFile, Failed> {
        let source = &self.follower.source;
        DatabaseFile::open(&source.database, &source.options).map_err(|error| error.to_string())
    }

    fn put_text(&self, name: &str, text: &str) -> Result<(), Failed> {
        let file = self.spooled()?;
        (&file).write_all(text.as_bytes()).map_err(|error| error.to_string())?;
        self.put(name, &file)
    }

    fn put(&self, name: &str, file: &File) -> Result<(), Failed> {
        let mut at_start = file;
        at_start.seek(SeekFrom::Start(0)).map_err(|error| error.to_string())?;
        self.archiving
            .archive
            .put(name, file)
            .map_err(|ArchiveError(reason)| reason)
    }

    fn spooled(&self) -> Result<File, Failed> {
        tempfile::tempfile_in(self.follower.source.spool()).map_err(|error| error.to_string())
    }
}

impl Chain<'_> {
    fn run(&mut self) -> Result<(), Failed> {
        loop {
            if let Some(reason) = self.shipper.follower.broken() {
                return Err(reason);
            }
            if self.shipper.is_over() {
                let waiting = self.shipper.follower.waiting();
                return Err(format!("{waiting} segments wait for the archive"));
            }
            match self.step() {
                Ok(true) => return Ok(()),
                Ok(false) => {
                    if self.pause.take().is_some() {
                        tracing::info!("the archive is reached again");
                    }
                }
                Err(reason) => self.back_off(&reason),
            }
        }
    }

    fn back_off(&mut self, reason: &str) {
        let pause = match self.pause {
            Some(pause) => (pause * 2).min(PAUSE_MAX),
            None => {
                tracing::warn!(%reason, "the archive can't be reached; what is written is kept until it can");
                PAUSE_MIN
            }
        };
        self.pause = Some(pause);
        if self.shipper.follower.is_ending() {
            std::thread::sleep(STEP);
        } else {
            self.shipper.follower.wait(pause, Whose::Nobody);
        }
    }

    /// Does one thing; answers whether all is done for good.
    fn step(&mut self) -> Result<bool, Failed> {
        let follower = Arc::clone(&self.shipper.follower);
        if let Some((name, file)) = follower.next() {
            self.shipper.put(&name.of(&self.name), &file)?;
            follower.archived(name.sequence);
            self.last = Some(name);
            return Ok(false);
        }
        let stage = std::mem::replace(&mut self.stage, Stage::Due);
        match stage {
            Stage::Reading(mut reading) => match self.part(&mut reading) {
                Ok(true) => self.stage = Stage::Reading(reading),
                Ok(false) => {
                    follower.want();
                    self.stage = Stage::Through(reading.base);
                }
                Err(reason) => {
                    self.stage = Stage::Reading(reading);
                    return Err(reason);
                }
            },
            Stage::Through(base) => self.through(base)?,
            Stage::Resting { .. } | Stage::Due if follower.is_ending() => {
                if follower.is_sealed() {
                    return Ok(true);
                }
                self.stage = stage;
                follower.wait(STEP, Whose::Shipper);
            }
            Stage::Resting { until } => {
                let left = until.saturating_duration_since(Instant::now());
                if !left.is_zero() {
                    self.stage = stage;
                    follower.wait(left, Whose::Shipper);
                }
            }
            Stage::Due => match follower.base_point() {
                Some(from) => {
                    let file = self.shipper.database_file()?;
                    self.read(file, from);
                }
                None => follower.wait(STEP, Whose::Shipper),
            },
        }
        Ok(false)
    }

    fn read(&mut self, file: DatabaseFile, from: u64) {
        self.bases += 1;
        let base = Base {
            format: Base::FORMAT,
            chain: self.name.clone(),
            number: self.bases,
            parts: Vec::new(),
            page_bytes: file.page_bytes,
            from,
            through: 0,
            restorable_ms: 0,
        };
        self.stage = Stage::Reading(Reading {
            file,
            base,
            next_page: 1,
        });
    }

    /// Archives one part; answers whether there was one.
    fn part(&self, reading: &mut Reading) -> Result<bool, Failed> {
        let page_bytes = reading.file.page_bytes as usize;
        let mut pages = vec![0; PART_BYTES];
        let count = reading.file.read(reading.next_page, &mut pages);
        let count = count.map_err(|error| error.to_string())?;
        if count == 0 {
            return Ok(false);
        }
        let header = Header {
            page_bytes: reading.file.page_bytes,
            database_pages: 0,
            count,
            sequence: reading.base.parts.len() as u64,
            began: Timestamp(0),
            ended: Timestamp(0),
            previous: Hash::default(),
        };
        let file = self.shipper.spooled()?;
        let mut number = reading.next_page;
        let mut chunks = pages.chunks_exact(page_bytes);
        let written = pages::write(&file, &header, |page| {
            page.copy_from_slice(chunks.next().expect("as many pages were read"));
            number += 1;
            Ok(number - 1)
        });
        let hash = written.map_err(|error| error.to_string())?;
        let name = names::part(&self.name, reading.base.number, reading.base.parts.len());
        self.shipper.put(&name, &file)?;
        reading.base.parts.push(names::hexadecimal(&hash));
        reading.next_page += count;
        Ok(true)
    }

    /// Makes the base known, once the segment is archived that it needs.
    fn through(&mut self, mut base: Base) -> Result<(), Failed> {
        let follower = Arc::clone(&self.shipper.follower);
        let last = match (follower.made(), self.last) {
            (Some(made), Some(last)) if last.sequence >= made => last,
            _ => {
                self.stage = Stage::Through(base);
                follower.wait(STEP, Whose::Shipper);
                return Ok(());
            }
        };
        base.through = last.sequence;
        base.restorable_ms = last.ended.0;
        let put = self.shipper.put_text(&base.name(), &base.text());
        if let Err(reason) = put {
            self.stage = Stage::Through(base);
            return Err(reason);
        }
        tracing::info!(
            archive = self.shipper.archiving.archive.name(),
            "the archive has a new base"
        );
        self.stage = Stage::Resting {
            until: Instant::now() + self.shipper.archiving.base_interval,
        };
        if let Err(ArchiveError(reason)) = self.purge() {
            tracing::warn!(%reason, "what is too old could not be removed from the archive");
        }
        Ok(())
    }

    /// Removes what no moment needs that may still be asked for.
    fn purge(&self) -> Result<(), ArchiveError> {
        let Archiving {
            archive,
            clock,
            retention,
            ..
        } = &self.shipper.archiving;
        let retention_ms = i64::try_from(retention.as_millis()).unwrap_or(i64::MAX);
        let oldest = Timestamp(clock.now().0.saturating_sub(retention_ms));
        let bases = archive.list(BASES)?;
        let is_old = |name: &String| Base::restorable(name).is_some_and(|restorable| restorable <= oldest);
        // The last of the old ones begins what is kept.
        let old = bases.iter().filter(|name| is_old(name)).count();
        let (gone, kept) = bases.split_at(old.saturating_sub(1));
        let Some(first) = kept.first() else { return Ok(()) };
        let Some(first) = super::restore::read_base(archive.as_ref(), first).map_err(ArchiveError)? else {
            return Ok(());
        };
        for name in gone {
            archive.remove(name)?;
        }
        for name in archive.list(CHAINS)? {
            let Some(chain) = names::chain_of(&name) else { continue };
            let is_needed = match SegmentName::read(chain, &name) {
                _ if chain > first.chain.as_str() => true,
                _ if chain < first.chain.as_str() => false,
                Some(segment) => segment.sequence >= first.from,
                None => !names::is_part_before(&name, chain, first.number),
            };
            if !is_needed {
                archive.remove(&name)?;
            }
        }
        Ok(())
    }
}
