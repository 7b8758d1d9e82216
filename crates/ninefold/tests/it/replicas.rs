//! A primary and a standby of PostgreSQL's own replication: reads that may be of a moment ago go to the standby, and nobody
//! misses what he wrote himself.
//!
//! That the suite notices the loss of what keeps it so is shown by `durability::mutants`.
//!
//! Where a read was answered shows while the standby replays nothing: what was written meanwhile is on the primary alone.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use testkit::services::{Killable, Proxy};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tokio_postgres::NoTls;

use crate::app::{Client, PASSWORD};
use crate::binary::{Server, folder, ninefold};
use crate::database::Database;
use crate::outages::house::parts;

const SCHEMA: &str = r#"
type User @collection(auth: true, signUp: OPEN) @access(read: "true", update: "record.id == auth.id") {
  name: String! @length(max: 40)
}
type Note @collection @access(read: "true", create: "true") { text: String! @unique @length(max: 40) by: User }
"#;

/// Longer than it takes to be found out how far a server is.
const PATIENCE: Duration = Duration::from_secs(60);
/// So that nothing is too old within a test.
const ANY_LAG: &str = "database.replica_lag_max_ms=600000";

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    spawn_blocking(work).await.expect("the server does as it is told")
}

struct Pair {
    primary: Killable,
    standby: Killable,
    folder: TempDir,
}

impl Pair {
    async fn new() -> Self {
        let (primary, standby) = blocking(|| {
            let primary = Killable::postgres();
            let standby = primary.standby();
            (primary, standby)
        })
        .await;
        Self {
            primary,
            standby,
            folder: folder(SCHEMA),
        }
    }

    fn dir(&self) -> &Path {
        self.folder.path()
    }

    async fn serve(&self, set: &[&str]) -> Server {
        self.serve_with(&self.standby.url(), set, None).await
    }

    async fn serve_with(&self, replicas: &str, set: &[&str], mutant: Option<&str>) -> Server {
        let mut command = ninefold(["serve", "--migrate", "--listen", "127.0.0.1:0"]);
        command.arg(self.dir()).args(["--database", &self.primary.url()]);
        command.args(["--set", &format!("database.replicas={replicas}")]);
        command.args(set.iter().flat_map(|set| ["--set", set]));
        if let Some(mutant) = mutant {
            command.env("NINEFOLD_MUTANT", mutant);
        }
        Server::launch(command).await
    }

    async fn run(&self, url: &str, sql: &str) {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(sql).await.unwrap();
    }

    /// From now on the standby stays as it is, with all that was written until now.
    async fn pause(&self) {
        self.caught_up().await;
        self.run(&self.standby.url(), "SELECT pg_wal_replay_pause()").await;
        let (client, connection) = tokio_postgres::connect(&self.standby.url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        let sql = "SELECT pg_get_wal_replay_pause_state() = 'paused'";
        while !client.query_one(sql, &[]).await.unwrap().get::<_, bool>(0) {
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn resume(&self) {
        self.run(&self.standby.url(), "SELECT pg_wal_replay_resume()").await;
    }

    async fn caught_up(&self) {
        let (primary, connection) = tokio_postgres::connect(&self.primary.url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        let (standby, connection) = tokio_postgres::connect(&self.standby.url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        let row = primary
            .query_one("SELECT pg_current_wal_lsn()::text", &[])
            .await
            .unwrap();
        let sql = format!("SELECT pg_last_wal_replay_lsn() >= '{}'", row.get::<_, &str>(0));
        while !standby.query_one(&sql, &[]).await.unwrap().get::<_, bool>(0) {
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until reads of `reader` are answered by the standby. It replays nothing afterwards, and lacks a note that
    /// `writer`, who is somebody else, has just written.
    async fn until_used(&self, reader: &Client, writer: &Client, text: &str) {
        let trying = async {
            for attempt in 0.. {
                let text = format!("{text} {attempt}");
                self.pause().await;
                create(writer, &text).await;
                if !texts(reader).await.contains(&text) {
                    return;
                }
                self.resume().await;
            }
        };
        timeout(PATIENCE, trying).await.expect("the standby is read from");
    }
}

async fn sign_up(visitor: &Client, name: &str) -> Client {
    let newcomer = json!({"email": format!("{name}@example.org"), "password": PASSWORD, "name": name});
    let signed_up = visitor.post("/auth/sign-up", &newcomer).await;
    assert_eq!(signed_up.status, 201, "{}", signed_up.text());
    visitor.with_token(signed_up.json()["accessToken"].as_str().unwrap())
}

/// Answers what is to be said again to another node.
async fn create(client: &Client, text: &str) -> String {
    let created = client.post("/api/notes", &json!({ "text": text })).await;
    assert_eq!(created.status, 201, "{}", created.text());
    created.header("ninefold-written").expect("it is said when").to_owned()
}

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
    let pair = Pair::new().await;
    let server = pair.serve(&[ANY_LAG]).await;
    let other_node = pair.serve(&[ANY_LAG]).await;
    let visitor = server.client();
    let (ana, bea) = (sign_up(&visitor, "ana").await, sign_up(&visitor, "bea").await);
    // Where ana and bea are not known to have written.
    let elsewhere = |caller: &Client| other_node.client().with_token(caller.token().unwrap());
    pair.until_used(&bea, &ana, "ana").await;
    pair.resume().await;
    pair.until_used(&elsewhere(&bea), &other_node.client(), "elsewhere")
        .await;

    let written = create(&ana, "second").await;
    let has = |texts: Vec<String>| texts.contains(&"second".to_owned());
    assert!(has(texts(&ana).await), "its writer");
    assert!(!has(texts(&bea).await), "somebody else");
    assert!(!has(texts(&visitor).await), "nobody in particular");
    assert!(!has(texts(&elsewhere(&ana)).await), "another node has not heard of it");
    assert!(has(texts_after(&elsewhere(&ana), Some(&written)).await), "but is told");
    assert!(!has(texts(&elsewhere(&ana)).await), "by each request");

    // One record, by its key, and the writer's own.
    let answer = ana.post("/api/notes", &json!({"text": "third"})).await;
    let path = format!("/api/notes/{}", answer.json()["id"].as_str().unwrap());
    assert_eq!(ana.get(&path).await.status, 200);
    assert_eq!(bea.get(&path).await.status, 404);

    // Who is refused because of what is there finds it.
    let refused = bea.post("/api/notes", &json!({"text": "third"})).await;
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert_eq!(bea.get(&path).await.status, 200);
    let bea = sign_up(&visitor, "bea2").await;
    pair.resume().await;
    pair.until_used(&bea, &ana, "again").await;

    // Who isn't signed in is everybody who isn't.
    let answer = visitor.post("/api/notes", &json!({"text": "fourth"})).await;
    let path = format!("/api/notes/{}", answer.json()["id"].as_str().unwrap());
    assert_eq!(server.client().get(&path).await.status, 200);
    assert_eq!(bea.get(&path).await.status, 404);

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
    let pair = Pair::new().await;
    let server = pair.serve_with(&pair.standby.url(), &[ANY_LAG], mutant).await;
    let visitor = server.client();
    let (ana, bea) = (sign_up(&visitor, "ana").await, sign_up(&visitor, "bea").await);
    pair.until_used(&bea, &ana, "first").await;
    let mut findings = Vec::new();
    for (writer, text) in [(&ana, "ana's"), (&bea, "bea's"), (&visitor, "anybody's")] {
        create(writer, text).await;
        if !texts(writer).await.contains(&text.to_owned()) {
            findings.push(format!("{text} is not there"));
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
    let pair = Pair::new().await;
    let set = ["database.replica_lag_max_ms=1000"];
    let mut server = pair.serve_with(&pair.standby.url(), &set, mutant).await;
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
        return vec!["somebody reads what was a long time ago".to_owned()];
    }
    server.line_with(|line| line.contains("too far behind")).await;
    pair.resume().await;
    server.line_with(|line| line.contains("is read from again")).await;
    pair.until_used(&bea, &ana, "third").await;
    Vec::new()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_read_is_older_than_the_limit() {
    assert_eq!(too_old(None).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_dies_fails_no_read_and_is_used_again_when_it_is_back() {
    let mut pair = Pair::new().await;
    let wire = Proxy::to(pair.standby.port()).await;
    let (url, port) = (pair.standby.url(), wire.port());
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
    let pair = Pair::new().await;
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
    let pair = Pair::new().await;
    let stranger = Database::new();
    let strangers = [
        // Another server; this one itself; nobody; and another database of the standby.
        stranger.url().trim_end_matches('?').to_owned(),
        pair.primary.url(),
        "postgresql://ninefold@127.0.0.1:1/postgres".to_owned(),
        pair.standby.url().replace("/postgres", "/template1"),
    ];
    let mut server = pair.serve_with(&strangers.join(","), &[ANY_LAG], None).await;
    for number in 1..=4 {
        let wanted = format!("\"replica\":{number},");
        let line = |line: &str| line.contains("is not read from") && line.contains(&wanted);
        if !server.said.iter().any(|said| line(said)) {
            server.line_with(line).await;
        }
    }
    let said = server.said.join("\n");
    for reason in ["it holds another database", "it follows no other server"] {
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
