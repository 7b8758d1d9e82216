//! What a log of changes hears of that others write, and when it is worth nothing.

use std::sync::Arc;

use engine::model::migration::Folder;
use engine::model::{Timestamp, Value};
use engine::ports::change_log::{Begun, ChangeLog};
use engine::ports::migrator::{MigrateError, Migrator, Options};
use engine::ports::relocation::{Part, Relocation};
use engine::ports::store::{Store, StoreError};
use engine::{Engine, Limits, Model, Parts};
use futures::TryStreamExt;
use mongodb::bson::{Document, doc};
use mongodb::{Client, Database};
use ninefold_store_mongo::{MongoOptions, MongoStore};
use testkit::fakes::ManualClock;
use testkit::services::Killable;

use crate::server::TestDatabase;

const SCHEMA: &str = "type Note @collection { text: String! also: [Note!]! }";
const NOTE: &str = "note";

/// A store, a way around it, and a way to all that it holds.
struct Followed {
    store: Arc<MongoStore>,
    raw: Database,
    model: Arc<Model>,
    relocation: Box<dyn Relocation>,
}

impl Followed {
    async fn over(store: MongoStore, raw: Database, model: Arc<Model>) -> Self {
        let store = Arc::new(store);
        let engine = Engine::new(Parts {
            model: model.clone(),
            store: store.clone(),
            clock: Arc::new(ManualClock::starting_at(Timestamp(0))),
            limits: Limits::default(),
            cursor_key: [7; 32],
            slow_query: None,
        });
        let relocation = engine.relocation().await.expect("the store gives one");
        Self {
            store,
            raw,
            model,
            relocation,
        }
    }

    async fn open(database: &TestDatabase) -> Self {
        let model = model(SCHEMA);
        let store = database.open(&model, &MongoOptions::default()).await;
        Self::over(store, database.raw().await, model).await
    }

    /// A server of the test's own, since what it is told holds for all who use it.
    async fn on(server: &Killable) -> Self {
        let model = model(SCHEMA);
        let url = format!("mongodb://127.0.0.1:{}/notes?directConnection=true", server.port());
        let store = MongoStore::open(&format!("{url}&appName=store"), &MongoOptions::default()).await;
        let store = store.expect("the server answers");
        let built = store
            .apply(&model, &Folder::default(), Options::dev(Timestamp(0)))
            .await;
        built.expect("an empty database takes the collections");
        store.adopt(model.clone());
        let raw = Client::with_uri_str(&url).await.expect("a URL").database("notes");
        Self::over(store, raw, model).await
    }

    fn log(&mut self) -> &mut dyn ChangeLog {
        self.relocation.change_log().expect("MongoDB has one")
    }

    async fn begin(&mut self) {
        let begun = self.log().begin(NOTE.to_owned()).await;
        assert_eq!(begun.expect("the server answers"), Begun::Without(Vec::new()));
    }

    async fn note(&mut self) -> Option<String> {
        self.log().note().await.expect("the server answers")
    }

    /// The keys that are logged of a part, in order and once each.
    async fn keys(&mut self, part: &str) -> Vec<Vec<Value>> {
        let parts = Part::all(&self.model);
        let part = parts.into_iter().find(|found| found.name(&self.model) == part);
        let entries = self.log().entries(part.expect("a part"), 0, 1000).await;
        let mut keys: Vec<_> = entries.expect("the server answers");
        keys.dedup_by(|one, other| one.key == other.key);
        keys.into_iter().map(|entry| entry.key).collect()
    }

    /// Whether all that a log needs is there; `None` where only some of it is.
    async fn has_log(&self) -> Option<bool> {
        let collections = self.raw.list_collections().await.expect("the server answers");
        let collections: Vec<_> = collections.try_collect().await.expect("the server answers");
        let entries = collections.iter().any(|found| found.name == "_ninefold_change");
        let images = collections.iter().any(|found| {
            let images = found.options.change_stream_pre_and_post_images.as_ref();
            images.is_some_and(|images| images.enabled)
        });
        let meta = self.raw.collection::<Document>("_ninefold_meta");
        let noted = meta.find_one(doc! { "_id": "changes" }).await;
        match [entries, images, noted.expect("the server answers").is_some()] {
            [true, true, true] => Some(true),
            [false, false, false] => Some(false),
            _ => None,
        }
    }

    async fn fail_next(&self, command: &str, code: i32) {
        let data = doc! { "appName": "store", "failCommands": [command], "errorCode": code };
        let command = doc! { "configureFailPoint": "failCommand", "mode": { "times": 1 }, "data": data };
        let admin = self.raw.client().database("admin");
        admin.run_command(command).await.expect("it can be told to fail");
    }
}

fn model(source: &str) -> Arc<Model> {
    Arc::new(Model::read(source, "schema.graphql").expect("a schema without mistakes"))
}

fn id(number: u128) -> String {
    uuid::Uuid::from_u128(number).to_string()
}

fn key(numbers: &[u128]) -> Vec<Value> {
    let ids = numbers.iter().map(|number| uuid::Uuid::from_u128(*number));
    ids.map(Value::Id).collect()
}

fn note(number: u128) -> Document {
    let then = mongodb::bson::DateTime::from_millis(0);
    doc! { "_id": id(number), "created": then, "updated": then, "version": 1_i64, "text": "a" }
}

/// The collection of the links, with the columns of both ends.
fn links(model: &Model) -> (String, String, String) {
    let structure = engine::model::Structure::of(model);
    let links = &structure.collections[0].links[0];
    (
        links.table.clone(),
        links.source_column.clone(),
        links.target_column.clone(),
    )
}

#[tokio::test]
async fn a_transaction_that_began_before_is_in_it() {
    let database = TestDatabase::new();
    let mut followed = Followed::open(&database).await;
    let notes = followed.raw.collection::<Document>("note");
    notes.insert_one(note(1)).await.unwrap();
    let mut late = followed.raw.client().start_session().await.unwrap();
    late.start_transaction().await.unwrap();
    notes.insert_one(note(2)).session(&mut late).await.unwrap();
    followed.begin().await;
    assert_eq!(followed.keys("notes").await, Vec::<Vec<Value>>::new());
    late.commit_transaction().await.unwrap();
    assert_eq!(followed.keys("notes").await, [key(&[2])]);
    // What was taken back is not.
    late.start_transaction().await.unwrap();
    notes.insert_one(note(3)).session(&mut late).await.unwrap();
    late.abort_transaction().await.unwrap();
    notes.delete_many(doc! {}).await.unwrap();
    assert_eq!(followed.keys("notes").await, [key(&[2]), key(&[1]), key(&[2])]);
}

#[tokio::test]
async fn of_a_link_that_others_change_both_keys_are_in_it() {
    let database = TestDatabase::new();
    let mut followed = Followed::open(&database).await;
    let (table, source, target) = links(&followed.model);
    let links = followed.raw.collection::<Document>(&table);
    let link = |from: u128, to: u128| doc! { &source: id(from), &target: id(to) };
    links.insert_many([link(1, 2), link(1, 3)]).await.unwrap();
    followed.begin().await;
    let update = doc! { "$set": { &target: id(4) } };
    links.update_one(link(1, 2), update).await.unwrap();
    links.replace_one(link(1, 3), link(5, 6)).await.unwrap();
    links.delete_one(link(1, 4)).await.unwrap();
    assert_eq!(
        followed.keys("notes.also").await,
        [[1, 2], [1, 4], [1, 3], [5, 6]].map(|numbers| key(&numbers))
    );
}

#[tokio::test]
async fn it_goes_with_a_collection_that_goes_as_a_whole() {
    let database = TestDatabase::new();
    let mut followed = Followed::open(&database).await;
    let (table, ..) = links(&followed.model);
    for step in 0..4 {
        followed.begin().await;
        assert_eq!(followed.has_log().await, Some(true));
        assert_eq!(followed.note().await.as_deref(), Some(NOTE));
        let raw = &followed.raw;
        match step {
            0 => {
                // In the place of another, as by `$out`.
                raw.create_collection("other").await.unwrap();
                let rename = doc! {
                    "renameCollection": format!("{}.other", raw.name()),
                    "to": format!("{}.note", raw.name()),
                    "dropTarget": true,
                };
                raw.client().database("admin").run_command(rename).await.unwrap();
            }
            1 => {
                raw.collection::<Document>("note").drop().await.unwrap();
                raw.create_collection("note").await.unwrap();
            }
            2 => raw.collection::<Document>("_ninefold_change").drop().await.unwrap(),
            _ => {
                // No image is kept any more of what goes.
                let none = doc! { "collMod": &table, "changeStreamPreAndPostImages": { "enabled": false } };
                raw.run_command(none).await.unwrap();
                let links = raw.collection::<Document>(&table);
                links.insert_one(doc! { "note_id": id(1), "x": 1 }).await.unwrap();
                links.delete_many(doc! {}).await.unwrap();
            }
        }
        assert_eq!(followed.note().await, None, "after step {step}");
        assert_eq!(followed.has_log().await, Some(false), "after step {step}");
        assert!(!followed.log().renote(NOTE, "other".to_owned()).await.unwrap());
        assert!(!followed.log().end().await.unwrap());
    }
}

#[tokio::test]
async fn no_migration_changes_a_database_that_is_followed() {
    let database = TestDatabase::new();
    let mut followed = Followed::open(&database).await;
    followed.begin().await;
    let longer = model("type Note @collection { text: String! also: [Note!]! more: Int }");
    let (folder, options) = (Folder::default(), Options::dev(Timestamp(0)));
    let refused = followed.store.apply(&longer, &folder, options).await;
    assert!(
        matches!(&refused, Err(MigrateError::Refused(refusal)) if refusal.reason.contains("--abandon")),
        "{refused:?}"
    );
    followed.store.apply(&followed.model, &folder, options).await.unwrap();
    let status = followed.store.status(&followed.model, &folder, options).await.unwrap();
    assert!(status.is_current(), "{status:?}");
    assert!(followed.log().end().await.unwrap());
    assert_eq!(followed.has_log().await, Some(false));
    followed.store.apply(&longer, &folder, options).await.unwrap();
}

#[tokio::test]
async fn images_that_others_want_are_left_to_them() {
    let database = TestDatabase::new();
    let mut followed = Followed::open(&database).await;
    let (table, ..) = links(&followed.model);
    let images = doc! { "collMod": &table, "changeStreamPreAndPostImages": { "enabled": true } };
    followed.raw.run_command(images).await.unwrap();
    followed.begin().await;
    let links = followed.raw.collection::<Document>(&table);
    let (_, source, target) = self::links(&followed.model);
    links.insert_one(doc! { &source: id(1), &target: id(2) }).await.unwrap();
    links.delete_many(doc! {}).await.unwrap();
    assert_eq!(followed.keys("notes.also").await, [key(&[1, 2])]);
    assert!(followed.log().end().await.unwrap());
    assert_eq!(followed.has_log().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_the_server_has_lost_is_not_gone_on_with() {
    let server = tokio::task::spawn_blocking(Killable::mongodb).await.unwrap();
    let mut followed = Followed::on(&server).await;
    // `ChangeStreamHistoryLost`, `ChangeStreamFatalError`
    for code in [286, 280] {
        followed.begin().await;
        followed.fail_next("aggregate", code).await;
        assert_eq!(followed.note().await, None, "{code}");
        assert_eq!(followed.has_log().await, Some(false), "{code}");
    }
    // `InterruptedDueToReplStateChange`: what is asked again goes on.
    followed.begin().await;
    let notes = followed.raw.collection::<Document>("note");
    notes.insert_one(note(1)).await.unwrap();
    followed.fail_next("getMore", 11_602).await;
    let interrupted = followed.log().note().await;
    assert!(
        matches!(interrupted, Err(StoreError::Unavailable { .. })),
        "{interrupted:?}"
    );
    assert_eq!(followed.keys("notes").await, [key(&[1])]);
    // `Unauthorized`
    followed.fail_next("aggregate", 13).await;
    let begun = followed.log().begin(NOTE.to_owned()).await.unwrap();
    assert!(matches!(begun, Begun::Refused(_)), "{begun:?}");
    assert_eq!(followed.has_log().await, Some(false));
}
