use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

use engine::model::Timestamp;
use engine::ports::clock::SystemClock;
use engine::ports::store::{Store, StoreError};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rusqlite::Connection;
use tempfile::TempDir;
use testkit::fakes::MemoryArchive;

use super::names::{BASES, CHAINS};
use super::*;
use crate::sqlite::{Location, SqliteStore};

/// How long anything may take on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);
/// Beyond any moment of a test.
const LATEST: Timestamp = Timestamp(i64::MAX);

struct Place {
    folder: TempDir,
    archive: Arc<MemoryArchive>,
    archiving: Archiving,
}

/// What one write does.
#[derive(Debug, Clone)]
enum Step {
    Insert {
        rows: u16,
        bytes: u16,
    },
    Update {
        from: u16,
    },
    Delete {
        from: u16,
    },
    /// By a connection that knows nothing of the archive, and checkpoints as it likes.
    Foreign {
        rows: u16,
    },
    Truncate,
    Vacuum,
    Pause,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..40_u16, 1..2000_u16).prop_map(|(rows, bytes)| Step::Insert { rows, bytes }),
        3 => any::<u16>().prop_map(|from| Step::Update { from }),
        2 => any::<u16>().prop_map(|from| Step::Delete { from }),
        3 => (1..60_u16).prop_map(|rows| Step::Foreign { rows }),
        1 => Just(Step::Truncate),
        1 => Just(Step::Vacuum),
        2 => Just(Step::Pause),
    ]
}

/// A write, and what the database held then.
#[derive(Debug, Clone, Copy)]
struct Written {
    began: Timestamp,
    acknowledged: Timestamp,
    state: (i64, i64, i64),
}

const SCHEMA: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT) STRICT; CREATE INDEX b ON t (body);
    CREATE TABLE n (number INTEGER) STRICT; INSERT INTO n VALUES (0)";

fn run(connection: &Connection, step: &Step) -> rusqlite::Result<()> {
    let insert = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
        INSERT INTO t (body) SELECT hex(randomblob(?2)) FROM n";
    match step {
        Step::Insert { rows, bytes } => connection.execute(insert, [rows, bytes])?,
        Step::Foreign { rows } => connection.execute(insert, [rows, &700])?,
        Step::Update { from } => connection.execute("UPDATE t SET body = body || 'x' WHERE id % 7 = ?1 % 7", [from])?,
        Step::Delete { from } => connection.execute("DELETE FROM t WHERE id % 5 = ?1 % 5", [from])?,
        Step::Truncate | Step::Vacuum | Step::Pause => 0,
    };
    connection.execute("UPDATE n SET number = number + 1", []).map(|_| ())
}

fn state(connection: &Connection) -> (i64, i64, i64) {
    let sql = "SELECT (SELECT number FROM n), count(*), ifnull(sum(id * length(body) + unicode(body)), 0) FROM t";
    connection
        .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
}

impl Place {
    fn new() -> Self {
        let archive = Arc::new(MemoryArchive::default());
        Self {
            folder: TempDir::new().unwrap(),
            archiving: Archiving {
                archive: archive.clone(),
                clock: Arc::new(SystemClock),
                interval: Duration::from_millis(10),
                base_interval: Duration::from_secs(3600),
                retention: Duration::from_secs(3600),
                spool_bytes_max: 256 * 1024 * 1024,
                stop_timeout: PATIENCE,
            },
            archive,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// With a log that is started over again and again.
    fn open(&self) -> SqliteStore {
        let options = SqliteOptions {
            checkpoint_writes: 5,
            wal_pages_max: 64,
            archiving: Some(self.archiving.clone()),
            ..SqliteOptions::default()
        };
        SqliteStore::open(&Location::File(self.path("app.db")), &options).unwrap()
    }

    async fn write(&self, store: &SqliteStore, step: &Step) -> Written {
        let began = SystemClock.now();
        let write = step.clone();
        let job = move |connection: &Connection| run(connection, &write).map_err(|error| failed(&error));
        match step {
            Step::Foreign { .. } => {
                let connection = Connection::open(self.path("app.db")).unwrap();
                connection.busy_timeout(PATIENCE).unwrap();
                connection.execute_batch("BEGIN IMMEDIATE").unwrap();
                run(&connection, step).unwrap();
                connection
                    .execute_batch("COMMIT; PRAGMA wal_checkpoint(PASSIVE)")
                    .unwrap();
            }
            Step::Vacuum => {
                let vacuum =
                    |connection: &Connection| connection.execute_batch("VACUUM").map_err(|error| failed(&error));
                store.writer().run_alone(soon(), vacuum).await.unwrap();
                store.writer().run(soon(), job).await.unwrap();
            }
            _ => store.writer().run(soon(), job).await.unwrap(),
        }
        let acknowledged = SystemClock.now();
        match step {
            Step::Truncate => {
                let connection = Connection::open(self.path("app.db")).unwrap();
                let checkpoint = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
                connection
                    .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], checkpoint)
                    .unwrap();
            }
            Step::Pause => tokio::time::sleep(Duration::from_millis(15)).await,
            _ => {}
        }
        let connection = Connection::open(self.path("app.db")).unwrap();
        Written {
            began,
            acknowledged,
            state: state(&connection),
        }
    }

    async fn prepare(&self, store: &SqliteStore) {
        let job = |connection: &Connection| connection.execute_batch(SCHEMA).map_err(|error| failed(&error));
        store.writer().run(soon(), job).await.unwrap();
    }

    fn restore(&self, name: &str, at: Timestamp) -> Result<RestoredTo, ArchiveProblem> {
        let mut told = |_| ControlFlow::Continue(());
        restore_at(
            self.archive.as_ref(),
            at,
            &self.path(name),
            true,
            SystemClock.now(),
            &mut told,
        )
    }

    /// Whether what was restored is one of the states that the moment allows.
    fn assert_restores(&self, at: Timestamp, history: &[Written]) {
        let restored = self.restore("restored.db", at).unwrap();
        let connection = Connection::open(self.path("restored.db")).unwrap();
        let found = state(&connection);
        let number = usize::try_from(found.0).unwrap();
        let written = history[number];
        assert_eq!(found, written.state, "of {at}, as of {}", restored.state);
        assert!(written.began <= at, "{at} has {number}, which was written later");
        let needed = history
            .iter()
            .take_while(|written| written.acknowledged < restored.state)
            .count();
        assert!(
            number + 1 >= needed,
            "as of {} there are {number} writes, not {needed}",
            restored.state
        );
    }

    fn names(&self, prefix: &str) -> Vec<String> {
        let kept = self.archive.kept();
        kept.keys().filter(|name| name.starts_with(prefix)).cloned().collect()
    }

    async fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < PATIENCE, "{what} never came");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn soon() -> Instant {
    Instant::now() + PATIENCE
}

fn failed(error: &rusqlite::Error) -> StoreError {
    StoreError::Failed(error.to_string())
}

#[test]
fn every_moment_comes_back_whoever_wrote_and_checkpointed() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut runner = TestRunner::new(Config {
        cases: 4,
        max_shrink_iters: 0,
        ..Config::default()
    });
    let steps = prop::collection::vec(step(), 20..80);
    runner
        .run(&steps, |steps| {
            runtime.block_on(async {
                let place = Place::new();
                let store = place.open();
                place.prepare(&store).await;
                place.until("a base", || !place.names(BASES).is_empty()).await;
                let first = Written {
                    began: Timestamp(0),
                    acknowledged: Timestamp(0),
                    state: (0, 0, 0),
                };
                let mut history = vec![first];
                for step in &steps {
                    history.push(place.write(&store, step).await);
                }
                store.close().await;
                drop(store);
                let chains: Vec<_> = place
                    .names(CHAINS)
                    .into_iter()
                    .filter(|name| name.ends_with("begun"))
                    .collect();
                assert_eq!(chains.len(), 1, "there is a gap: {chains:?}");
                let base = super::names::Base::restorable(&place.names(BASES)[0]).unwrap();
                place.assert_restores(base, &history);
                place.assert_restores(LATEST, &history);
                let last = history.last().unwrap().state;
                assert_eq!(state(&Connection::open(place.path("restored.db")).unwrap()), last);
                for written in history.iter().step_by(9).filter(|written| written.acknowledged >= base) {
                    place.assert_restores(written.acknowledged, &history);
                }
            });
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn an_archive_that_is_cut_off_holds_nobody_up_and_begins_anew() {
    let mut place = Place::new();
    // More than one write, and less than all.
    place.archiving.spool_bytes_max = 4 * 1024 * 1024;
    let store = place.open();
    place.prepare(&store).await;
    place.until("a base", || !place.names(BASES).is_empty()).await;
    let insert = Step::Insert { rows: 50, bytes: 2000 };
    let before = place.write(&store, &insert).await;
    let is_archived = || {
        place.restore("early.db", LATEST).unwrap();
        let sql = "SELECT number FROM n";
        let connection = Connection::open(place.path("early.db")).unwrap();
        let number: rusqlite::Result<i64> = connection.query_row(sql, [], |row| row.get(0));
        number.is_ok_and(|number| number == before.state.0)
    };
    place.until("the write", is_archived).await;
    let early = SystemClock.now();
    place.archive.cut_off(true);
    let mut last = before;
    for _ in 0..100 {
        last = place.write(&store, &insert).await;
    }
    let log = std::fs::metadata(place.path("app.db-wal")).unwrap().len();
    assert!(log < 20 * 1024 * 1024, "the log has {log} bytes");
    place.archive.cut_off(false);
    place.until("another base", || place.names(BASES).len() == 2).await;
    store.close().await;
    place.restore("restored.db", LATEST).unwrap();
    assert_eq!(state(&Connection::open(place.path("restored.db")).unwrap()), last.state);
    // What was archived before is still there.
    place.restore("early.db", early).unwrap();
    assert_eq!(state(&Connection::open(place.path("early.db")).unwrap()), before.state);
}

#[tokio::test]
async fn what_is_missing_or_damaged_is_named_and_nothing_restored() {
    let place = Place::new();
    let store = place.open();
    place.prepare(&store).await;
    place.until("a base", || !place.names(BASES).is_empty()).await;
    for _ in 0..3 {
        let number = place.names(CHAINS).len();
        place.write(&store, &Step::Insert { rows: 3, bytes: 100 }).await;
        place.until("a segment", || place.names(CHAINS).len() > number).await;
    }
    store.close().await;
    place.restore("whole.db", LATEST).unwrap();
    let whole: BTreeMap<_, _> = place.archive.kept().clone();
    let base = super::restore::read_base(place.archive.as_ref(), &place.names(BASES)[0]);
    let from = base.unwrap().unwrap().from;
    let last = place
        .names(CHAINS)
        .into_iter()
        .rfind(|name| !name.contains("/b"))
        .unwrap();
    for name in whole.keys().filter(|name| !name.ends_with("begun")) {
        let is_before = super::names::SegmentName::read(super::names::chain_of(name).unwrap_or_default(), name)
            .is_some_and(|segment| segment.sequence < from);
        for is_missing in [true, false] {
            let mut kept = whole.clone();
            match is_missing {
                true => drop(kept.remove(name)),
                false => {
                    let bytes = kept.get_mut(name).unwrap();
                    let middle = bytes.len() / 2;
                    bytes[middle] ^= 1;
                }
            }
            *place.archive.kept() = kept;
            let restored = place.restore("damaged.db", LATEST);
            let text = match restored {
                Err(error) => error.to_string(),
                // Nobody knows of a last one that has gone; the moment that was restored is told.
                Ok(_) => {
                    assert!(is_before || (is_missing && *name == last), "{name} is not missed");
                    std::fs::remove_file(place.path("damaged.db")).unwrap();
                    continue;
                }
            };
            let is_named = match (is_missing, name.starts_with(BASES)) {
                (true, true) => text == "the archive has nothing of that time",
                (true, false) => text.contains(" is missing in the archive"),
                (false, _) => text.contains(name.as_str()) && text.contains(" is damaged: "),
            };
            assert!(is_named, "{name}: {text}");
            assert!(!place.path("damaged.db").exists());
        }
    }
}

#[tokio::test]
async fn what_is_older_than_it_must_be_kept_goes() {
    let mut place = Place::new();
    place.archiving.base_interval = Duration::from_millis(30);
    place.archiving.retention = Duration::from_millis(100);
    let store = place.open();
    place.prepare(&store).await;
    let mut seen = std::collections::BTreeSet::new();
    let began = Instant::now();
    while seen.len() < 12 {
        assert!(began.elapsed() < PATIENCE, "there are only {seen:?}");
        place.write(&store, &Step::Insert { rows: 3, bytes: 100 }).await;
        seen.extend(place.names(BASES));
    }
    store.close().await;
    assert!(place.names(BASES).len() < seen.len(), "nothing has gone");
    let oldest = super::restore::read_base(place.archive.as_ref(), &place.names(BASES)[0]);
    let oldest = oldest.unwrap().unwrap();
    let parts = place.names(&format!("{CHAINS}{}/base-", oldest.chain));
    assert!(
        !parts.iter().any(|name| name.ends_with("base-00001-00000000")),
        "{parts:?}"
    );
    place.restore("first.db", Timestamp(oldest.restorable_ms)).unwrap();
    place.restore("last.db", LATEST).unwrap();
    let early = place.restore("early.db", Timestamp(oldest.restorable_ms - 1));
    assert!(
        matches!(early, Err(ArchiveProblem::Nothing { first: Some(_) })),
        "{early:?}"
    );
}
