//! PostgreSQL passes what every store must.

use std::sync::Arc;

use async_trait::async_trait;
use engine::Model;
use engine::model::Timestamp;
use engine::model::migration::Folder;
use engine::ports::migrator::{Migrator as _, Options};
use engine::ports::store::Store;
use ninefold_store_sql::{PostgresOptions, PostgresStore};
use testkit::conformance::{Bounds, Database};

#[path = "support/schema.rs"]
mod schema;

use schema::Schema;

const BOUNDS: Bounds = Bounds {
    changes_behind: 16,
    changes_kept: 32,
};

#[async_trait]
impl Database for Schema {
    async fn open(&self, model: Arc<Model>) -> Arc<dyn Store> {
        let options = PostgresOptions {
            changes_behind_max: BOUNDS.changes_behind,
            changes_kept_max: BOUNDS.changes_kept,
            // Beside the others, who have the same database, a move would think that it is being served.
            application: "ninefold test",
            ..PostgresOptions::default()
        };
        let store = PostgresStore::open(&self.url(), &options)
            .await
            .expect("the server is there");
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

fn fresh() -> Arc<dyn Database> {
    Arc::new(Schema::new())
}

testkit::store_conformance!(crate::fresh);

#[test]
fn what_fuzzing_found_is_answered() {
    let schema = Schema::new();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let store = runtime.block_on(schema.open(testkit::fuzz::model()));
    // What is asked is waited for here, and its timers and connections are the runtime's.
    let _entered = runtime.enter();
    testkit::fuzz::answer_corpus(&store);
}
