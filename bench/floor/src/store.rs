//! SQLite as Ninefold uses it: readers inline on the runtime's threads, one writer that groups commits, checkpoints on
//! a thread of their own. The floor has the same, so that only what stands above the database differs.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::oneshot;

const BATCH_MAX: usize = 512;
const QUEUE_MAX: usize = 4096;
const CHECKPOINT_WRITES: usize = 4000;
const WAL_PAGES_MAX: u32 = 8192;

static DATABASE: OnceLock<PathBuf> = OnceLock::new();
thread_local!(static READER: RefCell<Option<Connection>> = const { RefCell::new(None) });

/// Runs `work` here and now, on this thread's own read-only connection.
pub(crate) fn read<T>(work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    READER.with_borrow_mut(|reader| {
        let reader = match reader {
            Some(reader) => reader,
            None => reader.insert(reading()?),
        };
        work(reader)
    })
}

fn reading() -> Result<Connection> {
    let path = DATABASE.get().context("the database was not opened")?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.pragma_update(None, "query_only", true)?;
    tuned(connection)
}

fn writing(path: &Path, synchronous: &str) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", i64::from(WAL_PAGES_MAX) * 4096)?;
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    tuned(connection)
}

fn tuned(connection: Connection) -> Result<Connection> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "mmap_size", 256 * 1024 * 1024)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.set_prepared_statement_cache_capacity(256);
    Ok(connection)
}

/// Work for a savepoint: whether to keep what it wrote, and how to answer once the commit is known to be done or not.
type Write = Box<dyn FnOnce(&Connection) -> (bool, Answer) + Send>;
type Answer = Box<dyn FnOnce(bool)>;

#[derive(Clone)]
pub(crate) struct Writer(SyncSender<Write>);

impl Writer {
    /// Runs `work` in a savepoint of a shared transaction, and answers after the commit.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let write: Write = Box::new(move |connection| {
            let result = work(connection);
            let keep = result.is_ok();
            let answer = move |committed| {
                let result = if committed || !keep {
                    result
                } else {
                    Err(anyhow!("the commit failed"))
                };
                // A caller that has gone needs no answer.
                let _ = reply.send(result);
            };
            (keep, Box::new(answer))
        });
        if self.0.try_send(write).is_err() {
            bail!("too many writes are waiting");
        }
        answer.await.context("the write panicked")?
    }
}

pub(crate) fn open(path: &Path, synchronous: &str) -> Result<Writer> {
    let mut connection = writing(path, synchronous)?;
    let checkpoints = Checkpoints::start(&mut connection, writing(path, synchronous)?)?;
    DATABASE.get_or_init(|| path.to_owned());
    let (sender, queue) = sync_channel(QUEUE_MAX);
    thread::Builder::new()
        .name("writer".to_owned())
        .spawn(move || serve(&connection, checkpoints, &queue))?;
    Ok(Writer(sender))
}

fn serve(connection: &Connection, mut checkpoints: Checkpoints, queue: &Receiver<Write>) {
    while let Ok(first) = queue.recv() {
        let mut group = vec![first];
        group.extend(queue.try_iter().take(BATCH_MAX - 1));
        let mut answers = Vec::with_capacity(group.len());
        let committed = commit(connection, group, &mut answers);
        if let Err(error) = &committed {
            eprintln!("floor: a commit failed: {error}");
            let _ = execute(connection, "ROLLBACK");
        }
        let writes = answers.len();
        for answer in answers {
            answer(committed.is_ok());
        }
        if let Err(error) = checkpoints.after(connection, writes) {
            eprintln!("floor: a checkpoint failed: {error}");
        }
    }
}

fn commit(connection: &Connection, group: Vec<Write>, answers: &mut Vec<Answer>) -> rusqlite::Result<()> {
    execute(connection, "BEGIN IMMEDIATE")?;
    for write in group {
        execute(connection, "SAVEPOINT request")?;
        let done = catch_unwind(AssertUnwindSafe(|| write(connection)));
        if !matches!(done, Ok((true, _))) {
            execute(connection, "ROLLBACK TO request")?;
        }
        execute(connection, "RELEASE request")?;
        answers.extend(done.ok().map(|(_, answer)| answer));
    }
    execute(connection, "COMMIT")
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.raw_execute().map(|_| ())
}

/// PASSIVE on a side thread after some thousand writes, RESTART by the writer when the log has grown.
struct Checkpoints {
    ask: SyncSender<()>,
    pages: Arc<AtomicU32>,
    copied: Arc<AtomicBool>,
    asked: bool,
    writes: usize,
}

impl Checkpoints {
    fn start(writer: &mut Connection, side: Connection) -> Result<Self> {
        let (pages, copied) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
        let counted = Arc::clone(&pages);
        writer.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: std::ffi::c_int| {
            counted.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        let (ask, asked) = sync_channel(1);
        let done = Arc::clone(&copied);
        thread::Builder::new().name("checkpoint".to_owned()).spawn(move || {
            while asked.recv().is_ok() {
                if let Err(error) = checkpoint(&side, "PASSIVE") {
                    eprintln!("floor: a checkpoint failed: {error}");
                }
                done.store(true, Ordering::Release);
            }
        })?;
        Ok(Self {
            ask,
            pages,
            copied,
            asked: false,
            writes: 0,
        })
    }

    fn after(&mut self, connection: &Connection, writes: usize) -> rusqlite::Result<()> {
        self.writes += writes;
        if !self.asked && self.writes >= CHECKPOINT_WRITES {
            self.writes = 0;
            self.copied.store(false, Ordering::Relaxed);
            self.asked = self.ask.try_send(()).is_ok();
        } else if self.asked && self.copied.load(Ordering::Acquire) {
            self.asked = false;
            if self.pages.load(Ordering::Relaxed) > WAL_PAGES_MAX {
                connection.busy_timeout(Duration::from_millis(20))?;
                checkpoint(connection, "RESTART")?;
                connection.busy_timeout(Duration::from_secs(5))?;
            }
        }
        Ok(())
    }
}

fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<()> {
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()))
}
