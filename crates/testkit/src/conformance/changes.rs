//! What a store tells of its commits: all of it, in order, after it is so.

use std::sync::Arc;

use engine::model::Value;
use engine::ports::store::ChangeEvent;
use engine::query::Position;
use serde_json::json;
use tokio::task::JoinSet;

use super::Db;
use super::answers::said;
use super::app::{App, create, delete, id, update};
use super::listening::{Listener, Told};

const SCHEMA: &str = r#"
type Tag @collection { name: String @unique things: [Thing!]! @inverse(field: "tags") }
type Thing @collection { name: String @length(max: 9) count: Int secret: String @private tags: [Tag!]! }
"#;

async fn open(database: &Db) -> App {
    let app = App::open(database, SCHEMA).await;
    for number in 1..=3 {
        app.admin()
            .create("tags", json!({"id": id(number), "name": format!("t{number}")}))
            .await
            .unwrap();
    }
    app
}

pub(super) async fn every_change_is_told(database: Db) {
    let app = open(&database).await;
    let admin = app.admin();
    let mut listener = Listener::new(&app);
    admin
        .create("things", json!({"id": id(10), "name": "a", "tags": [id(2), id(1)]}))
        .await
        .unwrap();
    assert_eq!(listener.next().await.summary(), ["+ Thing 10 tags+1+2"]);
    admin.update("things", &id(10), json!({"name": "b"})).await.unwrap();
    assert_eq!(listener.next().await.summary(), ["~ Thing 10 version,name"]);
    admin
        .update(
            "things",
            &id(10),
            json!({"tags": {"add": [id(1), id(3)], "remove": [id(2)]}}),
        )
        .await
        .unwrap();
    assert_eq!(
        listener.next().await.summary(),
        ["~ Thing 10 version tags+3-2"],
        "only what really changed"
    );
    admin
        .replace("things", &id(10), json!({"name": "c", "tags": [id(3)]}))
        .await
        .unwrap();
    assert_eq!(listener.next().await.summary(), ["~ Thing 10 version,name tags-1"]);
    admin.replace("things", &id(11), json!({})).await.unwrap();
    assert_eq!(listener.next().await.summary(), ["+ Thing 11"]);
    admin.delete("things", &id(10)).await.unwrap();
    assert_eq!(listener.next().await.summary(), ["- Thing 10 tags-3"]);
}

pub(super) async fn images_hold_the_whole_record(database: Db) {
    let app = open(&database).await;
    let mut listener = Listener::new(&app);
    let thing = json!({"id": id(10), "name": "a", "count": 1, "secret": "s"});
    app.admin().create("things", thing).await.unwrap();
    app.admin()
        .update("things", &id(10), json!({"count": 2}))
        .await
        .unwrap();
    app.admin().delete("things", &id(10)).await.unwrap();
    let (created, updated, deleted) = (listener.next().await, listener.next().await, listener.next().await);
    let before = created.set.changes[0].after.clone().unwrap();
    let own = [Value::text("a"), Value::Int(1), Value::text("s")];
    assert_eq!(before.0[4..], own, "id, created, updated and version come first");
    assert_eq!(before.0[3], Value::Int(1));
    assert_eq!(updated.set.changes[0].before.as_ref(), Some(&before));
    let after = updated.set.changes[0].after.clone().unwrap();
    assert_eq!((&after.0[3], &after.0[5]), (&Value::Int(2), &Value::Int(2)));
    assert_eq!(deleted.set.changes[0].before, Some(after));
}

/// One commit, one position, however many changes; a step's change is there although a later step undid it.
pub(super) async fn a_batch_is_one_commit(database: Db) {
    let app = open(&database).await;
    let mut listener = Listener::new(&app);
    let steps = [
        create("things", json!({"id": id(10), "tags": [id(1)]})),
        update("tags", &id(1), json!({"name": "x"})),
        update("things", &id(10), json!({"name": "n"})),
        delete("tags", &id(2)),
    ];
    app.admin().batch(steps).all().await.unwrap();
    let told = listener.next().await.summary();
    assert_eq!(told.last().unwrap(), "- Tag 2");
    assert!(told.contains(&"~ Tag 1 version,name".to_owned()), "{told:?}");
    assert!(told.iter().any(|line| line.starts_with("+ Thing 10")), "{told:?}");
}

pub(super) async fn what_did_not_happen_is_not_told(database: Db) {
    let app = open(&database).await;
    let mut listener = Listener::new(&app);
    let admin = app.admin();
    assert!(admin.create("tags", json!({"name": "t1"})).await.is_err());
    assert!(admin.update("things", &id(99), json!({})).await.is_err());
    let half = admin.batch([
        create("things", json!({"id": id(10)})),
        create("tags", json!({"name": "t1"})),
    ]);
    assert!(half.all().await.is_err());
    let keyed = || admin.create("things", json!({"id": id(11)})).key("k");
    keyed().await.unwrap();
    assert!(keyed().await.unwrap().replayed);
    admin.create("things", json!({"id": id(12)})).await.unwrap();
    assert_eq!(listener.next().await.summary(), ["+ Thing 11"]);
    assert_eq!(listener.next().await.summary(), ["+ Thing 12"], "nor is a replay");
}

/// Whoever is told of a commit can read it, and positions grow in the order of commits.
pub(super) async fn positions_follow_the_order_of_commits(database: Db) {
    let app = open(&database).await;
    app.admin()
        .create("things", json!({"id": id(10), "count": 0}))
        .await
        .unwrap();
    let mut listener = Listener::new(&app);
    let mut tasks = JoinSet::new();
    for number in 0..10 {
        let write = app.admin().update("things", &id(10), json!({"count": number}));
        tasks.spawn(async move { write.await.unwrap() });
    }
    let mut last = Position(0);
    for version in 2..12 {
        let told = listener.next().await;
        assert!(told.set.position > last, "{:?} after {last:?}", told.set.position);
        last = told.set.position;
        let after = told.set.changes[0].after.as_ref().unwrap();
        assert_eq!(after.0[3], Value::Int(version), "in the order in which they happened");
        assert!(
            app.admin().get("things", &id(10)).await.unwrap().version() >= version,
            "told before it was so"
        );
    }
    tasks.join_all().await;
}

pub(super) async fn listeners_hear_from_now_on(database: Db) {
    let app = open(&database).await;
    let mut early = Listener::new(&app);
    app.admin().create("things", json!({"id": id(10)})).await.unwrap();
    let mut late = Listener::new(&app);
    app.admin().create("things", json!({"id": id(11)})).await.unwrap();
    assert_eq!(late.next().await.summary(), ["+ Thing 11"]);
    assert_eq!(early.next().await.summary(), ["+ Thing 10"]);
    let second = early.next().await;
    assert_eq!(second.summary(), ["+ Thing 11"]);
    drop(late);
    app.admin().create("things", json!({"id": id(12)})).await.unwrap();
    assert_eq!(early.next().await.summary(), ["+ Thing 12"]);
    app.engine.close().await;
    assert!(early.event().await.is_none(), "a closed store tells no more");
}

pub(super) async fn a_slow_listener_is_told_that_it_lost_some(database: Db) {
    let app = open(&database).await;
    let mut slow = Listener::new(&app);
    let mut kept_up = Listener::new(&app);
    let commits = u32::try_from(database.bounds().changes_behind).unwrap() + 10;
    for number in 0..commits {
        app.admin()
            .create("things", json!({"id": id(100 + number)}))
            .await
            .unwrap();
        kept_up.next().await;
    }
    assert!(matches!(slow.event().await, Some(ChangeEvent::Lagged)));
    // From there on it hears again, to the last.
    let last = loop {
        if let Some(ChangeEvent::Committed(set)) = slow.event().await {
            let summary = Told::new(&app.engine.model(), set).summary();
            if summary == [format!("+ Thing {}", 99 + commits)] {
                break summary;
            }
        }
    };
    assert_eq!(last.len(), 1);
}

pub(super) async fn the_recent_past_can_be_had(database: Db) {
    let app = open(&database).await;
    let mut listener = Listener::new(&app);
    app.admin().create("things", json!({"id": id(10)})).await.unwrap();
    let start = listener.next().await.set.position;
    for number in 11..15 {
        app.admin().create("things", json!({"id": id(number)})).await.unwrap();
    }
    let since = |position| app.store.changes_since(position);
    let told = |sets: Vec<Arc<engine::ports::store::ChangeSet>>| -> Vec<_> {
        let model = app.engine.model();
        sets.into_iter()
            .flat_map(|set| Told::new(&model, set).summary())
            .collect()
    };
    let later = since(start).await.unwrap().unwrap();
    let newest = later.last().unwrap().position;
    assert_eq!(told(later), ["+ Thing 11", "+ Thing 12", "+ Thing 13", "+ Thing 14"]);
    assert_eq!(since(newest).await.unwrap().map(told), Some(Vec::new()));
    for number in 0..u32::try_from(database.bounds().changes_kept).unwrap() + 1 {
        app.admin()
            .create("things", json!({"id": id(100 + number)}))
            .await
            .unwrap();
    }
    assert!(
        since(start).await.unwrap().is_none(),
        "what is no longer kept isn't made up"
    );
    assert_eq!(said(app.admin().get("things", &id(10)).await), "ok");
}
