//! Much at once: more keys than fit into one statement, long texts, wide questions.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::Db;
use super::answers::said;
use super::app::{App, create, id};

const SCHEMA: &str = r#"
type Part @collection {
  name: String! @length(max: 1000000)
  of: Part @relation(onDelete: CASCADE)
  near: [Part!]!
  twin: Part
  parts: [Part!]! @inverse(field: "of")
  blob: Bytes @length(max: 1048576)
  json: JSON
  many: [Int!] @length(max: 10000)
}
"#;

/// 40 parts of 20 parts each: 800 below, 841 in all.
async fn open(database: &Db) -> App {
    let app = App::open(database, SCHEMA).await;
    let admin = app.admin();
    admin
        .create("parts", json!({"id": id(1), "name": "root"}))
        .await
        .unwrap();
    let middle = (0..40).map(|middle| {
        create(
            "parts",
            json!({"id": id(100 + middle), "name": format!("m{middle:02}"), "of": id(1)}),
        )
    });
    admin.batch(middle).all().await.unwrap();
    for half in 0..2 {
        let leaves = (0..400).map(|leaf| {
            let number = half * 400 + leaf;
            let (name, of) = (format!("l{number:03}"), id(100 + number / 20));
            let twin = (number > 0).then(|| id(1000 + number - 1));
            create(
                "parts",
                json!({"id": id(1000 + number), "name": name, "of": of, "near": [id(1), of], "twin": twin}),
            )
        });
        admin.batch(leaves).all().await.unwrap();
    }
    app
}

fn names(records: &Json) -> Vec<&str> {
    records
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record["name"].as_str().unwrap())
        .collect()
}

pub(super) async fn large_expansions_come_whole(database: Db) {
    let app = open(&database).await;
    let root = app
        .admin()
        .get("parts", &id(1))
        .expand("parts.parts.near.of,parts.parts.twin")
        .await
        .unwrap();
    let mut leaves = Vec::new();
    for middle in root["parts"].as_array().unwrap() {
        for leaf in middle["parts"].as_array().unwrap() {
            assert_eq!(names(&leaf["near"]), ["root", middle["name"].as_str().unwrap()]);
            assert_eq!(leaf["near"][1]["of"]["name"], "root");
            let before = leaves.last().copied().unwrap_or_default();
            assert_eq!(leaf["twin"]["name"].as_str().unwrap_or_default(), before);
            leaves.push(leaf["name"].as_str().unwrap());
        }
    }
    assert_eq!((leaves.len(), leaves[0], leaves[799]), (800, "l000", "l799"));
    assert!(leaves.is_sorted(), "by key, record by record");
    let page = app
        .admin()
        .list("parts")
        .sort("-name")
        .limit(500)
        .expand("of.of,near")
        .await
        .unwrap();
    assert_eq!(page.items[0]["name"], "root");
    assert_eq!(page.items[499]["of"]["of"]["name"], "root");
    assert_eq!(page.items[499]["near"].as_array().unwrap().len(), 2);
    assert_eq!(page.items[40]["near"], json!([]));
}

pub(super) async fn large_cascades_go_whole(database: Db) {
    let app = open(&database).await;
    app.admin()
        .create(
            "parts",
            json!({"id": id(2), "name": "stays", "near": [id(1), id(1500)]}),
        )
        .await
        .unwrap();
    app.admin().delete("parts", &id(1)).await.unwrap();
    let left = app.admin().list("parts").fields("name,near").await.unwrap();
    assert_eq!(left.items, [json!({"name": "stays", "near": []})]);
}

pub(super) async fn large_sets_are_replaced_whole(database: Db) {
    let app = open(&database).await;
    let admin = app.admin();
    let set = |from: u32| -> Vec<_> { (from..from + 500).map(|number| id(1000 + number)).collect() };
    for from in [0, 300] {
        let part = admin
            .update("parts", &id(1), json!({ "near": set(from) }))
            .fields("near")
            .await
            .unwrap();
        assert_eq!(part["near"], json!(set(from)));
    }
    assert_eq!(
        said(
            admin
                .update("parts", &id(1), json!({"near": {"add": set(0)}}))
                .fields("near")
                .await
        ),
        "too_large"
    );
    let both = admin
        .update("parts", &id(1), json!({"near": {"add": set(0)}}))
        .fields("id")
        .await;
    assert_eq!(said(both), "ok", "it may hold more than an answer does");
    assert_eq!(
        said(
            admin
                .update("parts", &id(1), json!({"near": {"remove": set(300)}}))
                .fields("near")
                .await
        ),
        "ok"
    );
}

pub(super) async fn long_values_come_back(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let name = "\u{1F600}a".repeat(500_000);
    let blob = "AAAA".repeat(349_525);
    let many: Vec<_> = (0..10_000).collect();
    let json = json!({"text": "\u{e4}".repeat(30_000)});
    let part = json!({"id": id(1), "name": name, "blob": blob, "many": many, "json": json});
    let created = app.admin().create("parts", part).await.unwrap();
    let read = app.admin().get("parts", &id(1)).await.unwrap();
    assert!(read.text == created.text && read["name"] == name.as_str() && read["blob"] == blob.as_str());
    assert!(read["many"] == json!(many) && read["json"] == json);
    assert_eq!(
        app.admin()
            .list("parts")
            .filter("size(name) == 1000000")
            .sort("name")
            .await
            .unwrap()
            .items
            .len(),
        1
    );
    let longer = app.admin().create("parts", json!({"name": format!("{name}b")})).await;
    assert_eq!(said(longer), "invalid: name too_long");
    let longer = app
        .admin()
        .create("parts", json!({"name": "n", "json": "x".repeat(70_000)}))
        .await;
    assert_eq!(said(longer), "invalid: json too_large");
}

pub(super) async fn wide_questions_are_answered(database: Db) {
    let app = open(&database).await;
    let list = |filter: &str| app.admin().list("parts").filter(filter).limit(500).count();
    let mut listed = String::from("name in [");
    let mut either = String::from("name == 'm00'");
    let mut neither = String::from("name != 'm00'");
    for number in 0..300 {
        write!(listed, "'l{number:03}',").unwrap();
        write!(either, " || name == 'l{number:03}'").unwrap();
        write!(neither, " && name != 'l{number:03}'").unwrap();
    }
    listed.pop();
    listed.push(']');
    assert_eq!(list(&listed).await.unwrap().total, Some(300));
    assert_eq!(list(&either).await.unwrap().total, Some(301));
    assert_eq!(list(&neither).await.unwrap().total, Some(841 - 301));
    let sum = vec!["size(name)"; 30].join(" + ");
    assert_eq!(
        list(&format!("{sum} == 120")).await.unwrap().total,
        Some(801),
        "all but the names of three letters"
    );
}
