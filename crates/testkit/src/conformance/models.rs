//! Another model over the same data, while requests go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;

use super::Db;
use super::answers::said;
use super::app::{App, id, model};

const SCHEMA: &str = r#"
type User @collection(auth: true) @access(read: "true") { name: String }
type Item @collection @access(read: "true", create: "true", update: "true", delete: "true") { name: String }
"#;

/// The same structure under other rules, and so with another epoch.
fn closed() -> String {
    SCHEMA.replace(
        r#"@access(read: "true", create: "true", update: "true", delete: "true")"#,
        "",
    )
}

pub(super) async fn new_rules_hold_from_then_on(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let user = app.user(&id(1));
    let item = user.create("items", json!({"name": "a"})).await.unwrap();
    app.engine.adopt(model(&closed()));
    assert_eq!(said(user.list("items").await), "forbidden");
    assert_eq!(said(user.get("items", &item.id).await), "not_found");
    assert_eq!(
        said(user.update("items", &item.id, json!({"name": "b"})).await),
        "not_found"
    );
    assert_eq!(said(user.create("items", json!({"name": "b"})).await), "forbidden");
    assert_eq!(
        app.admin().get("items", &item.id).await.unwrap()["name"],
        "a",
        "the data stays"
    );
    app.engine.adopt(model(SCHEMA));
    assert_eq!(said(user.update("items", &item.id, json!({"name": "b"})).await), "ok");
}

/// An engine that hasn't heard of the new model can't use the store under the old one's rules.
pub(super) async fn a_permit_of_another_model_is_refused(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let behind = app.beside();
    let item = app.user(&id(1)).create("items", json!({"name": "a"})).await.unwrap();
    app.engine.adopt(model(&closed()));
    let user = behind.user(&id(1));
    for refused in [
        said(user.get("items", &item.id).await),
        said(user.list("items").await),
        said(user.create("items", json!({"name": "b"})).await),
        said(user.update("items", &item.id, json!({"name": "b"})).await),
        said(user.delete("items", &item.id).await),
        said(behind.admin().replace("items", &item.id, json!({"name": "b"})).await),
    ] {
        assert_eq!(refused, "unavailable");
    }
    assert_eq!(app.admin().get("items", &item.id).await.unwrap().version(), 1);
    behind.engine.adopt(model(&closed()));
    assert_eq!(said(behind.admin().get("items", &item.id).await), "ok");
}

/// Requests that are on their way when the model changes are decided under one or the other, and never fail for it.
pub(super) async fn requests_do_not_fail_for_a_new_model(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let done = Arc::new(AtomicBool::new(false));
    let rounds = Arc::new(AtomicU64::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..4 {
        let (caller, done, rounds) = (app.admin(), done.clone(), rounds.clone());
        tasks.spawn(async move {
            while !done.load(Ordering::Relaxed) {
                let item = caller
                    .create("items", json!({"name": format!("{number}")}))
                    .await
                    .unwrap();
                caller.get("items", &item.id).await.unwrap();
                caller.list("items").limit(1).await.unwrap();
                rounds.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let models = [model(&closed()), model(SCHEMA)];
    for change in 0..20 {
        app.engine.adopt(models[change % 2].clone());
        let seen = rounds.load(Ordering::Relaxed);
        while rounds.load(Ordering::Relaxed) < seen + 4 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    done.store(true, Ordering::Relaxed);
    tasks.join_all().await;
    let made = rounds.load(Ordering::Relaxed);
    assert_eq!(app.admin().list("items").count().await.unwrap().total, Some(made));
}
