use std::sync::Arc;

use engine::Model;
use engine::model::Timestamp;
use engine::model::migration::Folder;
use engine::ports::migrator::{Migrator as _, Options};
use engine::ports::store::Store as _;
use testkit::accounts::{SCHEMA, ana, conformance};

use super::super::testing::Schema;
use crate::{PostgresOptions, PostgresStore};

#[tokio::test(flavor = "multi_thread")]
async fn accounts_conform() {
    let schema = Schema::new();
    let model = Model::read(SCHEMA, "schema.graphql").expect("a schema without mistakes");
    let store = PostgresStore::open(&schema.url(), &PostgresOptions::default())
        .await
        .unwrap();
    let options = Options::dev(Timestamp(0));
    store.apply(&model, &Folder::default(), options).await.unwrap();
    let ana = ana();
    let sql = format!(
        "INSERT INTO \"user\" (id, created, updated, version, email, verified, roles) \
         VALUES ('{}', 'epoch', 'epoch', 1, '{}', {}, '{}')",
        ana.id,
        ana.email,
        ana.verified,
        serde_json::to_string(&ana.roles).unwrap()
    );
    store
        .pool
        .connect()
        .await
        .unwrap()
        .client
        .batch_execute(&sql)
        .await
        .unwrap();
    store.adopt(Arc::new(model));
    let store = Arc::new(store);
    conformance(store.clone()).await;
    store.close().await;
}
