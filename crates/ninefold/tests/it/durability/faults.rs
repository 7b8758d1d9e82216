//! The disk is full, fails or is taken away; the clock goes wrong. The answer is 503, or as ever; nothing acknowledged
//! is lost; and when the trouble is over, the same server goes on.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use super::Dice;
use super::disk::{Disk, Order};
use super::kill::write_until;
use super::ledger::{self, SCHEMA, Writer};
use super::node::{Node, Setup, damage};
use crate::app::{Client, Response};

const WRITERS: i64 = 4;

async fn create(client: &Client) -> Response {
    let entry = json!({"writer": 99, "number": 0, "part": 0});
    client.post("/api/entries", &entry).await
}

/// Says that it can't be done now, and nothing of why: that is for the log.
fn differs_from_a_503(response: &Response) -> Option<String> {
    let problem = response.json_or_null();
    let is_one = response.status == 503
        && response.header("content-type") == Some("application/problem+json")
        && response.header("retry-after").is_some()
        && problem["code"] == "unavailable"
        && !response.text().to_lowercase().contains("sqlite")
        && !response.text().contains("app.db");
    (!is_one).then(|| format!("answered {} {}", response.status, response.text()))
}

/// Writers go on through the trouble, and it comes and goes under them.
async fn ride_out(trouble: Order) {
    let disk = Disk::new(SCHEMA, Setup::default(), false);
    let server = disk.node.start().await;
    let client = server.client();
    ledger::prepare(&client).await;
    let mut dice = Dice::fresh();
    let writers = (0..WRITERS)
        .map(|id| Writer::new(id, Dice(dice.next()), Arc::new(|| 0)).patient())
        .collect();
    let writers = write_until(&client, writers, async {
        for _ in 0..8 {
            disk.order(trouble);
            let refused = create(&client).await;
            assert_eq!(differs_from_a_503(&refused), None, "{trouble:?}");
            assert_eq!(
                client.get("/api/entries").await.status,
                200,
                "reads go on while {trouble:?}"
            );
            assert_eq!(client.get("/healthz").await.status, 200);
            disk.order(Order::Well);
            assert_eq!(create(&client).await.status, 201, "after {trouble:?}");
            sleep(Duration::from_millis(40)).await;
        }
        server.kill().await;
    })
    .await;
    assert_eq!(damage(&disk.node.database()), None);
    let server = disk.node.start().await;
    let client = server.client();
    let mut findings = ledger::audit(&client, &writers, u64::MAX).await;
    findings.retain(|finding| finding != "records of writer 99, whom nobody knows");
    assert!(findings.is_empty(), "{trouble:?}:\n{}", findings.join("\n"));
    let mine = client.get("/api/entries?filter=writer==99&count=true").await.json();
    assert_eq!(mine["total"], 8, "what was refused is not there: {trouble:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_ridden_out() {
    ride_out(Order::Full).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_cannot_write_is_ridden_out() {
    ride_out(Order::WritesFail).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_cannot_sync_is_ridden_out() {
    ride_out(Order::SyncsFail).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_cannot_be_read_is_ridden_out() {
    let disk = Disk::new(SCHEMA, Setup::default(), false);
    let server = disk.node.start().await;
    let client = server.client();
    for _ in 0..20 {
        assert_eq!(create(&client).await.status, 201);
        disk.order(Order::ReadsFail);
        let refused = client.get("/api/entries").await;
        assert_eq!(differs_from_a_503(&refused), None);
        disk.order(Order::Well);
        assert_eq!(client.get("/api/entries").await.status, 200);
    }
}

/// Takes the files of a database away while it is served, and puts them back. What is wrong then.
pub(super) async fn take_away(setup: Setup) -> Vec<String> {
    let node = Node::new(SCHEMA, setup);
    let server = node.start().await;
    let client = server.client();
    let mut findings = Vec::new();
    let mut created = 0;
    for name in ["app.db", "app.db-wal", "app.db-shm"] {
        for replacement in [None, Some("a database, or so it says")] {
            let path = node.database().with_file_name(name);
            let away = path.with_extension("away");
            std::fs::rename(&path, &away).unwrap();
            if let Some(text) = replacement {
                std::fs::write(&path, text).unwrap();
            }
            let place = format!("{name} gone, {replacement:?} there");
            findings.extend(differs_from_a_503(&create(&client).await).map(|it| format!("{place}: {it}")));
            let ready = client.get("/readyz").await;
            findings.extend(differs_from_a_503(&ready).map(|it| format!("{place}: ready: {it}")));
            std::fs::rename(&away, &path).unwrap();
            let after = create(&client).await;
            created += u64::from(after.status == 201);
            if after.status != 201 || client.get("/readyz").await.status != 200 {
                findings.push(format!(
                    "{place}, then back: answered {} {}",
                    after.status,
                    after.text()
                ));
            }
        }
    }
    server.kill().await;
    findings.extend(total_differs(&node, created).await);
    findings
}

async fn total_differs(node: &Node, expected: u64) -> Option<String> {
    let server = node.start().await;
    let page = server.client().get("/api/entries?count=true").await.json();
    (page["total"] != expected).then(|| format!("{} entries are there, {expected} were acknowledged", page["total"]))
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_taken_away_stop_writes_until_they_are_back() {
    let findings = take_away(Setup::default()).await;
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

const ACCOUNTS: &str = r#"
type User @collection(auth: true, signUp: OPEN) @access(read: "auth != null") { name: String }
type Note @collection @access(read: "auth != null", create: "auth != null", update: "auth != null") { text: String! }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_harms_nobody() {
    let disk = Disk::new(ACCOUNTS, Setup::default(), false);
    let server = disk.node.start().await;
    let account = json!({"email": "ana@example.com", "password": crate::app::PASSWORD});
    let signed_up = server.client().post("/auth/sign-up", &account).await;
    assert_eq!(signed_up.status, 201, "{}", signed_up.text());
    let tokens = signed_up.json();
    let client = server.client().with_token(tokens["accessToken"].as_str().unwrap());
    let before = note(&client, "before").await;

    disk.order(Order::Clock(-3600));
    let after = note(&client, "after").await;
    assert!(id(&after) > id(&before), "ids go on in their order");
    let path = format!("/api/notes/{}", id(&before));
    let patched = client.patch(&path, &json!({"text": "changed"})).await;
    assert_eq!(patched.status, 200, "{}", patched.text());
    assert_eq!(patched.json()["version"], 2);
    let keyed = || {
        let request = client.request("POST", "/api/notes").json(&json!({"text": "once"}));
        request.header("idempotency-key", "k").send()
    };
    let (first, again) = (keyed().await, keyed().await);
    assert_eq!((first.status, id(&first.json())), (201, id(&again.json())));
    let refreshed = json!({"refreshToken": tokens["refreshToken"]});
    let refreshed = server.client().post("/auth/refresh", &refreshed).await;
    assert_eq!(refreshed.status, 200, "{}", refreshed.text());
    let signed_in = server.client().post("/auth/sign-in", &account).await;
    assert_eq!(signed_in.status, 200, "{}", signed_in.text());
    let fresh = server
        .client()
        .with_token(signed_in.json()["accessToken"].as_str().unwrap());
    note(&fresh, "with a token of the new time").await;
    server.kill().await;

    let server = disk.node.start().await;
    let notes = server
        .client()
        .with_token(client.token().unwrap())
        .get("/api/notes?count=true")
        .await;
    assert_eq!(notes.json()["total"], 4, "{}", notes.text());
}

async fn note(client: &Client, text: &str) -> serde_json::Value {
    let created = client.post("/api/notes", &json!({ "text": text })).await;
    assert_eq!(created.status, 201, "{}", created.text());
    created.json()
}

fn id(note: &serde_json::Value) -> &str {
    note["id"].as_str().expect("a note has an id")
}
