//! The real binary with its data on a PostgreSQL server.

use std::process::Stdio;

use serde_json::{Value as Json, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::timeout;
use tokio_postgres::NoTls;

use crate::app::{PASSWORD, TestApp};
use crate::binary::{PATIENCE, Server, finish, folder, ninefold};
use crate::import::killed;

#[path = "../../../store-sql/tests/support/schema.rs"]
pub(crate) mod schema;

use schema::Schema;

const APPLICATION: &str = r#"
type User @collection(auth: true, signUp: OPEN) @access(read: "auth != null") { name: String! }
type Note @collection @access(read: "auth.id == record.author", create: "auth.id == record.author") {
  author: User! @default(value: "auth.id")
  text: String! @length(max: 200) @unique
}
"#;

#[tokio::test]
async fn an_application_runs_on_it_and_finds_its_data_again() {
    let (dir, schema) = (folder(APPLICATION), Schema::new());
    let url = schema.url();
    let arguments = ["--database", &url];
    let mut server = Server::start("serve", dir.path(), &arguments).await;
    let account = json!({"email": "ann@example.com", "password": PASSWORD, "name": "Ann"});
    let signed_up = server.client().post("/auth/sign-up", &account).await;
    assert_eq!(signed_up.status, 201, "{}", signed_up.text());
    let token = |answer: &Json| answer["accessToken"].as_str().unwrap().to_owned();
    let ann = server.client().with_token(&token(&signed_up.json()));
    let note = json!({"text": "größer"});
    assert_eq!(ann.post("/api/notes", &note).await.status, 201);
    assert_eq!(ann.post("/api/notes", &note).await.status, 409);
    let mut events = ann.request("GET", "/api/notes").events().await;
    assert_eq!(events.next().await.unwrap().name, "snapshot");
    assert_eq!(ann.post("/api/notes", &json!({"text": "heard"})).await.status, 201);
    let heard = events.next().await.unwrap();
    assert!(heard.data.to_string().contains("heard"), "{:?}", heard.data);
    server.signal("TERM");
    assert_eq!(server.end().await, Some(0));

    let server = Server::start("serve", dir.path(), &arguments).await;
    let credentials = json!({"email": "ann@example.com", "password": PASSWORD});
    let signed_in = server.client().post("/auth/sign-in", &credentials).await;
    assert_eq!(signed_in.status, 200, "{}", signed_in.text());
    let ann = server.client().with_token(&token(&signed_in.json()));
    let notes = ann.get("/api/notes?sort=text").await.json();
    let texts: Vec<&str> = notes["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|note| note["text"].as_str().unwrap())
        .collect();
    assert_eq!(texts, ["größer", "heard"]);
    assert_eq!(server.client().get("/api/notes").await.status, 401);
}

/// A release beside the one before it: a field has another name and its column keeps its own, and there is another index.
#[tokio::test]
async fn old_nodes_serve_on_while_a_field_gets_another_name() {
    const OLD: &str = r#"type Note @collection @access(read: "true", create: "true") { text: String! }"#;
    const NEW: &str = r#"
type Note @collection @access(read: "true", create: "true") @index(fields: ["body"]) {
  body: String! @column(name: "text") @renamed(from: "text")
}"#;
    let schema = Schema::new();
    let url = schema.url();
    let (former, next) = (folder(OLD), folder(NEW));
    let old = Server::start("serve", former.path(), &["--database", &url]).await;
    let (note, body) = (|text| json!({ "text": text }), |text| json!({ "body": text }));
    assert_eq!(old.client().post("/api/notes", &note("one")).await.status, 201);
    let new = Server::start("serve", next.path(), &["--database", &url, "--migrate"]).await;
    assert_eq!(new.client().post("/api/notes", &body("two")).await.status, 201);
    assert_eq!(old.client().post("/api/notes", &note("three")).await.status, 201);
    for (server, field) in [(&old, "text"), (&new, "body")] {
        let notes = server.client().get(&format!("/api/notes?sort={field}")).await.json();
        let items = notes["items"].as_array().unwrap();
        let texts: Vec<&str> = items.iter().map(|note| note[field].as_str().unwrap()).collect();
        assert_eq!(texts, ["one", "three", "two"], "{field}");
    }
    old.kill().await;
    new.kill().await;
}

/// Another migration, or a transaction that an index has to wait for.
#[tokio::test]
async fn a_migration_that_waits_says_for_whom() {
    let (dir, schema) = (folder(APPLICATION), Schema::new());
    let url = schema.url();
    let apply = || ninefold(["migrate", "apply", dir.path().to_str().unwrap(), "--database", &url]);
    assert_eq!(finish(apply(), "").await.code, Some(0));
    let indexed = APPLICATION.replacen(
        "type Note @collection",
        "type Note @collection @index(fields: [\"text\", \"author\"])",
        1,
    );
    std::fs::write(dir.path().join("schema.graphql"), indexed).unwrap();

    let (holder, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let turn = "pg_advisory_lock(hashtextextended('ninefold.migration.' || current_schema(), 0))";
    let begin = format!("SET application_name = 'the-holder'; SELECT {turn}");
    holder.batch_execute(&begin).await.unwrap();
    let mut migration = apply().stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut said = BufReader::new(migration.stderr.take().unwrap()).lines();
    let mut told = async || loop {
        let line = timeout(PATIENCE, said.next_line())
            .await
            .expect("it says whom it waits for");
        let line = line.unwrap().expect("it waits");
        if line.contains("the migration waits for another connection") {
            return line;
        }
    };
    let line = told().await;
    assert!(line.contains("the-holder"), "{line}");
    // A transaction that the index has to wait for.
    let instead = format!(
        "BEGIN; LOCK TABLE note IN ROW EXCLUSIVE MODE; SELECT {}",
        turn.replace("_lock(", "_unlock(")
    );
    holder.batch_execute(&instead).await.unwrap();
    let line = told().await;
    assert!(
        line.contains("the-holder") && line.contains("idle in transaction"),
        "{line}"
    );
    holder.batch_execute("COMMIT").await.unwrap();
    assert!(migration.wait().await.unwrap().success());
}

/// What a server's restart does to connections: they end, also those that nobody uses.
#[tokio::test]
async fn connections_that_the_server_ends_are_replaced() {
    let schema = Schema::new();
    let url = schema.url();
    let app = TestApp::with(APPLICATION).set("database.url", &url).start().await;
    let (ann, _) = app.sign_up("ann").await;
    let (client, connection) = tokio_postgres::connect(&testkit::services::postgres_url(), NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let (_, name) = url.rsplit_once("application_name=").unwrap();
    let end = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE application_name = $1";
    for round in 0..4 {
        let ended: i64 = client.query_one(end, &[&name]).await.unwrap().get(0);
        assert!(ended > 0, "they go by the name of the URL");
        let note = ann.post("/api/notes", &json!({"text": format!("{round}")})).await;
        assert_eq!(note.status, 201, "{}", note.text());
        client.query_one(end, &[&name]).await.unwrap();
        let notes = ann.get("/api/notes").await.json();
        assert_eq!(notes["items"].as_array().unwrap().len(), round + 1);
    }
    app.stop().await;
}

#[tokio::test]
async fn an_import_that_is_killed_is_taken_back() {
    let schema = Schema::new();
    let (client, connection) = tokio_postgres::connect(&schema.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    let count = async |sql: &str| -> i64 { client.query_one(sql, &[]).await.unwrap().get(0) };
    let others = "SELECT count(*) FROM pg_stat_activity \
                  WHERE application_name = current_setting('application_name') AND pid <> pg_backend_pid()";
    let tables =
        "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename LIKE '\\_ninefold\\_import%'";
    killed::is_taken_back(&schema.url(), count, others, tables).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_of_without_the_password() {
    let dir = folder(APPLICATION);
    let mut command = ninefold(["serve", dir.path().to_str().unwrap(), "--listen", "127.0.0.1:0"]);
    command.args(["--database", "postgresql://ann:hush@127.0.0.1:1/none"]);
    let finished = finish(command, "").await;
    assert_ne!(finished.code, Some(0));
    assert!(finished.stderr.contains("does not answer"), "{}", finished.stderr);
    assert!(!finished.stderr.contains("hush"), "{}", finished.stderr);
}

/// What the page about databases says to write is read.
#[test]
fn the_pages_configuration_is_valid() {
    let page = include_str!("../../../../docs/databases.md");
    let blocks = page
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split_once("```"));
    let configuration = blocks
        .map(|(block, _)| block)
        .find(|block| block.starts_with("[database]"))
        .unwrap();
    let overrides = ninefold::config::Overrides::default();
    let config = ninefold::config::Config::read(configuration, [], &overrides).unwrap();
    assert!(config.database.url.starts_with("postgresql://shop:"));
}
