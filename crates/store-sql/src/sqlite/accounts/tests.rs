use std::sync::Arc;

use engine::Model;
use engine::ports::store::Store;
use rusqlite::{Connection, params};
use testkit::accounts::{SCHEMA, ana, conformance};

use crate::{Location, SqliteOptions, SqliteStore};

#[tokio::test(flavor = "multi_thread")]
async fn accounts_conform() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.db");
    let model = Model::read(SCHEMA, "schema.graphql").expect("a schema without mistakes");
    let connection = Connection::open(&path).unwrap();
    crate::migrate::create(&connection, &model).unwrap();
    let ana = ana();
    let roles = serde_json::to_string(&ana.roles).unwrap();
    connection
        .execute(
            "INSERT INTO user (id, created, updated, version, email, verified, roles) VALUES (?, 0, 0, 1, ?, ?, ?)",
            params![ana.id.as_bytes(), ana.email, ana.verified, roles],
        )
        .unwrap();
    drop(connection);
    let store = Arc::new(SqliteStore::open(&Location::File(path), &SqliteOptions::default()).unwrap());
    store.adopt(Arc::new(model));
    conformance(store.clone()).await;
    store.close().await;
}
