//! Idempotency keys: a write that is sent twice happens once.

use std::time::Duration;

use engine::Limits;
use engine::query::OutcomeKind;
use serde_json::json;
use tokio::task::JoinSet;

use super::Db;
use super::answers::said;
use super::app::{App, Write, create, delete, id, update};

const SCHEMA: &str = r#"
type User @collection(auth: true) @access(read: "true") { name: String }
type Payment @collection
  @access(read: "record.hidden != true || record.owner == auth.id", create: "true", update: "true", delete: "true") {
  sum: Int! @range(max: 100)
  word: String @unique
  hidden: Boolean
  owner: User
}
"#;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn open(database: &Db) -> App {
    let app = App::open(database, SCHEMA).await;
    app.admin()
        .create("users", json!({"id": id(1), "email": "ann@x.org"}))
        .await
        .unwrap();
    app
}

async fn count(app: &App) -> u64 {
    app.admin().list("payments").count().await.unwrap().total.unwrap()
}

pub(super) async fn the_same_write_happens_once(database: Db) {
    let app = open(&database).await;
    let pay = || app.user(&id(1)).create("payments", json!({"sum": 5})).key("k");
    let first = pay().await.unwrap();
    app.clock.pass(Duration::from_secs(60));
    let again = pay().await.unwrap();
    assert!(!first.replayed && again.replayed);
    assert_eq!(
        (&again.json, &again.id, again.kind),
        (&first.json, &first.id, Some(OutcomeKind::Created))
    );
    assert_eq!(again.tag, first.tag);
    assert_eq!(count(&app).await, 1);
    // It answers what was answered then, whatever became of the record since.
    app.admin()
        .update("payments", &first.id, json!({"sum": 6}))
        .await
        .unwrap();
    assert_eq!(pay().await.unwrap()["sum"], 5);
    app.admin().delete("payments", &first.id).await.unwrap();
    let gone = pay().await.unwrap();
    assert!(
        gone.replayed && gone.json.is_null(),
        "what isn't there can't be read any more"
    );
    assert_eq!(count(&app).await, 0);
}

pub(super) async fn a_key_is_for_one_request(database: Db) {
    let app = open(&database).await;
    let ann = app.user(&id(1));
    ann.create("payments", json!({"sum": 5})).key("k").await.unwrap();
    let other = ann.create("payments", json!({"sum": 6})).key("k").await;
    assert_eq!(said(other), "idempotency_mismatch");
    for other in [
        ann.create("payments", json!({"sum": 6})).key("l"),
        app.user(&id(2)).create("payments", json!({"sum": 6})).key("k"),
        app.admin().create("payments", json!({"sum": 6})).key("k"),
        app.nobody().create("payments", json!({"sum": 6})).key("k"),
        ann.create("payments", json!({"sum": 6}))
            .key("k")
            .route("PUT /api/elsewhere"),
    ] {
        assert!(!other.await.unwrap().replayed);
    }
    assert_eq!(count(&app).await, 6);
}

pub(super) async fn a_refused_write_keeps_no_key(database: Db) {
    let app = open(&database).await;
    let ann = app.user(&id(1));
    ann.create("payments", json!({"sum": 1, "word": "w"})).await.unwrap();
    let taken = || ann.create("payments", json!({"sum": 5, "word": "w"})).key("k");
    assert_eq!(said(taken().await), "unique_violation: word taken");
    assert_eq!(
        said(ann.create("payments", json!({"sum": 500})).key("k").await),
        "invalid: sum out_of_range"
    );
    app.admin()
        .delete(
            "payments",
            app.admin().list("payments").await.unwrap().items[0]["id"]
                .as_str()
                .unwrap(),
        )
        .await
        .unwrap();
    assert!(!taken().await.unwrap().replayed, "the very same may succeed later");
    assert!(taken().await.unwrap().replayed);
}

pub(super) async fn a_key_expires(database: Db) {
    let limits = Limits::default();
    assert_eq!(u64::from(limits.idempotency_s), DAY.as_secs());
    let app = open(&database).await;
    let pay = || app.user(&id(1)).create("payments", json!({"sum": 5})).key("k");
    pay().await.unwrap();
    app.clock.pass(DAY - Duration::from_millis(1));
    assert!(pay().await.unwrap().replayed);
    app.clock.pass(Duration::from_millis(1));
    assert!(!pay().await.unwrap().replayed);
    assert_eq!(count(&app).await, 2);
    app.clock.pass(Duration::from_secs(1));
    assert!(pay().await.unwrap().replayed, "the later one counts from its own time");
}

pub(super) async fn batches_replay_whole(database: Db) {
    let app = open(&database).await;
    app.admin()
        .create("payments", json!({"id": id(10), "sum": 1}))
        .await
        .unwrap();
    app.admin()
        .create("payments", json!({"id": id(11), "sum": 1}))
        .await
        .unwrap();
    let steps = || {
        [
            create("payments", json!({"id": id(20), "sum": 2})),
            update("payments", &id(10), json!({"sum": 3})),
            delete("payments", &id(11)),
        ]
    };
    let write = || app.user(&id(1)).batch(steps()).key("k").all();
    let first = write().await.unwrap();
    let again = write().await.unwrap();
    assert!(again.iter().all(|record| record.replayed));
    let seen = |records: &[super::answers::Record]| -> Vec<_> {
        records
            .iter()
            .map(|record| (record.kind, record.id.clone(), record.json.clone()))
            .collect()
    };
    assert_eq!(seen(&first), seen(&again));
    assert_eq!(app.admin().get("payments", &id(10)).await.unwrap().version(), 2);
}

/// A replay is an answer, and answers hold only what their caller may read now.
pub(super) async fn a_replay_shows_what_may_be_read_now(database: Db) {
    let app = open(&database).await;
    let pay = || app.user(&id(1)).create("payments", json!({"sum": 5})).key("k");
    let first = pay().await.unwrap();
    app.admin()
        .update("payments", &first.id, json!({"hidden": true}))
        .await
        .unwrap();
    let again = pay().await.unwrap();
    assert!(again.replayed && again.json.is_null() && again.tag.is_none());
    app.admin()
        .update("payments", &first.id, json!({"owner": id(1)}))
        .await
        .unwrap();
    assert_eq!(pay().await.unwrap().json, first.json);
}

/// From two nodes at once: one writes, the others replay it or are told that it is being written.
pub(super) async fn the_same_key_at_once_writes_once(database: Db) {
    let app = open(&database).await;
    let nodes = [app.clone(), app.beside(), app.beside()];
    for round in 0..5 {
        let mut tasks = JoinSet::new();
        for number in 0..12 {
            let caller = nodes[number % nodes.len()].user(&id(1));
            let write: Write = caller
                .create("payments", json!({"sum": round}))
                .key(&format!("k{round}"));
            tasks.spawn(async move { write.await });
        }
        let mut made = Vec::new();
        let mut written = 0;
        while let Some(outcome) = tasks.join_next().await {
            match outcome.unwrap() {
                Ok(record) => {
                    written += u32::from(!record.replayed);
                    made.push(record.id);
                }
                Err(error) => assert_eq!(said::<()>(Err(error)), "in_flight"),
            }
        }
        made.dedup();
        assert_eq!((written, made.len()), (1, 1), "round {round}");
        assert_eq!(count(&app).await, round + 1);
    }
}
