//! Time runs out, and is then said to have.

use std::time::{Duration, Instant};

use serde_json::json;

use super::Db;
use super::answers::said;
use super::app::{App, create, id, update};

const SCHEMA: &str = r#"
type Node @collection @access(read: "true", update: "LONG || LONG || LONG || LONG || LONG || LONG || LONG || LONG") {
  rank: Int
  next: [Node!]!
}
"#;

fn schema() -> String {
    SCHEMA.replace(
        "LONG",
        &format!(
            "({})",
            LONG.replace("next.exists(a", "record.next.exists(a")
                .replace("< rank", "< record.rank")
        ),
    )
}

pub(super) async fn what_is_late_is_not_begun(database: Db) {
    let app = App::open(&database, &schema()).await;
    app.admin()
        .create("nodes", json!({"id": id(1), "rank": 1}))
        .await
        .unwrap();
    let late = app.admin().within(Duration::ZERO);
    assert_eq!(said(late.get("nodes", &id(1)).await), "timeout");
    assert_eq!(said(late.list("nodes").await), "timeout");
    assert_eq!(said(late.create("nodes", json!({"id": id(2)})).await), "timeout");
    assert_eq!(said(late.update("nodes", &id(1), json!({"rank": 2})).await), "timeout");
    assert_eq!(said(late.delete("nodes", &id(1)).await), "timeout");
    let nodes = app.admin().list("nodes").await.unwrap();
    assert_eq!((nodes.items.len(), &nodes.items[0]["rank"]), (1, &json!(1)));
}

/// 80 nodes, each with all for neighbours.
async fn dense(database: &Db) -> App {
    let app = App::open(database, &schema()).await;
    let ids: Vec<_> = (1..=80).map(id).collect();
    app.admin()
        .batch(ids.iter().map(|id| create("nodes", json!({"id": id, "rank": 1}))))
        .all()
        .await
        .unwrap();
    app.admin()
        .batch(ids.iter().map(|id| update("nodes", id, json!({ "next": ids }))))
        .all()
        .await
        .unwrap();
    app
}

/// Forty million pairs of nodes that don't match: no engine answers that in a fifth of a second.
/// Each pair is another, so that an engine which remembers what it found for the same values has nothing to remember.
const LONG: &str = "next.exists(a, a.next.exists(b, b.next.exists(c, c.id != a.id && c.id != record.id && c.rank + b.rank + a.rank < rank)))";

pub(super) async fn a_long_question_is_given_up(database: Db) {
    let app = dense(&database).await;
    let begun = Instant::now();
    let hasty = app.admin().within(Duration::from_millis(200));
    assert_eq!(said(hasty.list("nodes").filter(LONG).await), "timeout");
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "given up after {:?}",
        begun.elapsed()
    );
    assert_eq!(
        said(app.admin().get("nodes", &id(1)).await),
        "ok",
        "and holds up nobody"
    );
    assert_eq!(
        app.admin()
            .list("nodes")
            .filter("rank == 1")
            .limit(100)
            .await
            .unwrap()
            .items
            .len(),
        80
    );
}

pub(super) async fn long_questions_do_not_hold_up_others(database: Db) {
    let app = dense(&database).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..2 {
        let long = app
            .admin()
            .within(Duration::from_millis(1500))
            .list("nodes")
            .filter(&[LONG; 4].join(" || "));
        tasks.spawn(async move { said(long.await) });
    }
    let begun = Instant::now();
    for _ in 0..database.writes_beside_long_questions() {
        app.admin().update("nodes", &id(1), json!({ "rank": 1 })).await.unwrap();
        app.admin().get("nodes", &id(1)).await.unwrap();
    }
    let others = begun.elapsed();
    let first = tasks.join_next().await.unwrap().unwrap();
    assert_eq!(first, "timeout");
    assert!(others < Duration::from_millis(1400), "others took {others:?}");
    tasks.join_all().await;
}

/// A write is given up as a question is, and leaves nothing.
pub(super) async fn a_long_write_is_given_up(database: Db) {
    let app = dense(&database).await;
    let begun = Instant::now();
    let hasty = app.user(&id(1)).within(Duration::from_millis(100));
    let write = hasty.update("nodes", &id(1), json!({"rank": 1, "next": []}));
    assert_eq!(said(write.await), "timeout");
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "given up after {:?}",
        begun.elapsed()
    );
    let node = app.admin().update("nodes", &id(2), json!({"rank": 2})).await.unwrap();
    assert_eq!(node.version(), 3);
    let node = app.admin().get("nodes", &id(1)).fields("version,next").await.unwrap();
    assert_eq!((node.version(), node["next"].as_array().unwrap().len()), (2, 80));
}
