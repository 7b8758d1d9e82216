//! The continuous backup of a server that is killed again and again, and of one that keeps it in a bucket.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use engine::model::Timestamp;
use engine::ports::clock::{Clock, SystemClock};
use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::{PARTS, SCHEMA, parts, text, well};
use crate::app::Client;
use crate::binary::{Server, folder, run};

const WRITERS: i64 = 3;
const ROUNDS: u32 = 3;
const PATIENCE: Duration = Duration::from_secs(60);

/// One batch that was answered.
struct Answered {
    writer: i64,
    number: i64,
    began: Timestamp,
    acknowledged: Timestamp,
}

fn application(backup: &str) -> TempDir {
    let application = folder(SCHEMA);
    let configuration = format!("[backup]\n{backup}\ninterval_ms = 100\n");
    std::fs::write(application.path().join("ninefold.toml"), configuration).unwrap();
    application
}

/// One batch after the other, from the number `first` on, until it is told to stop or the server is gone.
fn write(client: Client, writer: i64, first: i64, stop: Arc<AtomicBool>) -> JoinHandle<(Vec<Answered>, i64)> {
    tokio::spawn(async move {
        let mut answered = Vec::new();
        for number in first.. {
            let create = |part| {
                let data = json!({"writer": writer, "number": number, "part": part, "text": "x".repeat(300)});
                json!({"op": "create", "collection": "entries", "data": data})
            };
            let operations: Vec<_> = (0..PARTS).map(create).collect();
            let began = SystemClock.now();
            let body = json!({ "operations": operations });
            let Some(response) = client.request("POST", "/api/batch").json(&body).attempt().await else {
                return (answered, number + 1);
            };
            assert_eq!(response.status, 200, "{}", response.text());
            let acknowledged = SystemClock.now();
            answered.push(Answered {
                writer,
                number,
                began,
                acknowledged,
            });
            if stop.load(Ordering::Relaxed) {
                return (answered, number + 1);
            }
        }
        unreachable!("there are more numbers than time")
    })
}

/// What `restore --at` says, and each writer's numbers that are there then.
async fn restored(dir: &str, at: &str) -> (Timestamp, BTreeMap<i64, BTreeMap<i64, i64>>) {
    let database = "sqlite:data/look.db";
    let stdout = well(["restore", dir, "--at", at, "--database", database, "--force"]).await;
    let state = stdout.strip_prefix("restored what was written before ").unwrap();
    let state = Timestamp::parse(state.lines().next().unwrap()).unwrap();
    (
        state,
        parts(&well(["export", "entries", "-", dir, "--database", database]).await),
    )
}

fn assert_holds(answered: &[Answered], at: Timestamp, state: Timestamp, found: &BTreeMap<i64, BTreeMap<i64, i64>>) {
    for Answered {
        writer,
        number,
        began,
        acknowledged,
    } in answered
    {
        let there = found.get(writer).and_then(|numbers| numbers.get(number));
        assert!(there.is_none_or(|parts| *parts == PARTS), "{number} is there in part");
        if *acknowledged < state {
            assert!(there.is_some(), "{number} of {acknowledged} is not there as of {state}");
        }
        if *began > at {
            assert!(there.is_none(), "{number} of {began} is there at {at}");
        }
    }
}

#[tokio::test]
async fn what_was_acknowledged_before_a_moment_comes_back_though_the_server_was_killed() {
    let application = application("url = \"file:kept\"");
    let dir = text(application.path());
    let mut answered = Vec::new();
    let mut next = [0; WRITERS as usize];
    let bases = || std::fs::read_dir(application.path().join("kept/bases")).map_or(0, Iterator::count);
    for round in 1..=ROUNDS {
        let known = bases();
        let server = Server::start("serve", application.path(), &["--migrate"]).await;
        let stop = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..WRITERS)
            .zip(next)
            .map(|(writer, first)| write(server.client(), writer, first, stop.clone()))
            .collect();
        let began = Instant::now();
        while bases() == known {
            assert!(began.elapsed() < PATIENCE, "there is no base");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(fastrand::u64(300..900))).await;
        let server = if round == ROUNDS {
            stop.store(true, Ordering::Relaxed);
            Some(server)
        } else {
            server.kill().await;
            None
        };
        for (writer, next) in writers.into_iter().zip(&mut next) {
            let (more, reached) = writer.await.unwrap();
            answered.extend(more);
            *next = reached;
        }
        if let Some(mut server) = server {
            server.signal("TERM");
            assert_eq!(server.end().await, Some(0));
        }
    }
    let (state, found) = restored(dir, "latest").await;
    assert_holds(&answered, SystemClock.now(), state, &found);
    let last = answered.iter().map(|batch| batch.acknowledged).max().unwrap();
    assert!(state > last, "the end of {last} is missing: {state}");

    let first = run(["restore", dir, "--at", "2020-01-01T00:00:00Z", "--force"]).await;
    assert_eq!(first.code, Some(1), "{}", first.stderr);
    let first = first.stderr.split("the first moment that it has is ").nth(1).unwrap();
    let first = Timestamp::parse(first.trim()).unwrap();
    for _ in 0..4 {
        let at = Timestamp(fastrand::i64(first.0..=last.0));
        let (state, found) = restored(dir, &at.to_string()).await;
        assert!(state <= at, "{state} is after {at}");
        assert_holds(&answered, at, state, &found);
    }

    let segments = std::fs::read_dir(application.path().join("kept/chains")).unwrap();
    let chain = segments.map(|chain| chain.unwrap().path()).max().unwrap();
    let names = std::fs::read_dir(&chain).unwrap().map(|name| name.unwrap().path());
    let mut names: Vec<_> = names.filter(|path| !text(path).contains("/b")).collect();
    names.sort();
    let damaged = &names[names.len() - 2];
    let bytes = std::fs::read(damaged).unwrap();
    std::fs::write(damaged, &bytes[..bytes.len() - 1]).unwrap();
    let refused = run(["restore", dir, "--at", "latest", "--database", "sqlite:data/other.db"]).await;
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    let name = text(damaged.strip_prefix(application.path().join("kept")).unwrap());
    assert!(
        refused.stderr.contains(&format!("{name} is damaged: ")),
        "{}",
        refused.stderr
    );
    assert!(!application.path().join("data/other.db").exists());
}

#[tokio::test]
async fn a_bucket_keeps_it_as_well() {
    let url = testkit::services::s3_url();
    let bucket = format!("ninefold-{}", SystemClock.now().0);
    let address = url.trim_start_matches("http://").parse().unwrap();
    let made = Client::new(address).request("PUT", &format!("/{bucket}")).send().await;
    assert_eq!(made.status, 200, "{}", made.text());
    let application = application(&format!(
        "url = \"s3://{bucket}/shop\"\nendpoint = \"{url}\"\naccess_key = \"key\"\nsecret_key = \"secret\""
    ));
    let dir = text(application.path());
    // The bucket's server is slow on a busy machine.
    let patient = ["--migrate", "--set", "backup.stop_timeout_ms=50000"];
    let mut server = Server::start("serve", application.path(), &patient).await;
    let entry = json!({"writer": 1, "number": 7, "part": 1});
    assert_eq!(server.client().post("/api/entries", &entry).await.status, 201);
    server.signal("TERM");
    assert_eq!(server.end().await, Some(0));
    let (_, found) = restored(dir, "latest").await;
    assert_eq!(found[&1], BTreeMap::from([(7, 1)]));
}

#[tokio::test]
async fn only_sqlite_in_a_file_has_one_and_a_wrong_place_is_told() {
    let application = application("url = \"file:kept\"");
    let dir = text(application.path());
    let memory = run(["serve", dir, "--database", "sqlite::memory:", "--migrate"]).await;
    assert_eq!(memory.code, Some(1), "{}", memory.stderr);
    assert!(
        memory.stderr.contains("only a SQLite database in a file"),
        "{}",
        memory.stderr
    );
    let wrong = run(["serve", dir, "--set", "backup.url=ftp://there"]).await;
    assert_eq!(wrong.code, Some(1), "{}", wrong.stderr);
    assert!(wrong.stderr.contains("is no place for backups"), "{}", wrong.stderr);
    let nobody = run(["restore", dir, "--at", "latest", "--set", "backup.url=s3://bucket/shop"]).await;
    assert!(nobody.stderr.contains("nobody who may use it"), "{}", nobody.stderr);
}
