//! What the targets ask that need data: on SQLite, in memory as far as it can be.

use std::sync::{Arc, LazyLock};

use engine::ports::store::Store;
use ninefold_store_sql::{Location, SqliteOptions, SqliteStore, Synchronous, migrate};
use tempfile::TempDir;
use testkit::fuzz::{self, Requests};

pub static REQUESTS: LazyLock<(Requests, TempDir)> = LazyLock::new(|| {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("app.db");
    let connection = rusqlite::Connection::open(&path).expect("the folder is writable");
    migrate::create(&connection, &fuzz::model()).expect("an empty database takes the tables");
    drop(connection);
    let options = SqliteOptions {
        synchronous: Synchronous::Normal,
        ..SqliteOptions::default()
    };
    let store = SqliteStore::open(&Location::File(path), &options).expect("nobody else has it");
    store.adopt(fuzz::model());
    (Requests::on(Arc::new(store)), folder)
});
