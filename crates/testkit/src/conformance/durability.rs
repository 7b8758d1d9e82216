//! What is acknowledged is there after a stop and a start.

use serde_json::json;

use super::Db;
use super::answers::said;
use super::app::{App, create, id};
use super::listening::Listener;

const SCHEMA: &str = r#"
type Tag @collection { name: String @unique }
type Thing @collection { name: String! data: JSON tags: [Tag!]! }
"#;

pub(super) async fn all_of_it_is_there_again(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    app.admin()
        .create("tags", json!({"id": id(1), "name": "t"}))
        .await
        .unwrap();
    let thing = json!({"id": id(2), "name": "n", "data": {"a": [1]}, "tags": [id(1)]});
    let before = app.admin().create("things", thing).fields("*,tags").await.unwrap();
    let keyed = |app: &App| app.admin().create("things", json!({"name": "once"})).key("k");
    keyed(&app).await.unwrap();
    app.engine.close().await;
    let app = App::open(&database, SCHEMA).await;
    let after = app.admin().get("things", &id(2)).fields("*,tags").await.unwrap();
    assert_eq!(after.json, before.json);
    assert_eq!(
        said(app.admin().create("tags", json!({"name": "t"})).await),
        "unique_violation: name taken"
    );
    assert!(keyed(&app).await.unwrap().replayed, "the keys are kept as well");
    assert_eq!(app.admin().list("things").count().await.unwrap().total, Some(2));
}

pub(super) async fn a_closed_store_says_so(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    app.admin().create("tags", json!({"id": id(1)})).await.unwrap();
    assert_eq!(app.engine.ready().await, Ok(()));
    app.engine.close().await;
    app.engine.close().await;
    assert!(app.engine.ready().await.is_err());
    assert_eq!(said(app.admin().get("tags", &id(1)).await), "unavailable");
    assert_eq!(said(app.admin().list("tags").await), "unavailable");
    assert_eq!(said(app.admin().create("tags", json!({})).await), "unavailable");
}

/// What is queued when the end comes is either done and acknowledged, or refused and not done.
pub(super) async fn nothing_is_half_done_at_the_end(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..40 {
        let pair = [
            create("tags", json!({"name": format!("{number}")})),
            create("things", json!({"name": format!("{number}")})),
        ];
        let write = app.admin().batch(pair).all();
        tasks.spawn(async move { said(write.await) });
    }
    tokio::task::yield_now().await;
    app.engine.close().await;
    let outcomes = tasks.join_all().await;
    let done = outcomes.iter().filter(|said| *said == "ok").count();
    assert!(
        outcomes.iter().all(|said| said == "ok" || said == "unavailable"),
        "{outcomes:?}"
    );
    let app = App::open(&database, SCHEMA).await;
    let count = async |collection| app.admin().list(collection).count().await.unwrap().total.unwrap();
    assert_eq!((count("tags").await, count("things").await), (done as u64, done as u64));
}

/// A position of before the stop is still one: what has happened since is told whole, or not at all.
pub(super) async fn positions_survive(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let mut listener = Listener::new(&app);
    let mut last = None;
    for number in 1..=3 {
        app.admin().create("tags", json!({"id": id(number)})).await.unwrap();
        last = Some(listener.next().await.set.position);
    }
    let last = last.unwrap();
    app.engine.close().await;
    let app = App::open(&database, SCHEMA).await;
    let mut listener = Listener::new(&app);
    for number in 4..=8 {
        app.admin().create("tags", json!({"id": id(number)})).await.unwrap();
        assert!(listener.next().await.set.position > last);
    }
    if let Some(since) = app.store.changes_since(last).await.unwrap() {
        assert_eq!(since.len(), 5);
    }
}
