//! Reads by key, several of which share a connection to PostgreSQL: what befalls one must not befall the others.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::house::{House, Kind, Side, is_unavailable};
use crate::app::Response;

/// Longer than anything takes that waits for nobody.
const LONG: Duration = Duration::from_secs(20);
const WAITING: &str = "SELECT LEAST(count(*), 1) FROM pg_locks WHERE relation = 'note'::regclass AND NOT granted";

async fn mark(house: &House) -> String {
    let request = house.client.request("POST", "/api/marks").json(&json!({"text": "x"}));
    let created = request.send().await;
    assert_eq!(created.status, 201, "{}", created.text());
    format!("/api/marks/{}", created.json()["id"].as_str().unwrap())
}

async fn lock_notes(side: &mut Side) {
    side.run("BEGIN").await;
    side.run("LOCK TABLE note IN ACCESS EXCLUSIVE MODE").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_that_wait_for_a_lock_hold_up_no_others_for_long() {
    let set = ["database.busy_timeout_ms=60000", "database.query_timeout_ms=60000"];
    let house = House::open(Kind::Postgres, &set, None).await;
    let (mut side, mut other) = (house.side().await, house.side().await);
    let [note] = house.notes().await;
    let (note, mark) = (format!("/api/notes/{note}"), mark(&house).await);
    lock_notes(&mut side).await;
    let waiting: Vec<_> = (0..8)
        .map(|_| tokio::spawn(house.client.request("GET", &note).send()))
        .collect();
    // On connections that they may share with those.
    let beside: Vec<_> = (0..8)
        .map(|_| tokio::spawn(house.client.request("GET", &mark).send()))
        .collect();
    other.wait_until(WAITING, 1).await;
    // One that nobody waits for any more.
    waiting[0].abort();
    sleep(Duration::from_millis(50)).await;
    for _ in 0..20 {
        let found = timeout(LONG, house.client.get(&mark)).await;
        assert_eq!(found.expect("it waits for nobody").status, 200);
    }
    for reading in beside {
        let found = timeout(LONG, reading).await;
        assert_eq!(found.expect("it waits for nobody").unwrap().status, 200);
    }
    assert!(waiting[1..].iter().all(|reading| !reading.is_finished()));
    side.run("ROLLBACK").await;
    for reading in waiting.into_iter().skip(1) {
        let found = reading.await.unwrap();
        assert_eq!(found.status, 200, "{}", found.text());
    }
    drop(other);
    house.leave(side).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_come_to_their_turn_though_reads_never_cease() {
    let house = House::open(Kind::Postgres, &["database.connections_max=1"], None).await;
    let side = house.side().await;
    let mark = mark(&house).await;
    let is_over = AtomicBool::new(false);
    let reading = join_all((0..8).map(|_| async {
        while !is_over.load(Ordering::Relaxed) {
            let found = house.client.get(&mark).await;
            assert_eq!(found.status, 200, "{}", found.text());
        }
    }));
    let writing = async {
        for number in 0..20 {
            let made = timeout(LONG, house.create(&number.to_string())).await;
            assert_eq!(made.expect("it has its turn").status, 201);
        }
        assert_eq!(house.texts().await.len(), 20);
        is_over.store(true, Ordering::Relaxed);
    };
    futures::join!(reading, writing);
    house.leave(side).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_when_connections_are_cut_reads_on_another() {
    let house = House::open(Kind::Postgres, &["database.connections_max=4"], None).await;
    let side = house.side().await;
    let mark = mark(&house).await;
    for round in 0..8 {
        let reading = (0..24).map(|_| house.client.get(&mark));
        let cutting = async {
            sleep(Duration::from_millis(round)).await;
            house.proxy.cut();
        };
        let (found, ()) = futures::join!(join_all(reading), cutting);
        // A connection that is cut while it is made is one that can't be had.
        let well = |answer: &Response| answer.status == 200 || is_unavailable(answer);
        assert!(found.iter().all(well), "round {round}");
        assert!(found.iter().any(|answer| answer.status == 200), "round {round}");
        assert_eq!(house.client.get(&mark).await.status, 200);
    }
    house.leave(side).await;
}
