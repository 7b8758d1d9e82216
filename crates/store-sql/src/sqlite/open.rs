//! Taking possession of a database file, and naming what is wrong with one that can't be had.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rusqlite::ffi::ErrorCode;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior};
use tempfile::TempDir;

use super::archive::{self, Archiver};
use super::checkpoint::Checkpoints;
use super::connection::{self, Timed};
use super::inline::Inline;
use super::options::{Location, OpenError, SqliteOptions};
use super::presence::Presence;
use super::readers::Readers;
use super::writer::Writer;
use super::{Shared, SqliteStore, Synchronous, relocation, staging};
use crate::migrate::sqlite::{FORMAT, prepare};

/// Whose the database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Possession {
    /// This store's alone.
    Alone,
    /// The same, for a command of the operator's: no requests wait.
    Unserved,
    /// Another process serves it.
    Beside,
}

/// Where the store is, for connections that are made later.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) options: SqliteOptions,
    pub(super) possession: Possession,
}

/// What lives as long as the store is open, in the order in which it ends.
pub(super) struct Threads {
    readers: Vec<JoinHandle<()>>,
    writer: JoinHandle<(Timed, Checkpoints)>,
    checkpoints: JoinHandle<()>,
    archiver: Option<Archiver>,
    /// Advisory, on a file beside the database: opening the database's own file only to close it again would take
    /// away SQLite's locks. `None` beside another process, which has it.
    lock: Option<File>,
    folder: Option<TempDir>,
}

impl Threads {
    /// Waits until all is written and every connection is closed. The writer's is the last one: its checkpoint wants nobody
    /// beside it, and of two that are closed at the same moment neither would take the log away.
    pub(super) fn join(self) {
        for reader in self.readers {
            joined(reader);
        }
        let written = joined(self.writer);
        if let Some((_, checkpoints)) = &written {
            checkpoints.end();
        }
        joined(self.checkpoints);
        if let Some((connection, checkpoints)) = written {
            checkpoints.finish(connection.connection());
        }
        // It has what the writer wrote last.
        if let Some(archiver) = self.archiver {
            archiver.end();
        }
        drop(self.lock);
        if let Some(folder) = self.folder
            && let Err(error) = folder.close()
        {
            tracing::warn!(%error, "the temporary database could not be deleted");
        }
    }
}

fn joined<T>(thread: JoinHandle<T>) -> Option<T> {
    let ended = thread.join();
    if ended.is_err() {
        tracing::error!("a thread of the store panicked");
    }
    ended.ok()
}

/// `shares`: where another process has the database, be content to work beside it.
pub(super) fn open(location: &Location, options: &SqliteOptions, shares: bool) -> Result<SqliteStore, OpenError> {
    match location {
        Location::File(path) => open_file(path, options, shares, None),
        Location::Memory => {
            let folder = TempDir::with_prefix("ninefold-").map_err(|error| OpenError::Other {
                path: std::env::temp_dir(),
                reason: error.to_string(),
            })?;
            // Nothing is left after a loss of power anyway.
            let options = SqliteOptions {
                synchronous: Synchronous::Normal,
                ..options.clone()
            };
            open_file(&folder.path().join("memory.db"), &options, false, Some(folder))
        }
    }
}

fn open_file(
    path: &Path,
    options: &SqliteOptions,
    shares: bool,
    folder: Option<TempDir>,
) -> Result<SqliteStore, OpenError> {
    let lock = try_lock(path, "-lock")?;
    let possession = match lock {
        Some(_) if shares => Possession::Unserved,
        Some(_) => Possession::Alone,
        None if shares => Possession::Beside,
        None => return Err(OpenError::Locked(path.to_owned())),
    };
    let failed = |error| refusal(path, &error);
    if !options.adopts && path.exists() && is_foreign(path).map_err(failed)? {
        return Err(OpenError::Foreign(path.to_owned()));
    }
    let mut writing = connection::writing(path, options).map_err(failed)?;
    if let Some(found) = stored_format(writing.connection()).map_err(failed)?
        && found > FORMAT
    {
        return Err(OpenError::Newer {
            path: path.to_owned(),
            found,
            known: FORMAT,
        });
    }
    if !options.incomplete && relocation::mark(writing.connection()).map_err(failed)?.is_some() {
        return Err(OpenError::Incomplete(path.to_owned()));
    }
    if possession != Possession::Beside {
        prepare_whole(writing.connection()).map_err(failed)?;
    }
    staging::recover(path, options).map_err(|error| OpenError::Other {
        path: path.to_owned(),
        reason: format!("an import that was interrupted can't be taken back: {error}"),
    })?;
    let side = connection::writing(path, options).map_err(failed)?;
    let other = |error: std::io::Error| OpenError::Other {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let presence = Arc::new(Presence::of(path).map_err(other)?);
    let shared = Arc::new(Shared::new(options));
    let inline = Arc::new(Inline::new(options.inline_readers_max));
    let archiving = options.archiving.as_ref().filter(|_| possession == Possession::Alone);
    let follower = archiving.map(|archiving| archive::follower(path, options, archiving));
    let (checkpoints, checkpoint_thread) = Checkpoints::start(
        &mut writing,
        side,
        Arc::clone(&inline),
        follower.clone(),
        options,
        possession,
    )
    .map_err(other)?;
    let errands = checkpoints.errands();
    let commits = Arc::clone(&shared.commits);
    let (writer, writer_thread) =
        Writer::start(writing, checkpoints, Arc::clone(&presence), commits, options).map_err(other)?;
    let callers = (inline, Arc::clone(&shared.commits));
    let (readers, reader_threads) =
        Readers::start(path.to_owned(), Arc::clone(&presence), callers, errands, options).map_err(failed)?;
    // Last: nothing that fails would end its threads.
    let archiver = follower.zip(archiving);
    let archiver = archiver.map(|(follower, archiving)| Archiver::start(follower, archiving));
    let archiver = archiver.transpose().map_err(other)?;
    Ok(SqliteStore {
        writer,
        readers,
        shared,
        presence,
        place: Place {
            path: path.to_owned(),
            options: options.clone(),
            possession,
        },
        threads: Mutex::new(Some(Threads {
            readers: reader_threads,
            writer: writer_thread,
            checkpoints: checkpoint_thread,
            archiver,
            lock,
            folder,
        })),
    })
}

/// Our own tables: all or none.
fn prepare_whole(connection: &Connection) -> rusqlite::Result<()> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    prepare(&transaction)?;
    transaction.commit()
}

/// Holds off every other Ninefold that asks for the same as long as the file lives; `None` where another has it. Other
/// programs may still read and, briefly, write.
pub(super) fn try_lock(path: &Path, suffix: &str) -> Result<Option<File>, OpenError> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(OpenError::NoFolder(folder.to_owned()));
    }
    let beside = beside(path, suffix);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&beside)
        .map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => OpenError::ReadOnly(folder.to_owned()),
            _ => OpenError::Other {
                path: beside,
                reason: error.to_string(),
            },
        })?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(OpenError::Other {
            path: path.to_owned(),
            reason: error.to_string(),
        }),
    }
}

/// A file beside the database.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// `None` while the database has no tables of Ninefold's own.
pub(super) fn stored_format(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    let known: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = '_ninefold_meta')",
        [],
        |row| row.get(0),
    )?;
    if !known {
        return Ok(None);
    }
    connection
        .query_row("SELECT value FROM _ninefold_meta WHERE key = 'format'", [], |row| {
            row.get(0)
        })
        .optional()
}

/// Whether there are tables, and none of Ninefold's. Changes nothing: not even how the file is kept.
fn is_foreign(path: &Path) -> rusqlite::Result<bool> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let has_tables = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table')";
    let has_tables: bool = connection.query_row(has_tables, [], |row| row.get(0))?;
    Ok(has_tables && stored_format(&connection)?.is_none())
}

fn refusal(path: &Path, error: &rusqlite::Error) -> OpenError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => OpenError::NotADatabase(path.to_owned()),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => OpenError::ReadOnly(path.to_owned()),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::Locked(path.to_owned()),
        _ => OpenError::Other {
            path: path.to_owned(),
            reason: error.to_string(),
        },
    }
}
