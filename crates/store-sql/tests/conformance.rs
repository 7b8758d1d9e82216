//! SQLite passes what every store must.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use engine::Model;
use engine::ports::store::Store;
use ninefold_store_sql::{Location, SqliteOptions, SqliteStore, Synchronous, migrate};
use tempfile::TempDir;
use testkit::conformance::{Bounds, Database};

const BOUNDS: Bounds = Bounds {
    changes_behind: 16,
    changes_kept: 32,
};

/// A file in a folder that goes with it.
struct File(TempDir);

fn file() -> Arc<dyn Database> {
    Arc::new(File(
        TempDir::with_prefix("ninefold-conformance-").expect("a temporary folder"),
    ))
}

impl File {
    fn path(&self) -> PathBuf {
        self.0.path().join("app.db")
    }
}

#[async_trait]
impl Database for File {
    async fn open(&self, model: Arc<Model>) -> Arc<dyn Store> {
        let path = self.path();
        if !path.exists() {
            let connection = rusqlite::Connection::open(&path).expect("the folder is writable");
            migrate::create(&connection, &model).expect("an empty database takes the tables");
        }
        let options = SqliteOptions {
            // A loss of power isn't among the checks.
            synchronous: Synchronous::Normal,
            changes_behind_max: BOUNDS.changes_behind,
            changes_kept_max: BOUNDS.changes_kept,
            ..SqliteOptions::default()
        };
        let store = SqliteStore::open(&Location::File(path), &options).expect("nobody else has the file");
        store.adopt(model);
        Arc::new(store)
    }

    fn bounds(&self) -> Bounds {
        BOUNDS
    }
}

testkit::store_conformance!(crate::file);
