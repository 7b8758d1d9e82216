#![no_main]

use std::sync::{Arc, LazyLock};

use engine::ports::store::Store;
use ninefold_store_sql::{Location, SqliteOptions, SqliteStore, migrate};
use tempfile::TempDir;
use testkit::fuzz::{self, Requests};

static REQUESTS: LazyLock<(Requests, TempDir)> = LazyLock::new(|| {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("app.db");
    let connection = rusqlite::Connection::open(&path).expect("the folder is writable");
    migrate::create(&connection, &fuzz::model()).expect("an empty database takes the tables");
    drop(connection);
    let store = SqliteStore::open(&Location::File(path), &SqliteOptions::default()).expect("nobody else has it");
    store.adopt(fuzz::model());
    (Requests::on(Arc::new(store)), folder)
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| REQUESTS.0.run(input));
