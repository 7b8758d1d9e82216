//! MariaDB passes what every store must, and MySQL, where that is what the tests run on.

use std::sync::Arc;

use async_trait::async_trait;
use engine::Model;
use engine::model::Timestamp;
use engine::model::migration::Folder;
use engine::ports::migrator::{Migrator as _, Options};
use engine::ports::store::Store;
use ninefold_store_sql::{MySqlOptions, MySqlStore};
use testkit::conformance::{Bounds, Database};

#[path = "support/mysql.rs"]
mod own;

use own::OwnDatabase;

const BOUNDS: Bounds = Bounds {
    changes_behind: 16,
    changes_kept: 32,
};

#[async_trait]
impl Database for OwnDatabase {
    async fn open(&self, model: Arc<Model>) -> Arc<dyn Store> {
        let options = MySqlOptions {
            changes_behind_max: BOUNDS.changes_behind,
            changes_kept_max: BOUNDS.changes_kept,
            // Knows its own connections, so that nobody seems to serve what is moved.
            moves: true,
            ..MySqlOptions::default()
        };
        let store = MySqlStore::open(&self.url(), &options)
            .await
            .expect("the server is there");
        let migrated = store
            .apply(&model, &Folder::default(), Options::dev(Timestamp(0)))
            .await;
        migrated.expect("an empty database takes the tables");
        store.adopt(model);
        Arc::new(store)
    }

    fn bounds(&self) -> Bounds {
        BOUNDS
    }
}

fn fresh() -> Arc<dyn Database> {
    Arc::new(OwnDatabase::new())
}

testkit::store_conformance!(crate::fresh);

#[test]
fn what_fuzzing_found_is_answered() {
    let own = OwnDatabase::new();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let store = runtime.block_on(own.open(testkit::fuzz::model()));
    // What is asked is waited for here, and its timers and connections are the runtime's.
    let _entered = runtime.enter();
    testkit::fuzz::answer_corpus(&store);
}
