//! The same on MongoDB, whose server can be told to fail: `configureFailPoint`, which it knows only for tests.

use std::time::{Duration, Instant};

use mongodb::Client;
use mongodb::bson::{Document, doc};
use serde_json::json;
use testkit::services::Killable;
use tokio::time::{sleep, timeout};

use super::failover::{blocking, in_the_end, refuses};
use super::house::{House, is_unavailable};
use crate::app::Response;

/// Longer than any of the limits that the tests set.
const PATIENCE: Duration = Duration::from_secs(40);
/// Beside those of operations: those that look whether the server is there, and for what other nodes commit.
const BESIDE: usize = 6;

/// A server of the test's own, since what it is told holds for all who use it.
struct Stage {
    database: Killable,
    house: House<()>,
    side: Client,
}

impl Stage {
    async fn open(set: &[&str]) -> Self {
        let database = blocking(Killable::mongodb).await;
        // What the server says of its address leads past the proxy otherwise.
        let address = format!("mongodb://127.0.0.1:{}/bank?directConnection=true", database.port());
        let side = Client::with_uri_str(&address).await.unwrap();
        let house = House::build((), format!("{address}&appName=house"), Box::new(()), set, None).await;
        Self { database, house, side }
    }

    /// Has some of the house's next commands fail.
    async fn fail(&self, mode: impl Into<mongodb::bson::Bson>, commands: &[&str], how: Document) {
        let mut data = doc! { "appName": "house", "failCommands": commands };
        data.extend(how);
        let command = doc! { "configureFailPoint": "failCommand", "mode": mode, "data": data };
        self.side.database("admin").run_command(command).await.unwrap();
    }

    async fn heal(&self) {
        self.fail("off", &[], doc! {}).await;
    }

    /// It ends cleanly, and leaves nothing open.
    async fn leave(self) {
        let open = self.house.proxy.open();
        assert!(open <= 16 + BESIDE, "{open} connections are open");
        self.house.end().await;
    }
}

fn times(number: i32) -> Document {
    doc! { "times": number }
}

/// A 503 of one kind or the other.
fn is_passing(answer: &Response) -> bool {
    is_unavailable(answer) || (answer.status == 503 && answer.json()["code"] == "timeout")
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_are_replaced_and_nothing_acknowledged_is_lost() {
    let stage = Stage::open(&["database.connections_max=4"]).await;
    let house = &stage.house;
    let mut acknowledged = Vec::new();
    for round in 0..6 {
        let creating = (0..12).map(|number| {
            let text = format!("{round}-{number}");
            let request = house
                .client
                .request("POST", "/api/notes")
                .json(&json!({ "text": text }));
            async move { (text, request.send().await) }
        });
        let cutting = async {
            sleep(Duration::from_millis(round * 5)).await;
            house.proxy.cut();
        };
        let (created, ()) = futures::join!(futures::future::join_all(creating), cutting);
        for (text, answer) in created {
            match answer.status {
                201 => acknowledged.push(text),
                _ => assert!(is_unavailable(&answer), "{}", answer.text()),
            }
        }
        let after = house.create(&format!("{round}-after")).await;
        assert_eq!(after.status, 201, "{}", after.text());
    }
    let mut texts = house.texts().await;
    assert!(acknowledged.iter().all(|text| texts.contains(text)), "{texts:?}");
    let all = texts.len();
    texts.dedup();
    assert_eq!(texts.len(), all, "nothing was done twice");
    assert!(house.proxy.open() <= 4 + BESIDE, "{} are left over", house.proxy.open());
    stage.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_dead_are_found_out() {
    let set = [
        "database.connections_max=4",
        "database.connect_timeout_ms=1000",
        "database.query_timeout_ms=1000",
        "limits.request_timeout_ms=4000",
    ];
    let stage = Stage::open(&set).await;
    let house = &stage.house;
    house.notes::<1>().await;
    house.proxy.stall();
    let writing = tokio::spawn(
        house
            .client
            .request("POST", "/api/notes")
            .json(&json!({"text": "x"}))
            .send(),
    );
    let began = Instant::now();
    loop {
        let answer = timeout(PATIENCE, house.client.get("/api/notes")).await;
        let answer = answer.expect("nobody waits longer than the limits are");
        if answer.status == 200 {
            break;
        }
        assert!(is_passing(&answer), "{}", answer.text());
        assert!(began.elapsed() < PATIENCE, "it goes on by itself");
    }
    // Who wrote meanwhile holds nobody up.
    let written = timeout(PATIENCE, writing).await.expect("it comes to an end").unwrap();
    assert!(written.status == 201 || is_passing(&written), "{}", written.text());
    while house.create("after").await.status != 201 {
        assert!(began.elapsed() < PATIENCE, "it goes on by itself");
    }
    // The database's server hears of their end at last.
    house.proxy.cut();
    stage.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_finds_all_connections_taken_is_told_to_come_back() {
    let set = [
        "database.connections_max=2",
        // Long enough to make a connection on a busy machine.
        "database.acquire_timeout_ms=1500",
        "database.query_timeout_ms=60000",
    ];
    let stage = Stage::open(&set).await;
    let house = &stage.house;
    house.notes::<1>().await;
    let block = doc! { "blockConnection": true, "blockTimeMS": 5000 };
    stage.fail("alwaysOn", &["aggregate"], block).await;
    // Two wait for the server, the others for them.
    let asked = (0..8).map(|_| house.client.request("GET", "/api/notes").send());
    let answers = futures::future::join_all(asked).await;
    let (answered, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert!(
        answered.len() >= 2 && !refused.is_empty(),
        "{} of 8 are answered",
        answered.len()
    );
    for answer in refused {
        assert!(is_unavailable(answer), "{}", answer.text());
    }
    stage.heal().await;
    assert_eq!(house.create("y").await.status, 201);
    stage.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_takes_too_long_is_given_up() {
    let stage = Stage::open(&["database.query_timeout_ms=400"]).await;
    let house = &stage.house;
    house.notes::<2>().await;
    let block = doc! { "blockConnection": true, "blockTimeMS": 4000 };
    stage.fail(times(1), &["aggregate"], block).await;
    let answer = house.client.get("/api/notes").await;
    assert_eq!((answer.status, answer.json()["code"].clone()), (503, json!("timeout")));
    assert_eq!(house.texts().await, ["0", "1"]);
    // And where the server itself says so.
    stage.fail(times(1), &["aggregate"], doc! { "errorCode": 50 }).await;
    let answer = house.client.get("/api/notes").await;
    assert_eq!((answer.status, answer.json()["code"].clone()), (503, json!("timeout")));
    assert_eq!(house.texts().await, ["0", "1"]);
    stage.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_gives_up_is_tried_again_for_as_long_as_there_is_time() {
    let stage = Stage::open(&[]).await;
    let house = &stage.house;
    house.notes::<1>().await;
    // `WriteConflict`, `NoSuchTransaction`, `LockTimeout`; and `ShutdownInProgress`, `NotWritablePrimary`, after which the
    // driver looks for another server, twice a second.
    for code in [112, 251, 24, 91, 10_107] {
        stage.fail(times(3), &["insert"], doc! { "errorCode": code }).await;
        let answer = house.create(&format!("{code}")).await;
        assert_eq!(answer.status, 201, "{code}: {}", answer.text());
    }
    assert_eq!(house.texts().await, ["0", "10107", "112", "24", "251", "91"]);
    stage.leave().await;

    let stage = Stage::open(&["limits.request_timeout_ms=5000"]).await;
    let house = &stage.house;
    for code in [112, 91] {
        stage.fail("alwaysOn", &["insert"], doc! { "errorCode": code }).await;
        let answer = house.create("lost").await;
        assert!(is_unavailable(&answer), "{code}: {}", answer.text());
        stage.heal().await;
    }
    let answer = house.create("after").await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(house.texts().await, ["after"]);
    stage.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_without_an_answer_is_asked_for_until_it_is_known() {
    let stage = Stage::open(&[]).await;
    let house = &stage.house;
    house.notes::<1>().await;
    let faults = [
        ("once", times(1), doc! { "closeConnection": true }),
        ("thrice", times(3), doc! { "closeConnection": true }),
        (
            "silent",
            times(1),
            doc! { "blockConnection": true, "blockTimeMS": 8000 },
        ),
        ("stopping", times(3), doc! { "errorCode": 91 }),
        (
            "done",
            times(2),
            doc! { "writeConcernError": { "code": 91, "errmsg": "injected" } },
        ),
    ];
    for (text, mode, how) in faults {
        stage.fail(mode, &["commitTransaction"], how).await;
        let answer = house.create(text).await;
        assert_eq!(answer.status, 201, "{text}: {}", answer.text());
        stage.heal().await;
    }
    // Each once.
    assert_eq!(
        house.texts().await,
        ["0", "done", "once", "silent", "stopping", "thrice"]
    );
    stage.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_after_a_primary_that_stepped_down_and_one_that_died() {
    let Stage {
        mut database,
        house,
        side,
    } = Stage::open(&["database.connect_timeout_ms=1000"]).await;
    house.notes::<2>().await;
    let down = doc! { "replSetStepDown": 2, "force": true };
    side.database("admin").run_command(down).await.unwrap();
    in_the_end(&house, "kept").await;

    database = blocking(move || {
        database.kill();
        database
    })
    .await;
    refuses(&house).await;
    let database = blocking(move || {
        database.start();
        database
    })
    .await;
    in_the_end(&house, "new").await;
    assert_eq!(house.texts().await, ["0", "1", "kept", "new"]);
    house.end().await;
    drop(database);
}
