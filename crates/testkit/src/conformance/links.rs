//! To-many fields: sets without duplicates, written as a whole or by what comes and goes.

use std::time::Duration;

use engine::Limits;
use serde_json::{Value as Json, json};

use super::Db;
use super::answers::{Record, said};
use super::app::{App, id};

const SCHEMA: &str = r#"
type User @collection(auth: true) @access(read: "record.id == auth.id || record.open == true") {
  name: String!
  open: Boolean @default(value: true)
  rooms: [Room!]! @inverse(field: "members")
  led: [Room!]! @inverse(field: "lead")
}
type Room @collection @access(read: "true", create: "true", update: "true") {
  name: String!
  lead: User
  members: [User!]!
  banned: [User!]!
  near: [Room!]!
  far: [Room!]! @inverse(field: "near")
}
"#;

const ROOM: u32 = 50;

/// Users 1 to `users`, and an empty room.
async fn open(database: &Db, users: u32) -> App {
    let limits = Limits {
        related_max: 5,
        ..Limits::default()
    };
    let app = App::limited(database, SCHEMA, limits).await;
    for number in 1..=users {
        let user = json!({"id": id(number), "email": format!("{number}@x.org"), "name": format!("u{number}")});
        app.admin().create("users", user).await.unwrap();
    }
    app.admin()
        .create("rooms", json!({"id": id(ROOM), "name": "r"}))
        .await
        .unwrap();
    app
}

fn ids(numbers: &[u32]) -> Json {
    numbers.iter().map(|number| id(*number)).collect()
}

async fn members(app: &App) -> Record {
    app.admin()
        .get("rooms", &id(ROOM))
        .fields("members,version,updated")
        .await
        .unwrap()
}

pub(super) async fn a_set_is_replaced_and_edited(database: Db) {
    let app = open(&database, 5).await;
    let admin = app.admin();
    for (change, expected) in [
        (json!([id(3), id(1)]), &[1, 3][..]),
        (json!([id(2), id(2), id(3), id(2)]), &[2, 3]),
        (json!({"add": [id(1), id(3), id(1)]}), &[1, 2, 3]),
        (json!({"remove": [id(2), id(4)]}), &[1, 3]),
        (json!({"add": [id(4)], "remove": [id(1), id(4)]}), &[3]),
        (json!({"add": [], "remove": []}), &[3]),
        (json!({}), &[3]),
        (json!({"add": [id(5)], "remove": [id(3)]}), &[5]),
        (json!(null), &[]),
        (json!({"add": [id(2)]}), &[2]),
        (json!([]), &[]),
    ] {
        let updated = admin
            .update("rooms", &id(ROOM), json!({"members": change}))
            .fields("members")
            .await
            .unwrap();
        assert_eq!(updated["members"], ids(expected), "after {change}");
        assert_eq!(members(&app).await["members"], ids(expected), "after {change}");
    }
}

pub(super) async fn a_record_can_begin_with_links(database: Db) {
    let app = open(&database, 3).await;
    let room = json!({"name": "s", "members": [id(2), id(1), id(2)], "banned": {"add": [id(3)]}});
    let created = app
        .admin()
        .create("rooms", room)
        .fields("members,banned,version")
        .await
        .unwrap();
    assert_eq!(
        created.json,
        json!({"version": 1, "members": ids(&[1, 2]), "banned": ids(&[3])})
    );
}

pub(super) async fn fields_do_not_share_their_links(database: Db) {
    let app = open(&database, 2).await;
    let admin = app.admin();
    admin
        .update(
            "rooms",
            &id(ROOM),
            json!({"members": [id(1)], "banned": [id(1), id(2)]}),
        )
        .await
        .unwrap();
    admin
        .update("rooms", &id(ROOM), json!({"banned": {"remove": [id(1)]}}))
        .await
        .unwrap();
    let room = admin
        .get("rooms", &id(ROOM))
        .fields("members,banned,near")
        .await
        .unwrap();
    assert_eq!(
        room.json,
        json!({"members": ids(&[1]), "banned": ids(&[2]), "near": []})
    );
}

pub(super) async fn a_change_moves_the_owning_version(database: Db) {
    let app = open(&database, 2).await;
    app.clock.pass(Duration::from_secs(1));
    let admin = app.admin();
    let updated = admin
        .update("rooms", &id(ROOM), json!({"members": {"add": [id(1)]}}))
        .await
        .unwrap();
    assert_eq!(
        (updated.version(), &updated["updated"]),
        (2, &json!("2024-05-01T12:00:01.000Z"))
    );
    let user = admin.get("users", &id(1)).await.unwrap();
    assert_eq!(
        (user.version(), &user["updated"]),
        (1, &json!("2024-05-01T12:00:00.000Z")),
        "the other end stands"
    );
    let stale = admin
        .update("rooms", &id(ROOM), json!({"members": {"add": [id(2)]}}))
        .if_match("1")
        .await;
    assert_eq!(said(stale), "stale");
    assert_eq!(members(&app).await["members"], ids(&[1]));
}

pub(super) async fn the_other_end_reads_along(database: Db) {
    let app = open(&database, 2).await;
    let admin = app.admin();
    admin
        .create(
            "rooms",
            json!({"id": id(51), "name": "s", "lead": id(1), "members": [id(1)]}),
        )
        .await
        .unwrap();
    admin
        .update(
            "rooms",
            &id(ROOM),
            json!({"members": [id(1), id(2)], "lead": id(1), "near": [id(51), id(ROOM)]}),
        )
        .await
        .unwrap();
    let user = admin.get("users", &id(1)).fields("rooms,led").await.unwrap();
    assert_eq!(user.json, json!({"rooms": ids(&[ROOM, 51]), "led": ids(&[ROOM, 51])}));
    let user = admin.get("users", &id(2)).fields("rooms,led").await.unwrap();
    assert_eq!(user.json, json!({"rooms": ids(&[ROOM]), "led": []}));
    let room = admin.get("rooms", &id(51)).fields("near,far").await.unwrap();
    assert_eq!(
        room.json,
        json!({"near": [], "far": ids(&[ROOM])}),
        "a relation to its own kind has two ends"
    );
    let room = admin.get("rooms", &id(ROOM)).fields("near,far").await.unwrap();
    assert_eq!(room.json, json!({"near": ids(&[ROOM, 51]), "far": ids(&[ROOM])}));
    let refused = admin.update("users", &id(1), json!({"rooms": [id(51)]})).await;
    assert_eq!(said(refused), "invalid: rooms read_only");
}

pub(super) async fn what_cannot_be_read_cannot_be_named(database: Db) {
    let app = open(&database, 3).await;
    app.admin()
        .update("users", &id(3), json!({"open": false}))
        .await
        .unwrap();
    let ann = app.user(&id(1));
    for (change, place) in [
        (json!([id(2), id(3)]), "members[1]"),
        (json!({"add": [id(3)]}), "members.add[0]"),
        (json!([id(99)]), "members[0]"),
    ] {
        let refused = ann.update("rooms", &id(ROOM), json!({"members": change})).await;
        assert_eq!(said(refused), format!("invalid: {place} no_such_record"), "{change}");
    }
    let refused = ann.update("rooms", &id(ROOM), json!({"lead": id(3)})).await;
    assert_eq!(said(refused), "invalid: lead no_such_record");
    assert_eq!(
        said(
            app.user(&id(3))
                .update("rooms", &id(ROOM), json!({"lead": id(3)}))
                .await
        ),
        "ok"
    );
    // What is removed needn't be readable, and is told to nobody.
    app.admin()
        .update("rooms", &id(ROOM), json!({"members": [id(2), id(3)]}))
        .await
        .unwrap();
    let room = ann.get("rooms", &id(ROOM)).fields("members").await.unwrap();
    assert_eq!(room["members"], ids(&[2]));
    assert_eq!(
        said(
            ann.update("rooms", &id(ROOM), json!({"members": {"remove": [id(3)]}}))
                .await
        ),
        "ok"
    );
    assert_eq!(members(&app).await["members"], ids(&[2]));
}

pub(super) async fn malformed_changes_are_refused(database: Db) {
    let app = open(&database, 1).await;
    for (change, expected) in [
        (json!(id(1)), "members wrong_type"),
        (json!(["x"]), "members[0] wrong_type"),
        (json!([id(1), null]), "members[1] wrong_type"),
        (json!({"add": id(1)}), "members.add wrong_type"),
        (json!({"set": []}), "members.set unknown_field"),
        (json!({"remove": ["x"]}), "members.remove[0] wrong_type"),
        (ids(&[1, 2, 3, 4, 5, 6]), "members too_long"),
    ] {
        let refused = app.admin().update("rooms", &id(ROOM), json!({"members": change})).await;
        assert_eq!(said(refused), format!("invalid: {expected}"), "{change}");
    }
    assert_eq!(members(&app).await.version(), 1);
}

/// More related records than an answer may hold is an error, not a part of them.
pub(super) async fn too_many_for_an_answer_is_said(database: Db) {
    let app = open(&database, 6).await;
    let admin = app.admin();
    admin
        .update("rooms", &id(ROOM), json!({"members": ids(&[1, 2, 3, 4, 5])}))
        .await
        .unwrap();
    assert_eq!(members(&app).await["members"].as_array().unwrap().len(), 5);
    admin
        .update("rooms", &id(ROOM), json!({"members": {"add": [id(6)]}}))
        .await
        .unwrap();
    for expand in ["members", "members.rooms", "far,members"] {
        assert_eq!(
            said(admin.get("rooms", &id(ROOM)).expand(expand).await),
            "too_large",
            "{expand}"
        );
    }
    assert_eq!(said(admin.get("rooms", &id(ROOM)).fields("members").await), "too_large");
    assert_eq!(said(admin.list("rooms").fields("members").await), "too_large");
    assert_eq!(said(admin.get("rooms", &id(ROOM)).await), "ok");
    // Only what the caller may read counts.
    app.admin()
        .update("users", &id(6), json!({"open": false}))
        .await
        .unwrap();
    let room = app
        .user(&id(1))
        .get("rooms", &id(ROOM))
        .fields("members")
        .await
        .unwrap();
    assert_eq!(room["members"], ids(&[1, 2, 3, 4, 5]));
}
