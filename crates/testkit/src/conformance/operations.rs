//! Each operation by itself: what it stores, what it answers, what it moves on.

use std::time::Duration;

use engine::query::OutcomeKind;
use serde_json::json;

use super::Db;
use super::answers::said;
use super::app::{App, id};

const SCHEMA: &str = r#"
type Note @collection {
  title: String! @length(max: 20)
  body: String
  rank: Int
}
type OrderLine @collection { count: Int }
"#;

pub(super) async fn a_record_lives(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let admin = app.admin();
    let created = admin.create("notes", json!({"title": "first"})).await.unwrap();
    assert_eq!(created.kind, Some(OutcomeKind::Created));
    assert_eq!(created.tag.as_deref(), Some("1"));
    app.clock.pass(Duration::from_millis(1500));
    let updated = admin
        .update("notes", &created.id, json!({"body": "more"}))
        .await
        .unwrap();
    assert_eq!(updated.kind, Some(OutcomeKind::Updated));
    let moved = json!({
        "id": created.id, "created": "2024-05-01T12:00:00.000Z", "updated": "2024-05-01T12:00:01.500Z",
        "version": 2, "title": "first", "body": "more", "rank": null,
    });
    assert_eq!(updated.json, moved);
    assert_eq!(admin.get("notes", &created.id).await.unwrap().json, moved);
    let deleted = admin.delete("notes", &created.id).await.unwrap();
    assert_eq!((deleted.kind, deleted.tag), (Some(OutcomeKind::Deleted), None));
    assert_eq!(deleted.id, created.id);
    assert_eq!(said(admin.get("notes", &created.id).await), "not_found");
}

pub(super) async fn what_is_not_there_is_not_found(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let admin = app.admin();
    for key in [id(1).as_str(), "x", "", "1,2", "'; DROP TABLE note; --"] {
        assert_eq!(said(admin.get("notes", key).await), "not_found", "get {key}");
        assert_eq!(
            said(admin.update("notes", key, json!({})).await),
            "not_found",
            "update {key}"
        );
        assert_eq!(said(admin.delete("notes", key).await), "not_found", "delete {key}");
    }
    assert_eq!(said(admin.get("nothing", &id(1)).await), "not_found");
    assert_eq!(said(admin.list("note").await), "not_found");
    assert_eq!(said(admin.create("nothing", json!({})).await), "not_found");
}

pub(super) async fn an_id_can_be_given_and_is_taken_once(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let admin = app.admin();
    let created = admin.create("notes", json!({"id": id(7), "title": "a"})).await.unwrap();
    assert_eq!(created.id, id(7));
    let again = admin.create("notes", json!({"id": id(7), "title": "b"})).await;
    assert_eq!(said(again), "unique_violation: id taken");
    assert_eq!(admin.get("notes", &id(7)).await.unwrap()["title"], "a");
    let refused = admin.create("notes", json!({"id": "7", "title": "b"})).await;
    assert_eq!(said(refused), "invalid: id wrong_type");
    let refused = admin.update("notes", &id(7), json!({"id": id(8)})).await;
    assert_eq!(said(refused), "invalid: id read_only");
    // Upper case is the same id.
    assert_eq!(admin.get("notes", &id(7).to_uppercase()).await.unwrap()["title"], "a");
}

pub(super) async fn ids_that_are_made_follow_each_other(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let mut made = Vec::new();
    for rank in 0..20 {
        made.push(
            app.admin()
                .create("notes", json!({"title": "t", "rank": rank}))
                .await
                .unwrap()
                .id,
        );
    }
    let listed = app.admin().list("notes").await.unwrap();
    assert_eq!(
        listed.values("rank"),
        (0..20).map(|rank| json!(rank)).collect::<Vec<_>>()
    );
    assert!(
        made.is_sorted() && made.iter().all(|id| id.as_bytes()[14] == b'7'),
        "{made:?}"
    );
}

pub(super) async fn collections_are_apart(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let admin = app.admin();
    admin.create("notes", json!({"id": id(1), "title": "a"})).await.unwrap();
    admin
        .create("order-lines", json!({"id": id(1), "count": 3}))
        .await
        .unwrap();
    admin.delete("notes", &id(1)).await.unwrap();
    assert_eq!(admin.get("order-lines", &id(1)).await.unwrap()["count"], 3);
    assert_eq!(admin.get("OrderLine", &id(1)).await.unwrap()["count"], 3);
}

pub(super) async fn every_write_moves_the_version(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let admin = app.admin();
    admin.create("notes", json!({"id": id(1), "title": "a"})).await.unwrap();
    for (patch, version) in [(json!({"rank": 1}), 2), (json!({"rank": 1}), 3), (json!({}), 4)] {
        let updated = admin.update("notes", &id(1), patch).await.unwrap();
        assert_eq!(updated.version(), version);
    }
    let refused = admin.update("notes", &id(1), json!({"title": null})).await;
    assert_eq!(said(refused), "invalid: title required");
    assert_eq!(
        admin.get("notes", &id(1)).await.unwrap().version(),
        4,
        "a refused write moves nothing"
    );
}

pub(super) async fn a_refused_write_leaves_nothing(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let admin = app.admin();
    for refused in [
        json!({}),
        json!({"title": "x".repeat(21)}),
        json!({"title": "a", "rank": "b"}),
        json!({"titel": "a"}),
    ] {
        assert!(admin.create("notes", refused).await.is_err());
    }
    assert!(admin.list("notes").await.unwrap().items.is_empty());
}
