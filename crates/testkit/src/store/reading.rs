//! Reading.

use engine::operations::{ListRequest, ShapeRequest};
use serde_json::{Value as Json, json};

use super::app::{App, administrator, delete, id_of};

fn nooks(filter: &str, sort: &str) -> ListRequest {
    ListRequest {
        collection: "nooks".to_owned(),
        filter: (!filter.is_empty()).then(|| filter.to_owned()),
        sort: (!sort.is_empty()).then(|| sort.to_owned()),
        ..ListRequest::default()
    }
}

fn column(rows: &[Json], name: &str) -> Vec<Json> {
    rows.iter().map(|row| row[name].clone()).collect()
}

pub(super) async fn values_come_back_as_they_went_in(app: &App) {
    let sent = json!({
        "code": "α", "label": "naïve 🦀 \" ' \\ % _", "flag": true, "count": -2_147_483_648_i64,
        "big": "-9223372036854775808", "ratio": 0.1, "amount": "-12.345678", "at": "1969-12-31T23:59:59.999Z",
        "day": "2000-02-29", "raw": "AP+A", "extra": {"b": [1, {"a": null}], "a": "x"}, "tags": ["one", "two"],
    });
    let made = app
        .create(&administrator(), "nooks", sent.clone())
        .await
        .expect("it is created");
    let found = app
        .get(&administrator(), "nooks", made["id"].as_str().expect("an id"))
        .await
        .expect("it is there");
    assert_eq!(made, found);
    for (name, value) in sent.as_object().expect("an object") {
        assert_eq!(&found[name], value, "{name}");
    }
    let empty = app
        .create(&administrator(), "nooks", json!({}))
        .await
        .expect("it is created");
    assert!(
        sent.as_object()
            .expect("an object")
            .keys()
            .all(|name| empty[name].is_null())
    );
}

pub(super) async fn text_is_ordered_by_code_point(app: &App) {
    let ordered = ["", "A", "B", "Z", "a", "b", "z", "Ä", "é", "Ω", "\u{e000}", "🦀"];
    for label in ordered.iter().rev() {
        app.created(&administrator(), "nooks", json!({ "label": label })).await;
    }
    let rows = app.list(&administrator(), nooks("", "label")).await;
    assert_eq!(column(&rows, "label"), ordered);
    let rows = app
        .list(&administrator(), nooks("label >= 'b' && label < 'Ω'", "-label"))
        .await;
    assert_eq!(column(&rows, "label"), ["é", "Ä", "z", "b"]);
}

pub(super) async fn nulls_come_first(app: &App) {
    for count in [json!(2), json!(null), json!(1)] {
        app.created(&administrator(), "nooks", json!({ "count": count })).await;
    }
    let rows = app.list(&administrator(), nooks("", "count")).await;
    assert_eq!(column(&rows, "count"), [json!(null), json!(1), json!(2)]);
    let rows = app.list(&administrator(), nooks("", "-count")).await;
    assert_eq!(column(&rows, "count"), [json!(2), json!(1), json!(null)]);
    let rows = app.list(&administrator(), nooks("!(count == 1)", "count")).await;
    assert_eq!(column(&rows, "count"), [json!(null), json!(2)]);
}

/// Two rooms, one of each user, with a message each.
async fn two_rooms(app: &App) -> [String; 2] {
    let mut rooms = Vec::new();
    for (who, name) in [(&app.ana, "ana's"), (&app.bo, "bo's")] {
        let room = app
            .created(who, "rooms", json!({ "name": name, "members": [id_of(who)] }))
            .await;
        app.created(who, "messages", json!({ "room": room, "body": name }))
            .await;
        rooms.push(room);
    }
    rooms.try_into().expect("two rooms")
}

pub(super) async fn rules_filter_lists_counts_and_expansions(app: &App) {
    let [mine, other] = two_rooms(app).await;
    let request = |collection: &str, expand: &str| ListRequest {
        collection: collection.to_owned(),
        count: true,
        shape: ShapeRequest {
            fields: None,
            expand: (!expand.is_empty()).then(|| expand.to_owned()),
        },
        ..ListRequest::default()
    };
    let page = app.page(&app.ana, request("messages", "")).await;
    assert_eq!((page.rows.len(), page.total), (1, Some(1)));
    assert_eq!(app.list(&administrator(), request("messages", "")).await.len(), 2);
    assert!(app.get(&app.ana, "rooms", &other).await.is_err());
    let users = app.list(&app.ana, request("users", "rooms.messages")).await;
    let rooms = |id: &str| {
        users
            .iter()
            .find(|user| user["id"] == id)
            .expect("users see each other")["rooms"]
            .clone()
    };
    assert_eq!(rooms(&id_of(&app.ana))[0]["id"], mine.as_str());
    assert_eq!(rooms(&id_of(&app.ana))[0]["messages"][0]["body"], "ana's");
    assert_eq!(rooms(&id_of(&app.bo)), json!([]));
}

pub(super) async fn cursors_meet_each_record_once_while_others_come_and_go(app: &App) {
    let mut made = Vec::new();
    for number in 0..20 {
        let record = json!({ "count": number % 3, "label": format!("{number:02}") });
        made.push(app.created(&administrator(), "nooks", record).await);
    }
    let mut request = nooks("", "-count,label");
    request.limit = Some(3);
    let mut seen = Vec::new();
    for (round, gone) in made.iter().enumerate() {
        let page = app.page(&administrator(), request.clone()).await;
        seen.extend(page.rows.iter().map(|row| app.json(&page.projection, row)));
        // Behind and before the cursor.
        app.created(&administrator(), "nooks", json!({ "count": round % 3, "label": "new" }))
            .await;
        app.write(&administrator(), vec![delete("nooks", gone)])
            .await
            .expect("it is deleted");
        request.cursor = page.next;
        if request.cursor.is_none() {
            break;
        }
        assert!(round < 15, "the walk ends");
    }
    let ids = column(&seen, "id");
    for id in &made[12..] {
        assert_eq!(ids.iter().filter(|seen| *seen == id).count(), 1);
    }
    let mut once = ids.clone();
    once.sort_by_key(Json::to_string);
    once.dedup();
    assert_eq!(once.len(), ids.len());
}

pub(super) async fn filters_reach_lists_documents_and_relations(app: &App) {
    for (label, tags, extra) in [
        ("a", json!(["x", "y"]), json!({"kind": "tea", "n": 1})),
        ("b", json!([]), json!({"kind": "coffee"})),
        ("c", json!(null), json!(null)),
    ] {
        let record = json!({ "label": label, "tags": tags, "extra": extra });
        app.created(&administrator(), "nooks", record).await;
    }
    for (filter, expected) in [
        ("'x' in tags", vec!["a"]),
        ("size(tags) == 0", vec!["b"]),
        ("tags.exists(tag, tag.startsWith('y'))", vec!["a"]),
        ("extra.kind == 'coffee'", vec!["b"]),
        ("label.matches('^[bc]$')", vec!["b", "c"]),
        ("label in ['a', 'c']", vec!["a", "c"]),
        ("tags == null", vec!["c"]),
    ] {
        let rows = app.list(&administrator(), nooks(filter, "label")).await;
        assert_eq!(column(&rows, "label"), expected, "{filter}");
    }
    two_rooms(app).await;
    let messages = ListRequest {
        collection: "messages".to_owned(),
        filter: Some("room.name == \"ana's\" && author.name == 'ana'".to_owned()),
        ..ListRequest::default()
    };
    assert_eq!(app.list(&app.ana, messages.clone()).await.len(), 1);
    assert_eq!(app.list(&app.bo, messages).await.len(), 0);
}
