//! Several nodes on one database.

use std::sync::Arc;
use std::time::Duration;

use engine::Model;
use engine::ports::store::{ChangeEvent, Store};
use mongodb::bson::{Document, doc};
use ninefold_store_mongo::MongoOptions;

use crate::server::TestDatabase;

#[tokio::test(flavor = "multi_thread")]
async fn what_another_node_commits_makes_listeners_start_over() {
    let database = TestDatabase::new();
    let model = Arc::new(Model::read("type Note @collection { text: String! }", "schema.graphql").expect("a schema"));
    let options = MongoOptions {
        poll_interval: Duration::from_millis(50),
        ..MongoOptions::default()
    };
    let store = database.open(&model, &options).await;
    let mut changes = store.changes();
    // As every transaction does, whoever runs it.
    let counter = database.raw().await.collection::<Document>("_ninefold_meta");
    let counted = counter
        .update_one(doc! { "_id": "position" }, doc! { "$inc": { "value": 1_i64 } })
        .await;
    assert_eq!(counted.expect("the server answers").matched_count, 1);
    let heard = tokio::time::timeout(Duration::from_secs(20), changes.next()).await;
    assert!(matches!(heard, Ok(Some(ChangeEvent::Lagged))), "{heard:?}");
    store.close().await;
    assert!(changes.next().await.is_none(), "it was heard once");
}
