//! What an answer holds: `fields`, private fields, fields with rules of their own.

use serde_json::json;

use super::Db;
use super::answers::said;
use super::app::{App, id};

const SCHEMA: &str = r#"
type User @collection(auth: true) @access(read: "true") { name: String! }
type Card @collection @access(read: "true", create: "true", update: "true") {
  name: String!
  owner: User
  secret: String @private
  number: String @access(read: "record.owner == auth.id", write: "record.owner == auth.id")
  note: String @access(read: "'staff' in auth.roles", write: "'staff' in auth.roles")
  hits: Int @access(read: "false")
  fans: [User!]! @access(read: "record.owner == auth.id", write: "record.owner == auth.id")
  near: Card @access(read: "record.owner == auth.id")
}
"#;

async fn open(database: &Db) -> App {
    let app = App::open(database, SCHEMA).await;
    for (number, name) in [(1, "ann"), (2, "bob")] {
        let user = json!({"id": id(number), "email": format!("{name}@x.org"), "name": name});
        app.admin().create("users", user).await.unwrap();
        let card = json!({
            "id": id(10 + number), "name": format!("of {name}"), "owner": id(number), "secret": "s",
            "number": format!("n{number}"), "note": "noted", "hits": 5,
        });
        app.admin().create("cards", card).await.unwrap();
    }
    app
}

pub(super) async fn only_what_is_asked_for_is_answered(database: Db) {
    let app = open(&database).await;
    let card = app.admin().get("cards", &id(11)).fields("name,id").await.unwrap();
    assert_eq!(card.json, json!({"id": id(11), "name": "of ann"}));
    let card = app
        .admin()
        .get("cards", &id(11))
        .fields("name,owner.name")
        .await
        .unwrap();
    assert_eq!(card.json, json!({"name": "of ann", "owner": {"name": "ann"}}));
    let page = app.admin().list("cards").fields("name").await.unwrap();
    assert_eq!(page.items, [json!({"name": "of ann"}), json!({"name": "of bob"})]);
    let written = app
        .admin()
        .update("cards", &id(11), json!({"note": "n"}))
        .fields("note,version")
        .await
        .unwrap();
    assert_eq!(written.json, json!({"version": 2, "note": "n"}));
    for wrong in ["nothing", "name.x", "secret", "name,,id", "owner.nothing"] {
        let said = said(app.admin().get("cards", &id(11)).fields(wrong).await);
        assert!(said.starts_with("bad_request: "), "{wrong}: {said}");
    }
}

pub(super) async fn private_fields_are_never_answered(database: Db) {
    let app = open(&database).await;
    let card = app.admin().get("cards", &id(11)).await.unwrap();
    assert!(!card.has("secret") && card.has("hits"));
    let created = app
        .admin()
        .create("cards", json!({"name": "c", "secret": "x"}))
        .await
        .unwrap();
    assert!(!created.has("secret"));
    for question in [
        "secret == 's'",
        "record.secret == 's'",
        "owner.name == 'ann' || secret != null",
    ] {
        assert_eq!(
            said(app.admin().list("cards").filter(question).await),
            "bad_request: filter unknown_field"
        );
    }
    assert_eq!(
        said(app.admin().list("cards").sort("secret").await),
        "bad_request: sort unknown_field"
    );
}

pub(super) async fn a_field_rule_holds_row_by_row(database: Db) {
    let app = open(&database).await;
    let ann = app.user(&id(1));
    let page = ann.list("cards").sort("name").await.unwrap();
    assert_eq!(page.items[0]["number"], "n1");
    assert!(page.items[1].get("number").is_none(), "{}", page.items[1]);
    assert!(
        page.items
            .iter()
            .all(|card| card.get("note").is_none() && card.get("hits").is_none())
    );
    assert!(!ann.get("cards", &id(12)).await.unwrap().has("number"));
    let staff = app.member(&id(1), &["staff"]);
    assert_eq!(staff.get("cards", &id(12)).await.unwrap()["note"], "noted");
    let admin = app.admin().get("cards", &id(12)).await.unwrap();
    assert_eq!((&admin["number"], &admin["hits"]), (&json!("n2"), &json!(5)));
    // The answer's tag is the version only where nothing is left out.
    assert_eq!(admin.tag.as_deref(), Some("1"));
    assert_ne!(ann.get("cards", &id(12)).await.unwrap().tag.as_deref(), Some("1"));
}

pub(super) async fn a_hidden_field_is_null_to_questions(database: Db) {
    let app = open(&database).await;
    let ann = app.user(&id(1));
    let named = |page: super::answers::Page| page.all("name");
    assert_eq!(
        named(ann.list("cards").filter("number != null").await.unwrap()),
        "of ann"
    );
    assert_eq!(named(ann.list("cards").filter("number == 'n2'").await.unwrap()), "");
    assert_eq!(named(ann.list("cards").filter("hits == 5").await.unwrap()), "");
    // Sorted by number, bob's comes first as null does.
    assert_eq!(named(ann.list("cards").sort("number").await.unwrap()), "of bob of ann");
    assert_eq!(
        named(app.admin().list("cards").sort("number").await.unwrap()),
        "of ann of bob"
    );
    let counted = ann
        .list("cards")
        .filter("number.startsWith('n')")
        .count()
        .await
        .unwrap();
    assert_eq!(counted.total, Some(1));
}

pub(super) async fn a_field_rule_governs_writing(database: Db) {
    let app = open(&database).await;
    let ann = app.user(&id(1));
    let own = ann.update("cards", &id(11), json!({"number": "n9"})).await.unwrap();
    assert_eq!(own["number"], "n9");
    assert_eq!(
        said(ann.update("cards", &id(12), json!({"number": "n9"})).await),
        "forbidden"
    );
    assert_eq!(
        said(ann.update("cards", &id(12), json!({"note": "x"})).await),
        "forbidden: note forbidden"
    );
    // The rule must hold on the result too: a number can't be handed over with the card.
    let handed = ann
        .update("cards", &id(11), json!({"number": "n1", "owner": id(2)}))
        .await;
    assert_eq!(said(handed), "forbidden");
    assert_eq!(
        said(
            ann.create("cards", json!({"name": "c", "number": "n", "owner": id(2)}))
                .await
        ),
        "forbidden"
    );
    let created = ann
        .create("cards", json!({"name": "c", "number": "n", "owner": id(1)}))
        .await
        .unwrap();
    assert_eq!(created["number"], "n");
}

pub(super) async fn relations_have_field_rules_too(database: Db) {
    let app = open(&database).await;
    for number in [11, 12] {
        let relations = json!({"fans": [id(1), id(2)], "near": id(11)});
        app.admin().update("cards", &id(number), relations).await.unwrap();
    }
    let ann = app.user(&id(1));
    let page = ann
        .list("cards")
        .sort("name")
        .fields("name,fans,near.name")
        .await
        .unwrap();
    assert_eq!(
        page.items[0],
        json!({"name": "of ann", "fans": [id(1), id(2)], "near": {"name": "of ann"}})
    );
    assert_eq!(page.items[1], json!({"name": "of bob"}));
    let page = ann.list("cards").sort("name").expand("fans,near").await.unwrap();
    assert!(page.items[1].get("fans").is_none() && page.items[1].get("near").is_none());
    for question in [
        "near.name == 'of ann'",
        "near != null",
        "fans.exists(f, f.name == 'bob')",
        "size(fans) == 2",
    ] {
        assert_eq!(
            ann.list("cards").filter(question).await.unwrap().all("name"),
            "of ann",
            "{question}"
        );
        assert_eq!(
            app.admin().list("cards").filter(question).await.unwrap().items.len(),
            2,
            "{question}"
        );
    }
    assert_eq!(
        said(ann.update("cards", &id(12), json!({"fans": []})).await),
        "forbidden"
    );
    assert_eq!(
        said(ann.update("cards", &id(11), json!({"fans": {"remove": [id(2)]}})).await),
        "ok"
    );
}
