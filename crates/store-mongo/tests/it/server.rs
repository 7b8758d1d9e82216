//! A database of one test's own, on the server that `testkit::services` knows.

use std::sync::Arc;

use engine::Model;
use engine::model::Timestamp;
use engine::model::migration::Folder;
use engine::ports::migrator::{Migrator, Options};
use engine::ports::store::Store;
use mongodb::{Client, Database};
use ninefold_store_mongo::{MongoOptions, MongoStore};
use uuid::Uuid;

/// It goes with the value.
pub(crate) struct TestDatabase {
    server: String,
    name: String,
}

impl TestDatabase {
    pub(crate) fn new() -> Self {
        Self {
            server: testkit::services::mongodb_url(),
            name: format!("t{}", Uuid::now_v7().simple()),
        }
    }

    pub(crate) fn url(&self) -> String {
        self.server.replacen("/?", &format!("/{}?", self.name), 1)
    }

    /// Without Ninefold in between.
    pub(crate) async fn raw(&self) -> Database {
        let client = Client::with_uri_str(&self.server).await.expect("a URL");
        client.database(&self.name)
    }

    /// A store over it, with what the model needs.
    pub(crate) async fn open(&self, model: &Arc<Model>, options: &MongoOptions) -> MongoStore {
        let store = MongoStore::open(&self.url(), options)
            .await
            .expect("the server answers");
        let built = store.apply(model, &Folder::default(), Options::dev(Timestamp(0))).await;
        built.expect("an empty database takes the collections");
        store.adopt(model.clone());
        store
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (url, name) = (self.server.clone(), self.name.clone());
        // The test's own runtime may be gone.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async { Client::with_uri_str(url).await?.database(&name).drop().await })?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
        });
        if !matches!(dropping.join(), Ok(Ok(()))) {
            eprintln!("the test database {} could not be dropped", self.name);
        }
    }
}
