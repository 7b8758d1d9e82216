//! The store's file and threads: it opens, closes, keeps and refuses as it should.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::ports::store::{Store, StoreError};
use rusqlite::{Connection, StatementStatus};
use tempfile::TempDir;

use super::error::store_error;
use super::readers::Effort;
use super::*;

fn open_at(path: &Path) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(&Location::File(path.to_owned()), &SqliteOptions::default())
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

async fn execute(store: &SqliteStore, sql: &'static str) -> Result<(), StoreError> {
    store
        .writer()
        .run(soon(), move |connection| {
            connection.execute_batch(sql).map_err(|error| store_error(&error))
        })
        .await
}

async fn count(store: &SqliteStore) -> Result<i64, StoreError> {
    let job = |connection: &Connection| {
        let counted = connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0));
        counted.map_err(|error| store_error(&error))
    };
    store.readers.run(soon(), job).await
}

#[tokio::test]
async fn what_was_written_is_there_after_a_drop_or_close() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("app.db");
    let store = open_at(&path).unwrap();
    execute(&store, "CREATE TABLE t (id INTEGER PRIMARY KEY) STRICT")
        .await
        .unwrap();
    execute(&store, "INSERT INTO t VALUES (1)").await.unwrap();
    drop(store);
    let store = open_at(&path).unwrap();
    assert_eq!(count(&store).await.unwrap(), 1);
    execute(&store, "INSERT INTO t VALUES (2)").await.unwrap();
    store.close().await;
    // Closing leaves one file, with everything in it.
    assert!(!folder.path().join("app.db-wal").exists());
    let store = open_at(&path).unwrap();
    assert_eq!(count(&store).await.unwrap(), 2);
}

#[tokio::test]
async fn a_second_one_is_kept_out_until_the_first_closes() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("app.db");
    let first = open_at(&path).unwrap();
    assert!(matches!(open_at(&path), Err(OpenError::Locked(_))));
    first.close().await;
    assert!(open_at(&path).is_ok());
}

#[test]
fn what_cannot_be_opened_is_named() {
    let folder = TempDir::new().unwrap();
    let nowhere = folder.path().join("no/such/app.db");
    assert!(matches!(open_at(&nowhere), Err(OpenError::NoFolder(_))));

    let missing = folder.path().join("missing.db");
    let existing = SqliteStore::open_existing(&Location::File(missing.clone()), &SqliteOptions::default());
    assert!(matches!(existing, Err(OpenError::Missing(path)) if path == missing));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

    let text = folder.path().join("text.db");
    std::fs::write(
        &text,
        "this is no database, though it is long enough to be read as the beginning of one".repeat(50),
    )
    .unwrap();
    assert!(matches!(open_at(&text), Err(OpenError::NotADatabase(_))));

    let newer = folder.path().join("newer.db");
    let connection = Connection::open(&newer).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE _ninefold_meta (key TEXT NOT NULL PRIMARY KEY, value ANY NOT NULL) STRICT;
             INSERT INTO _ninefold_meta VALUES ('format', 999)",
        )
        .unwrap();
    drop(connection);
    assert!(matches!(open_at(&newer), Err(OpenError::Newer { found: 999, .. })));
}

#[test]
fn urls_name_a_file_or_memory() {
    let file = |path: &str| Some(Location::File(path.into()));
    assert_eq!(Location::from_url("sqlite:data/app.db"), file("data/app.db"));
    assert_eq!(Location::from_url("sqlite:///var/app.db"), file("/var/app.db"));
    assert_eq!(Location::from_url("sqlite::memory:"), Some(Location::Memory));
    assert_eq!(Location::from_url("sqlite:"), None);
    assert_eq!(Location::from_url("postgres://localhost/app"), None);
}

/// Counts far beyond any deadline.
fn endless(connection: &Connection) -> Result<i64, StoreError> {
    let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    connection
        .query_row(sql, [], |row| row.get(0))
        .map_err(|error| store_error(&error))
}

#[tokio::test]
async fn a_read_that_takes_too_long_is_stopped_and_its_thread_goes_on() {
    let store = SqliteStore::open(&Location::Memory, &SqliteOptions::default()).unwrap();
    let reads = (0..8).map(|_| store.readers.run(Instant::now() + Duration::from_millis(50), endless));
    for read in futures::future::join_all(reads).await {
        assert!(matches!(read, Err(StoreError::Timeout)));
    }
    execute(&store, "CREATE TABLE t (id INTEGER PRIMARY KEY) STRICT")
        .await
        .unwrap();
    assert_eq!(count(&store).await.unwrap(), 0);
}

#[tokio::test]
async fn what_takes_long_leaves_the_callers_thread() {
    let store = SqliteStore::open(&Location::Memory, &SqliteOptions::default()).unwrap();
    let begun = Instant::now();
    assert!(store.readers.try_inline(Effort::Point, soon(), endless).is_none());
    assert!(begun.elapsed() < Duration::from_secs(5));
    let quick = store.readers.try_inline(Effort::Point, soon(), |_| Ok(1));
    assert!(matches!(quick, Some(Ok(1))));
    let late = store.readers.try_inline(Effort::Point, Instant::now(), |_| Ok(1));
    assert!(matches!(late, Some(Err(StoreError::Timeout))));
}

#[tokio::test]
async fn a_slow_range_sends_others_to_the_reader_threads_for_a_while() {
    let store = SqliteStore::open(&Location::Memory, &SqliteOptions::default()).unwrap();
    let quick = |effort| store.readers.try_inline(effort, soon(), |_| Ok(()));
    assert!(quick(Effort::Range).is_some());
    assert!(store.readers.try_inline(Effort::Range, soon(), endless).is_none());
    assert!(quick(Effort::Range).is_none());
    assert!(quick(Effort::Point).is_some());
    let patience = Instant::now() + Duration::from_secs(20);
    while quick(Effort::Range).is_none() {
        assert!(Instant::now() < patience, "ranges are never tried inline again");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[tokio::test]
async fn a_statement_is_prepared_once_whatever_is_bound() {
    let store = SqliteStore::open(&Location::Memory, &SqliteOptions::default()).unwrap();
    execute(&store, "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER) STRICT")
        .await
        .unwrap();
    let prepared_again = store.readers.run(soon(), |connection| {
        let mut statement = connection
            .prepare("SELECT id FROM t WHERE a = ? ORDER BY id LIMIT ?")
            .unwrap();
        for number in 0..10 {
            statement
                .query_map([number, number], |_| Ok(()))
                .unwrap()
                .for_each(drop);
        }
        Ok(statement.get_status(StatementStatus::RePrepare))
    });
    assert_eq!(prepared_again.await.unwrap(), 0);
}

#[tokio::test]
async fn a_reader_that_panics_serves_the_next() {
    let options = SqliteOptions {
        readers: 1,
        ..SqliteOptions::default()
    };
    let store = SqliteStore::open(&Location::Memory, &options).unwrap();
    let panicked = store.readers.run::<()>(soon(), |_| panic!("on purpose")).await;
    assert!(matches!(panicked, Err(StoreError::Failed(_))));
    assert!(store.readers.run(soon(), |_| Ok(())).await.is_ok());
}

#[tokio::test]
async fn readers_cannot_write() {
    let store = SqliteStore::open(&Location::Memory, &SqliteOptions::default()).unwrap();
    let job = |connection: &Connection| {
        connection
            .execute_batch("CREATE TABLE t (id)")
            .map_err(|e| store_error(&e))
    };
    assert!(matches!(
        store.readers.run(soon(), job).await,
        Err(StoreError::Unavailable { .. })
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_started_over_under_a_steady_load() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("app.db");
    let options = SqliteOptions {
        synchronous: Synchronous::Normal,
        checkpoint_writes: 100,
        wal_pages_max: 200,
        ..SqliteOptions::default()
    };
    let store = SqliteStore::open(&Location::File(path), &options).unwrap();
    execute(&store, "CREATE TABLE t (id INTEGER PRIMARY KEY, filler BLOB) STRICT")
        .await
        .unwrap();
    // How soon the side thread gets to copy is up to the machine, and so is the log's size; that it is started over is not.
    let mut written = 0;
    while logs_begun(&folder.path().join("app.db-wal")) < 4 {
        let writes = (0..20).map(|_| execute(&store, "INSERT INTO t (filler) VALUES (randomblob(2000))"));
        futures::future::join_all(writes).await;
        written += 20;
        assert!(written < 500_000, "the log is never started over");
    }
    assert_eq!(count(&store).await.unwrap(), written);
}

/// How often the log was begun, as its header says: the checkpoint sequence number of the file format.
fn logs_begun(log: &Path) -> u32 {
    let mut header = [0; 16];
    match File::open(log).and_then(|mut file| file.read_exact(&mut header)) {
        Ok(()) => u32::from_be_bytes(header[12..].try_into().unwrap()),
        Err(_) => 0,
    }
}

/// A program beside us that opened the database, and stays in a transaction that reads.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_never_ends_meets_a_limit_and_not_the_disk() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("app.db");
    let options = SqliteOptions {
        synchronous: Synchronous::Normal,
        checkpoint_writes: 20,
        wal_pages_max: 50,
        wal_pages_limit: 200,
        ..SqliteOptions::default()
    };
    let store = SqliteStore::open(&Location::File(path.clone()), &options).unwrap();
    execute(&store, "CREATE TABLE t (id INTEGER PRIMARY KEY, filler BLOB) STRICT")
        .await
        .unwrap();
    let insert = || execute(&store, "INSERT INTO t (filler) VALUES (randomblob(2000))");
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN; SELECT count(*) FROM t").unwrap();
    let mut written = 0;
    let refusal = loop {
        match insert().await {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 2000, "nothing bounds the log");
    };
    assert!(matches!(refusal, StoreError::Unavailable { .. }), "{refusal}");
    let log = std::fs::metadata(folder.path().join("app.db-wal")).unwrap().len();
    assert!(log < 2_000_000, "the log grew to {log} bytes");
    assert_eq!(count(&store).await.unwrap(), written);
    other.execute_batch("ROLLBACK").unwrap();
    let patience = soon();
    while insert().await.is_err() {
        assert!(Instant::now() < patience, "writing never goes on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Set in the process that is to be killed: the database that it writes to.
const VICTIM: &str = "NINEFOLD_TEST_VICTIM";

#[test]
fn what_was_acknowledged_survives_a_kill() {
    if let Ok(path) = std::env::var(VICTIM) {
        return write_until_killed(Path::new(&path));
    }
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("app.db");
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "sqlite::tests::what_was_acknowledged_survives_a_kill",
            "--nocapture",
        ])
        .env(VICTIM, &path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let acknowledged = |line: std::io::Result<String>| line.unwrap().strip_prefix("acknowledged ")?.parse::<i64>().ok();
    let mut ids: Vec<i64> = lines.by_ref().filter_map(acknowledged).take(2000).collect();
    victim.kill().unwrap();
    victim.wait().unwrap();
    ids.extend(lines.filter_map(|line| line.ok()?.strip_prefix("acknowledged ")?.parse::<i64>().ok()));
    assert!(ids.len() >= 2000);
    drop(open_at(&path).unwrap());
    let connection = Connection::open(&path).unwrap();
    let there = |id: &i64| {
        connection
            .query_row("SELECT 1 FROM t WHERE id = ?", [id], |_| Ok(()))
            .is_ok()
    };
    assert!(ids.iter().all(there));
    let sound: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(sound, "ok");
}

fn write_until_killed(path: &Path) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = Arc::new(open_at(path).unwrap());
        execute(&store, "CREATE TABLE t (id INTEGER PRIMARY KEY) STRICT")
            .await
            .unwrap();
        let writers = (0..16).map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for id in (writer..).step_by(16) {
                    let sql = "INSERT INTO t VALUES (?)";
                    let job = move |c: &Connection| c.execute(sql, [id]).map_err(|error| store_error(&error));
                    store.writer().run(soon(), job).await.unwrap();
                    // One write, so that a kill never cuts a line in two.
                    let line = format!("acknowledged {id}\n");
                    std::io::stdout().write_all(line.as_bytes()).unwrap();
                }
            })
        });
        futures::future::join_all(writers.collect::<Vec<_>>()).await;
    });
}
