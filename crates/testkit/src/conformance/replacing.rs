//! PUT: creates where nothing is, replaces what is.

use std::time::Duration;

use engine::operations::Precondition;
use engine::query::OutcomeKind;
use serde_json::json;

use super::Db;
use super::answers::said;
use super::app::{App, id};

const SCHEMA: &str = r#"
type User @collection(auth: true) @access(read: "true") { name: String }
type Page @collection
  @access(read: "record.open || record.owner == auth.id", create: "record.owner == auth.id",
          update: "record.owner == auth.id") {
  title: String!
  text: String @default(value: "'empty'")
  count: Int
  open: Boolean! @default(value: false)
  owner: User @default(value: "auth.id")
  fans: [User!]!
  key: String @private
  slug: String @immutable
  rank: Int @access(write: "'editor' in auth.roles")
  seen: DateTime @default(value: "now")
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

pub(super) async fn nothing_becomes_a_record(database: Db) {
    let app = open(&database).await;
    let made = app
        .user(&id(1))
        .replace("pages", &id(10), json!({"title": "t"}))
        .await
        .unwrap();
    assert_eq!(
        (made.kind, made.id.as_str(), made.version()),
        (Some(OutcomeKind::Created), id(10).as_str(), 1)
    );
    assert_eq!((&made["text"], &made["owner"]), (&json!("empty"), &json!(id(1))));
    let refused = app.user(&id(1)).replace("pages", &id(11), json!({"text": "t"})).await;
    assert_eq!(said(refused), "invalid: title required");
    let refused = app
        .user(&id(1))
        .replace("pages", &id(11), json!({"id": id(12), "title": "t"}))
        .await;
    assert_eq!(said(refused), "invalid: id mismatch");
    assert_eq!(
        said(app.user(&id(1)).replace("pages", "x", json!({"title": "t"})).await),
        "not_found"
    );
}

pub(super) async fn what_is_not_given_is_reset(database: Db) {
    let app = open(&database).await;
    let admin = app.admin();
    let page = json!({
        "id": id(10), "title": "t", "text": "long", "count": 5, "open": true, "owner": id(1), "fans": [id(1), id(2)],
        "key": "k", "slug": "s", "rank": 9,
    });
    admin.create("pages", page).await.unwrap();
    app.clock.pass(Duration::from_secs(5));
    let ann = app.user(&id(1));
    let replaced = ann
        .replace("pages", &id(10), json!({"title": "u"}))
        .fields("*,fans")
        .await
        .unwrap();
    assert_eq!((replaced.kind, replaced.version()), (Some(OutcomeKind::Updated), 2));
    for (field, expected) in [
        ("title", json!("u")),
        ("text", json!("empty")),
        ("count", json!(null)),
        ("open", json!(false)),
        ("owner", json!(id(1))),
        ("fans", json!([])),
        ("slug", json!("s")),
        ("rank", json!(9)),
        ("seen", json!("2024-05-01T12:00:05.000Z")),
        ("created", json!("2024-05-01T12:00:00.000Z")),
        ("updated", json!("2024-05-01T12:00:05.000Z")),
    ] {
        assert_eq!(replaced[field], expected, "{field}");
    }
    // What its caller can't see it can't reset: a rule knows the private field still.
    let refused = ann.replace("pages", &id(10), json!({"title": "u", "rank": 1})).await;
    assert_eq!(said(refused), "forbidden: rank forbidden");
    assert_eq!(
        said(ann.replace("pages", &id(10), json!({})).await),
        "invalid: title required"
    );
}

pub(super) async fn rights_go_by_what_exists(database: Db) {
    let app = open(&database).await;
    let (ann, bob) = (app.user(&id(1)), app.user(&id(2)));
    ann.create("pages", json!({"id": id(10), "title": "closed"}))
        .await
        .unwrap();
    ann.create("pages", json!({"id": id(11), "title": "open", "open": true}))
        .await
        .unwrap();
    let data = json!({"title": "bob's", "owner": id(2)});
    assert_eq!(said(bob.replace("pages", &id(10), data.clone()).await), "not_found");
    assert_eq!(said(bob.replace("pages", &id(11), data.clone()).await), "forbidden");
    assert_eq!(said(bob.replace("pages", &id(12), data).await), "ok");
    // The create rule decides about what isn't there, the update rule doesn't.
    let for_ann = json!({"title": "t", "owner": id(1)});
    assert_eq!(said(bob.replace("pages", &id(13), for_ann.clone()).await), "forbidden");
    assert_eq!(
        said(app.nobody().replace("pages", &id(13), for_ann).await),
        "unauthenticated"
    );
    let titles = app.admin().list("pages").sort("title").await.unwrap();
    assert_eq!(titles.all("title"), "bob's closed open");
}

pub(super) async fn preconditions_decide_first(database: Db) {
    let app = open(&database).await;
    let ann = app.user(&id(1));
    let data = || json!({"title": "t"});
    let must_exist = ann
        .replace("pages", &id(10), data())
        .precondition(Precondition::MatchAny);
    assert_eq!(said(must_exist.clone().await), "not_found");
    assert_eq!(
        said(ann.replace("pages", &id(10), data()).if_match("1").await),
        "not_found"
    );
    let must_create = ann
        .replace("pages", &id(10), data())
        .precondition(Precondition::NoneMatchAny);
    assert_eq!(must_create.clone().await.unwrap().kind, Some(OutcomeKind::Created));
    assert_eq!(said(must_create.await), "stale");
    assert_eq!(said(must_exist.await), "ok");
    assert_eq!(said(ann.replace("pages", &id(10), data()).if_match("1").await), "stale");
    assert_eq!(said(ann.replace("pages", &id(10), data()).if_match("2").await), "ok");
    // Whoever can't read it isn't told that it exists.
    let bob = app
        .user(&id(2))
        .replace("pages", &id(10), data())
        .precondition(Precondition::NoneMatchAny);
    assert_eq!(said(bob.await), "not_found");
}
