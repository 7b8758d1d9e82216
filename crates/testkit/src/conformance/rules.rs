//! Access rules as a store has to carry them out: on the stored row, on the result, on what lies between.

use std::time::Duration;

use engine::query::OutcomeKind;
use serde_json::json;

use super::Db;
use super::answers::said;
use super::app::{App, Caller, create, id};

const SCHEMA: &str = r#"
type User @collection(auth: true) @access(read: "auth != null", update: "record.id == auth.id") {
  name: String
  level: Int
  rooms: [Room!]! @inverse(field: "members")
}
type Room @collection
  @access(read: "auth.id in record.members || record.public == true", create: "auth.id in record.members",
          update: "auth.id in record.members", delete: "'moderator' in auth.roles && auth.id in record.members") {
  name: String!
  public: Boolean
  members: [User!]!
  messages: [Message!]! @inverse(field: "room")
}
type Message @collection
  @access(read: "auth.id in record.room.members",
          create: "record.author == auth.id && auth.id in record.room.members",
          update: "record.author == auth.id && record.room == before.room", delete: "record.author == auth.id") {
  room: Room!
  author: User! @default(value: "auth.id")
  body: String!
}
type Task @collection
  @access(read: "true", create: "before == null && record.state == 'new'",
          update: "(before.state == 'new' && record.state == 'open') || (before.state == 'open' && record.state == 'done' && auth.id in before.helpers) || (before.state == record.state && size(record.helpers) <= 2)") {
  state: String!
  helpers: [User!]!
  note: String
}
type Drop @collection @access(create: "auth != null", update: "auth != null", delete: "auth != null") { word: String }
type Note @collection
  @access(read: "!(record.author == auth.id)", create: "auth != null", update: "auth.user.level > 3") { author: User word: String }
type Gift @collection @access(read: "record.opens <= now", create: "record.opens > now", delete: "record.opens <= now") { opens: DateTime! }
"#;

async fn open(database: &Db) -> App {
    let app = App::open(database, SCHEMA).await;
    for (number, level) in [(1, 5), (2, 1), (3, 9)] {
        let user =
            json!({"id": id(number), "email": format!("{number}@x.org"), "name": format!("u{number}"), "level": level});
        app.admin().create("users", user).await.unwrap();
    }
    app.admin()
        .create("rooms", json!({"id": id(10), "name": "r", "members": [id(1)]}))
        .await
        .unwrap();
    app.admin()
        .create(
            "rooms",
            json!({"id": id(11), "name": "p", "public": true, "members": [id(1)]}),
        )
        .await
        .unwrap();
    app
}

async fn update(caller: &Caller, key: u32, members: serde_json::Value) -> String {
    said(caller.update("rooms", &id(key), json!({ "members": members })).await)
}

pub(super) async fn reading_goes_by_the_row(database: Db) {
    let app = open(&database).await;
    let (ann, bob) = (app.user(&id(1)), app.user(&id(2)));
    assert_eq!(ann.list("rooms").sort("name").count().await.unwrap().total, Some(2));
    let page = bob.list("rooms").count().await.unwrap();
    assert_eq!((page.all("name"), page.total), ("p".to_owned(), Some(1)));
    assert_eq!(said(bob.get("rooms", &id(10)).await), "not_found");
    assert_eq!(app.nobody().list("rooms").await.unwrap().all("name"), "p");
    assert_eq!(said(app.nobody().list("users").await), "unauthenticated");
    assert_eq!(said(app.nobody().get("users", &id(1)).await), "unauthenticated");
    assert_eq!(said(bob.list("drops").await), "forbidden");
    assert_eq!(said(bob.get("drops", &id(1)).await), "not_found");
    assert_eq!(app.admin().list("rooms").await.unwrap().items.len(), 2);
}

/// As `USING` and `WITH CHECK` do.
pub(super) async fn an_update_rule_holds_before_and_after(database: Db) {
    let app = open(&database).await;
    let (ann, bob) = (app.user(&id(1)), app.user(&id(2)));
    assert_eq!(
        update(&bob, 10, json!({"add": [id(2)]})).await,
        "not_found",
        "a stranger can't write himself in"
    );
    assert_eq!(
        update(&bob, 11, json!({"add": [id(2)]})).await,
        "forbidden",
        "not even where he may look"
    );
    assert_eq!(
        update(&ann, 10, json!([id(2)])).await,
        "forbidden",
        "nor a member herself out"
    );
    assert_eq!(update(&ann, 10, json!({"add": [id(2)]})).await, "ok");
    assert_eq!(update(&bob, 10, json!({"remove": [id(1)]})).await, "ok");
    assert_eq!(update(&ann, 10, json!({"add": [id(1)]})).await, "not_found");
    assert_eq!(
        update(&app.admin(), 10, json!([])).await,
        "ok",
        "an administrator is granted by every rule"
    );
    assert_eq!(
        said(app.nobody().update("rooms", &id(11), json!({"name": "x"})).await),
        "unauthenticated"
    );
}

pub(super) async fn a_create_rule_holds_on_what_it_makes(database: Db) {
    let app = open(&database).await;
    let (ann, bob) = (app.user(&id(1)), app.user(&id(2)));
    assert_eq!(
        said(bob.create("rooms", json!({"name": "x", "members": [id(1)]})).await),
        "forbidden"
    );
    assert_eq!(
        said(
            bob.create("rooms", json!({"name": "x", "members": [id(1), id(2)]}))
                .await
        ),
        "ok"
    );
    assert_eq!(
        said(bob.create("messages", json!({"room": id(10), "body": "b"})).await),
        "invalid: room no_such_record"
    );
    assert_eq!(
        said(bob.create("messages", json!({"room": id(11), "body": "b"})).await),
        "forbidden"
    );
    let forged = json!({"room": id(10), "body": "b", "author": id(2)});
    assert_eq!(said(ann.create("messages", forged).await), "forbidden");
    assert_eq!(
        said(ann.create("messages", json!({"room": id(10), "body": "b"})).await),
        "ok"
    );
    assert_eq!(
        said(app.nobody().create("rooms", json!({"name": "x"})).await),
        "unauthenticated"
    );
    assert_eq!(app.admin().list("rooms").count().await.unwrap().total, Some(3));
}

pub(super) async fn delete_goes_by_the_stored_row(database: Db) {
    let app = open(&database).await;
    assert_eq!(said(app.user(&id(1)).delete("rooms", &id(10)).await), "forbidden");
    assert_eq!(
        said(app.member(&id(2), &["moderator"]).delete("rooms", &id(10)).await),
        "not_found"
    );
    assert_eq!(
        said(app.member(&id(2), &["moderator"]).delete("rooms", &id(11)).await),
        "forbidden"
    );
    assert_eq!(
        said(
            app.member(&id(1), &["other", "moderator"])
                .delete("rooms", &id(10))
                .await
        ),
        "ok"
    );
    assert_eq!(said(app.nobody().delete("rooms", &id(11)).await), "unauthenticated");
}

pub(super) async fn before_is_the_stored_record(database: Db) {
    let app = open(&database).await;
    let ann = app.user(&id(1));
    ann.create("messages", json!({"id": id(20), "room": id(10), "body": "b"}))
        .await
        .unwrap();
    assert_eq!(said(ann.update("messages", &id(20), json!({"body": "c"})).await), "ok");
    assert_eq!(
        said(ann.update("messages", &id(20), json!({"room": id(11)})).await),
        "forbidden"
    );
    assert_eq!(
        said(ann.update("messages", &id(20), json!({"author": id(2)})).await),
        "forbidden"
    );
    let message = app.admin().get("messages", &id(20)).await.unwrap();
    assert_eq!((&message["room"], message.version()), (&json!(id(10)), 2));
}

/// What `before`'s relations say is taken from the row before the change, not after it.
pub(super) async fn before_remembers_relations(database: Db) {
    let app = open(&database).await;
    let (ann, bob) = (app.user(&id(1)), app.user(&id(2)));
    assert_eq!(said(ann.create("tasks", json!({"state": "open"})).await), "forbidden");
    ann.create("tasks", json!({"id": id(30), "state": "new", "helpers": [id(1)]}))
        .await
        .unwrap();
    let to = |caller: &Caller, patch| caller.update("tasks", &id(30), patch);
    assert_eq!(said(to(&bob, json!({"state": "done"})).await), "forbidden");
    assert_eq!(said(to(&bob, json!({"state": "open"})).await), "ok");
    let sneaking = json!({"state": "done", "helpers": {"add": [id(2)]}});
    assert_eq!(said(to(&bob, sneaking).await), "forbidden", "he helps only now");
    let leaving = json!({"state": "done", "helpers": []});
    assert_eq!(said(to(&ann, leaving).await), "ok", "she helped until now");
    assert_eq!(
        said(to(&bob, json!({"helpers": [id(1), id(2), id(3)]})).await),
        "forbidden"
    );
    assert_eq!(said(to(&bob, json!({"helpers": [id(1), id(2)]})).await), "ok");
}

pub(super) async fn who_may_not_read_is_told_nothing(database: Db) {
    let app = open(&database).await;
    let ann = app.user(&id(1));
    let dropped = ann.create("drops", json!({"word": "w"})).await.unwrap();
    assert_eq!(dropped.kind, Some(OutcomeKind::Created));
    assert!(dropped.json.is_null() && dropped.tag.is_none() && !dropped.id.is_empty());
    assert_eq!(
        said(ann.update("drops", &dropped.id, json!({"word": "x"})).await),
        "not_found"
    );
    assert_eq!(said(ann.delete("drops", &dropped.id).await), "not_found");
    // A write may take its writer's right to read along: it happens, and nothing is answered.
    let note = ann
        .create("notes", json!({"word": "w", "author": id(2)}))
        .await
        .unwrap();
    assert_eq!(note["word"], "w");
    let handed = ann.update("notes", &note.id, json!({"author": id(1)})).await.unwrap();
    assert!(handed.json.is_null() && handed.kind == Some(OutcomeKind::Updated));
    assert_eq!(said(ann.get("notes", &note.id).await), "not_found");
}

pub(super) async fn negation_grants_to_nobody_by_way_of_null(database: Db) {
    let app = open(&database).await;
    app.admin().create("notes", json!({"word": "anonymous"})).await.unwrap();
    app.admin()
        .create("notes", json!({"word": "ann's", "author": id(1)}))
        .await
        .unwrap();
    let said = said(app.nobody().list("notes").await);
    assert_eq!(
        said, "unauthenticated",
        "`auth.id` of nobody is an error, which no `!` makes true"
    );
    assert_eq!(app.user(&id(1)).list("notes").await.unwrap().all("word"), "anonymous");
    assert_eq!(
        app.user(&id(2)).list("notes").sort("word").await.unwrap().all("word"),
        "ann's anonymous"
    );
}

pub(super) async fn the_callers_record_is_at_hand(database: Db) {
    let app = open(&database).await;
    app.admin()
        .create("notes", json!({"id": id(40), "word": "w"}))
        .await
        .unwrap();
    let patch = || json!({"word": "x"});
    assert_eq!(said(app.user(&id(1)).update("notes", &id(40), patch()).await), "ok");
    assert_eq!(
        said(app.user(&id(2)).update("notes", &id(40), patch()).await),
        "forbidden"
    );
    app.admin().update("users", &id(2), json!({"level": 4})).await.unwrap();
    assert_eq!(said(app.user(&id(2)).update("notes", &id(40), patch()).await), "ok");
    assert_eq!(
        said(app.user(&id(99)).update("notes", &id(40), patch()).await),
        "forbidden",
        "of whom there is none"
    );
}

pub(super) async fn now_is_the_requests_time(database: Db) {
    let app = open(&database).await;
    let ann = app.user(&id(1));
    let gift = json!({"id": id(50), "opens": "2024-05-01T12:00:10Z"});
    assert_eq!(
        said(ann.create("gifts", json!({"opens": "2024-05-01T12:00:00Z"})).await),
        "forbidden"
    );
    let wrapped = ann.create("gifts", gift).await.unwrap();
    assert!(wrapped.json.is_null());
    app.clock.pass(Duration::from_millis(9_999));
    assert_eq!(said(ann.get("gifts", &id(50)).await), "not_found");
    app.clock.pass(Duration::from_millis(1));
    assert_eq!(said(ann.get("gifts", &id(50)).await), "ok");
    assert_eq!(said(ann.delete("gifts", &id(50)).await), "ok");
}

pub(super) async fn rules_go_where_the_caller_may_not(database: Db) {
    let app = open(&database).await;
    // bob may not read the room, and its messages' rule reads it all the same; he is a member of none.
    app.admin()
        .batch([create(
            "messages",
            json!({"id": id(20), "room": id(10), "author": id(2), "body": "b"}),
        )])
        .all()
        .await
        .unwrap();
    assert_eq!(said(app.user(&id(2)).get("messages", &id(20)).await), "not_found");
    app.admin()
        .update("rooms", &id(10), json!({"members": [id(2)]}))
        .await
        .unwrap();
    assert_eq!(said(app.user(&id(2)).get("messages", &id(20)).await), "ok");
    assert_eq!(said(app.user(&id(1)).get("messages", &id(20)).await), "not_found");
}
