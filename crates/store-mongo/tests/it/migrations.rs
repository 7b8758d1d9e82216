//! A database follows the schema, and nothing is lost on the way.

use std::sync::Arc;

use engine::Model;
use engine::model::migration::{Folder, Step, Target, diff};
use engine::model::{Structure, Timestamp};
use engine::ports::migrator::{MigrateError, Migrator, Options, Report};
use mongodb::Database;
use mongodb::bson::{Bson, Document, doc};
use ninefold_store_mongo::{MongoOptions, MongoStore};

use crate::server::TestDatabase;

const ONE: &str = "type Note @collection { text: String! rank: Int }";

fn model(source: &str) -> Arc<Model> {
    Arc::new(Model::read(source, "schema.graphql").expect("a schema without mistakes"))
}

fn options() -> Options {
    Options::dev(Timestamp(1_750_000_000_000))
}

async fn apply(store: &MongoStore, source: &str) -> Result<Report, MigrateError> {
    store.apply(&model(source), &Folder::default(), options()).await
}

/// A database with two notes.
async fn noted() -> (TestDatabase, MongoStore, Database) {
    let database = TestDatabase::new();
    let store = database.open(&model(ONE), &MongoOptions::default()).await;
    let raw = database.raw().await;
    let then = mongodb::bson::DateTime::from_millis(0);
    for (id, text, rank) in [("a", "7", Bson::Int64(1)), ("b", "8", Bson::Null)] {
        let note = doc! { "_id": id, "created": then, "updated": then, "version": 1_i64, "text": text, "rank": rank };
        raw.collection("note")
            .insert_one(note)
            .await
            .expect("the note is valid");
    }
    (database, store, raw)
}

async fn notes(raw: &Database, table: &str, field: &str) -> Vec<Option<Bson>> {
    let mut found = Vec::new();
    for id in ["a", "b"] {
        let note = raw
            .collection::<Document>(table)
            .find_one(doc! { "_id": id })
            .await
            .expect("the server answers");
        found.push(note.and_then(|note| note.get(field).cloned()));
    }
    found
}

#[tokio::test]
async fn a_second_time_there_is_nothing_to_do() {
    let (_database, store, _) = noted().await;
    assert_eq!(apply(&store, ONE).await.unwrap(), Report::default());
    let status = store.status(&model(ONE), &Folder::default(), options()).await.unwrap();
    assert!(status.is_current(), "{status:?}");
}

/// A node that died while it migrated doesn't say so.
#[tokio::test]
async fn the_lock_of_one_that_died_is_taken_over_when_its_time_is_past() {
    let (_database, store, raw) = noted().await;
    let meta = raw.collection::<Document>("_ninefold_meta");
    let now = || mongodb::bson::DateTime::now().timestamp_millis();
    for (field, millis) in [("more", -60_000), ("most", 1500)] {
        let until = now() + millis;
        let lock =
            doc! { "_id": "migration_lock", "holder": "gone", "until": mongodb::bson::DateTime::from_millis(until) };
        meta.insert_one(lock).await.unwrap();
        apply(&store, &ONE.replace("rank: Int", &format!("rank: Int {field}: Int")))
            .await
            .unwrap();
        assert!(now() >= until, "{field}: not before");
    }
}

#[tokio::test]
async fn a_new_field_is_filled_and_one_that_is_gone_is_taken_out() {
    let (_database, store, raw) = noted().await;
    let added =
        r#"type Note @collection { text: String! rank: Int state: String! @default(value: "'new'") note: String }"#;
    apply(&store, added).await.unwrap();
    assert_eq!(
        notes(&raw, "note", "state").await,
        [Some("new".into()), Some("new".into())]
    );
    assert_eq!(notes(&raw, "note", "note").await, [Some(Bson::Null), Some(Bson::Null)]);
    let refused = apply(
        &store,
        "type Note @collection { text: String! state: String! note: String }",
    )
    .await;
    assert!(
        matches!(&refused, Err(MigrateError::Refused(refusal)) if refusal.reason.contains("destroy")),
        "{refused:?}"
    );
    let empty_goes = "type Note @collection { text: String! rank: Int state: String! }";
    apply(&store, empty_goes).await.unwrap();
    assert_eq!(notes(&raw, "note", "note").await, [None, None]);
}

#[tokio::test]
async fn names_change_and_values_stay() {
    let (_database, store, raw) = noted().await;
    let renamed =
        r#"type Memo @collection @renamed(from: "Note") { body: String! @renamed(from: "text") @unique rank: Int }"#;
    apply(&store, renamed).await.unwrap();
    assert_eq!(notes(&raw, "memo", "body").await, [Some("7".into()), Some("8".into())]);
    assert_eq!(notes(&raw, "memo", "text").await, [None, None]);
}

#[tokio::test]
async fn values_are_converted_or_the_whole_is_refused() {
    let (_database, store, raw) = noted().await;
    apply(&store, "type Note @collection { text: Int! rank: Int }")
        .await
        .unwrap();
    assert_eq!(
        notes(&raw, "note", "text").await,
        [Some(Bson::Int64(7)), Some(Bson::Int64(8))]
    );
    let refused = apply(&store, "type Note @collection { text: Int! rank: Int! }").await;
    assert!(
        matches!(&refused, Err(MigrateError::Refused(refusal)) if refusal.reason.contains("null")),
        "{refused:?}"
    );
    assert!(
        apply(&store, "type Note @collection { text: Int! rank: Int }")
            .await
            .unwrap()
            .steps
            .is_empty()
    );
}

#[tokio::test]
async fn what_is_twice_there_does_not_become_unique() {
    let (_database, store, raw) = noted().await;
    let all = doc! { "$set": { "text": "same" } };
    raw.collection::<Document>("note")
        .update_many(doc! {}, all)
        .await
        .unwrap();
    let unique = "type Note @collection { text: String! @unique rank: Int }";
    let refused = apply(&store, unique).await;
    assert!(
        matches!(&refused, Err(MigrateError::Refused(refusal)) if refusal.reason.contains("same")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_document_must_be_what_the_schema_says() {
    let (_database, _store, raw) = noted().await;
    let strange = raw.collection("note").insert_one(doc! { "_id": "c", "text": 1 }).await;
    assert!(strange.is_err());
}

#[tokio::test]
async fn what_somebody_changed_by_hand_is_told() {
    let database = TestDatabase::new();
    let source = "type Note @collection { text: String! @unique }";
    let store = database.open(&model(source), &MongoOptions::default()).await;
    database
        .raw()
        .await
        .collection::<Document>("note")
        .drop_indexes()
        .await
        .unwrap();
    let drifted = apply(&store, source).await;
    assert!(
        matches!(&drifted, Err(MigrateError::Drifted(what)) if what[0].contains("ux_note_text")),
        "{drifted:?}"
    );
}

#[tokio::test]
async fn what_was_interrupted_is_finished_first() {
    let (_database, store, raw) = noted().await;
    let after = model("type Note @collection { text: String! order: Int @renamed(from: \"rank\") }");
    let target = Target::of(&after);
    let before = Structure::of(&model(ONE));
    let steps: Vec<Step> = diff(&before, &target);
    let left = serde_json::json!({
        "steps": steps, "before": before, "after": target.structure, "files": [], "now": 0, "next": 0,
    });
    let left = doc! { "_id": "migration", "json": left.to_string() };
    raw.collection("_ninefold_meta").insert_one(left).await.unwrap();
    let status = store.status(&after, &Folder::default(), options()).await.unwrap();
    assert!(!status.is_current());
    let report = store.apply(&after, &Folder::default(), options()).await.unwrap();
    assert_eq!(report.steps.len(), steps.len());
    assert_eq!(
        notes(&raw, "note", "order").await,
        [Some(Bson::Int64(1)), Some(Bson::Null)]
    );
}

#[tokio::test]
async fn nodes_take_turns() {
    let database = TestDatabase::new();
    let url = database.url();
    let options = MongoOptions::default();
    let (one, two) = tokio::join!(MongoStore::open(&url, &options), MongoStore::open(&url, &options));
    let (one, two) = (one.unwrap(), two.unwrap());
    let (first, second) = tokio::join!(apply(&one, ONE), apply(&two, ONE));
    let mut steps = [first.unwrap().steps.len(), second.unwrap().steps.len()];
    steps.sort_unstable();
    assert_eq!(steps, [0, 1], "whoever comes later finds nothing left to do");
}
