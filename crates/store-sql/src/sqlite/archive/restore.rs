//! The database of a moment, from an archive.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use engine::model::Timestamp;
use engine::ports::archive::{Archive, ArchiveError};

use super::names::{BASES, Base, SegmentName, chain_folder, hexadecimal, part};
use super::pages::{self, Hash};
use crate::files;
use crate::sqlite::backup::{self, BackupError, Copied, Told};

/// Far longer than any that is written here.
const BASE_TEXT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredTo {
    /// Everything that was acknowledged before is there.
    pub state: Timestamp,
    /// When what was written next was archived, if anything was.
    pub next: Option<Timestamp>,
    /// Where the database is now that was there before.
    pub replaced: Option<PathBuf>,
}

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveProblem {
    #[error("the archive can't be read: {0}")]
    Unreachable(#[from] ArchiveError),
    /// With the first moment that there is, if there is any.
    #[error("the archive has nothing of that time")]
    Nothing { first: Option<Timestamp> },
    #[error("{name} is missing in the archive")]
    Missing { name: String, until: Option<Timestamp> },
    #[error("{name} is damaged: {finding}")]
    Damaged {
        name: String,
        finding: String,
        until: Option<Timestamp>,
    },
    #[error(transparent)]
    Local(#[from] BackupError),
}

/// What of an archive makes the database of a moment.
struct Way {
    base: Base,
    segments: Vec<SegmentName>,
    next: Option<Timestamp>,
}

/// Puts the database as it was at `at` where the database `to` is expected: nothing that was written later is in it. A
/// database that is there is moved aside if `force` says so.
///
/// # Errors
/// See [`ArchiveProblem`]; `to` is what it was, or gone aside.
pub fn restore_at(
    archive: &dyn Archive,
    at: Timestamp,
    to: &Path,
    force: bool,
    now: Timestamp,
    told: Told<'_>,
) -> Result<RestoredTo, ArchiveProblem> {
    let _locks = backup::possess(to, force)?;
    let way = way(archive, at)?;
    let copy = files::new_beside(to, 0o644).map_err(|error| of_file(to, error))?;
    let state = build(archive, &way, &copy, told)?;
    let replaced = backup::put_in_place(copy, Path::new(&archive.name()), to, now)?;
    Ok(RestoredTo {
        state,
        next: way.next,
        replaced,
    })
}

fn of_file(path: &Path, source: io::Error) -> BackupError {
    BackupError::Files {
        path: path.to_owned(),
        source,
    }
}

/// `None` where there is none of that name any more.
///
/// # Errors
/// It can't be read, or what is wrong with it.
pub(super) fn read_base(archive: &dyn Archive, name: &str) -> Result<Option<Base>, String> {
    let Some(source) = archive.get(name).map_err(|error| error.to_string())? else {
        return Ok(None);
    };
    let mut text = String::new();
    let read = source.take(BASE_TEXT_BYTES_MAX).read_to_string(&mut text);
    read.map_err(|error| error.to_string())?;
    Base::read(&text).map(Some)
}

fn way(archive: &dyn Archive, at: Timestamp) -> Result<Way, ArchiveProblem> {
    let bases = archive.list(BASES)?;
    let restorable = |name: &String| Base::restorable(name);
    let name = bases
        .iter()
        .rev()
        .find(|name| restorable(name).is_some_and(|from| from <= at));
    let Some(name) = name else {
        return Err(ArchiveProblem::Nothing {
            first: bases.iter().find_map(restorable),
        });
    };
    let base = read_base(archive, name).map_err(|finding| ArchiveProblem::Damaged {
        name: name.clone(),
        finding,
        until: None,
    })?;
    let base = base.ok_or_else(|| ArchiveProblem::Missing {
        name: name.clone(),
        until: None,
    })?;
    let names = archive.list(&chain_folder(&base.chain))?;
    let mut found: Vec<_> = names
        .iter()
        .filter_map(|name| SegmentName::read(&base.chain, name))
        .filter(|segment| segment.sequence >= base.from)
        .collect();
    found.sort_unstable_by_key(|segment| segment.sequence);
    // A clock that was set back makes a later one seem earlier.
    let wanted = found.iter().take_while(|segment| segment.ended <= at).count();
    let next = found.get(wanted).map(|segment| segment.ended);
    let segments = found[..wanted].to_vec();
    // One that is missing is one that a later one follows, or that the base needs.
    let expected = (base.from..)
        .zip(&segments)
        .find(|(sequence, segment)| segment.sequence != *sequence);
    let last = segments.last().map_or(0, |segment| segment.sequence);
    let missing = match expected {
        Some((sequence, _)) => Some(sequence),
        None => (last < base.through).then_some(last.max(base.from - 1) + 1),
    };
    let missing = missing.or_else(|| {
        let after = found.get(wanted)?.sequence;
        (after != last + 1).then_some(last + 1)
    });
    match missing {
        Some(sequence) => Err(ArchiveProblem::Missing {
            name: format!("segment {sequence} of {}", base.chain),
            until: good_until(&base, &segments, sequence),
        }),
        None => Ok(Way { base, segments, next }),
    }
}

/// To which moment one can go back without that segment.
fn good_until(base: &Base, segments: &[SegmentName], sequence: u64) -> Option<Timestamp> {
    let before = segments
        .iter()
        .take_while(|segment| segment.sequence < sequence)
        .last()?;
    (before.sequence >= base.through).then_some(before.ended)
}

/// Writes base and segments to the file, and answers which moment it is of.
fn build(archive: &dyn Archive, way: &Way, copy: &Path, told: Told<'_>) -> Result<Timestamp, ArchiveProblem> {
    let file = File::options()
        .write(true)
        .open(copy)
        .map_err(|error| of_file(copy, error))?;
    let Way { base, segments, .. } = way;
    let whole = (base.parts.len() + segments.len()) as u64;
    let mut done = 0;
    let mut tell = || {
        done += 1;
        match told(Copied { done, whole }).is_break() {
            true => Err(BackupError::Stopped),
            false => Ok(()),
        }
    };
    for (index, hash) in base.parts.iter().enumerate() {
        let name = part(&base.chain, base.number, index);
        let (_, found) = apply(archive, &name, base.page_bytes, &file, None)?;
        if hexadecimal(&found) != *hash {
            return Err(damaged(name, "it is another part", None));
        }
        tell()?;
    }
    let mut previous: Option<Hash> = None;
    let mut last = (Timestamp(base.restorable_ms), 0);
    for segment in segments {
        let name = segment.of(&base.chain);
        let until = good_until(base, segments, segment.sequence);
        let (header, hash) = apply(archive, &name, base.page_bytes, &file, until)?;
        let is_it = header.sequence == segment.sequence
            && (header.began, header.ended) == (segment.began, segment.ended)
            && previous.is_none_or(|previous| previous == header.previous);
        if !is_it {
            return Err(damaged(name, "it does not follow the segment before it", until));
        }
        previous = Some(hash);
        last = (header.began, header.database_pages);
        tell()?;
    }
    let (state, pages) = last;
    let bytes = u64::from(pages) * u64::from(base.page_bytes);
    file.set_len(bytes).map_err(|error| of_file(copy, error))?;
    Ok(state)
}

fn damaged(name: String, finding: &str, until: Option<Timestamp>) -> ArchiveProblem {
    ArchiveProblem::Damaged {
        name,
        finding: finding.to_owned(),
        until,
    }
}

/// Writes an object's pages to their places.
fn apply(
    archive: &dyn Archive,
    name: &str,
    page_bytes: u32,
    file: &File,
    until: Option<Timestamp>,
) -> Result<(pages::Header, Hash), ArchiveProblem> {
    let source = archive.get(name)?.ok_or_else(|| ArchiveProblem::Missing {
        name: name.to_owned(),
        until,
    })?;
    let read = pages::read(source, |header, number, page| {
        if header.page_bytes != page_bytes {
            return Err(io::Error::other("its pages are of another size"));
        }
        file.write_all_at(page, u64::from(number - 1) * u64::from(page_bytes))
    });
    read.map_err(|error| damaged(name.to_owned(), &error.to_string(), until))
}
