//! `If-Match`: a write that is based on what the writer has seen.

use engine::operations::Precondition;
use serde_json::json;

use super::Db;
use super::answers::said;
use super::app::{App, id};

const SCHEMA: &str = r#"
type User @collection(auth: true) @access(read: "true") { name: String }
type Item @collection
  @access(read: "record.owner == auth.id || record.open", update: "record.owner == auth.id", delete: "record.owner == auth.id") {
  name: String! @length(max: 5)
  open: Boolean
  owner: User
  fans: [User!]!
}
"#;

async fn open(database: &Db) -> App {
    let app = App::open(database, SCHEMA).await;
    for number in [1, 2] {
        let user = json!({"id": id(number), "email": format!("{number}@x.org")});
        app.admin().create("users", user).await.unwrap();
    }
    for (number, open) in [(10, false), (11, true)] {
        let item = json!({"id": id(number), "name": "a", "owner": id(1), "open": open});
        app.admin().create("items", item).await.unwrap();
    }
    app
}

pub(super) async fn a_stale_tag_is_refused(database: Db) {
    let app = open(&database).await;
    let ann = app.user(&id(1));
    let patch = || json!({"name": "b"});
    assert_eq!(said(ann.update("items", &id(10), patch()).if_match("1").await), "ok");
    for stale in ["1", "0", "3", "-1", "x", "", "99999999999999999999", "02x"] {
        assert_eq!(
            said(ann.update("items", &id(10), patch()).if_match(stale).await),
            "stale",
            "{stale}"
        );
    }
    let any_of = Precondition::Match(vec!["1".into(), "2".into()]);
    assert_eq!(
        said(ann.update("items", &id(10), patch()).precondition(any_of).await),
        "ok"
    );
    let exists = ann
        .update("items", &id(10), patch())
        .precondition(Precondition::MatchAny);
    assert_eq!(said(exists.await), "ok");
    let missing = ann
        .update("items", &id(99), patch())
        .precondition(Precondition::MatchAny);
    assert_eq!(said(missing.await), "not_found");
    assert_eq!(said(ann.delete("items", &id(10)).if_match("1").await), "stale");
    assert_eq!(said(ann.delete("items", &id(10)).if_match("4").await), "ok");
}

pub(super) async fn every_answers_tag_can_be_matched(database: Db) {
    let app = open(&database).await;
    let ann = app.user(&id(1));
    for (fields, expand) in [(None, None), (Some("name,version"), None), (None, Some("owner,fans"))] {
        let mut get = ann.get("items", &id(10));
        if let Some(fields) = fields {
            get = get.fields(fields);
        }
        if let Some(expand) = expand {
            get = get.expand(expand);
        }
        let tag = get.await.unwrap().tag.unwrap();
        let patch = || json!({"fans": {"add": [id(2)]}});
        assert_eq!(
            said(ann.update("items", &id(10), patch()).if_match(&tag).await),
            "ok",
            "{tag}"
        );
        assert_eq!(
            said(ann.update("items", &id(10), patch()).if_match(&tag).await),
            "stale",
            "{tag}"
        );
    }
    let same = ann.get("items", &id(10)).fields("name").await.unwrap().tag;
    assert_eq!(same, ann.get("items", &id(10)).fields("name").await.unwrap().tag);
    ann.update("items", &id(10), json!({"name": "z"})).await.unwrap();
    assert_ne!(same, ann.get("items", &id(10)).fields("name").await.unwrap().tag);
}

/// First whether it is there, then the right, then the version, then the result.
pub(super) async fn refusals_keep_their_order(database: Db) {
    let app = open(&database).await;
    let (ann, bob) = (app.user(&id(1)), app.user(&id(2)));
    let patch = || json!({"name": "b"});
    assert_eq!(
        said(bob.update("items", &id(10), patch()).if_match("7").await),
        "not_found"
    );
    assert_eq!(
        said(bob.update("items", &id(11), patch()).if_match("7").await),
        "forbidden"
    );
    assert_eq!(said(bob.delete("items", &id(10)).if_match("7").await), "not_found");
    assert_eq!(said(bob.delete("items", &id(11)).if_match("7").await), "forbidden");
    assert_eq!(
        said(
            ann.update("items", &id(11), json!({"owner": id(2)}))
                .if_match("7")
                .await
        ),
        "stale"
    );
    assert_eq!(
        said(ann.update("items", &id(11), json!({"owner": id(2)})).await),
        "forbidden"
    );
    let invalid = ann
        .update("items", &id(11), json!({"name": "too long"}))
        .if_match("7")
        .await;
    assert_eq!(said(invalid), "invalid: name too_long");
}
