//! What a field holds when nobody says.

use std::time::Duration;

use serde_json::json;

use super::Db;
use super::answers::said;
use super::app::{App, id};

const SCHEMA: &str = r#"
enum Level { LOW HIGH }
type Where { city: String }
type User @collection(auth: true) @access(read: "true") { name: String }
type Task @collection @access(read: "true", create: "true", update: "true") {
  title: String! @default(value: "'untitled'")
  count: Int @default(value: 3)
  big: Long @default(value: 9007199254740993)
  share: Float @default(value: 0.5)
  price: Decimal @default(value: 1.50)
  open: Boolean! @default(value: true)
  level: Level! @default(value: LOW)
  tags: [String!] @default(value: ["a", "b"])
  place: Where @default(value: {city: "here"})
  at: DateTime! @default(value: "now")
  due: DateTime @default(value: "now + duration('24h')")
  owner: User @default(value: "auth.id")
  how: String @default(value: "request.operation")
  plain: String
}
type Own @collection @access(read: "true", create: "true") { owner: User! @default(value: "auth.id") }
"#;

async fn open(database: &Db) -> App {
    let app = App::open(database, SCHEMA).await;
    app.admin()
        .create("users", json!({"id": id(1), "email": "ann@x.org"}))
        .await
        .unwrap();
    app
}

pub(super) async fn constants_fill_what_is_not_given(database: Db) {
    let app = open(&database).await;
    let task = app.user(&id(1)).create("tasks", json!({})).await.unwrap();
    for (field, expected) in [
        ("title", json!("untitled")),
        ("count", json!(3)),
        ("big", json!("9007199254740993")),
        ("share", json!(0.5)),
        ("price", json!("1.5")),
        ("open", json!(true)),
        ("level", json!("LOW")),
        ("tags", json!(["a", "b"])),
        ("place", json!({"city": "here"})),
        ("plain", json!(null)),
    ] {
        assert_eq!(task[field], expected, "{field}");
    }
    let given = json!({"title": "", "count": 0, "open": false, "tags": [], "level": "HIGH"});
    let task = app.user(&id(1)).create("tasks", given).await.unwrap();
    assert_eq!(
        (&task["title"], &task["count"], &task["open"], &task["tags"]),
        (&json!(""), &json!(0), &json!(false), &json!([]))
    );
    let null = app
        .user(&id(1))
        .create("tasks", json!({"count": null, "title": null}))
        .await
        .unwrap();
    assert_eq!(
        (&null["count"], &null["title"]),
        (&json!(3), &json!("untitled")),
        "null says nothing either"
    );
}

pub(super) async fn expressions_know_the_caller_and_the_time(database: Db) {
    let app = open(&database).await;
    app.clock.pass(Duration::from_millis(7));
    let task = app.user(&id(1)).create("tasks", json!({})).await.unwrap();
    assert_eq!(task["at"], "2024-05-01T12:00:00.007Z");
    assert_eq!(task["due"], "2024-05-02T12:00:00.007Z");
    assert_eq!(task["owner"], json!(id(1)));
    assert_eq!(task["how"], "create");
    let task = app.admin().create("tasks", json!({})).await.unwrap();
    assert!(task["owner"].is_null(), "an administrator is no user");
    assert_eq!(
        said(app.admin().create("owns", json!({})).await),
        "invalid: owner required"
    );
    assert_eq!(
        said(app.nobody().create("owns", json!({})).await),
        "invalid: owner required"
    );
    assert_eq!(said(app.admin().create("owns", json!({"owner": id(1)})).await), "ok");
}

pub(super) async fn an_update_takes_no_defaults(database: Db) {
    let app = open(&database).await;
    let ann = app.user(&id(1));
    let task = ann.create("tasks", json!({"count": 1})).await.unwrap();
    app.clock.pass(Duration::from_secs(1));
    let updated = ann
        .update("tasks", &task.id, json!({"count": null, "plain": "x"}))
        .await
        .unwrap();
    assert!(updated["count"].is_null());
    assert_eq!(updated["at"], task["at"]);
}
