//! Many who write at once: nothing is lost, nothing happens twice.

use engine::{Error, ErrorCode};
use serde_json::json;
use tokio::task::JoinSet;

use super::Db;
use super::answers::{Record, said};
use super::app::{App, Caller, create, id, update};

const SCHEMA: &str = r#"
type User @collection(auth: true) @access(read: "true") { name: String }
type Counter @collection { count: Int! seen: [User!]! }
type Name @collection { name: String @unique pair: String other: String }
type Room @collection
  @access(read: "true", update: "auth.id in record.members") { members: [User!]! last: String }
type Seat @collection @check(rule: "record.room.open == true", message: "closed") { room: Hall }
type Front @collection { word: Int back: Back backs: [Back!]! }
type Back @collection { word: Int }
type Hall @collection { open: Boolean seats: [Seat!]! @inverse(field: "room") }
"#;

const WRITERS: usize = 8;

/// All outcomes of so many at once.
async fn at_once<F>(count: usize, write: impl Fn(usize) -> F) -> Vec<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let mut tasks = JoinSet::new();
    for number in 0..count {
        tasks.spawn(write(number));
    }
    tasks.join_all().await
}

async fn increment(caller: Caller) -> u32 {
    let mut stale = 0;
    loop {
        let counter = caller.get("counters", &id(1)).await.unwrap();
        let patch = json!({"count": counter["count"].as_i64().unwrap() + 1});
        let tag = counter.tag.unwrap();
        match caller.update("counters", &id(1), patch).if_match(&tag).await {
            Ok(_) => return stale,
            Err(error) if error.code == ErrorCode::Stale => stale += 1,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Read, add one, write if nobody else did: every addition counts, over two nodes.
pub(super) async fn no_update_is_lost(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let nodes = [app.clone(), app.beside()];
    app.admin()
        .create("counters", json!({"id": id(1), "count": 0}))
        .await
        .unwrap();
    let each = 6;
    at_once(WRITERS, |number| {
        let caller = nodes[number % 2].admin();
        async move {
            for _ in 0..each {
                increment(caller.clone()).await;
            }
        }
    })
    .await;
    let counter = app.admin().get("counters", &id(1)).await.unwrap();
    let expected = i64::try_from(WRITERS * each).unwrap();
    assert_eq!(
        (counter["count"].as_i64(), counter.version()),
        (Some(expected), expected + 1)
    );
}

fn winners(outcomes: Vec<Result<Record, Error>>, refusal: &str) -> usize {
    let mut winners = 0;
    for outcome in outcomes {
        match said(outcome).as_str() {
            "ok" => winners += 1,
            other => assert_eq!(other, refusal),
        }
    }
    winners
}

pub(super) async fn one_of_many_gets_a_unique_value(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let nodes = [app.clone(), app.beside()];
    for round in 0..10 {
        let outcomes = at_once(WRITERS, |number| {
            let name = json!({"name": format!("n{round}")});
            let write = nodes[number % 2].admin().create("names", name);
            async move { write.await }
        })
        .await;
        assert_eq!(winners(outcomes, "unique_violation: name taken"), 1);
    }
    assert_eq!(app.admin().list("names").count().await.unwrap().total, Some(10));
}

pub(super) async fn one_of_many_creates_at_a_place(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    for round in 1..=10 {
        let outcomes = at_once(WRITERS, |number| {
            let write = app
                .admin()
                .replace("names", &id(round), json!({"pair": format!("{number}")}));
            async move { write.await }
        })
        .await;
        let versions: Vec<_> = outcomes.into_iter().map(|outcome| outcome.unwrap().version()).collect();
        let mut sorted = versions.clone();
        sorted.sort_unstable();
        assert_eq!(
            sorted,
            (1..=8).collect::<Vec<_>>(),
            "one creates, the others replace it one by one"
        );
    }
}

pub(super) async fn links_of_many_writers_add_up(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let users = (1..=24).map(|number| create("users", json!({"id": id(number), "email": format!("{number}@x.org")})));
    app.admin().batch(users).all().await.unwrap();
    app.admin()
        .create("counters", json!({"id": id(1), "count": 0}))
        .await
        .unwrap();
    at_once(24, |number| {
        let user = id(u32::try_from(number).unwrap() + 1);
        let write = app.admin().update("counters", &id(1), json!({"seen": {"add": [user]}}));
        async move { write.await.unwrap() }
    })
    .await;
    let counter = app
        .admin()
        .get("counters", &id(1))
        .fields("seen,version")
        .await
        .unwrap();
    assert_eq!((counter["seen"].as_array().unwrap().len(), counter.version()), (24, 25));
}

/// Batches that touch the same records in opposite orders neither wait for each other for ever nor mix.
pub(super) async fn batches_do_not_mix(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    for number in [1, 2] {
        app.admin()
            .create("names", json!({"id": id(number), "pair": "none"}))
            .await
            .unwrap();
    }
    at_once(WRITERS * 3, |number| {
        let mut steps = [1, 2].map(|target| update("names", &id(target), json!({"pair": format!("{number}")})));
        if number % 2 == 0 {
            steps.reverse();
        }
        let write = app.admin().batch(steps).all();
        async move { write.await.unwrap() }
    })
    .await;
    let page = app.admin().list("names").await.unwrap();
    assert_eq!(page.items[0]["pair"], page.items[1]["pair"], "both from the same batch");
    assert_eq!(page.values("version"), [json!(25), json!(25)]);
}

/// A right that is lost is lost for every write after it: who is removed can't have the last word.
pub(super) async fn a_rule_that_reads_other_records_is_serial(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let users = (1..=4).map(|number| create("users", json!({"id": id(number), "email": format!("{number}@x.org")})));
    app.admin().batch(users).all().await.unwrap();
    for round in 0..8_u32 {
        let room = id(100 + round);
        let all: Vec<_> = (1..=4).map(id).collect();
        app.admin()
            .create("rooms", json!({"id": room, "members": all}))
            .await
            .unwrap();
        // Two members throw each other out, at once: exactly one succeeds.
        let outcomes = at_once(2, |number| {
            let (own, other) = if number == 0 { (1, 2) } else { (2, 1) };
            let write = app
                .user(&id(own))
                .update("rooms", &room, json!({"members": {"remove": [id(other)]}}));
            async move { write.await }
        })
        .await;
        assert_eq!(winners(outcomes, "forbidden"), 1, "round {round}");
    }
}

/// A check that looks at another record holds against the writer of that one, when the order is either.
pub(super) async fn references_do_not_dangle(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    for round in 0..10_u32 {
        let hall = id(200 + round);
        app.admin()
            .create("halls", json!({"id": hall, "open": true}))
            .await
            .unwrap();
        let outcomes = at_once(2, |number| {
            let write = if number == 0 {
                app.admin().create("seats", json!({ "room": hall }))
            } else {
                app.admin().delete("halls", &hall)
            };
            async move { said(write.await) }
        })
        .await;
        let mut outcomes = outcomes;
        outcomes.sort();
        let one_way = ["invalid: room no_such_record", "ok"];
        assert!(outcomes == one_way || outcomes == ["ok", "referenced"], "{outcomes:?}");
    }
}

/// An answer that takes several questions to the database is of one moment all the same.
pub(super) async fn an_answer_is_of_one_moment(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    app.admin()
        .create("backs", json!({"id": id(2), "word": 0}))
        .await
        .unwrap();
    app.admin()
        .create(
            "fronts",
            json!({"id": id(1), "word": 0, "back": id(2), "backs": [id(2)]}),
        )
        .await
        .unwrap();
    let writer = app.admin();
    let writing = tokio::spawn(async move {
        for word in 1..=60 {
            let steps = [
                update("backs", &id(2), json!({ "word": word })),
                update("fronts", &id(1), json!({ "word": word })),
            ];
            writer.batch(steps).all().await.unwrap();
        }
    });
    while !writing.is_finished() {
        let front = app.admin().get("fronts", &id(1)).expand("back,backs").await.unwrap();
        assert_eq!(
            (&front["word"], &front["word"]),
            (&front["back"]["word"], &front["backs"][0]["word"])
        );
        let page = app
            .admin()
            .list("fronts")
            .expand("back")
            .filter("word == back.word")
            .count()
            .await
            .unwrap();
        assert_eq!(
            (page.total, &page.items[0]["word"]),
            (Some(1), &page.items[0]["back"]["word"])
        );
    }
    writing.await.unwrap();
}

/// Writes that share a commit don't share their failures.
pub(super) async fn a_failure_harms_no_neighbour(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    app.admin().create("names", json!({"name": "taken"})).await.unwrap();
    let outcomes = at_once(40, |number| {
        let second = if number % 2 == 0 {
            format!("n{number}")
        } else {
            "taken".to_owned()
        };
        let steps = [
            create("names", json!({"pair": format!("p{number}")})),
            create("names", json!({ "name": second })),
        ];
        let write = app.admin().batch(steps).all();
        async move { (number, said(write.await)) }
    })
    .await;
    for (number, said) in outcomes {
        let expected = if number % 2 == 0 {
            "ok"
        } else {
            "unique_violation @1: operations[1].name taken"
        };
        assert_eq!(said, expected);
    }
    let pairs = app
        .admin()
        .list("names")
        .filter("pair != null")
        .sort("pair")
        .limit(100)
        .await
        .unwrap();
    let mut expected: Vec<_> = (0..40).step_by(2).map(|number| format!("p{number}")).collect();
    expected.sort();
    assert_eq!(pairs.all("pair"), expected.join(" "));
}
