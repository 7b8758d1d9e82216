use std::time::Duration;

use super::super::{Location, SqliteOptions, SqliteStore};
use super::*;

fn open() -> SqliteStore {
    SqliteStore::open(&Location::Memory, &SqliteOptions::default()).unwrap()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

async fn prepare(store: &SqliteStore) {
    let sql = "CREATE TABLE parent (id INTEGER PRIMARY KEY) STRICT;
        CREATE TABLE child (id INTEGER PRIMARY KEY,
            parent INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED) STRICT;";
    let made = store
        .writer()
        .run(soon(), |c| c.execute_batch(sql).map_err(|e| store_error(&e)));
    made.await.unwrap();
}

fn insert(id: i64) -> impl FnOnce(&Connection) -> Result<i64, StoreError> + Send {
    move |connection| {
        connection
            .execute("INSERT INTO parent VALUES (?)", [id])
            .map_err(|error| store_error(&error))?;
        Ok(id)
    }
}

async fn count(store: &SqliteStore, table: &'static str) -> i64 {
    let counted = store.readers.run(soon(), move |connection| {
        let sql = format!("SELECT count(*) FROM {table}");
        connection
            .query_row(&sql, [], |row| row.get(0))
            .map_err(|error| store_error(&error))
    });
    counted.await.unwrap()
}

#[tokio::test]
async fn many_writers_share_commits_and_each_gets_its_own_answer() {
    let store = open();
    prepare(&store).await;
    let writes = (0..500).map(|id| store.writer().run(soon(), insert(id)));
    let answers = futures::future::join_all(writes).await;
    for (id, answer) in (0..).zip(answers) {
        assert_eq!(answer.unwrap(), id);
    }
    assert_eq!(count(&store, "parent").await, 500);
}

#[tokio::test]
async fn a_failure_or_panic_takes_back_its_own_work_alone() {
    let store = open();
    prepare(&store).await;
    let writer = store.writer();
    let (good, duplicate, failed, panicked, last) = tokio::join!(
        writer.run(soon(), insert(1)),
        writer.run(soon(), insert(1)),
        writer.run(soon(), |connection| {
            insert(2)(connection)?;
            Err::<(), _>(StoreError::TooMany { limit: 1 })
        }),
        writer.run::<()>(soon(), |connection| {
            insert(3)(connection)?;
            panic!("on purpose")
        }),
        writer.run(soon(), insert(4)),
    );
    assert!(good.is_ok() && last.is_ok());
    assert!(matches!(duplicate, Err(StoreError::Failed(_))));
    assert!(matches!(failed, Err(StoreError::TooMany { limit: 1 })));
    assert!(matches!(panicked, Err(StoreError::Failed(_))));
    assert_eq!(count(&store, "parent").await, 2);
}

#[tokio::test]
async fn a_dangling_reference_fails_its_request_and_no_other() {
    let store = open();
    prepare(&store).await;
    let (dangling, good) = tokio::join!(
        store.writer().run(soon(), |connection| {
            let inserted = connection.execute("INSERT INTO child VALUES (1, 99)", []);
            inserted.map_err(|error| store_error(&error))
        }),
        store.writer().run(soon(), insert(1)),
    );
    assert!(matches!(dangling, Err(StoreError::Failed(_))));
    assert!(good.is_ok());
    assert_eq!((count(&store, "child").await, count(&store, "parent").await), (0, 1));
}

#[tokio::test]
async fn what_comes_too_late_is_never_started() {
    let store = open();
    prepare(&store).await;
    let late = store.writer().run(Instant::now(), insert(1)).await;
    assert!(matches!(late, Err(StoreError::Timeout)));
    assert_eq!(count(&store, "parent").await, 0);
}

#[tokio::test]
async fn work_alone_has_no_transaction_around_it_and_leaves_none() {
    let store = open();
    prepare(&store).await;
    let alone = store
        .writer()
        .run_alone(soon(), |connection| Ok(connection.is_autocommit()))
        .await;
    assert!(alone.unwrap());
    let open = store.writer().run_alone(soon(), |connection| {
        connection.execute_batch("BEGIN").map_err(|error| store_error(&error))
    });
    assert!(matches!(open.await, Err(StoreError::Failed(_))));
    assert!(store.writer().run(soon(), insert(1)).await.is_ok());
}

#[tokio::test]
async fn a_full_queue_and_a_closed_store_say_so() {
    let options = SqliteOptions {
        write_queue_max: 1,
        ..SqliteOptions::default()
    };
    let store = SqliteStore::open(&Location::Memory, &options).unwrap();
    prepare(&store).await;
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (started, running) = oneshot::channel();
    let writer = store.writer().clone();
    let holding = tokio::spawn(async move {
        writer
            .run(soon(), move |_| {
                started.send(()).expect("the test waits for this");
                held.recv().map_err(|_| StoreError::Timeout)
            })
            .await
    });
    running.await.unwrap();
    let (queued, refused) = tokio::join!(store.writer().run(soon(), insert(1)), async {
        let refused = store.writer().run(soon(), insert(2)).await;
        release.send(()).unwrap();
        refused
    });
    holding.await.unwrap().unwrap();
    assert!(queued.is_ok());
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })));
    store.shut().unwrap().join();
    let closed = store.writer().run(soon(), insert(3)).await;
    assert!(matches!(closed, Err(StoreError::Unavailable { .. })));
}
