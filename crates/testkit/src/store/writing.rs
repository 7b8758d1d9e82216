//! Writing.

use std::time::{Duration, Instant};

use engine::ErrorCode;
use engine::operations::{Action, IdempotencyRequest, Precondition, WriteOptions};
use futures::future::join_all;
use serde_json::json;

use super::app::{App, administrator, create, ctx, data, delete, id_of, step, update, user};

pub(super) async fn rules_hold_before_and_after(app: &App) {
    let room = app
        .created(
            &app.ana,
            "rooms",
            json!({ "name": "ana's", "members": [id_of(&app.ana)] }),
        )
        .await;
    // A stranger can't write himself in, nor learn that the room is there.
    let intruder = app
        .update(
            &app.bo,
            "rooms",
            &room,
            json!({ "members": { "add": [id_of(&app.bo)] } }),
        )
        .await;
    assert_eq!(intruder.expect_err("a stranger").code, ErrorCode::NotFound);
    // A member can't leave: the rule must hold on the result.
    let leaving = app
        .update(
            &app.ana,
            "rooms",
            &room,
            json!({ "members": { "remove": [id_of(&app.ana)] } }),
        )
        .await;
    assert_eq!(leaving.expect_err("the last member").code, ErrorCode::Forbidden);
    let invited = app
        .update(
            &app.ana,
            "rooms",
            &room,
            json!({ "members": { "add": [id_of(&app.bo)] } }),
        )
        .await;
    assert_eq!(invited.expect("a member invites")["version"], 2);
    let renamed = app.update(&app.bo, "rooms", &room, json!({ "name": "ours" })).await;
    assert_eq!(renamed.expect("a member renames")["name"], "ours");
    let missing = json!({ "room": "01900000-0000-7000-8000-000000000000", "body": "x" });
    let nowhere = app
        .create(&app.ana, "messages", missing)
        .await
        .expect_err("no such room");
    assert_eq!(nowhere.code, ErrorCode::Invalid);
}

pub(super) async fn a_unique_value_is_taken_once_however_many_come_at_once(app: &App) {
    let administrator = administrator();
    let attempts = (0..20).map(|_| app.create(&administrator, "nooks", json!({ "code": "same" })));
    let (made, taken): (Vec<_>, Vec<_>) = join_all(attempts).await.into_iter().partition(Result::is_ok);
    assert_eq!((made.len(), taken.len()), (1, 19));
    for refused in taken {
        let error = refused.expect_err("partitioned");
        assert_eq!(
            (error.code, &*error.fields[0].field),
            (ErrorCode::UniqueViolation, "code")
        );
    }
    app.created(&administrator, "nooks", json!({})).await;
    app.created(&administrator, "nooks", json!({})).await;
}

pub(super) async fn of_writers_with_one_version_one_wins(app: &App) {
    let administrator = administrator();
    let nook = app.created(&administrator, "nooks", json!({ "count": 0 })).await;
    let options = WriteOptions {
        precondition: Precondition::Match(vec!["1".to_owned()]),
        ..WriteOptions::default()
    };
    let attempts = (1..=10).map(|count| {
        app.write_with(
            &administrator,
            vec![update("nooks", &nook, json!({ "count": count }))],
            &options,
        )
    });
    let (won, stale): (Vec<_>, Vec<_>) = join_all(attempts).await.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), stale.len()), (1, 9));
    assert!(
        stale
            .into_iter()
            .all(|lost| lost.is_err_and(|error| error.code == ErrorCode::Stale))
    );
}

pub(super) async fn a_batch_is_all_or_nothing(app: &App) {
    let administrator = administrator();
    let steps = |last: &str| {
        vec![
            create("nooks", json!({ "code": "one", "count": 1 })),
            create("nooks", json!({ "code": "two", "count": 2 })),
            create("nooks", json!({ "code": last })),
        ]
    };
    let refused = app
        .write(&administrator, steps("one"))
        .await
        .expect_err("the third is taken by the first");
    assert_eq!((refused.code, refused.operation), (ErrorCode::UniqueViolation, Some(2)));
    let written = app
        .write(&administrator, steps("three"))
        .await
        .expect("nothing was left behind")
        .written;
    assert_eq!(written.len(), 3);
}

pub(super) async fn many_writers_lose_nothing(app: &App) {
    let administrator = administrator();
    let creates = (0..300).map(|number| app.create(&administrator, "nooks", json!({ "code": number.to_string() })));
    for created in join_all(creates).await {
        let id = created.expect("each is created")["id"]
            .as_str()
            .expect("an id")
            .to_owned();
        app.get(&administrator, "nooks", &id)
            .await
            .expect("what was acknowledged is there");
    }
}

pub(super) async fn an_idempotency_key_writes_once(app: &App) {
    let administrator = administrator();
    let options = |fingerprint: u8| WriteOptions {
        idempotency: Some(IdempotencyRequest {
            key: "k".to_owned(),
            route: "POST /api/nooks".to_owned(),
            fingerprint: [fingerprint; 32],
        }),
        ..WriteOptions::default()
    };
    let send = |fingerprint| {
        let options = options(fingerprint);
        let administrator = &administrator;
        async move {
            app.write_with(
                administrator,
                vec![create("nooks", json!({ "code": "once" }))],
                &options,
            )
            .await
        }
    };
    let first = send(1).await.expect("it is created");
    let again = send(1).await.expect("it is answered again");
    assert_eq!((first.replayed, again.replayed), (false, true));
    assert_eq!(first.written[0].key, again.written[0].key);
    assert_eq!(
        send(2).await.expect_err("another body").code,
        ErrorCode::IdempotencyMismatch
    );
}

pub(super) async fn cascades_take_along_what_hangs_on_a_record(app: &App) {
    let room = app
        .created(&app.ana, "rooms", json!({ "name": "r", "members": [id_of(&app.ana)] }))
        .await;
    let message = app
        .created(&app.ana, "messages", json!({ "room": room, "body": "m" }))
        .await;
    app.update(&app.ana, "rooms", &room, json!({ "pinned": message }))
        .await
        .expect("it is pinned");
    let refused = app
        .write(&administrator(), vec![delete("users", &id_of(&app.ana))])
        .await;
    assert_eq!(refused.expect_err("she wrote a message").code, ErrorCode::Referenced);
    let moderator = user(app.ana.user_id().expect("a user"), &["moderator"]);
    app.write(&moderator, vec![delete("rooms", &room)])
        .await
        .expect("a moderator deletes");
    let gone = app
        .get(&administrator(), "messages", &message)
        .await
        .expect_err("it went along");
    assert_eq!(gone.code, ErrorCode::NotFound);
    let other = app
        .created(
            &app.bo,
            "rooms",
            json!({ "name": "s", "members": [id_of(&app.bo), id_of(&app.ana)] }),
        )
        .await;
    app.write(&administrator(), vec![delete("users", &id_of(&app.ana))])
        .await
        .expect("nothing holds her");
    assert_eq!(app.get(&app.bo, "rooms", &other).await.expect("it stays")["version"], 2);
}

pub(super) async fn a_replacement_creates_or_updates(app: &App) {
    let key = "01900000-0000-7000-8000-000000000001";
    let put = |json: serde_json::Value, precondition: Precondition| {
        let key = key.to_owned();
        let options = WriteOptions {
            precondition,
            ..WriteOptions::default()
        };
        let put = step("nooks", Action::Upsert { key, data: data(json) });
        async move { app.write_with(&administrator(), vec![put], &options).await }
    };
    // As for one that is there and can't be read.
    let missing = put(json!({ "count": 1 }), Precondition::MatchAny)
        .await
        .expect_err("nothing is there");
    assert_eq!(missing.code, ErrorCode::NotFound);
    put(json!({ "count": 1, "label": "x" }), Precondition::NoneMatchAny)
        .await
        .expect("it is created");
    let stale = put(json!({ "count": 1 }), Precondition::NoneMatchAny)
        .await
        .expect_err("it is there");
    assert_eq!(stale.code, ErrorCode::Stale);
    put(json!({ "count": 2 }), Precondition::None)
        .await
        .expect("it is replaced");
    let found = app.get(&administrator(), "nooks", key).await.expect("it is there");
    assert_eq!(
        (&found["count"], &found["label"], &found["version"]),
        (&json!(2), &json!(null), &json!(2))
    );
}

pub(super) async fn what_is_too_late_is_not_done(app: &App) {
    let mut late = ctx(&administrator());
    late.deadline = Instant::now()
        .checked_sub(Duration::from_millis(1))
        .unwrap_or_else(Instant::now);
    let steps = vec![create("nooks", json!({ "code": "late" }))];
    let refused = app.engine.write(&late, steps.clone(), &WriteOptions::default()).await;
    assert_eq!(refused.expect_err("its deadline passed").code, ErrorCode::Timeout);
    app.write(&administrator(), steps).await.expect("nothing was written");
}
