use std::sync::Arc;

use engine::Model;
use engine::model::Timestamp;
use engine::model::migration::Folder;
use engine::ports::migrator::{Migrator as _, Options};
use engine::ports::store::Store as _;
use mysql_async::prelude::Queryable as _;
use testkit::accounts::{SCHEMA, ana, conformance};

use super::super::testing::OwnDatabase;
use crate::{MySqlOptions, MySqlStore};

#[tokio::test(flavor = "multi_thread")]
async fn accounts_conform() {
    let database = OwnDatabase::new();
    let model = Model::read(SCHEMA, "schema.graphql").expect("a schema without mistakes");
    let store = MySqlStore::open(&database.url(), &MySqlOptions::default())
        .await
        .unwrap();
    let options = Options::dev(Timestamp(0));
    store.apply(&model, &Folder::default(), options).await.unwrap();
    let ana = ana();
    let sql = "INSERT INTO `user` (id, created, updated, version, email, verified, roles) \
         VALUES (?, '1970-01-01', '1970-01-01', 1, ?, ?, ?)";
    let roles = serde_json::to_string(&ana.roles).unwrap();
    let values = (ana.id.as_bytes().as_slice(), &ana.email, ana.verified, roles);
    let mut connection = store.pool.connect().await.unwrap();
    connection.conn.exec_drop(sql, values).await.unwrap();
    drop(connection);
    store.adopt(Arc::new(model));
    let store = Arc::new(store);
    conformance(store.clone()).await;
    store.close().await;
}
