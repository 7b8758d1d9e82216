//! A standby answers as its primary does: what the conformance suite reads goes there where it may.
//!
//! Whatever is acknowledged has been replayed (`remote_apply`), so that no answer is of a moment ago.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use engine::Model;
use engine::model::Timestamp;
use engine::model::migration::Folder;
use engine::ports::migrator::{Migrator as _, Options};
use engine::ports::store::Store;
use ninefold_store_sql::{PostgresOptions, PostgresStore};
use testkit::conformance::{Bounds, Database, checks};
use testkit::services::Killable;
use tokio::runtime::Builder;
use tokio_postgres::NoTls;
use uuid::Uuid;

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

#[async_trait]
impl Database for Schema {
    async fn open(&self, model: Arc<Model>) -> Arc<dyn Store> {
        let bounds = self.bounds();
        let options = PostgresOptions {
            changes_behind_max: bounds.changes_behind,
            changes_kept_max: bounds.changes_kept,
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
        Bounds {
            changes_behind: 16,
            changes_kept: 32,
        }
    }
}

#[test]
fn a_standby_answers_as_its_primary_does() {
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
    let wanted = |name: &str| CONCEPTS.iter().any(|concept| name.split("::").next() == Some(concept));
    for check in checks().into_iter().filter(|check| wanted(check.name)) {
        check.run(Arc::new(Schema::new(&pair)));
    }
    let scans = "SELECT sum(seq_scan + coalesce(idx_scan, 0))::bigint FROM pg_stat_user_tables";
    let scans = ask(&pair.standby.url(), scans).unwrap_or_default();
    assert!(scans > 100, "the standby was hardly asked: {scans} times");
}
