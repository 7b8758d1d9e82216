//! The database as one file that is a copy of a single moment, and back.
//!
//! [`back_up`] works beside whoever serves the database. It holds one snapshot from the first page to the last, so
//! writes neither wait for it nor make it start over; they gather in the log meanwhile. [`restore`] wants the database to
//! itself. Both check what they have copied before it gets its name, and have it on the disk by then.

mod check;
mod restore;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use engine::model::Timestamp;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use tempfile::TempPath;

use super::connection;
use super::options::SqliteOptions;
use super::staging::{self, is_under_way};
use crate::files;

pub use restore::{Restored, restore};
pub(super) use restore::{possess, put_in_place};

/// Pages copied between two looks at whether to go on: some milliseconds.
const PAGES_PER_STEP: i32 = 1000;
/// How long to wait for an import that others see a part of.
const IMPORT_PATIENCE: Duration = Duration::from_secs(60);
const IMPORT_PAUSE: Duration = Duration::from_millis(50);

/// How far it has come, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    pub done: u64,
    pub whole: u64,
}

/// Hears how far a copy is, and says whether to go on.
pub type Told<'a> = &'a mut dyn FnMut(Copied) -> ControlFlow<()>;

/// Why a backup can't be made or restored. The command line has a sentence for each.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("there is no database of Ninefold's at {}", .0.display())]
    NoDatabase(PathBuf),
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    #[error("an import is publishing its records")]
    Importing,
    #[error("stopped")]
    Stopped,
    #[error("{} is in use by another process", .0.display())]
    Locked(PathBuf),
    #[error("{} is no backup that Ninefold made", .0.display())]
    NotABackup(PathBuf),
    /// What SQLite finds wrong with the copy.
    #[error("{} is damaged: {finding}", path.display())]
    Damaged { path: PathBuf, finding: String },
    #[error("{} was written by a newer Ninefold (format {found}, this one knows {known})", path.display())]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("{}: {source}", path.display())]
    Files { path: PathBuf, source: std::io::Error },
    #[error("the database failed: {0}")]
    Database(#[source] rusqlite::Error),
}

impl From<rusqlite::Error> for BackupError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

fn of_file(path: &Path) -> impl FnOnce(std::io::Error) -> BackupError + '_ {
    |source| BackupError::Files {
        path: path.to_owned(),
        source,
    }
}

/// Copies the database at `from` to the new file `to`, and answers its size in bytes. What was acknowledged before is in
/// it; of what is written meanwhile nothing. The file is readable by its owner alone: it holds keys and password hashes.
///
/// # Errors
/// See [`BackupError`]; `to` is not there then.
pub fn back_up(
    from: &Path,
    to: &Path,
    options: &SqliteOptions,
    now: Timestamp,
    told: Told<'_>,
) -> Result<u64, BackupError> {
    if !from.is_file() {
        return Err(BackupError::NoDatabase(from.to_owned()));
    }
    if to.exists() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    // An import that has died would leave its part in the copy.
    staging::recover(from, options).map_err(|error| BackupError::Damaged {
        path: from.to_owned(),
        finding: error.to_string(),
    })?;
    let copy = files::new_beside(to, 0o600).map_err(of_file(to))?;
    copy_snapshot(from, &copy, options, told)?;
    check::whole(&copy, from)?.ok_or_else(|| BackupError::NoDatabase(from.to_owned()))?;
    check::write_manifest(&copy, now)?;
    let bytes = copy.metadata().map_err(of_file(&copy))?.len();
    name(copy, to)?;
    Ok(bytes)
}

/// Copies the database's snapshot of now.
fn copy_snapshot(from: &Path, to: &Path, options: &SqliteOptions, told: Told<'_>) -> Result<(), BackupError> {
    let options = SqliteOptions {
        // Each page is read once.
        mmap_bytes: 0,
        ..options.clone()
    };
    let source = connection::reading(from, &options)?;
    let source = source.connection();
    await_import(source)?;
    let mut target = Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // The file has no name yet that anybody looks for, and is synced before it gets one.
    target.pragma_update(None, "journal_mode", "off")?;
    target.pragma_update(None, "synchronous", "off")?;
    let backup = Backup::new(source, &mut target)?;
    let page_bytes: u64 = source.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    loop {
        let step = backup.step(PAGES_PER_STEP)?;
        let progress = backup.progress();
        let (whole, left) = (u64::try_from(progress.pagecount), u64::try_from(progress.remaining));
        let (whole, left) = (whole.unwrap_or(0), left.unwrap_or(0));
        let copied = Copied {
            done: whole.saturating_sub(left) * page_bytes,
            whole: whole * page_bytes,
        };
        if told(copied).is_break() {
            return Err(BackupError::Stopped);
        }
        match step {
            StepResult::Done => return Ok(()),
            // Nobody else knows the copy, and the snapshot is held already.
            StepResult::Busy | StepResult::Locked => thread::sleep(IMPORT_PAUSE),
            _ => {}
        }
    }
}

/// Takes the snapshot that the copy is made of: one without part of an import.
fn await_import(source: &Connection) -> Result<(), BackupError> {
    let began = Instant::now();
    loop {
        // The read transaction stays open, and with it the snapshot that its first read takes.
        source.execute_batch("BEGIN")?;
        if source.table_exists(None, "_ninefold_meta")? && is_under_way(source)? {
            source.execute_batch("ROLLBACK")?;
            if began.elapsed() >= IMPORT_PATIENCE {
                return Err(BackupError::Importing);
            }
            thread::sleep(IMPORT_PAUSE);
        } else {
            return Ok(());
        }
    }
}

/// Gives a copy its name, for good.
fn name(copy: TempPath, path: &Path) -> Result<(), BackupError> {
    files::name(copy, path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => BackupError::Exists(path.to_owned()),
        _ => of_file(path)(error),
    })
}

#[cfg(test)]
mod tests;
