//! The same application on MongoDB, by a line of configuration.

use serde_json::json;

use crate::app::TestApp;
use crate::binary::run;

const SCHEMA: &str = r#"
type User @collection(auth: true, signUp: OPEN) @access(read: "auth != null") { name: String! }
type Room @collection @access(read: "auth.id in record.members", create: "auth.id in record.members") {
  name: String! @unique
  members: [User!]!
}
type Message @collection @access(read: "auth.id in record.room.members", create: "record.author == auth.id && auth.id in record.room.members") {
  room: Room!
  author: User! @default(value: "auth.id")
  body: String!
}
"#;

/// Of a database that nobody else uses.
pub(crate) fn url() -> String {
    let name = format!("n{}", uuid::Uuid::now_v7().simple());
    testkit::services::mongodb_url().replacen("/?", &format!("/{name}?"), 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_is_at_home_there() {
    let app = TestApp::with(SCHEMA).set("database.url", &url()).start().await;
    let (ana, ana_id) = app.sign_up("ana").await;
    let (bob, _) = app.sign_up("bob").await;
    let room = ana.post("/api/rooms", &json!({"name": "r", "members": [ana_id]})).await;
    assert_eq!(room.status, 201, "{}", room.text());
    let room = room.json()["id"].clone();
    let message = json!({"room": room, "body": "hello"});
    assert_eq!(ana.post("/api/messages", &message).await.status, 201);
    // He is told what he would be of a room that isn't there.
    assert_eq!(bob.post("/api/messages", &message).await.status, 422);
    let list = "/api/messages?expand=room,author&filter=room.name%20==%20'r'";
    let seen = ana.get(list).await.json();
    assert_eq!(seen["items"][0]["room"]["name"], "r");
    assert_eq!(seen["items"][0]["author"]["name"], "ana");
    assert_eq!(bob.get(list).await.json()["items"], json!([]));
    let taken = ana.post("/api/rooms", &json!({"name": "r", "members": [ana_id]})).await;
    assert_eq!(
        (taken.status, taken.json()["code"].clone()),
        (409, json!("unique_violation"))
    );

    let token = ana.token().expect("she is signed in").to_owned();
    let app = app.restart().await;
    let seen = app.client().with_token(&token).get("/api/messages").await.json();
    assert_eq!(seen["items"][0]["body"], "hello");
    app.stop().await;
}

#[tokio::test]
async fn what_it_lacks_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let city = "type City @collection(key: [\"id\"]) @table(name: \"city\", managed: false) { id: Int! name: String }";
    std::fs::write(folder.path().join("schema.graphql"), city).unwrap();
    let folder = folder.path().to_str().unwrap();
    let finished = run(["migrate", "apply", folder, "--database", &url()]).await;
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    for words in [
        "the schema asks for what MongoDB lacks",
        "City is a table that others made",
    ] {
        assert!(finished.stderr.contains(words), "{}", finished.stderr);
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_the_environments_fault() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("schema.graphql"),
        "type Note @collection { text: String! }",
    )
    .unwrap();
    let folder = folder.path().to_str().unwrap();
    let finished = run(["migrate", "status", folder, "--database", "mongodb://127.0.0.1:1/app"]).await;
    assert_eq!(finished.code, Some(3), "{}", finished.stderr);
    assert!(
        finished.stderr.contains("MongoDB does not answer"),
        "{}",
        finished.stderr
    );
    let finished = run(["migrate", "status", folder, "--database", "mongodb://127.0.0.1:1"]).await;
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
}
