//! A backup in the place of a database.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use engine::model::Timestamp;
use rusqlite::ffi::ErrorCode;
use tempfile::TempPath;

use super::check;
use super::{BackupError, Copied, Told, name, of_file};
use crate::files;
use crate::sqlite::open::{beside, try_lock};
use crate::sqlite::options::OpenError;

/// Bytes copied between two looks at whether to go on.
const CHUNK: usize = 1024 * 1024;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// When the backup was made.
    pub made: Timestamp,
    /// Where the database is now that was there before.
    pub replaced: Option<PathBuf>,
}

/// Puts a copy of the backup at `from` where the database `to` is expected. A database that is there is moved aside if
/// `force` says so.
///
/// # Errors
/// See [`BackupError`]; `to` is what it was, or gone aside.
pub fn restore(from: &Path, to: &Path, force: bool, now: Timestamp, told: Told<'_>) -> Result<Restored, BackupError> {
    let made = check::read_manifest(from).map_err(|error| unreadable(error, from))?;
    let _locks = possess(to, force)?;
    // As SQLite makes a database; the umask has its say.
    let copy = files::new_beside(to, 0o644).map_err(of_file(to))?;
    copy_bytes(from, &copy, told)?;
    let replaced = put_in_place(copy, from, to, now)?;
    Ok(Restored { made, replaced })
}

/// Nobody else has the database `to` as long as the locks live. Where it is there, `force` must say that it may go.
///
/// # Errors
/// It is there, or another process has it.
pub(in crate::sqlite) fn possess(to: &Path, force: bool) -> Result<[File; 2], BackupError> {
    let locks = [lock(to, "-lock")?, lock(to, "-import-lock")?];
    if to.exists() && !force {
        return Err(BackupError::Exists(to.to_owned()));
    }
    Ok(locks)
}

/// Checks a copy of what `from` names, and puts it where the database `to` is expected. Answers where that is now which
/// was there before.
///
/// # Errors
/// See [`BackupError`]; `to` is what it was, or gone aside.
pub(in crate::sqlite) fn put_in_place(
    copy: TempPath,
    from: &Path,
    to: &Path,
    now: Timestamp,
) -> Result<Option<PathBuf>, BackupError> {
    check::whole(&copy, from).map_err(|error| unreadable(error, from))?;
    check::make_servable(&copy, now)?;
    File::open(&copy)
        .and_then(|file| file.sync_all())
        .map_err(of_file(&copy))?;
    let replaced = move_aside(to, now)?;
    name(copy, to)?;
    Ok(replaced)
}

/// Nobody else has the database as long as the file lives.
fn lock(path: &Path, suffix: &str) -> Result<File, BackupError> {
    let locked = || BackupError::Locked(path.to_owned());
    match try_lock(path, suffix) {
        Ok(lock) => lock.ok_or_else(locked),
        Err(OpenError::Locked(_)) => Err(locked()),
        Err(error) => Err(of_file(path)(std::io::Error::other(error))),
    }
}

/// That a file can't be read as a database is no failure of the database.
fn unreadable(error: BackupError, path: &Path) -> BackupError {
    let BackupError::Database(error) = error else {
        return error;
    };
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => BackupError::NotABackup(path.to_owned()),
        Some(ErrorCode::DatabaseCorrupt) => BackupError::Damaged {
            path: path.to_owned(),
            finding: error.to_string(),
        },
        Some(ErrorCode::CannotOpen) => BackupError::Files {
            path: path.to_owned(),
            source: std::io::Error::other("can't be read"),
        },
        _ => BackupError::Database(error),
    }
}

fn copy_bytes(from: &Path, to: &Path, told: Told<'_>) -> Result<(), BackupError> {
    let mut source = File::open(from).map_err(of_file(from))?;
    let whole = source.metadata().map_err(of_file(from))?.len();
    let mut target = File::create(to).map_err(of_file(to))?;
    let mut chunk = vec![0; CHUNK];
    let mut done = 0;
    loop {
        let bytes = source.read(&mut chunk).map_err(of_file(from))?;
        if bytes == 0 {
            return Ok(());
        }
        target.write_all(&chunk[..bytes]).map_err(of_file(to))?;
        done += bytes as u64;
        if told(Copied { done, whole }).is_break() {
            return Err(BackupError::Stopped);
        }
    }
}

/// Moves the database away, and then its log: the log of one database must never lie beside another. Without its
/// database it is nothing to SQLite.
fn move_aside(path: &Path, now: Timestamp) -> Result<Option<PathBuf>, BackupError> {
    let stamp: String = now.to_string().chars().filter(char::is_ascii_digit).collect();
    let aside = beside(path, &format!(".replaced-{stamp}"));
    let mut moved = false;
    for suffix in ["", "-wal", "-shm"] {
        let (from, to) = (beside(path, suffix), beside(&aside, suffix));
        match fs::rename(&from, &to) {
            Ok(()) => moved = true,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(of_file(&from)(error)),
        }
    }
    files::sync_folder(path).map_err(of_file(path))?;
    Ok(moved.then_some(aside))
}
