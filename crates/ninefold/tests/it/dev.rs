//! `dev` follows the schema and the configuration.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::binary::{Server, folder};

const SCHEMA: &str = "type Note @collection @access(read: \"true\", create: \"true\") { text: String! }\n";
const WITH_TOPIC: &str =
    "type Note @collection @access(read: \"true\", create: \"true\") { text: String! topic: String }\n";

/// What is promised is 300 ms on a machine with nothing else to do; tests share theirs with many.
const RELOAD_MAX: Duration = Duration::from_secs(3);

#[tokio::test]
async fn a_change_of_the_schema_is_served_at_once() {
    let dir = folder(SCHEMA);
    let mut server = Server::start("dev", dir.path(), &[]).await;
    let client = server.client();
    let kept = client.post("/api/notes", &json!({"text": "before"})).await;
    assert_eq!(kept.status, 201, "{}", kept.text());
    let topic = json!({"text": "after", "topic": "new"});
    assert_eq!(client.post("/api/notes", &topic).await.status, 422);

    let start = Instant::now();
    fs::write(dir.path().join("schema.graphql"), WITH_TOPIC).unwrap();
    server
        .line_with(|line| line.starts_with("reloaded schema.graphql"))
        .await;
    assert!(start.elapsed() < RELOAD_MAX, "{:?}", start.elapsed());
    assert_eq!(client.post("/api/notes", &topic).await.status, 201);
    let kept = client.get(kept.header("location").unwrap()).await.json();
    assert_eq!((&kept["text"], &kept["topic"]), (&json!("before"), &json!(null)));
    let description = client.get("/openapi.json").await.text();
    assert!(description.contains("topic"), "the description follows");
}

#[tokio::test]
async fn a_wrong_schema_is_reported_and_the_former_is_served() {
    let dir = folder(SCHEMA);
    let mut server = Server::start("dev", dir.path(), &[]).await;
    fs::write(
        dir.path().join("schema.graphql"),
        WITH_TOPIC.replace("String!", "Sting!"),
    )
    .unwrap();
    server.line_with(|line| line.contains("did you mean `String`?")).await;
    server
        .line_with(|line| line.contains("still serving the former schema.graphql"))
        .await;
    let place = |line: &String| line.contains("schema.graphql:1:");
    assert!(server.said.iter().any(place), "{:?}", server.said);
    assert_eq!(
        server.client().post("/api/notes", &json!({"text": "x"})).await.status,
        201
    );

    // What would lose data is refused as well.
    fs::write(
        dir.path().join("schema.graphql"),
        "type Other @collection { text: String! }\n",
    )
    .unwrap();
    server
        .line_with(|line| line.contains("still serving the former schema.graphql"))
        .await;
    assert_eq!(server.client().get("/api/notes").await.status, 200);

    fs::write(dir.path().join("schema.graphql"), WITH_TOPIC).unwrap();
    server
        .line_with(|line| line.starts_with("reloaded schema.graphql"))
        .await;
    assert_eq!(
        server
            .client()
            .post("/api/notes", &json!({"text": "x", "topic": "y"}))
            .await
            .status,
        201
    );
}

#[tokio::test]
async fn a_change_of_the_configuration_is_followed() {
    let dir = folder(SCHEMA);
    let mut server = Server::start("dev", dir.path(), &[]).await;
    let client = server.client();
    for text in ["a", "b"] {
        client.post("/api/notes", &json!({ "text": text })).await;
    }
    assert_eq!(
        client.get("/api/notes").await.json()["items"].as_array().unwrap().len(),
        2
    );
    fs::write(dir.path().join("ninefold.toml"), "[limits]\npage_default = 1\n").unwrap();
    server
        .line_with(|line| line.starts_with("reloaded ninefold.toml"))
        .await;
    assert_eq!(
        client.get("/api/notes").await.json()["items"].as_array().unwrap().len(),
        1
    );
    fs::write(dir.path().join("ninefold.toml"), "[limits]\npage_defualt = 2\n").unwrap();
    server
        .line_with(|line| line.contains("did you mean `limits.page_default`?"))
        .await;
    server
        .line_with(|line| line.contains("still serving with the former ninefold.toml"))
        .await;
    assert_eq!(
        client.get("/api/notes").await.json()["items"].as_array().unwrap().len(),
        1
    );
}

#[tokio::test]
async fn an_empty_database_is_seeded_once() {
    let dir = folder(SCHEMA);
    fs::create_dir(dir.path().join("seed")).unwrap();
    fs::write(dir.path().join("seed/notes.json"), r#"[{"text": "a"}, {"text": "b"}]"#).unwrap();
    for _ in 0..2 {
        let mut server = Server::start("dev", dir.path(), &[]).await;
        let page = server.client().get("/api/notes?count=true").await.json();
        assert_eq!(page["total"], 2);
        server.signal("TERM");
        assert_eq!(server.end().await, Some(0));
    }
}

#[tokio::test]
async fn it_says_where_everything_is_and_how_to_become_its_administrator() {
    let dir = folder(SCHEMA);
    let mut server = Server::start("dev", dir.path(), &[]).await;
    let client = server.client();
    for path in ["/", "/docs", "/openapi.json"] {
        assert_eq!(client.get(path).await.status, 200, "{path}");
    }
    let line = server.line_with(|line| line.contains("token=")).await;
    let token = line.split("token=").nth(1).unwrap().trim();
    let sign_in = json!({ "token": token });
    let response = client.post("/auth/admin/sign-in", &sign_in).await;
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(
        client.post("/auth/admin/sign-in", &sign_in).await.status,
        422,
        "it works once"
    );
}
