//! A primary and a standby of the database's own replication: reads that may be of a moment ago go to the standby, and nobody
//! misses what he wrote himself.
//!
//! That the suite notices the loss of what keeps it so is shown by `durability::mutants`.
//!
//! Where a read was answered shows while the standby replays nothing: what was written meanwhile is on the primary alone.

mod pair;

use std::time::Duration;

use serde_json::json;
use testkit::services::{Proxy, mysql_programs};
use tokio::time::{sleep, timeout};

use crate::app::Client;
use crate::binary::{folder, run};
use crate::database::Database;
use crate::mysql::OwnDatabase;
use crate::outages::BOTH;
use crate::outages::failover::blocking;
use crate::outages::house::{Kind, parts};
use pair::{Pair, create, create_at, sign_up};

const SCHEMA: &str = r#"
type User @collection(auth: true, signUp: OPEN) @access(read: "true", update: "record.id == auth.id") {
  name: String! @length(max: 40)
}
type Note @collection @access(read: "true", create: "true") { text: String! @unique @length(max: 40) by: User }
"#;

/// So that nothing is too old within a test.
const ANY_LAG: &str = "database.replica_lag_max_ms=600000";

async fn texts(client: &Client) -> Vec<String> {
    texts_after(client, None).await
}

/// What is there, with what its caller has written until then.
async fn texts_after(client: &Client, written: Option<&str>) -> Vec<String> {
    let mut request = client.request("GET", "/api/notes?limit=500&expand=by");
    if let Some(written) = written {
        request = request.header("ninefold-written", written);
    }
    let page = request.send().await;
    assert_eq!(page.status, 200, "{}", page.text());
    let items = page.json()["items"].as_array().unwrap().clone();
    items
        .iter()
        .map(|item| item["text"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wrote_sees_it_and_others_see_a_state_of_a_moment_ago() {
    for kind in BOTH {
        fresh_and_recent(kind).await;
    }
}

async fn fresh_and_recent(kind: Kind) {
    let pair = Pair::new(kind).await;
    let server = pair.serve(&[ANY_LAG]).await;
    let other_node = pair.serve(&[ANY_LAG]).await;
    let visitor = server.client();
    let (ana, bea) = (sign_up(&visitor, "ana").await, sign_up(&visitor, "bea").await);
    // Where ana and bea are not known to have written.
    let elsewhere = |caller: &Client| other_node.client().with_token(caller.token().unwrap());
    let has = async |client: &Client, text: &String| texts(client).await.contains(text);
    let others_missed = async |round| {
        pair.resume().await;
        let marker = format!("elsewhere {round}");
        pair.until_used(&elsewhere(&bea), &other_node.client(), &marker).await;
        let text = format!("second {round}");
        let written = create(&ana, &text).await;
        assert!(has(&ana, &text).await, "its writer");
        let missed = !has(&bea, &text).await && !has(&visitor, &text).await && !has(&elsewhere(&ana), &text).await;
        let told = texts_after(&elsewhere(&ana), Some(&written)).await;
        assert!(told.contains(&text), "another node is told");
        // By each request.
        let is_missed_again = !has(&elsewhere(&ana), &text).await;
        (missed && is_missed_again).then_some(())
    };
    pair.until(&bea, &ana, "ana", others_missed).await;

    // One record, by its key, and the writer's own.
    let missed_by_key = async |round| {
        let text = format!("third {round}");
        let path = create_at(&ana, &text).await;
        assert_eq!(ana.get(&path).await.status, 200);
        (bea.get(&path).await.status == 404).then_some((text, path))
    };
    let (text, path) = pair.until(&bea, &ana, "one", missed_by_key).await;

    // Who is refused because of what is there finds it.
    let refused = bea.post("/api/notes", &json!({ "text": text })).await;
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert_eq!(bea.get(&path).await.status, 200);

    // Who isn't signed in is everybody who isn't.
    let bea = sign_up(&visitor, "bea2").await;
    let missed_of_anybody = async |round| {
        let path = create_at(&visitor, &format!("fourth {round}")).await;
        assert_eq!(server.client().get(&path).await.status, 200);
        (bea.get(&path).await.status == 404).then_some(path)
    };
    let path = pair.until(&bea, &ana, "again", missed_of_anybody).await;

    // Who was told of something finds it.
    let mut events = bea.request("GET", "/api/notes?sort=-id").events().await;
    let snapshot = events.next().await.unwrap();
    assert!(
        snapshot.data.contains("fourth"),
        "live answers are of now: {}",
        snapshot.data
    );
    assert_eq!(bea.get(&path).await.status, 200);

    // What is asked before a write is decided is of now.
    let again = json!({"text": "fifth", "by": null});
    let key = |request: crate::app::Request| request.header("idempotency-key", "once").json(&again).send();
    let first = key(ana.request("POST", "/api/notes")).await;
    let replayed = key(elsewhere(&ana).request("POST", "/api/notes")).await;
    assert_eq!((replayed.status, replayed.text()), (201, first.text()));
    assert!(
        texts(&elsewhere(&ana)).await.contains(&"fifth".to_owned()),
        "it was answered here, too"
    );

    pair.resume().await;
    pair.until_used(&ana, &bea, "in the end").await;
}

/// What its writers miss of what they have written.
pub(crate) async fn own_writes(mutant: Option<&str>) -> Vec<String> {
    let mut findings = Vec::new();
    for kind in BOTH {
        let pair = Pair::new(kind).await;
        let server = pair.serve_with(&pair.url(&pair.standby), &[ANY_LAG], mutant).await;
        let visitor = server.client();
        let (ana, bea) = (sign_up(&visitor, "ana").await, sign_up(&visitor, "bea").await);
        pair.until_used(&bea, &ana, "first").await;
        for (writer, text) in [(&ana, "ana's"), (&bea, "bea's"), (&visitor, "anybody's")] {
            create(writer, text).await;
            if !texts(writer).await.contains(&text.to_owned()) {
                findings.push(format!("{kind:?}: {text} is not there"));
            }
        }
    }
    findings
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_misses_what_it_wrote() {
    assert_eq!(own_writes(None).await, Vec::<String>::new());
}

/// What can't be seen long after it was written.
pub(crate) async fn too_old(mutant: Option<&str>) -> Vec<String> {
    let mut findings = Vec::new();
    for kind in BOTH {
        let pair = Pair::new(kind).await;
        let set = ["database.replica_lag_max_ms=1000"];
        let mut server = pair.serve_with(&pair.url(&pair.standby), &set, mutant).await;
        let visitor = server.client();
        let (ana, bea) = (sign_up(&visitor, "ana").await, sign_up(&visitor, "bea").await);
        pair.until_used(&bea, &ana, "first").await;
        create(&ana, "second").await;
        let waiting = async {
            while !texts(&bea).await.contains(&"second".to_owned()) {
                sleep(Duration::from_millis(20)).await;
            }
        };
        if timeout(Duration::from_secs(20), waiting).await.is_err() {
            findings.push(format!("{kind:?}: somebody reads what was a long time ago"));
            continue;
        }
        server.line_with(|line| line.contains("too far behind")).await;
        pair.resume().await;
        server.line_with(|line| line.contains("is read from again")).await;
        pair.until_used(&bea, &ana, "third").await;
    }
    findings
}

#[tokio::test(flavor = "multi_thread")]
async fn no_read_is_older_than_the_limit() {
    assert_eq!(too_old(None).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_dies_fails_no_read_and_is_used_again_when_it_is_back() {
    for kind in BOTH {
        away_and_back(kind).await;
    }
}

async fn away_and_back(kind: Kind) {
    let mut pair = Pair::new(kind).await;
    let wire = Proxy::to(pair.standby.port()).await;
    let (url, port) = (pair.url(&pair.standby), wire.port());
    let (start, _, end) = parts(&url);
    let mut server = pair.serve_with(&format!("{start}{port}{end}"), &[ANY_LAG], None).await;
    let visitor = server.client();
    let (ana, bea) = (sign_up(&visitor, "ana").await, sign_up(&visitor, "bea").await);
    pair.until_used(&bea, &ana, "before").await;
    pair.resume().await;

    // Connections are dead, and nobody was told.
    wire.stall();
    create(&ana, "stalled").await;
    assert!(!texts(&bea).await.is_empty());
    wire.cut();
    server.line_with(|line| line.contains("is read from again")).await;
    pair.until_used(&bea, &ana, "stalled").await;
    pair.resume().await;

    // Killed while it is read from.
    let reading = {
        let bea = bea.clone();
        tokio::spawn(async move {
            for _ in 0..200 {
                texts(&bea).await;
            }
        })
    };
    pair = blocking(move || {
        pair.standby.kill();
        pair
    })
    .await;
    reading.await.expect("no read fails");
    create(&ana, "while it was away").await;
    assert!(texts(&bea).await.contains(&"while it was away".to_owned()));
    pair = blocking(move || {
        pair.standby.start();
        pair
    })
    .await;
    server.line_with(|line| line.contains("is read from again")).await;
    pair.until_used(&bea, &ana, "after").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_without_the_new_structure_is_not_asked() {
    for kind in BOTH {
        new_structure(kind).await;
    }
}

async fn new_structure(kind: Kind) {
    let pair = Pair::new(kind).await;
    let mut server = pair.serve(&[ANY_LAG]).await;
    create(&server.client(), "old").await;
    server.signal("TERM");
    assert_eq!(server.end().await, Some(0), "{}", server.said.join("\n"));

    pair.pause().await;
    let schema = SCHEMA.replace("by: User }", "by: User mood: String }");
    std::fs::write(pair.dir().join("schema.graphql"), schema).unwrap();
    let server = pair.serve(&[ANY_LAG]).await;
    let visitor = server.client();
    let (ana, bea) = (sign_up(&visitor, "ana").await, sign_up(&visitor, "bea").await);
    for round in 0..20 {
        let page = bea.get("/api/notes").await;
        assert_eq!(page.status, 200, "{}", page.text());
        assert!(page.json()["items"][0].get("mood").is_some(), "{}", page.text());
        create(&ana, &format!("new {round}")).await;
        assert!(
            texts(&bea).await.contains(&format!("new {round}")),
            "from the primary alone"
        );
        sleep(Duration::from_millis(20)).await;
    }
    pair.resume().await;
    pair.until_used(&bea, &ana, "later").await;
    assert!(bea.get("/api/notes").await.json()["items"][0].get("mood").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_replica_of_this_database_is_not_read_from() {
    for kind in BOTH {
        strangers(kind).await;
    }
}

async fn strangers(kind: Kind) {
    let pair = Pair::new(kind).await;
    let (postgres, mariadb) = (Database::new(), OwnDatabase::new());
    let stranger = match kind {
        Kind::Postgres => postgres.url().trim_end_matches('?').to_owned(),
        Kind::MariaDb => mariadb.url(),
    };
    let primary = pair.url(&pair.primary);
    let (start, _, end) = parts(&primary);
    // Another server; this one itself; nobody; and another database of the standby.
    let nobody = format!("{start}1{end}");
    let strangers = [stranger, primary.clone(), nobody, pair.other_database()];
    let mut server = pair.serve_with(&strangers.join(","), &[ANY_LAG], None).await;
    for number in 1..=4 {
        let wanted = format!("\"replica\":{number},");
        let line = |line: &str| line.contains("is not read from") && line.contains(&wanted);
        if !server.said.iter().any(|said| line(said)) {
            server.line_with(line).await;
        }
    }
    let said = server.said.join("\n");
    let alone = match kind {
        Kind::Postgres => "it follows no other server",
        Kind::MariaDb => "it may be written to",
    };
    for reason in ["it holds another database", alone] {
        assert!(said.contains(reason), "{said}");
    }
    let visitor = server.client();
    let (ana, bea) = (sign_up(&visitor, "ana").await, sign_up(&visitor, "bea").await);
    for round in 0..20 {
        create(&ana, &format!("{round}")).await;
        assert!(texts(&bea).await.contains(&format!("{round}")));
    }
    server.signal("TERM");
    assert_eq!(server.end().await, Some(0), "{}", server.said.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_was_promoted_is_not_read_from() {
    for kind in BOTH {
        promoted(kind).await;
    }
}

async fn promoted(kind: Kind) {
    let pair = Pair::new(kind).await;
    let mut server = pair.serve(&[ANY_LAG]).await;
    let visitor = server.client();
    let (ana, bea) = (sign_up(&visitor, "ana").await, sign_up(&visitor, "bea").await);
    pair.until_used(&bea, &ana, "before").await;
    pair.resume().await;
    pair.promote().await;
    let mut standby = pair.beside_standby().await;
    standby.run("UPDATE note SET text = CONCAT('strange ', text)").await;
    let all_are_ours = async |round: usize| {
        let texts = texts(&bea).await;
        let strange = texts.iter().any(|text| text.starts_with("strange"));
        assert!(!strange, "{kind:?} {round}: {texts:?}");
    };
    for round in 0..20 {
        all_are_ours(round).await;
    }
    let not_read = |line: &str| line.contains("is not read from");
    server.line_with(not_read).await;
    if kind == Kind::MariaDb {
        // What it wrote stays in its log.
        standby.run("SET GLOBAL read_only = 1").await;
        server
            .line_with(|line| not_read(line) && line.contains("it follows another"))
            .await;
        for round in 0..20 {
            create(&ana, &format!("after {round}")).await;
            all_are_ours(round).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_whose_log_would_not_tell_its_own_writes_is_not_read_from() {
    if mysql_programs().is_some() {
        // MySQL's names what was written to it itself by its own UUID, whatever the settings.
        return;
    }
    for (setting, missing) in [
        ("--skip-log-slave-updates", "`log_slave_updates`"),
        ("--skip-gtid-strict-mode", "`gtid_strict_mode`"),
    ] {
        let mut pair = Pair::new(Kind::MariaDb).await;
        // Killed while it replays who its users are it could not go on.
        pair.pause().await;
        pair = blocking(move || {
            pair.standby.kill();
            pair.standby.set(setting);
            pair.standby.start();
            pair
        })
        .await;
        let mut server = pair.serve(&[ANY_LAG]).await;
        let is_told = |line: &str| line.contains("is not read from") && line.contains(missing);
        if !server.said.iter().any(|said| is_told(said)) {
            server.line_with(is_told).await;
        }
        let visitor = server.client();
        let (ana, bea) = (sign_up(&visitor, "ana").await, sign_up(&visitor, "bea").await);
        for round in 0..5 {
            pair.pause().await;
            create(&ana, &format!("{round}")).await;
            assert!(texts(&bea).await.contains(&format!("{round}")), "{setting}");
            pair.resume().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_strict_no_more_is_not_read_from() {
    if mysql_programs().is_some() {
        // MySQL is always as strict as MariaDB is with this setting.
        return;
    }
    let pair = Pair::new(Kind::MariaDb).await;
    let mut server = pair.serve(&[ANY_LAG]).await;
    let visitor = server.client();
    let (ana, bea) = (sign_up(&visitor, "ana").await, sign_up(&visitor, "bea").await);
    pair.until_used(&bea, &ana, "before").await;
    pair.beside_standby().await.run("SET GLOBAL gtid_strict_mode = 0").await;
    for round in 0..10 {
        create(&ana, &format!("{round}")).await;
        assert!(texts(&bea).await.contains(&format!("{round}")), "{round}");
    }
    let is_told = |line: &str| line.contains("is not read from") && line.contains("`gtid_strict_mode`");
    if !server.said.iter().any(|said| is_told(said)) {
        server.line_with(is_told).await;
    }
}

#[tokio::test]
async fn a_primary_that_nobody_can_follow_is_refused() {
    let (database, dir) = (OwnDatabase::new(), folder(SCHEMA));
    let replicas = format!("database.replicas={}", database.url());
    let arguments = ["--database", &database.url(), "--set", &replicas];
    let serve = ["serve", "--migrate", dir.path().to_str().unwrap()];
    let refused = run(serve.into_iter().chain(arguments)).await;
    assert_ne!(refused.code, Some(0));
    for wanted in ["writes no binary log", "turn on `log_bin`"] {
        assert!(refused.stderr.contains(wanted), "{}", refused.stderr);
    }
}
