//! What a filter means: operators, nulls and errors. Every line is an expression and who it finds.

use serde_json::{Value as Json, json};

use super::Db;
use super::answers::said;
use super::app::{App, id};

pub(super) const SCHEMA: &str = r#"
enum Mood { CALM HAPPY SAD }
type Place { city: String! zip: Int open: Boolean rating: Float ref: ID tags: [String!] marks: [Int!] inner: Inner }
type Inner { word: String }
type Team @collection @access(read: "record.secret != true") {
  name: String!
  secret: Boolean
  people: [Person!]! @inverse(field: "team")
}
type Person @collection @access(read: "record.hidden != true") {
  name: String!
  age: Int
  score: Float
  money: Decimal
  big: Long
  active: Boolean
  born: Date
  seen: DateTime
  mood: Mood
  photo: Bytes
  ident: ID
  place: Place
  extra: JSON
  tags: [String!]
  marks: [Int!]
  team: Team
  boss: Person
  friends: [Person!]!
  staff: [Person!]! @inverse(field: "boss")
  fans: [Person!]! @inverse(field: "friends")
  hidden: Boolean
}
"#;

pub(super) const ANN: u32 = 1;
pub(super) const BOB: u32 = 2;
pub(super) const CID: u32 = 3;
pub(super) const DEE: u32 = 4;

fn people() -> [Json; 4] {
    [
        json!({
            "id": id(ANN), "name": "ann", "age": 30, "score": 1.5, "money": "12.50", "big": "9007199254740993", "active": true,
            "born": "1994-02-28", "seen": "2024-05-01T11:00:00Z", "mood": "HAPPY", "photo": "AAE=", "ident": id(70),
            "place": {"city": "Oslo", "zip": 150, "open": true, "rating": 4.5, "ref": id(ANN), "tags": ["sea", "north"],
                      "marks": [1, 2], "inner": {"word": "deep"}},
            "extra": {"a": 1, "b": {"c": "x"}, "d": null, "e": 1.5, "f": true}, "tags": ["x", "y"], "marks": [1, 5],
            "team": id(20), "friends": [id(BOB), id(CID)],
        }),
        json!({
            "id": id(BOB), "name": "bob", "age": 40, "score": -2.0, "money": "-1", "big": 5, "active": false,
            "born": "1984-12-31", "seen": "2024-05-01T12:00:00.001Z", "mood": "SAD", "photo": "", "ident": id(71),
            "place": {"city": "Rome"}, "extra": [1, 2], "tags": [], "marks": [], "team": id(21), "boss": id(ANN),
            "friends": [id(ANN)],
        }),
        json!({
            "id": id(CID), "name": "cid", "age": 0, "score": 0.0, "money": "0", "big": "-9223372036854775808", "active": true,
            "born": "2024-05-01", "seen": "2024-05-01T12:00:00Z", "mood": "CALM", "photo": "//8=", "ident": id(70),
            "place": {"city": "\u{d6}rebro", "zip": -1, "open": false, "tags": []}, "extra": "text", "tags": ["y", "\u{1F600}"],
            "marks": [5, 5, 6], "team": id(20), "boss": id(ANN),
        }),
        json!({"id": id(DEE), "name": "dee", "boss": id(CID)}),
    ]
}

/// ann leads bob and cid, cid leads dee, of whom nothing else is known. ann and cid are in `red`, bob is in `blue`, which
/// is secret.
pub(super) async fn open(database: &Db) -> App {
    let app = App::open(database, SCHEMA).await;
    let admin = app.admin();
    admin
        .create("teams", json!({"id": id(20), "name": "red"}))
        .await
        .unwrap();
    admin
        .create("teams", json!({"id": id(21), "name": "blue", "secret": true}))
        .await
        .unwrap();
    let people = people();
    for person in &people {
        let mut bare = person.clone();
        for relation in ["friends", "boss"] {
            bare.as_object_mut().unwrap().remove(relation);
        }
        admin.create("people", bare).await.unwrap();
    }
    for person in &people {
        let mut relations = serde_json::Map::new();
        for relation in ["friends", "boss"] {
            if let Some(value) = person.get(relation) {
                relations.insert(relation.to_owned(), value.clone());
            }
        }
        admin
            .update("people", person["id"].as_str().unwrap(), Json::Object(relations))
            .await
            .unwrap();
    }
    app
}

/// Each filter finds these, asked by an administrator.
pub(super) async fn find(database: &Db, expectations: &[(&str, &str)]) {
    let app = open(database).await;
    let mut failed = Vec::new();
    for (filter, expected) in expectations {
        let list = app.admin().list("people").filter(filter).sort("name").count();
        match list.await {
            Ok(page) if page.all("name") == *expected && page.total == Some(page.items.len() as u64) => {}
            Ok(page) => failed.push(format!(
                "{filter}\n    found: {}\n    not:   {expected}",
                page.all("name")
            )),
            Err(error) => {
                let fields = format!("{:?}", error.fields);
                failed.push(format!("{filter}\n    {} {fields}", said::<()>(Err(error))));
            }
        }
    }
    assert!(failed.is_empty(), "{} filters:\n{}", failed.len(), failed.join("\n"));
}

pub(super) async fn comparisons(database: Db) {
    find(
        &database,
        &[
            ("age == 30", "ann"),
            ("age != 30", "bob cid dee"),
            ("age < 30", "cid"),
            ("age <= 30", "ann cid"),
            ("age > 30", "bob"),
            ("age >= 30", "ann bob"),
            ("30 < age", "bob"),
            ("record.age == 30", "ann"),
            ("score > -2.0 && score < 1.5", "cid"),
            ("score >= 0", "ann cid"),
            ("score == -2", "bob"),
            ("money == 12.5", "ann"),
            ("money > decimal('0')", "ann"),
            ("money < 0", "bob"),
            ("big == 9007199254740993", "ann"),
            ("big != 9007199254740992", "ann bob cid dee"),
            ("big > 9007199254740992", "ann"),
            ("big == -9223372036854775808", "cid"),
            ("active == true", "ann cid"),
            ("active", "ann cid"),
            ("active == false", "bob"),
            ("born < date('1994-02-28')", "bob"),
            ("born == '1994-02-28'", "ann"),
            ("seen > timestamp('2024-05-01T12:00:00Z')", "bob"),
            ("seen == timestamp('2024-05-01T14:00:00+02:00')", "cid"),
            ("seen <= now", "ann cid"),
            ("mood == 'HAPPY'", "ann"),
            ("mood != 'HAPPY'", "bob cid dee"),
            ("photo == b'\\x00\\x01'", "ann"),
            ("photo == b''", "bob"),
            ("name == 'ann'", "ann"),
            ("name != 'ann'", "bob cid dee"),
            ("name < 'bob'", "ann"),
            ("name >= 'bob'", "bob cid dee"),
            ("'ann' < name", "bob cid dee"),
            ("name == 'ANN'", ""),
            ("ident == '00000000-0000-7000-8000-000000000046'", "ann cid"),
            ("id == '00000000-0000-7000-8000-000000000002'", "bob"),
            ("version == 2", "ann bob cid dee"),
            ("created == now", "ann bob cid dee"),
        ],
    )
    .await;
}

/// `==` and `!=` know null; order doesn't: an error, which finds nothing.
pub(super) async fn nulls_and_errors(database: Db) {
    find(
        &database,
        &[
            ("age == null", "dee"),
            ("age != null", "ann bob cid"),
            ("null == age", "dee"),
            ("!(age == null)", "ann bob cid"),
            ("age > 0", "ann bob"),
            ("!(age > 0)", "cid"),
            ("age > 0 || name == 'dee'", "ann bob dee"),
            ("name == 'dee' || age > 0", "ann bob dee"),
            ("age > 0 || age == null", "ann bob dee"),
            ("!(age > 0 && name != 'dee')", "cid dee"),
            ("age > 100 || true", "ann bob cid dee"),
            ("age > 100 && false", ""),
            ("!(age > 100 && false)", "ann bob cid dee"),
            ("active", "ann cid"),
            ("!active", "bob"),
            ("active ? age > 0 : age > 30", "ann bob"),
            ("(active == true ? age : 1) == 1", "bob dee"),
            ("100 / age > 2", "ann"),
            ("100 / age > 2 || age == 0", "ann cid"),
            ("100 % age == 10", "ann"),
            ("age / 0 == 1", ""),
            ("!(age / 0 == 1)", ""),
            ("big + 9223372036854775807 < 0", "cid"),
            ("-big < 0", "ann bob"),
            ("!(-big < 0)", ""),
            ("big * 2 == 10", "bob"),
            ("big / 1 == big", "ann bob cid"),
            ("big / place.zip == big || big / -1 == 0", ""),
            ("place.zip == null", "bob"),
            ("place == null", "dee"),
            ("place != null && place.zip == null", "bob"),
            ("extra == null", "dee"),
            ("photo == null", "dee"),
            ("mood == null", "dee"),
            ("team == null", "dee"),
            ("team.name == 'red'", "ann cid"),
            ("team.name != 'red'", "bob"),
            ("!(team.name == 'red')", "bob"),
            ("team == null || team.name != 'red'", "bob dee"),
            ("has(age)", "ann bob cid"),
            ("has(record.age)", "ann bob cid"),
            ("!has(record.age)", "dee"),
        ],
    )
    .await;
}

pub(super) async fn logic_and_arithmetic(database: Db) {
    find(
        &database,
        &[
            ("true", "ann bob cid dee"),
            ("false", ""),
            ("age == 30 && active", "ann"),
            ("age == 30 || age == 40 || age == 0", "ann bob cid"),
            ("!(age == 30 || age == 40)", "cid dee"),
            ("!!(age == 30)", "ann"),
            ("age + 1 == 31", "ann"),
            ("age - 50 == -10", "bob"),
            ("age * 2 > 60", "bob"),
            ("age / 7 == 4", "ann"),
            ("-7 / 2 == -3 && age == 0", "cid"),
            ("-7 % 2 == -1 && age == 0", "cid"),
            // Of the smallest number that is an error.
            ("big % -1 == 0", "ann bob"),
            ("big in [big % -1, big]", "ann bob"),
            ("-age == -30", "ann"),
            ("score + 0.5 == 2.0", "ann"),
            ("score * 2.0 == -4.0", "bob"),
            ("score / 2.0 == 0.75", "ann"),
            ("money + decimal('0.5') == decimal('13')", "ann"),
            ("money * 2 == decimal('25')", "ann"),
            ("-money == decimal('1')", "bob"),
            ("name + '!' == 'ann!'", "ann"),
            ("seen + duration('1h') == timestamp('2024-05-01T12:00:00Z')", "ann"),
            ("now - seen == duration('1h')", "ann"),
            ("now - seen < duration('0s')", "bob"),
            ("seen - duration('1ms') == now", "bob"),
            ("(age > 10 ? 'old' : 'new') == 'new'", "cid"),
            ("active ? true : false", "ann cid"),
            ("name in ['ann', 'dee', 'zoe']", "ann dee"),
            ("!(name in ['ann', 'dee'])", "bob cid"),
            ("age in [30, 0]", "ann cid"),
            ("age in []", ""),
            ("mood in ['SAD', 'CALM']", "bob cid"),
            ("money in [decimal('0'), decimal('-1')]", "bob cid"),
            ("'x' in tags", "ann"),
            ("'\u{1F600}' in tags", "cid"),
            ("!('x' in tags)", "bob cid"),
            ("5 in marks", "ann cid"),
            ("id in ['00000000-0000-7000-8000-000000000001']", "ann"),
        ],
    )
    .await;
}

pub(super) async fn documents_and_json(database: Db) {
    find(
        &database,
        &[
            ("place.city == 'Oslo'", "ann"),
            ("place.city == '\u{d6}rebro'", "cid"),
            ("place.city != 'Oslo'", "bob cid"),
            ("place.zip > 0", "ann"),
            ("place.zip < 0", "cid"),
            ("place.open == true", "ann"),
            ("place.open != true", "bob cid"),
            ("place.rating > 4.0", "ann"),
            ("place.ref == id", "ann"),
            ("place.inner.word == 'deep'", "ann"),
            ("place['city'] == 'Rome'", "bob"),
            ("'sea' in place.tags", "ann"),
            ("2 in place.marks", "ann"),
            ("size(place.tags) == 0", "cid"),
            ("has(place.zip)", "ann cid"),
            ("extra.a == 1", "ann"),
            ("extra.b.c == 'x'", "ann"),
            ("extra.e == 1.5", "ann"),
            ("extra.f == true", "ann"),
            ("extra != null", "ann bob cid"),
        ],
    )
    .await;
}

pub(super) async fn what_is_no_filter_is_refused(database: Db) {
    let app = open(&database).await;
    let admin = app.admin();
    for filter in [
        "age >",
        "age = 30",
        "agee == 30",
        "age == 'x'",
        "name > 5",
        "mood == 'GLAD'",
        "age",
        "name",
        "boss",
        "friends",
        "record",
        "nothing.x",
        "name.nothing == 1",
        "age == 30; drop",
        "name.matches('(')",
        "before.age == 1",
        "age == 30 30",
        "unknown(age)",
        "born == '2023-02-29'",
        "id == 'x'",
        "score == age",
        "money == score",
    ] {
        let said = said(admin.list("people").filter(filter).await);
        assert!(
            said.starts_with("bad_request: filter bad_expression"),
            "{filter}: {said}"
        );
    }
    let long = format!("name == '{}'", "x".repeat(8 * 1024));
    assert_eq!(
        said(admin.list("people").filter(&long).await),
        "bad_request: filter too_long"
    );
    let deep = format!("{}true{}", "(".repeat(200), ")".repeat(200));
    assert!(admin.list("people").filter(&deep).await.is_err());
    assert_eq!(admin.list("people").filter("").await.unwrap().items.len(), 4);
}

/// Nothing that a caller writes becomes a part of the store's own language.
pub(super) async fn texts_stay_texts(database: Db) {
    let app = open(&database).await;
    let admin = app.admin();
    for name in [
        "a' OR '1'='1",
        "a\"; DROP TABLE person; --",
        "100%",
        "a_b",
        "[a]*",
        "\\",
        "$ne",
        "{\"$gt\":\"\"}",
        "?1",
    ] {
        admin.create("people", json!({ "name": name })).await.unwrap();
        let written = serde_json::to_string(name).unwrap();
        for filter in [
            format!("name == {written}"),
            format!("name.startsWith({written})"),
            format!("name.contains({written}) && size(name) > 0"),
            format!("name in [{written}]"),
        ] {
            assert_eq!(
                admin.list("people").filter(&filter).await.unwrap().all("name"),
                name,
                "{filter}"
            );
        }
    }
}
