//! MongoDB passes what every store must.

use std::sync::Arc;

use async_trait::async_trait;
use engine::Model;
use engine::ports::store::Store;
use ninefold_store_mongo::MongoOptions;
use testkit::conformance::{Bounds, Database};

use crate::server::TestDatabase;

const BOUNDS: Bounds = Bounds {
    changes_behind: 16,
    changes_kept: 32,
};

struct Fresh(TestDatabase);

fn fresh() -> Arc<dyn Database> {
    Arc::new(Fresh(TestDatabase::new()))
}

#[async_trait]
impl Database for Fresh {
    async fn open(&self, model: Arc<Model>) -> Arc<dyn Store> {
        let options = MongoOptions {
            changes_behind_max: BOUNDS.changes_behind,
            changes_kept_max: BOUNDS.changes_kept,
            ..MongoOptions::default()
        };
        let store = self.0.open(&model, &options).await;
        Arc::new(store)
    }

    fn bounds(&self) -> Bounds {
        BOUNDS
    }

    fn writes_beside_long_questions(&self) -> u32 {
        6
    }
}

testkit::store_conformance!(crate::conformance::fresh);
