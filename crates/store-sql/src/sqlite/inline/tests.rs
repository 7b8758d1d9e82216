//! What a kept snapshot must never do: hide what is committed, or hold up who isn't reading from it.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use engine::ports::store::StoreError;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::sqlite::error::store_error;
use crate::sqlite::readers::Effort;
use crate::sqlite::{Location, SqliteOptions, SqliteStore};

/// A store with an empty table, and its file.
async fn store() -> (SqliteStore, PathBuf, TempDir) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("app.db");
    let store = SqliteStore::open(&Location::File(path.clone()), &SqliteOptions::default()).unwrap();
    write(&store, "CREATE TABLE t (id INTEGER PRIMARY KEY) STRICT").await;
    (store, path, folder)
}

fn patience() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

async fn write(store: &SqliteStore, sql: &'static str) {
    let job = move |connection: &Connection| connection.execute_batch(sql).map_err(|error| store_error(&error));
    store.writer().run(patience(), job).await.unwrap();
}

fn count(connection: &Connection) -> Result<i64, StoreError> {
    let counted = connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0));
    counted.map_err(|error| store_error(&error))
}

/// On this thread, and so with the snapshot that it keeps.
fn read(store: &SqliteStore) -> i64 {
    let read = store.readers.try_inline(Effort::Point, patience(), count);
    read.expect("nothing else reads").unwrap()
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let patience = patience();
    while !holds() {
        assert!(Instant::now() < patience, "{what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_read() {
    let (store, _, _folder) = store().await;
    for number in 0..200 {
        assert_eq!(read(&store), number);
        write(&store, "INSERT INTO t DEFAULT VALUES").await;
    }
}

#[tokio::test]
async fn what_another_process_committed_is_read_soon() {
    let (store, path, _folder) = store().await;
    let other = Connection::open(path).unwrap();
    assert_eq!(read(&store), 0);
    other.execute_batch("INSERT INTO t DEFAULT VALUES").unwrap();
    until("another's commit is never seen", || read(&store) == 1).await;
}

#[tokio::test]
async fn a_snapshot_that_nobody_reads_from_holds_up_no_checkpoint() {
    let (store, path, _folder) = store().await;
    let other = Connection::open(path).unwrap();
    other.busy_timeout(Duration::ZERO).unwrap();
    let emptied = || {
        let busy: rusqlite::Result<bool> = other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
        !busy.unwrap_or(true)
    };
    // Threads that read once and then rest.
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| read(&store));
        }
    });
    write(&store, "INSERT INTO t DEFAULT VALUES").await;
    until("the log can't be emptied", emptied).await;
    // Also after the first time.
    read(&store);
    write(&store, "INSERT INTO t DEFAULT VALUES").await;
    until("the log can't be emptied again", emptied).await;
}
