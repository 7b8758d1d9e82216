//! Several steps in one transaction: all or nothing, each seeing those before it.

use engine::Limits;
use engine::query::OutcomeKind;
use serde_json::json;

use super::Db;
use super::answers::said;
use super::app::{App, create, delete, id, matching, named, replace, update};

const SCHEMA: &str = r#"
type User @collection(auth: true) @access(read: "true") { name: String }
type Room @collection
  @access(read: "auth.id in record.members", create: "auth.id in record.members", update: "auth.id in record.members",
          delete: "auth.id in record.members") {
  name: String! @unique
  members: [User!]!
  messages: [Message!]! @inverse(field: "room")
}
type Message @collection
  @access(read: "auth.id in record.room.members", create: "auth.id in record.room.members", update: "record.author == auth.id") {
  room: Room! @relation(onDelete: CASCADE)
  author: User @default(value: "auth.id")
  body: String! @length(max: 10)
  seen: [User!]!
}
"#;

async fn open(database: &Db) -> App {
    let app = App::open(database, SCHEMA).await;
    for number in [1, 2] {
        let user = json!({"id": id(number), "email": format!("{number}@x.org")});
        app.admin().create("users", user).await.unwrap();
    }
    app
}

pub(super) async fn steps_happen_together(database: Db) {
    let app = open(&database).await;
    let ann = app.user(&id(1));
    let written = ann
        .batch([
            named("room", create("rooms", json!({"name": "r", "members": [id(1)]}))),
            named(
                "first",
                create("messages", json!({"room": {"$ref": "room.id"}, "body": "hi"})),
            ),
            update("messages", &id(99), json!({})),
        ])
        .all()
        .await;
    assert_eq!(said(written), "not_found @2");
    assert!(
        app.admin().list("rooms").await.unwrap().items.is_empty(),
        "nothing of it happened"
    );
    let written = ann
        .batch([
            named("room", create("Room", json!({"name": "r", "members": [id(1)]}))),
            create(
                "messages",
                json!({"room": {"$ref": "room.id"}, "body": "hi", "seen": [id(2)]}),
            ),
            replace("messages", &id(50), json!({"room": {"$ref": "room.id"}, "body": "put"})),
            update("messages", &id(50), json!({"body": "patched"})),
            delete("messages", &id(50)),
        ])
        .all()
        .await;
    assert_eq!(said(written), "forbidden @4", "nobody may delete a message");
    let written = ann
        .batch([
            named("room", create("Room", json!({"name": "r", "members": [id(1)]}))),
            create(
                "messages",
                json!({"room": {"$ref": "room.id"}, "body": "hi", "seen": [id(2)]}),
            ),
            replace("messages", &id(50), json!({"room": {"$ref": "room.id"}, "body": "put"})),
            update("messages", &id(50), json!({"body": "patched"})),
        ])
        .all()
        .await
        .unwrap();
    let kinds: Vec<_> = written.iter().map(|record| record.kind.unwrap()).collect();
    assert_eq!(
        kinds,
        [
            OutcomeKind::Created,
            OutcomeKind::Created,
            OutcomeKind::Created,
            OutcomeKind::Updated
        ]
    );
    assert_eq!(written[1]["room"], json!(written[0].id));
    assert_eq!(
        (written[2].version(), written[3].version(), &written[3]["body"]),
        (1, 2, &json!("patched"))
    );
}

pub(super) async fn each_step_has_its_own_precondition(database: Db) {
    let app = open(&database).await;
    let ann = app.user(&id(1));
    for number in [10, 11] {
        let room = json!({"id": id(number), "name": number.to_string(), "members": [id(1)]});
        ann.create("rooms", room).await.unwrap();
    }
    let swap = |first: &str, second: &str| {
        ann.batch([
            matching(first, update("rooms", &id(10), json!({"name": "a"}))),
            matching(second, update("rooms", &id(11), json!({"name": "b"}))),
        ])
        .all()
    };
    assert_eq!(said(swap("1", "2").await), "stale @1");
    assert_eq!(said(swap("7", "1").await), "stale @0");
    let names = ann.list("rooms").sort("name").await.unwrap();
    assert_eq!(names.items[0]["name"], "10", "nothing of it happened");
    assert_eq!(said(swap("1", "1").await), "ok");
    // A tag is of the record as the steps before left it.
    let twice = ann.batch([
        matching("2", update("rooms", &id(10), json!({"name": "c"}))),
        matching("3", replace("rooms", &id(10), json!({"name": "d", "members": [id(1)]}))),
        matching("3", delete("rooms", &id(10))),
    ]);
    assert_eq!(said(twice.all().await), "stale @2");
}

/// Every kind of failure takes everything back, in whichever step it happens.
pub(super) async fn one_failure_undoes_all(database: Db) {
    let app = open(&database).await;
    let ann = app.user(&id(1));
    ann.create("rooms", json!({"id": id(10), "name": "taken", "members": [id(1)]}))
        .await
        .unwrap();
    app.admin()
        .create("rooms", json!({"id": id(11), "name": "other", "members": [id(2)]}))
        .await
        .unwrap();
    let good = || {
        [
            create("rooms", json!({"id": id(20), "name": "new", "members": [id(1)]})),
            update(
                "rooms",
                &id(10),
                json!({"name": "renamed", "members": {"add": [id(2)]}}),
            ),
            create("messages", json!({"room": id(20), "body": "hi"})),
        ]
    };
    for (bad, expected) in [
        (
            create("rooms", json!({"name": "other", "members": [id(1)]})),
            "unique_violation @3: operations[3].name taken",
        ),
        (create("rooms", json!({"name": "mine"})), "forbidden @3"),
        (update("rooms", &id(11), json!({"name": "x"})), "not_found @3"),
        (delete("rooms", &id(12)), "not_found @3"),
        (
            create("messages", json!({"room": id(11), "body": "x"})),
            "invalid @3: operations[3].room no_such_record",
        ),
        (
            create("messages", json!({"room": id(10)})),
            "invalid @3: operations[3].body required",
        ),
        (create("nothing", json!({})), "not_found @3"),
        (
            update("rooms", &id(10), json!({"members": {"remove": [id(1)]}})),
            "forbidden @3",
        ),
    ] {
        let steps = good().into_iter().chain([bad]);
        assert_eq!(said(ann.batch(steps).all().await), expected);
        let rooms = app
            .admin()
            .list("rooms")
            .sort("name")
            .fields("name,version,members")
            .await
            .unwrap();
        assert_eq!(rooms.all("name"), "other taken", "after {expected}");
        assert_eq!(
            rooms.items[1],
            json!({"name": "taken", "version": 1, "members": [id(1)]})
        );
    }
    assert!(app.admin().list("messages").await.unwrap().items.is_empty());
    assert_eq!(said(ann.batch(good()).all().await), "ok");
}

/// Rules judge each step at its time: a right gained is good from there on, and not before.
pub(super) async fn rules_see_the_steps_before(database: Db) {
    let app = open(&database).await;
    let (ann, bob) = (app.user(&id(1)), app.user(&id(2)));
    app.admin()
        .create("rooms", json!({"id": id(10), "name": "ann's", "members": [id(1)]}))
        .await
        .unwrap();
    let join = || update("rooms", &id(10), json!({"members": {"add": [id(2)]}}));
    let talk = || create("messages", json!({"room": id(10), "body": "hi"}));
    assert_eq!(
        said(bob.batch([join(), talk()]).all().await),
        "not_found @0",
        "nobody lets himself in"
    );
    assert_eq!(
        said(bob.batch([talk(), join()]).all().await),
        "invalid @0: operations[0].room no_such_record"
    );
    assert_eq!(said(ann.batch([join(), talk()]).all().await), "ok");
    assert_eq!(said(bob.batch([talk(), talk()]).all().await), "ok");
    let leave = update("rooms", &id(10), json!({"members": {"remove": [id(1)]}}));
    assert_eq!(
        said(ann.batch([talk(), leave]).all().await),
        "forbidden @1",
        "nor throws himself out"
    );
    let gone = ann.batch([delete("rooms", &id(10)), talk()]).all().await;
    assert_eq!(said(gone), "invalid @1: operations[1].room no_such_record");
}

pub(super) async fn names_stand_for_ids(database: Db) {
    let app = open(&database).await;
    let admin = app.admin();
    let steps = [
        named("u1", create("users", json!({"email": "x@x.org"}))),
        named("u2", create("users", json!({"email": "y@x.org"}))),
        named(
            "room",
            create(
                "rooms",
                json!({"name": "r", "members": [{"$ref": "u1.id"}, {"$ref": "u2.id"}, id(1)]}),
            ),
        ),
        create(
            "messages",
            json!({"room": {"$ref": "room.id"}, "author": {"$ref": "u1.id"}, "body": "b"}),
        ),
    ];
    let written = admin.batch(steps).fields("id,members").all().await;
    assert_eq!(
        said(written),
        "bad_request @0: operations[0].fields unknown_field",
        "a shape is for every step"
    );
    let room = |reference| {
        [
            named("u", create("users", json!({"id": id(7), "email": "z@x.org"}))),
            create("rooms", json!({"name": "s", "members": [{"$ref": reference}]})),
        ]
    };
    assert_eq!(said(admin.batch(room("u.id")).all().await), "ok");
    for wrong in ["v.id", "u", "u.name", "", ".id"] {
        let refused = admin.batch(room(wrong)).all().await;
        assert_eq!(
            said(refused),
            "invalid @1: operations[1].members[0] unknown_ref",
            "{wrong}"
        );
    }
    let other_kind = admin.batch([
        named("r", create("rooms", json!({"name": "t"}))),
        create("rooms", json!({"name": "u", "members": [{"$ref": "r.id"}]})),
    ]);
    assert_eq!(
        said(other_kind.all().await),
        "invalid @1: operations[1].members[0] wrong_type"
    );
    let twice = admin.batch([
        named("a", create("rooms", json!({"name": "v"}))),
        named("a", create("rooms", json!({"name": "w"}))),
    ]);
    assert_eq!(said(twice.all().await), "invalid @1: operations[1].as taken");
}

pub(super) async fn batches_are_bounded(database: Db) {
    let limits = Limits {
        batch_max: 3,
        ..Limits::default()
    };
    let app = App::limited(&database, SCHEMA, limits).await;
    let rooms = |count: usize| (0..count).map(|number| create("rooms", json!({"name": format!("{number}")})));
    assert_eq!(said(app.admin().batch(rooms(4)).all().await), "too_large");
    assert_eq!(said(app.admin().batch(rooms(3)).all().await), "ok");
    assert_eq!(app.admin().batch([]).all().await.unwrap().len(), 0);
}
