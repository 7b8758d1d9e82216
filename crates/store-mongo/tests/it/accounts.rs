//! Identity's own collections are as every store must have them.

use std::sync::Arc;

use engine::Model;
use engine::ports::store::Store;
use mongodb::bson::{DateTime, doc};
use ninefold_store_mongo::MongoOptions;
use testkit::accounts::{SCHEMA, ana, conformance};

use crate::server::TestDatabase;

#[tokio::test(flavor = "multi_thread")]
async fn accounts_conform() {
    let database = TestDatabase::new();
    let model = Arc::new(Model::read(SCHEMA, "schema.graphql").expect("a schema without mistakes"));
    let store = Arc::new(database.open(&model, &MongoOptions::default()).await);
    let ana = ana();
    let roles: Vec<&str> = ana.roles.iter().map(|role| &**role).collect();
    let then = DateTime::from_millis(0);
    let record = doc! {
        "_id": ana.id.to_string(), "created": then, "updated": then, "version": 1_i64, "email": &ana.email,
        "verified": ana.verified, "roles": roles, "name": null,
    };
    database
        .raw()
        .await
        .collection("user")
        .insert_one(record)
        .await
        .expect("the record is valid");
    conformance(store.clone()).await;
    store.close().await;
}
