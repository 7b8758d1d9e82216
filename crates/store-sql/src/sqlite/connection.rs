//! Connections as this store wants them, each under a watch that stops what runs too long.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::hooks::Wal;
use rusqlite::{Connection, OpenFlags};

use super::functions;
use super::options::{SqliteOptions, Synchronous};

/// Virtual machine steps between two looks at the clock: some tens of microseconds.
const STEPS_PER_LOOK: i32 = 1000;
const NO_DEADLINE: u64 = u64::MAX;
/// Between two tries for the write lock.
const BUSY_PAUSE: Duration = Duration::from_micros(500);

/// A connection whose statements can be given a deadline.
pub(crate) struct Timed {
    connection: Connection,
    watch: Arc<Watch>,
}

/// When the running statement must stop, as SQLite's progress handler reads it.
struct Watch {
    base: Instant,
    /// Nanoseconds after `base`.
    deadline: AtomicU64,
}

impl Watch {
    fn expired(&self) -> bool {
        let deadline = self.deadline.load(Ordering::Relaxed);
        deadline != NO_DEADLINE && self.base.elapsed() >= Duration::from_nanos(deadline)
    }
}

impl Timed {
    fn new(mut connection: Connection) -> rusqlite::Result<Self> {
        let watch = Arc::new(Watch {
            base: Instant::now(),
            deadline: AtomicU64::new(NO_DEADLINE),
        });
        let seen = Arc::clone(&watch);
        connection.progress_handler(STEPS_PER_LOOK, Some(move || seen.expired()))?;
        Ok(Self { connection, watch })
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Runs `work` under a deadline: a statement that is still running then fails as interrupted.
    pub(crate) fn within<T>(&self, deadline: Instant, work: impl FnOnce(&Connection) -> T) -> T {
        let nanos = deadline.saturating_duration_since(self.watch.base).as_nanos();
        let nanos = u64::try_from(nanos).unwrap_or(NO_DEADLINE);
        self.watch.deadline.store(nanos, Ordering::Relaxed);
        let _until_done = Armed(&self.watch);
        work(&self.connection)
    }

    /// Tells `told` after each commit how many pages the write-ahead log holds.
    pub(super) fn on_commit(&mut self, told: impl Fn(u32) + Send + 'static) -> rusqlite::Result<()> {
        self.connection
            .wal_hook(Some(move |_: &mut Wal, pages: std::ffi::c_int| {
                told(u32::try_from(pages).unwrap_or(0));
                Ok(())
            }))
    }
}

/// Takes the deadline off again, after a panic too.
struct Armed<'a>(&'a Watch);

impl Drop for Armed<'_> {
    fn drop(&mut self) {
        self.0.deadline.store(NO_DEADLINE, Ordering::Relaxed);
    }
}

/// The one that writes, and the one that checkpoints.
pub(super) fn writing(path: &Path, options: &SqliteOptions) -> rusqlite::Result<Timed> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(options.busy_timeout)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    let log_bytes_kept = i64::from(options.wal_pages_max) * 4096;
    connection.pragma_update(None, "journal_size_limit", log_bytes_kept)?;
    let synchronous = match options.synchronous {
        _ if mutant!(Sync) => "off",
        Synchronous::Full => "full",
        Synchronous::Normal => "normal",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    configured(connection, options)
}

pub(super) fn reading(path: &Path, options: &SqliteOptions) -> rusqlite::Result<Timed> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(options.busy_timeout)?;
    connection.pragma_update(None, "query_only", true)?;
    configured(connection, options)
}

fn configured(connection: Connection, options: &SqliteOptions) -> rusqlite::Result<Timed> {
    connection.pragma_update(None, "mmap_size", i64::try_from(options.mmap_bytes).unwrap_or(i64::MAX))?;
    connection.pragma_update(None, "trusted_schema", false)?;
    // Plans don't depend on what is bound. Otherwise SQLite prepares most statements again whenever a value changes,
    // which takes longer than they run.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(options.statements_max);
    functions::register(&connection)?;
    Timed::new(connection)
}

/// Begins to write. Where another process holds the lock, looks again every half millisecond: SQLite's own waiting gets
/// longer with each look, and would starve beside one that takes the lock again and again.
///
/// # Errors
/// Busy after `patience`, or whatever SQLite says.
pub(super) fn begin(connection: &Connection, patience: Duration) -> rusqlite::Result<()> {
    let began = Instant::now();
    let mut statement = connection.prepare_cached("BEGIN IMMEDIATE")?;
    connection.busy_timeout(Duration::ZERO)?;
    let result = loop {
        match statement.raw_execute() {
            Err(error) if is_busy(&error) && began.elapsed() < patience => thread::sleep(BUSY_PAUSE),
            other => break other.map(|_| ()),
        }
    };
    connection.busy_timeout(patience)?;
    result
}

pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ffi::ErrorCode::DatabaseBusy)
}

/// Whether statements since the last commit leave a foreign key without its target. They are all deferred, so that
/// without this question they would fail the commit, and with it every other request of the group.
#[expect(unsafe_code, reason = "rusqlite has no safe way to ask for a connection's status")]
pub(super) fn has_dangling_references(connection: &Connection) -> bool {
    let (mut current, mut highest) = (0, 0);
    // SAFETY: the handle is alive as long as `connection`, and both out-pointers outlive the call.
    let code = unsafe {
        rusqlite::ffi::sqlite3_db_status(
            connection.handle(),
            rusqlite::ffi::SQLITE_DBSTATUS_DEFERRED_FKS,
            &raw mut current,
            &raw mut highest,
            0,
        )
    };
    code == rusqlite::ffi::SQLITE_OK && current != 0
}

/// Where the index of a write-ahead log has the number of pages that were copied into the database (`nBackfill` in
/// SQLite's description of the file format).
const COPIED_AT: usize = 96;
const INDEX_REGION: i32 = 32 * 1024;

/// Has the next checkpoint copy the log from its beginning. That harms nobody at any time: it is what each first start
/// after a crash does.
#[expect(unsafe_code, reason = "SQLite itself never copies again what it has copied")]
pub(super) fn forget_copied(connection: &Connection) -> rusqlite::Result<()> {
    use rusqlite::ffi;
    let checked = |code| match code {
        ffi::SQLITE_OK => Ok(()),
        code => Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)),
    };
    let mut file: *mut ffi::sqlite3_file = std::ptr::null_mut();
    let mut region: *mut std::ffi::c_void = std::ptr::null_mut();
    // SAFETY: the handle is alive as long as `connection`, and so are its file and the regions of the index that it
    // has mapped; a null pointer stands for what there isn't. Others reach the number as an atomic one, too.
    unsafe {
        let out = (&raw mut file).cast();
        let code = ffi::sqlite3_file_control(
            connection.handle(),
            c"main".as_ptr(),
            ffi::SQLITE_FCNTL_FILE_POINTER,
            out,
        );
        checked(code)?;
        let methods = file.as_ref().and_then(|file| file.pMethods.as_ref());
        let Some(map) = methods.and_then(|methods| methods.xShmMap) else {
            return Ok(());
        };
        checked(map(file, 0, INDEX_REGION, 0, &raw mut region))?;
        if !region.is_null() {
            let copied = region.cast::<u8>().add(COPIED_AT).cast::<u32>();
            AtomicU32::from_ptr(copied).store(0, Ordering::SeqCst);
        }
    }
    Ok(())
}
