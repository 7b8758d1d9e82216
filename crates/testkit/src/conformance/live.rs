//! Live queries: an answer that stays right.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use engine::access::Principal;
use engine::live::{Notification, Renew, Watch};
use engine::model::Row;
use engine::operations::{GetRequest, ListRequest, ShapeRequest};
use engine::query::json::write_row;
use engine::{Error, ErrorCode, Limits};
use serde_json::{Value as Json, json};

use super::Db;
use super::answers::said;
use super::app::{App, Caller, create, delete, id, model, update};

const SCHEMA: &str = r#"
type User @collection(auth: true) @access(read: "auth != null", update: "record.id == auth.id") { name: String }
type Room @collection @access(read: "auth.id in record.members") {
  name: String!
  members: [User!]!
  messages: [Message!]! @inverse(field: "room")
}
type Message @collection @access(read: "auth.id in record.room.members") {
  room: Room! @relation(onDelete: CASCADE)
  author: User
  body: String!
  rank: Int
  due: DateTime
}
type Other @collection @access(read: "true") { word: String }
"#;

const PATIENCE: Duration = Duration::from_secs(30);

/// Who the subscriber is now.
struct Subscriber(Mutex<Result<Principal, ErrorCode>>);

#[async_trait]
impl Renew for Subscriber {
    async fn principal(&self) -> Result<Principal, Error> {
        let now = self.0.lock().unwrap().clone();
        now.map_err(|code| Error::new(code, "no longer"))
    }
}

struct Live {
    watch: Watch,
    subscriber: Arc<Subscriber>,
    first: Vec<Row>,
}

impl Live {
    async fn list(app: &App, caller: &Caller, request: ListRequest) -> Result<Self, Error> {
        let subscriber = Arc::new(Subscriber(Mutex::new(Ok(caller.principal.clone()))));
        let (watch, first) = app
            .engine
            .watch_list(&caller.ctx(), &request, subscriber.clone())
            .await?;
        Ok(Self {
            watch,
            subscriber,
            first,
        })
    }

    async fn record(app: &App, caller: &Caller, collection: &str, key: &str) -> Result<Self, Error> {
        let subscriber = Arc::new(Subscriber(Mutex::new(Ok(caller.principal.clone()))));
        let request = GetRequest {
            collection: collection.to_owned(),
            key: key.to_owned(),
            shape: ShapeRequest::default(),
        };
        let (watch, first) = app
            .engine
            .watch_record(&caller.ctx(), &request, subscriber.clone())
            .await?;
        Ok(Self {
            watch,
            subscriber,
            first,
        })
    }

    fn becomes(&self, principal: Result<Principal, ErrorCode>) {
        *self.subscriber.0.lock().unwrap() = principal;
    }

    fn text(&self, row: &Row) -> String {
        let mut out = Vec::new();
        write_row(&mut out, self.watch.model(), self.watch.projection(), row);
        let json: Json = serde_json::from_slice(&out).unwrap();
        let name = ["body", "word", "name"].into_iter().find_map(|field| json.get(field));
        name.and_then(Json::as_str).unwrap_or("?").to_owned()
    }

    fn texts(&self, rows: &[Row]) -> String {
        rows.iter().map(|row| self.text(row)).collect::<Vec<_>>().join(" ")
    }

    fn first(&self) -> String {
        self.texts(&self.first)
    }

    /// What is told next: `= a b` a snapshot, `+ a` created, `~ a` updated, `- 12` removed.
    async fn next(&mut self) -> String {
        let next = tokio::time::timeout(PATIENCE, self.watch.next()).await;
        match next.expect("a subscriber is told in time") {
            None => "end".to_owned(),
            Some(Err(error)) => said::<()>(Err(error)),
            Some(Ok(told)) => told.iter().map(|told| self.line(told)).collect::<Vec<_>>().join(", "),
        }
    }

    fn line(&self, told: &Notification) -> String {
        match told {
            Notification::Snapshot(rows) => format!("= {}", self.texts(rows)).trim_end().to_owned(),
            Notification::Created(row) => format!("+ {}", self.text(row)),
            Notification::Updated(row) => format!("~ {}", self.text(row)),
            Notification::Removed(key) => {
                let id = key.single().unwrap().as_id().unwrap();
                format!("- {}", id.as_u128() & 0xffff_ffff)
            }
        }
    }
}

fn all(collection: &str) -> ListRequest {
    ListRequest {
        collection: collection.to_owned(),
        ..ListRequest::default()
    }
}

const ANN: u32 = 1;
const BOB: u32 = 2;

/// A room of ann's with messages 20 `a` and 21 `b`.
async fn open(database: &Db) -> App {
    let app = App::open(database, SCHEMA).await;
    let admin = app.admin();
    for (number, name) in [(ANN, "ann"), (BOB, "bob")] {
        let user = json!({"id": id(number), "email": format!("{name}@x.org"), "name": name});
        admin.create("users", user).await.unwrap();
    }
    admin
        .create("rooms", json!({"id": id(10), "name": "r", "members": [id(ANN)]}))
        .await
        .unwrap();
    for (number, body) in [(20, "a"), (21, "b")] {
        let message = json!({"id": id(number), "room": id(10), "body": body, "rank": number, "author": id(ANN)});
        admin.create("messages", message).await.unwrap();
    }
    app
}

pub(super) async fn a_list_follows_what_happens(database: Db) {
    let app = open(&database).await;
    let admin = app.admin();
    let mut live = Live::list(&app, &app.user(&id(ANN)), all("messages")).await.unwrap();
    assert_eq!(live.first(), "a b");
    admin
        .create("messages", json!({"id": id(22), "room": id(10), "body": "c"}))
        .await
        .unwrap();
    assert_eq!(live.next().await, "+ c");
    admin.update("messages", &id(20), json!({"body": "A"})).await.unwrap();
    assert_eq!(live.next().await, "~ A");
    admin.delete("messages", &id(21)).await.unwrap();
    assert_eq!(live.next().await, "- 21");
    let steps = [
        create("messages", json!({"id": id(23), "room": id(10), "body": "d"})),
        update("messages", &id(22), json!({"body": "C"})),
        delete("messages", &id(20)),
    ];
    admin.batch(steps).all().await.unwrap();
    assert_eq!(live.next().await, "- 20, ~ C, + d", "a commit is told at once");
    app.engine.close().await;
    assert_eq!(live.next().await, "end");
}

pub(super) async fn what_changes_nothing_is_not_told(database: Db) {
    let app = open(&database).await;
    let admin = app.admin();
    let request = ListRequest {
        filter: Some("rank > 20".into()),
        shape: ShapeRequest {
            fields: Some("id,body".into()),
            expand: None,
        },
        ..all("messages")
    };
    let mut live = Live::list(&app, &app.user(&id(ANN)), request).await.unwrap();
    assert_eq!(live.first(), "b");
    admin
        .update("messages", &id(20), json!({"body": "not in it"}))
        .await
        .unwrap();
    admin.create("others", json!({"word": "elsewhere"})).await.unwrap();
    admin.update("messages", &id(21), json!({"rank": 30})).await.unwrap();
    assert!(admin.update("messages", &id(21), json!({"body": null})).await.is_err());
    admin.update("messages", &id(20), json!({"rank": 21})).await.unwrap();
    assert_eq!(live.next().await, "+ not in it", "it comes in as its rank does");
    admin.update("messages", &id(21), json!({"rank": 1})).await.unwrap();
    assert_eq!(live.next().await, "- 21", "and goes out, though it is still there");
}

pub(super) async fn rights_change_through_other_records(database: Db) {
    let app = open(&database).await;
    let admin = app.admin();
    let mut live = Live::list(&app, &app.user(&id(BOB)), all("messages")).await.unwrap();
    assert_eq!(live.first(), "");
    admin
        .update("rooms", &id(10), json!({"members": {"add": [id(BOB)]}}))
        .await
        .unwrap();
    assert_eq!(live.next().await, "+ a, + b");
    admin
        .update("rooms", &id(10), json!({"members": {"remove": [id(BOB)]}}))
        .await
        .unwrap();
    let mut lost: Vec<_> = live.next().await.split(", ").map(str::to_owned).collect();
    lost.sort();
    assert_eq!(lost, ["- 20", "- 21"]);
    // Nothing of what he may no longer read reaches him.
    admin
        .update("messages", &id(20), json!({"body": "secret"}))
        .await
        .unwrap();
    admin
        .update("rooms", &id(10), json!({"members": {"add": [id(BOB)]}}))
        .await
        .unwrap();
    assert_eq!(live.next().await, "+ secret, + b");
    admin.delete("rooms", &id(10)).await.unwrap();
    assert!(live.next().await.starts_with("- 2"), "a cascade is a delete");
}

pub(super) async fn a_page_is_what_fits_in_it(database: Db) {
    let app = open(&database).await;
    let admin = app.admin();
    let request = ListRequest {
        sort: Some("-rank".into()),
        limit: Some(2),
        ..all("messages")
    };
    let mut live = Live::list(&app, &app.user(&id(ANN)), request).await.unwrap();
    assert_eq!(live.first(), "b a");
    admin
        .create(
            "messages",
            json!({"id": id(22), "room": id(10), "body": "c", "rank": 22}),
        )
        .await
        .unwrap();
    assert_eq!(live.next().await, "- 20, + c", "what is pushed out is gone");
    admin.delete("messages", &id(22)).await.unwrap();
    assert_eq!(live.next().await, "- 22, + a", "and comes back");
}

pub(super) async fn expanded_records_are_watched_too(database: Db) {
    let app = open(&database).await;
    let request = ListRequest {
        shape: ShapeRequest {
            fields: None,
            expand: Some("author".into()),
        },
        ..all("messages")
    };
    let mut live = Live::list(&app, &app.user(&id(ANN)), request).await.unwrap();
    app.admin()
        .update("users", &id(ANN), json!({"name": "anna"}))
        .await
        .unwrap();
    assert_eq!(live.next().await, "~ a, ~ b");
    let members = ListRequest {
        shape: ShapeRequest {
            fields: Some("id,name,messages".into()),
            expand: None,
        },
        ..all("rooms")
    };
    let mut live = Live::list(&app, &app.user(&id(ANN)), members).await.unwrap();
    app.admin().delete("messages", &id(20)).await.unwrap();
    assert_eq!(live.next().await, "~ r", "the other end of an inverse as well");
}

pub(super) async fn a_record_follows_too(database: Db) {
    let app = open(&database).await;
    let admin = app.admin();
    let ann = app.user(&id(ANN));
    let missing = Live::record(&app, &ann, "messages", &id(99)).await;
    assert_eq!(said(missing.map(|_| ())), "not_found");
    let mut live = Live::record(&app, &ann, "messages", &id(20)).await.unwrap();
    assert_eq!(live.first(), "a");
    admin
        .update("messages", &id(21), json!({"body": "other"}))
        .await
        .unwrap();
    admin.update("messages", &id(20), json!({"body": "A"})).await.unwrap();
    assert_eq!(live.next().await, "~ A");
    admin.delete("messages", &id(20)).await.unwrap();
    assert_eq!(live.next().await, "- 20");
    admin
        .create("messages", json!({"id": id(20), "room": id(10), "body": "again"}))
        .await
        .unwrap();
    assert_eq!(live.next().await, "+ again");
}

pub(super) async fn what_would_refuse_a_list_refuses_a_subscription(database: Db) {
    let app = open(&database).await;
    let watch = |caller: Caller, request: ListRequest| {
        let app = app.clone();
        async move { said(Live::list(&app, &caller, request).await.map(|_| ())) }
    };
    let ann = app.user(&id(ANN));
    assert_eq!(watch(app.nobody(), all("users")).await, "unauthenticated");
    assert_eq!(watch(ann.clone(), all("nothing")).await, "not_found");
    let broken = ListRequest {
        filter: Some("nothing == 1".into()),
        ..all("messages")
    };
    assert_eq!(watch(ann.clone(), broken).await, "bad_request: filter bad_expression");
    let counted = ListRequest {
        count: true,
        ..all("messages")
    };
    assert_eq!(watch(ann.clone(), counted).await, "bad_request");
    let keyless = ListRequest {
        shape: ShapeRequest {
            fields: Some("body".into()),
            expand: None,
        },
        ..all("messages")
    };
    assert_eq!(watch(ann, keyless).await, "bad_request: fields missing_key");
}

pub(super) async fn whoever_is_nobody_any_more_hears_no_more(database: Db) {
    let app = open(&database).await;
    let mut live = Live::list(&app, &app.user(&id(ANN)), all("messages")).await.unwrap();
    live.becomes(Ok(app.user(&id(BOB)).principal));
    app.admin()
        .update("messages", &id(20), json!({"body": "A"}))
        .await
        .unwrap();
    let mut told: Vec<_> = live.next().await.split(", ").map(str::to_owned).collect();
    told.sort();
    assert_eq!(told, ["- 20", "- 21"], "it is bob's answer now");
    live.becomes(Err(ErrorCode::Unauthenticated));
    app.admin()
        .update("messages", &id(20), json!({"body": "B"}))
        .await
        .unwrap();
    assert_eq!(live.next().await, "unauthenticated");
}

/// What depends on the time is asked again as it passes.
pub(super) async fn time_passes_for_subscribers_too(database: Db) {
    let app = open(&database).await;
    app.admin()
        .update("messages", &id(20), json!({"due": "2024-05-01T12:00:10Z"}))
        .await
        .unwrap();
    let request = ListRequest {
        filter: Some("due <= now".into()),
        ..all("messages")
    };
    let mut live = Live::list(&app, &app.user(&id(ANN)), request).await.unwrap();
    assert_eq!(live.first(), "");
    app.clock.pass(Duration::from_secs(11));
    assert_eq!(live.next().await, "+ a");
}

pub(super) async fn whoever_falls_behind_starts_over(database: Db) {
    let app = open(&database).await;
    let mut live = Live::list(&app, &app.admin(), all("others")).await.unwrap();
    let commits = database.bounds().changes_behind + 10;
    let words: Vec<_> = (0..commits).map(|number| format!("w{number:03}")).collect();
    for word in &words {
        app.admin().create("others", json!({ "word": word })).await.unwrap();
    }
    assert_eq!(live.next().await, format!("= {}", words.join(" ")));
    app.admin().create("others", json!({"word": "next"})).await.unwrap();
    assert_eq!(live.next().await, "+ next");
}

/// A new model begins with a snapshot, and refuses what it no longer knows.
pub(super) async fn a_new_model_starts_over(database: Db) {
    let app = open(&database).await;
    let mut live = Live::list(&app, &app.user(&id(ANN)), all("messages")).await.unwrap();
    let mut bobs = Live::list(&app, &app.user(&id(BOB)), all("messages")).await.unwrap();
    app.engine.adopt(model(
        &SCHEMA.replace(r#"read: "auth.id in record.room.members""#, r#"read: "auth != null""#),
    ));
    assert_eq!(live.next().await, "= a b");
    assert_eq!(bobs.next().await, "= a b");
    app.engine.adopt(model(
        &SCHEMA.replace(r#"read: "auth.id in record.room.members""#, r#"read: "false""#),
    ));
    assert_eq!(live.next().await, "forbidden");
}

pub(super) async fn subscriptions_are_bounded(database: Db) {
    let limits = Limits {
        watch_max: 2,
        ..Limits::default()
    };
    let app = App::limited(&database, SCHEMA, limits).await;
    let one = Live::list(&app, &app.admin(), all("others")).await.unwrap();
    let two = Live::list(&app, &app.admin(), all("others")).await.unwrap();
    let third = Live::list(&app, &app.admin(), all("others")).await;
    assert_eq!(said(third.map(|_| ())), "unavailable");
    drop(one);
    assert_eq!(
        said(Live::list(&app, &app.admin(), all("others")).await.map(|_| ())),
        "ok"
    );
    drop(two);
}

/// Whoever follows from the snapshot on has what a fresh question gives, whatever happened at the same time.
pub(super) async fn a_subscribers_copy_is_right(database: Db) {
    let app = open(&database).await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..4_u32 {
        let admin = app.admin();
        writers.spawn(async move {
            for round in 0..12_u32 {
                let key = id(1000 + writer * 100 + round % 5);
                let message =
                    json!({"room": id(10), "body": format!("b{writer}-{round}"), "rank": (writer + round) % 3});
                admin.replace("messages", &key, message).await.unwrap();
                if round % 4 == writer {
                    admin.delete("messages", &key).await.unwrap();
                }
            }
        });
    }
    tokio::task::yield_now().await;
    let request = ListRequest {
        filter: Some("rank > 0".into()),
        limit: Some(500),
        ..all("messages")
    };
    let mut live = Live::list(&app, &app.user(&id(ANN)), request).await.unwrap();
    let mut copy: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
    let first = live.first.clone();
    for row in &first {
        copy.insert(row.0[0].as_id().unwrap().to_string(), live.text(row));
    }
    writers.join_all().await;
    app.admin()
        .create(
            "messages",
            json!({"id": id(9999), "room": id(10), "body": "last", "rank": 9}),
        )
        .await
        .unwrap();
    while !copy.contains_key(&id(9999)) {
        let told = tokio::time::timeout(PATIENCE, live.watch.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        for notification in told {
            match notification {
                Notification::Snapshot(rows) => {
                    copy = rows
                        .iter()
                        .map(|row| (row.0[0].as_id().unwrap().to_string(), live.text(row)))
                        .collect();
                }
                Notification::Created(row) | Notification::Updated(row) => {
                    copy.insert(row.0[0].as_id().unwrap().to_string(), live.text(&row));
                }
                Notification::Removed(key) => {
                    copy.remove(&key.to_string()).expect("only what was told is removed");
                }
            }
        }
    }
    let now = app
        .user(&id(ANN))
        .list("messages")
        .filter("rank > 0")
        .limit(500)
        .await
        .unwrap();
    let now: std::collections::BTreeMap<_, _> = now
        .items
        .iter()
        .map(|item| {
            (
                item["id"].as_str().unwrap().to_owned(),
                item["body"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    assert_eq!(copy, now);
}
