use std::fs;

use engine::ports::store::Store;
use tempfile::TempDir;

use super::*;
use crate::sqlite::{Location, OpenError, SqliteStore};

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const ROWS: i64 = 20_000;

struct Place {
    folder: TempDir,
}

impl Place {
    /// A database of some thousand pages.
    async fn new() -> Self {
        let place = Self {
            folder: TempDir::new().unwrap(),
        };
        place.open().unwrap().close().await;
        let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT) STRICT;
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
            INSERT INTO t SELECT i, printf('%0400d', i) FROM n";
        place.connect("app.db").execute_batch(sql).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn open(&self) -> Result<SqliteStore, OpenError> {
        SqliteStore::open(&Location::File(self.path("app.db")), &SqliteOptions::default())
    }

    fn connect(&self, name: &str) -> Connection {
        let connection = Connection::open(self.path(name)).unwrap();
        connection.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        connection
    }

    fn rows(&self, name: &str) -> i64 {
        self.connect(name)
            .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
            .unwrap()
    }

    fn back_up(&self, told: Told<'_>) -> Result<u64, BackupError> {
        let options = SqliteOptions::default();
        back_up(&self.path("app.db"), &self.path("copy"), &options, NOW, told)
    }

    fn restore(&self, from: &str, force: bool) -> Result<Restored, BackupError> {
        restore(&self.path(from), &self.path("app.db"), force, NOW, &mut go_on)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        // A connection that only reads leaves the log where it was.
        let beside = ["app.db-lock", "app.db-import-lock", "app.db-wal", "app.db-shm"];
        let mut names: Vec<_> = names.filter(|name| !beside.contains(&name.as_str())).collect();
        names.sort();
        names
    }
}

fn go_on(_: Copied) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[tokio::test]
async fn it_is_of_one_moment_and_writes_between_its_steps_go_on() {
    let place = Place::new().await;
    let store = place.open().unwrap();
    let writer = place.connect("app.db");
    let mut steps = 0;
    let mut last = 0;
    let mut told = |copied: Copied| {
        assert!(copied.done > last, "it began anew at {copied:?}");
        last = copied.done;
        steps += 1;
        writer
            .execute_batch("INSERT INTO t (body) VALUES ('later'); UPDATE t SET body = 'changed' WHERE id < 10000")
            .unwrap();
        ControlFlow::Continue(())
    };
    let bytes = place.back_up(&mut told).unwrap();
    assert!(steps > 2, "{steps} steps");
    assert_eq!(bytes, fs::metadata(place.path("copy")).unwrap().len());
    assert_eq!(place.rows("app.db"), ROWS + steps);
    assert_eq!(place.rows("copy"), ROWS);
    let sql = "SELECT count(*) FROM t WHERE body = 'changed'";
    let changed: i64 = place.connect("copy").query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(changed, 0);
    store.close().await;
    assert_eq!(place.names(), ["app.db", "copy"], "a copy is one file");
}

#[tokio::test]
async fn one_that_is_stopped_leaves_nothing() {
    let place = Place::new().await;
    let stopped = place.back_up(&mut |_| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(BackupError::Stopped)), "{stopped:?}");
    assert_eq!(place.names(), ["app.db"]);
    place.back_up(&mut go_on).unwrap();
    let again = place.back_up(&mut go_on);
    assert!(matches!(again, Err(BackupError::Exists(_))), "{again:?}");
    let missing = back_up(
        &place.path("missing"),
        &place.path("other"),
        &SqliteOptions::default(),
        NOW,
        &mut go_on,
    );
    assert!(matches!(missing, Err(BackupError::NoDatabase(_))), "{missing:?}");
}

#[tokio::test]
async fn an_import_is_waited_for() {
    let place = Place::new().await;
    let connection = place.connect("app.db");
    let mark = "INSERT INTO _ninefold_meta VALUES ('import', 'token 7'); DELETE FROM t WHERE id > 7";
    connection.execute_batch(mark).unwrap();
    let importing = thread::spawn(move || {
        thread::sleep(4 * IMPORT_PAUSE);
        let whole = "BEGIN; DELETE FROM _ninefold_meta WHERE key = 'import'; INSERT INTO t VALUES (8, ''); COMMIT";
        connection.execute_batch(whole).unwrap();
    });
    place.back_up(&mut go_on).unwrap();
    importing.join().unwrap();
    assert_eq!(place.rows("copy"), 8);
}

#[tokio::test]
async fn what_is_restored_is_served_and_what_was_there_is_kept() {
    let place = Place::new().await;
    place.back_up(&mut go_on).unwrap();
    let connection = place.connect("app.db");
    connection.execute_batch("DELETE FROM t WHERE id > 5").unwrap();
    // Its log stays.
    std::mem::forget(connection);
    let refused = place.restore("copy", false);
    assert!(matches!(refused, Err(BackupError::Exists(_))), "{refused:?}");
    let restored = place.restore("copy", true).unwrap();
    let aside = restored.replaced.unwrap();
    assert_eq!(restored.made, NOW);
    assert_eq!(place.rows("app.db"), ROWS);
    assert_eq!(place.rows(aside.file_name().unwrap().to_str().unwrap()), 5);

    let position: i64 = place
        .connect("app.db")
        .query_row("SELECT value FROM _ninefold_meta WHERE key = 'position'", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(position, NOW.0 * 1000);
    place.open().unwrap().close().await;
    let unlike = place.restore("app.db", true);
    assert!(matches!(unlike, Err(BackupError::NotABackup(_))), "{unlike:?}");
}

#[tokio::test]
async fn what_cannot_be_restored_is_named_and_changes_nothing() {
    let place = Place::new().await;
    place.back_up(&mut go_on).unwrap();
    let mut bytes = fs::read(place.path("copy")).unwrap();
    fs::write(place.path("half"), &bytes[..bytes.len() / 2]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0x55);
    fs::write(place.path("damaged"), bytes).unwrap();
    fs::write(place.path("text"), "no database".repeat(1000)).unwrap();
    fs::copy(place.path("copy"), place.path("newer")).unwrap();
    place
        .connect("newer")
        .execute_batch("UPDATE _ninefold_meta SET value = 99 WHERE key = 'format'")
        .unwrap();
    for (name, expected) in [
        ("half", "Damaged"),
        ("damaged", "Damaged"),
        ("text", "NotABackup"),
        ("newer", "Newer"),
        ("missing", "Files"),
    ] {
        let refused = format!("{:?}", place.restore(name, true).unwrap_err());
        assert!(refused.starts_with(expected), "{name}: {refused}");
    }
    let store = place.open().unwrap();
    let locked = place.restore("copy", true);
    assert!(matches!(locked, Err(BackupError::Locked(_))), "{locked:?}");
    store.close().await;
    let names = ["app.db", "copy", "damaged", "half", "newer", "text"];
    assert_eq!(place.names(), names);
    assert_eq!(place.rows("app.db"), ROWS);
}
