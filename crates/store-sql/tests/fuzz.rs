//! What fuzzing has found is answered, on SQLite too.

use std::sync::Arc;

use engine::mutants::limits::Mutant;
use engine::ports::store::Store;
use ninefold_store_sql::{Location, SqliteOptions, SqliteStore, Synchronous, migrate};
use testkit::fuzz;

#[test]
fn the_corpus_is_answered() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("app.db");
    let connection = rusqlite::Connection::open(&path).expect("the folder is writable");
    migrate::create(&connection, &fuzz::model()).expect("an empty database takes the tables");
    drop(connection);
    let options = SqliteOptions {
        synchronous: Synchronous::Normal,
        ..SqliteOptions::default()
    };
    let store: Arc<dyn Store> =
        Arc::new(SqliteStore::open(&Location::File(path), &options).expect("nobody else has it"));
    store.adopt(fuzz::model());
    fuzz::answer_corpus(&store);
}

#[test]
fn a_missing_depth_is_noticed() {
    for mutant in [Mutant::CursorDepth, Mutant::ExpressionDepth] {
        fuzz::assert_depth_is_missed("the_corpus_is_answered", mutant.name());
    }
}
