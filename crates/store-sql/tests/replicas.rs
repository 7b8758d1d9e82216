//! A standby answers as its primary does: what the conformance suite reads goes there where it may.
//!
//! Whatever is acknowledged has been replayed (by `remote_apply`; on MariaDB, which has no such thing, it is waited for), so
//! that no answer is of a moment ago.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use engine::Model;
use engine::model::Timestamp;
use engine::model::migration::Folder;
use engine::ports::migrator::{Migrator as _, Options};
use engine::ports::store::Store;
use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;
use ninefold_store_sql::{MySqlOptions, MySqlStore, PostgresOptions, PostgresStore};
use testkit::conformance::{Bounds, Database, checks};
use testkit::services::{Killable, mysql_programs};
use tokio::runtime::Builder;
use tokio_postgres::NoTls;
use uuid::Uuid;

#[path = "support/together.rs"]
mod together;

use together::Together;

const BOUNDS: Bounds = Bounds {
    changes_behind: 16,
    changes_kept: 32,
};

/// What is about reading, and about reading what was written.
const CONCEPTS: &[&str] = &[
    "operations",
    "scalars",
    "fields",
    "sorting",
    "paging",
    "filters",
    "functions",
    "traversal",
    "links",
    "expansion",
    "idempotency",
    "rules",
    "live",
];

struct Pair {
    primary: Killable,
    standby: Killable,
}

/// A schema of a check's own. It ends with its server.
struct Schema {
    pair: Arc<Pair>,
    name: String,
}

impl Schema {
    fn new(pair: &Arc<Pair>) -> Self {
        let name = format!("test_{}", Uuid::new_v4().simple());
        ask(&pair.primary.url(), &format!("CREATE SCHEMA {name}"));
        Self {
            pair: Arc::clone(pair),
            name,
        }
    }

    fn within(&self, url: &str) -> String {
        format!("{url}?options=-c%20search_path%3D{}", self.name)
    }
}

/// A database of a check's own on MariaDB. It ends with its server.
struct OwnDatabase {
    pair: Arc<Pair>,
    name: String,
}

impl OwnDatabase {
    fn new(pair: &Arc<Pair>) -> Self {
        let name = format!("test_{}", Uuid::new_v4().simple());
        ask_mariadb(&pair.primary.url(), &format!("CREATE DATABASE {name}"));
        Self {
            pair: Arc::clone(pair),
            name,
        }
    }

    fn within(&self, url: &str) -> String {
        url.replace("/bank", &format!("/{}", self.name))
    }
}

/// Of what is asked the one number that it gives, if it gives one.
fn ask(url: &str, sql: &str) -> Option<i64> {
    let (url, sql) = (url.to_owned(), sql.to_owned());
    let asking = move || {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let connected = tokio_postgres::connect(&url, NoTls).await;
            let (client, connection) = connected.expect("the server lets us in");
            tokio::spawn(connection);
            let rows = client.query(&sql, &[]).await.expect("the server does it");
            rows.first().and_then(|row| row.try_get(0).ok())
        })
    };
    std::thread::spawn(asking).join().expect("the server is there")
}

/// The same, on MariaDB.
fn ask_mariadb(url: &str, sql: &str) -> Option<i64> {
    let (url, sql) = (url.to_owned(), sql.to_owned());
    let asking = move || {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut conn = Conn::from_url(url).await.expect("the server lets us in");
            let number = conn.query_first(sql).await.expect("the server does it");
            conn.disconnect().await.expect("nothing is under way");
            number
        })
    };
    std::thread::spawn(asking).join().expect("the server is there")
}

#[async_trait]
impl Database for Schema {
    async fn open(&self, model: Arc<Model>) -> Arc<dyn Store> {
        let options = PostgresOptions {
            changes_behind_max: BOUNDS.changes_behind,
            changes_kept_max: BOUNDS.changes_kept,
            replicas: vec![self.within(&self.pair.standby.url())],
            replica_lag_max: Duration::from_secs(60),
            ..PostgresOptions::default()
        };
        let store = PostgresStore::open(&self.within(&self.pair.primary.url()), &options).await;
        let store = store.expect("the server is there");
        let migrated = store
            .apply(&model, &Folder::default(), Options::dev(Timestamp(0)))
            .await;
        migrated.expect("an empty schema takes the tables");
        store.adopt(model);
        Arc::new(store)
    }

    fn bounds(&self) -> Bounds {
        BOUNDS
    }
}

#[async_trait]
impl Database for OwnDatabase {
    async fn open(&self, model: Arc<Model>) -> Arc<dyn Store> {
        let (primary, standby) = (&self.pair.primary.url(), &self.pair.standby.url());
        let options = MySqlOptions {
            changes_behind_max: BOUNDS.changes_behind,
            changes_kept_max: BOUNDS.changes_kept,
            replicas: vec![self.within(standby)],
            replica_lag_max: Duration::from_secs(60),
            ..MySqlOptions::default()
        };
        let store = MySqlStore::open(&self.within(primary), &options).await;
        let store = store.expect("the server is there");
        let migrated = store
            .apply(&model, &Folder::default(), Options::dev(Timestamp(0)))
            .await;
        migrated.expect("an empty database takes the tables");
        let store = Together::new(store, primary, standby).await;
        store.adopt(model);
        Arc::new(store)
    }

    fn bounds(&self) -> Bounds {
        BOUNDS
    }
}

/// Has `T` answer what is about reading.
fn run_checks<T: Database + 'static>(fresh: impl Fn() -> T) {
    let wanted = |name: &str| CONCEPTS.iter().any(|concept| name.split("::").next() == Some(concept));
    for check in checks().into_iter().filter(|check| wanted(check.name)) {
        check.run(Arc::new(fresh()));
    }
}

#[test]
fn a_standby_of_postgresql_answers_as_its_primary_does() {
    let primary = Killable::postgres();
    let standby = primary.standby();
    let pair = Arc::new(Pair { primary, standby });
    for setting in [
        "synchronous_commit = remote_apply",
        "synchronous_standby_names = '*'",
        "fsync = off",
    ] {
        ask(&pair.primary.url(), &format!("ALTER SYSTEM SET {setting}"));
    }
    ask(&pair.primary.url(), "SELECT pg_reload_conf()");
    run_checks(|| Schema::new(&pair));
    let scans = "SELECT sum(seq_scan + coalesce(idx_scan, 0))::bigint FROM pg_stat_user_tables";
    let scans = ask(&pair.standby.url(), scans).unwrap_or_default();
    assert!(scans > 100, "the standby was hardly asked: {scans} times");
}

#[test]
fn a_standby_of_mariadb_answers_as_its_primary_does() {
    let primary = Killable::mysql_with_log();
    let standby = primary.standby();
    // Nothing is killed here.
    ask_mariadb(&primary.url(), "SET GLOBAL innodb_flush_log_at_trx_commit = 0");
    ask_mariadb(&standby.url(), "SET GLOBAL innodb_flush_log_at_trx_commit = 0");
    let pair = Arc::new(Pair { primary, standby });
    run_checks(|| OwnDatabase::new(&pair));
    // What is asked all the time isn't prepared.
    let reads = match mysql_programs() {
        Some(_) => {
            "SELECT CAST(count_star AS SIGNED) FROM performance_schema.events_statements_summary_global_by_event_name \
             WHERE event_name = 'statement/com/Execute'"
        }
        None => {
            "SELECT CAST(variable_value AS SIGNED) FROM information_schema.global_status \
             WHERE variable_name = 'COM_STMT_EXECUTE'"
        }
    };
    let reads = ask_mariadb(&pair.standby.url(), reads).unwrap_or_default();
    assert!(reads > 100, "the standby was hardly asked: {reads} times");
}
