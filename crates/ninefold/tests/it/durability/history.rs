//! Many who read and write the same records at once, and what each saw and when: is there an order that explains it all?
//!
//! A record's version says where in its own order a write stands, so the question is decided and not searched: replayed by version,
//! every answer must show the state of its version, every write with `If-Match` must follow the state that it was
//! made from, and who began after another had its answer must not stand before it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::{Value as Json, json};

use super::node::{Node, Setup};
use super::{Dice, soak_factor};
use crate::app::{Client, Response};

const SCHEMA: &str = r#"
type Counter @collection @access(read: "true", create: "true", update: "true") { count: Int! note: Int! }
type Front @collection @access(read: "true", create: "true", update: "true") { mark: Int! back: Back backs: [Back!]! }
type Back @collection @access(read: "true", create: "true", update: "true") { mark: Int! }
type Name @collection @access(read: "true", create: "true", delete: "true") { name: String! @unique owner: Int! }
"#;

const CLIENTS: usize = 6;
const COUNTERS: u64 = 3;
const STEPS: usize = 60;
const RACES: usize = 25;

fn id(number: u64) -> String {
    format!("01900000-0000-7000-8000-{number:012x}")
}

/// How a counter came to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Read,
    /// Adds one to what was read, if nobody wrote since.
    Increment,
    /// Sets the note, whatever there is.
    Note(i64),
}

#[derive(Debug, Clone)]
struct Seen {
    way: Way,
    counter: u64,
    version: i64,
    count: i64,
    note: i64,
    began: Instant,
    ended: Instant,
}

/// One client's part of the history.
async fn count(client: Client, steps: usize, mut dice: Dice) -> Vec<Seen> {
    let mut history = Vec::new();
    for _ in 0..steps {
        let counter = dice.below(COUNTERS);
        let path = format!("/api/counters/{}", id(counter));
        let began = Instant::now();
        if dice.below(3) == 0 {
            let note = i64::try_from(dice.next() >> 33).expect("31 bits");
            let response = client.patch(&path, &json!({ "note": note })).await;
            history.push(seen(Way::Note(note), counter, began, &response));
            continue;
        }
        let read = client.get(&path).await;
        history.push(seen(Way::Read, counter, began, &read));
        let next = json!({ "count": read.json()["count"].as_i64().unwrap() + 1 });
        let began = Instant::now();
        let request = client.request("PATCH", &path).json(&next);
        let response = request.header("if-match", read.header("etag").unwrap()).send().await;
        if response.status != 412 {
            history.push(seen(Way::Increment, counter, began, &response));
        }
    }
    history
}

fn seen(way: Way, counter: u64, began: Instant, response: &Response) -> Seen {
    assert_eq!(response.status, 200, "{}", response.text());
    let record = response.json();
    let [version, count, note] = ["version", "count", "note"].map(|field| record[field].as_i64().unwrap());
    Seen {
        way,
        counter,
        version,
        count,
        note,
        began,
        ended: Instant::now(),
    }
}

/// Why no order explains what was seen of one counter.
fn contradictions(history: &[&Seen]) -> Vec<String> {
    let mut writes = BTreeMap::new();
    for seen in history.iter().filter(|seen| seen.way != Way::Read) {
        if let Some(other) = writes.insert(seen.version, *seen) {
            return vec![format!("two writes are the same version: {seen:?} and {other:?}")];
        }
    }
    let (mut count, mut note) = (0, 0);
    let mut states = BTreeMap::from([(1, (count, note))]);
    for ((version, write), expected) in writes.into_iter().zip(2..) {
        if version != expected {
            return vec![format!("version {expected} was nobody's, and {version} is {write:?}")];
        }
        match write.way {
            Way::Increment => count += 1,
            Way::Note(set) => note = set,
            Way::Read => {}
        }
        states.insert(version, (count, note));
    }
    let is_wrong = |seen: &&&Seen| states.get(&seen.version) != Some(&(seen.count, seen.note));
    let wrong = history.iter().filter(is_wrong);
    let mut findings: Vec<_> = wrong
        .map(|seen| {
            format!(
                "{:?} was the state of its version, not {seen:?}",
                states.get(&seen.version)
            )
        })
        .collect();
    for late in history {
        let overtaken = |early: &&&Seen| {
            let is_before = early.version < late.version || (late.way == Way::Read && early.version == late.version);
            early.ended < late.began && !is_before
        };
        findings.extend(
            history
                .iter()
                .find(overtaken)
                .map(|early| format!("{late:?} came after {early:?}")),
        );
    }
    findings
}

async fn counters(client: &Client, steps: usize, dice: &mut Dice) -> Vec<String> {
    for counter in 0..COUNTERS {
        let zero = json!({"id": id(counter), "count": 0, "note": 0});
        assert_eq!(client.post("/api/counters", &zero).await.status, 201);
    }
    let parts = (0..CLIENTS).map(|_| tokio::spawn(count(client.clone(), steps, Dice(dice.next()))));
    let parts = join_all(parts).await;
    let history: Vec<_> = parts
        .into_iter()
        .flat_map(|part| part.expect("nobody panics"))
        .collect();
    let of = |counter| {
        history
            .iter()
            .filter(move |seen| seen.counter == counter)
            .collect::<Vec<_>>()
    };
    (0..COUNTERS).flat_map(|counter| contradictions(&of(counter))).collect()
}

/// Batches set the marks of two records to the same; no reader may see them apart.
async fn pairs(client: &Client, steps: usize) -> Vec<String> {
    let (front, back) = (id(1), id(2));
    let created = client.post("/api/backs", &json!({"id": back, "mark": 0})).await;
    assert_eq!(created.status, 201);
    let created = json!({"id": front, "mark": 0, "back": back, "backs": [back]});
    assert_eq!(client.post("/api/fronts", &created).await.status, 201);
    let writers = (0..CLIENTS / 2).map(|number| {
        let client = client.clone();
        tokio::spawn(async move {
            for step in 0..steps {
                let mark = step * CLIENTS + number;
                let mut operations = [("fronts", id(1)), ("backs", id(2))].map(|(collection, id)| {
                    json!({"op": "update", "collection": collection, "id": id, "data": {"mark": mark}})
                });
                if number % 2 == 0 {
                    operations.reverse();
                }
                let written = client.post("/api/batch", &json!({ "operations": operations })).await;
                assert_eq!(written.status, 200, "{}", written.text());
            }
        })
    });
    let mut writers = join_all(writers);
    let mut halves = Vec::new();
    let readers = join_all((0..CLIENTS / 2).map(|number| {
        let client = client.clone();
        let way = [
            "/api/fronts?expand=back,backs",
            "/api/fronts?filter=mark!=back.mark&count=true",
        ][number % 2];
        async move {
            let mut halves = Vec::new();
            for _ in 0..steps * 2 {
                let page = client.get(way).await.json();
                halves.extend(half(&page).then(|| format!("half a batch: {way} shows {page}")));
            }
            halves
        }
    }));
    let (written, read) = tokio::join!(&mut writers, readers);
    written.into_iter().for_each(|writer| writer.expect("no writer panics"));
    halves.extend(read.into_iter().flatten());
    halves
}

fn half(page: &Json) -> bool {
    let items = page["items"].as_array().expect("items");
    page["total"].as_u64().is_some_and(|apart| apart > 0)
        || items.iter().any(|front| {
            let expanded = &front["back"];
            expanded.is_object() && (front["mark"] != expanded["mark"] || front["mark"] != front["backs"][0]["mark"])
        })
}

/// All want the same name, and all send the same request with the same key: one gets the one, and the other happens once.
async fn races(client: &Client, races: usize) -> Vec<String> {
    let mut findings = Vec::new();
    for race in 0..races {
        let wanted = join_all((0..CLIENTS).map(|owner| {
            let name = json!({"name": format!("n{race}"), "owner": owner});
            async move { client.post("/api/names", &name).await.status }
        }))
        .await;
        let won = wanted.iter().filter(|status| **status == 201).count();
        if won != 1 || wanted.iter().any(|status| ![201, 409].contains(status)) {
            findings.push(format!("a name that all want: {wanted:?}"));
        }
        let key = format!("key-{race}");
        let sent = join_all((0..CLIENTS).map(|_| {
            let back = json!({"mark": -1 - i64::try_from(race).expect("few races")});
            let request = client
                .request("POST", "/api/backs")
                .json(&back)
                .header("idempotency-key", &key);
            async move { request.send().await.status }
        }))
        .await;
        // 409: the first is still being worked on.
        if sent.iter().any(|status| ![201, 409].contains(status)) {
            findings.push(format!("the same request at once: {sent:?}"));
        }
    }
    let negative = client.get("/api/backs?filter=mark%3C0&count=true&limit=1").await.json();
    if negative["total"] != races {
        findings.push(format!(
            "{races} requests, sent {CLIENTS} times each, have happened {} times",
            negative["total"]
        ));
    }
    findings
}

/// A history of everything, until something is found or the time is over.
pub(super) async fn run(setup: Setup, least: Duration, mut dice: Dice) -> Vec<String> {
    let began = Instant::now();
    loop {
        let node = Node::new(SCHEMA, setup.clone());
        let server = node.start().await;
        let client = server.client();
        let mut findings = counters(&client, STEPS, &mut dice).await;
        findings.extend(pairs(&client, STEPS).await);
        findings.extend(races(&client, RACES).await);
        server.kill().await;
        if !findings.is_empty() || began.elapsed() >= least {
            return findings;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn histories_have_an_order_that_explains_them() {
    let factor = u32::try_from(soak_factor()).expect("a small factor");
    let dice = Dice::fresh();
    let seed = dice.clone();
    let findings = run(Setup::default(), Duration::from_secs(6) * factor, dice).await;
    assert!(findings.is_empty(), "{seed:?}:\n{}", findings.join("\n"));
}
