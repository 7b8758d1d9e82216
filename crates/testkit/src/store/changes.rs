//! Telling what was committed, and changing models.

use std::sync::Arc;

use engine::ErrorCode;
use engine::Model;
use engine::ports::store::{ChangeEvent, ChangeSet};
use engine::query::Position;
use futures::future::join_all;
use serde_json::json;

use super::app::{App, administrator, create, delete, id_of};

async fn next(listener: &mut dyn engine::ports::store::Changes) -> Arc<ChangeSet> {
    match listener.next().await {
        Some(ChangeEvent::Committed(set)) => set,
        other => panic!("expected a commit, got {other:?}"),
    }
}

pub(super) async fn every_commit_is_told_once_in_order(app: &App) {
    let mut listener = app.store.changes();
    let administrator = administrator();
    let creates = (0..100).map(|number| app.create(&administrator, "nooks", json!({ "count": number })));
    join_all(creates).await;
    let mut last = Position(0);
    for _ in 0..100 {
        let set = next(&mut *listener).await;
        assert!(set.position > last);
        last = set.position;
        assert_eq!(set.changes.len(), 1);
        assert!(set.changes[0].before.is_none() && set.changes[0].after.is_some());
    }
    let failed = app.create(&administrator, "nooks", json!({ "count": "x" })).await;
    assert!(failed.is_err());
    let room = json!({ "name": "r", "members": [id_of(&app.ana), id_of(&app.bo)] });
    let room = app.created(&app.ana, "rooms", room).await;
    let created = next(&mut *listener).await;
    assert_eq!(created.changes[0].links[0].added.len(), 2);
    app.write(&administrator, vec![delete("rooms", &room)])
        .await
        .expect("it is deleted");
    let deleted = next(&mut *listener).await;
    assert!(deleted.position > created.position);
    assert_eq!(deleted.changes[0].before, created.changes[0].after);
    assert_eq!(deleted.changes[0].links[0].removed.len(), 2);
}

pub(super) async fn those_who_come_back_get_what_they_missed(app: &App) {
    let mut listener = app.store.changes();
    let nooks = || create("nooks", json!({}));
    app.write(&administrator(), vec![nooks()]).await.expect("it is created");
    let seen = next(&mut *listener).await.position;
    app.write(&administrator(), vec![nooks(), nooks()])
        .await
        .expect("they are created");
    app.write(&administrator(), vec![nooks()]).await.expect("it is created");
    let missed = app
        .store
        .changes_since(seen)
        .await
        .expect("it answers")
        .expect("they are kept");
    assert_eq!(missed.iter().map(|set| set.changes.len()).collect::<Vec<_>>(), [2, 1]);
    let last = missed[1].position;
    assert!(
        app.store
            .changes_since(last)
            .await
            .expect("it answers")
            .is_some_and(|sets| sets.is_empty())
    );
    // A position that this store has not reached is of another life.
    let unknown = app.store.changes_since(Position(last.0 + 1)).await.expect("it answers");
    assert!(unknown.is_none());
}

pub(super) async fn a_slow_listener_is_told_that_it_lost_some(app: &App) {
    let mut listener = app.store.changes();
    // More than any store keeps for one listener.
    for _ in 0..40 {
        let administrator = administrator();
        let creates = (0..50).map(|_| app.create(&administrator, "nooks", json!({})));
        join_all(creates).await;
    }
    let mut lagged = false;
    for _ in 0..2000 {
        match listener.next().await {
            Some(ChangeEvent::Lagged) => {
                lagged = true;
                break;
            }
            Some(ChangeEvent::Committed(_)) => {}
            None => panic!("the store is open"),
        }
    }
    assert!(lagged);
}

pub(super) async fn a_closed_store_ends_its_listeners(app: &App) {
    let mut listener = app.store.changes();
    app.created(&administrator(), "nooks", json!({})).await;
    app.store.close().await;
    next(&mut *listener).await;
    assert!(listener.next().await.is_none());
    assert!(app.store.ready().await.is_err());
    let refused = app
        .create(&administrator(), "nooks", json!({}))
        .await
        .expect_err("it is closed");
    assert_eq!(refused.code, ErrorCode::Unavailable);
    // Once more does no harm.
    app.store.close().await;
}

pub(super) async fn another_model_needs_another_permit(app: &App) {
    app.store.ready().await.expect("it is open");
    let other = "type Other @collection { name: String }";
    let other = Model::read(other, "schema.graphql").expect("a schema without mistakes");
    assert_ne!(other.epoch, app.model.epoch);
    app.store.adopt(Arc::new(other));
    let refused = app
        .create(&administrator(), "nooks", json!({}))
        .await
        .expect_err("the permit is stale");
    assert_eq!(refused.code, ErrorCode::Unavailable);
    let refused = app
        .get(&administrator(), "users", &id_of(&app.ana))
        .await
        .expect_err("the permit is stale");
    assert_eq!(refused.code, ErrorCode::Unavailable);
    app.store.adopt(Arc::clone(&app.model));
    app.created(&administrator(), "nooks", json!({})).await;
}
