//! What a disk was told, and what it may hold after the power is cut at some moment.
//!
//! A disk has what was written to a file before a sync of it that has ended. Of all else it has any part: each
//! sector of 512 bytes, each change of size, each name in the folder by luck, in any order. What was waiting when a sync
//! failed may never come, even if a later sync succeeds: so Linux does it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::Dice;

const HEAD: usize = 16;
const SECTOR: usize = 512;
const FOLDER: u8 = 4;
/// The folder that the database's folder is in, which was not there before.
const PARENT: u8 = 5;
/// In the order of their numbers in `disk.c`, from 1 on.
const NAMES: [&str; 3] = ["app.db", "app.db-wal", "app.db-journal"];

#[derive(Debug, Clone, PartialEq, Eq)]
enum Event {
    Created,
    Written { offset: usize, data: Vec<u8> },
    Resized { size: usize },
    SyncBegins { number: u64 },
    SyncEnds { number: u64 },
    SyncFails { number: u64 },
    Removed,
}

#[derive(Debug)]
struct Entry {
    /// Where the record ends with it.
    end: u64,
    file: u8,
    event: Event,
}

#[derive(Debug)]
pub(super) struct Record(Vec<Entry>);

/// How much of what was not synced is there all the same, in percent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Luck(pub(super) u64);

impl Luck {
    fn keeps(self, dice: &mut Dice) -> bool {
        dice.below(100) < self.0
    }
}

impl Record {
    /// The last entry may be torn: the power was cut.
    pub(super) fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).expect("the disk has kept a record");
        let mut entries = Vec::new();
        let mut at = 0;
        while let Some((entry, end)) = entry(&bytes, at) {
            entries.push(entry);
            at = end;
        }
        Self(entries)
    }

    /// One between two entries; every other time one in the middle of a sync, when most is at stake.
    pub(super) fn moment(&self, dice: &mut Dice) -> u64 {
        let begins = |entry: &&Entry| matches!(entry.event, Event::SyncBegins { .. });
        let in_syncs = dice.below(2) == 0;
        let ends: Vec<_> = self
            .0
            .iter()
            .filter(|entry| !in_syncs || begins(entry))
            .map(|entry| entry.end)
            .collect();
        ends[usize::try_from(dice.below(ends.len() as u64)).expect("an index")]
    }

    /// How often the database itself was written to, which happens when the log is copied.
    pub(super) fn writes_to_the_database(&self) -> usize {
        let is_one = |entry: &&Entry| entry.file == 1 && matches!(entry.event, Event::Written { .. });
        self.0.iter().filter(is_one).count()
    }

    /// Puts into `folder` what the disk may hold after a cut at this moment.
    pub(super) fn restore(&self, moment: u64, luck: Luck, dice: &mut Dice, folder: &Path) {
        let end = self.0.partition_point(|entry| entry.end <= moment);
        let past = &self.0[..end];
        let names = Safe::new(past, FOLDER);
        let is_parent_synced = |entry: &Entry| entry.file == PARENT && matches!(entry.event, Event::SyncEnds { .. });
        if !past.iter().any(is_parent_synced) && !luck.keeps(dice) {
            return;
        }
        for (file, name) in (1..).zip(NAMES) {
            if let Some(bytes) = content(past, file, &names, luck, dice) {
                std::fs::write(folder.join(name), bytes).unwrap();
            }
        }
    }
}

fn entry(bytes: &[u8], at: usize) -> Option<(Entry, usize)> {
    let head = bytes.get(at..at + HEAD)?;
    let length = u32::from_le_bytes(head[4..8].try_into().expect("four bytes")) as usize;
    let offset = u64::from_le_bytes(head[8..].try_into().expect("eight bytes"));
    let place = usize::try_from(offset).expect("a small file");
    let end = at + HEAD + if head[0] == 2 { length } else { 0 };
    let event = match head[0] {
        1 => Event::Created,
        2 => Event::Written {
            offset: place,
            data: bytes.get(at + HEAD..end)?.to_vec(),
        },
        3 => Event::Resized { size: place },
        4 => Event::SyncBegins { number: offset },
        5 => Event::SyncEnds { number: offset },
        6 => Event::SyncFails { number: offset },
        7 => Event::Removed,
        other => panic!("a record has no event {other}"),
    };
    let file = head[1];
    Some((
        Entry {
            end: end as u64,
            file,
            event,
        },
        end,
    ))
}

/// What a file's syncs have made safe.
struct Safe {
    /// All before this index, but for the doubtful.
    end: usize,
    doubtful: BTreeSet<usize>,
}

impl Safe {
    fn new(past: &[Entry], file: u8) -> Self {
        let mut safe = Self {
            end: 0,
            doubtful: BTreeSet::new(),
        };
        let mut begun = BTreeMap::new();
        for (index, entry) in past.iter().enumerate().filter(|(_, entry)| entry.file == file) {
            match entry.event {
                Event::SyncBegins { number } => {
                    begun.insert(number, index);
                }
                Event::SyncEnds { number } => safe.end = safe.end.max(begun[&number]),
                Event::SyncFails { number } => safe.doubtful.extend(safe.end..begun[&number]),
                _ => {}
            }
        }
        safe
    }

    fn has(&self, index: usize) -> bool {
        index < self.end && !self.doubtful.contains(&index)
    }
}

/// `None`: there is no such file.
fn content(past: &[Entry], file: u8, names: &Safe, luck: Luck, dice: &mut Dice) -> Option<Vec<u8>> {
    let safe = Safe::new(past, file);
    let mut content = None;
    for (index, entry) in past.iter().enumerate().filter(|(_, entry)| entry.file == file) {
        match &entry.event {
            Event::Created if names.has(index) || luck.keeps(dice) => content = Some(Vec::new()),
            Event::Removed if names.has(index) || luck.keeps(dice) => content = None,
            Event::Written { offset, data } => {
                let Some(content) = &mut content else { continue };
                for (number, sector) in data.chunks(SECTOR).enumerate() {
                    if safe.has(index) || luck.keeps(dice) {
                        put(content, offset + number * SECTOR, sector);
                    }
                }
            }
            Event::Resized { size } if safe.has(index) || luck.keeps(dice) => {
                if let Some(content) = &mut content {
                    content.resize(*size, 0);
                }
            }
            _ => {}
        }
    }
    content
}

fn put(content: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[at..end].copy_from_slice(bytes);
}
