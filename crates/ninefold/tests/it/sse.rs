//! Live answers as their users meet them.

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::app::{Client, Event, Events, PASSWORD, TestApp};

const SCHEMA: &str = r#"
type Person @collection(auth: true, signUp: OPEN) @access(read: "auth != null") { name: String! }
type Room @collection @access(read: "auth.id in record.members", create: "true", update: "true", delete: "true") {
  name: String!
  members: [Person!]!
}
type Note @collection @access(read: "true", create: "true", update: "true", delete: "true") {
  text: String!
  rank: Int
}
"#;

async fn note(client: &Client, text: &str, rank: i32) -> String {
    let response = client.post("/api/notes", &json!({"text": text, "rank": rank})).await;
    assert_eq!(response.status, 201, "{}", response.text());
    response.json()["id"].as_str().unwrap().to_owned()
}

async fn next(events: &mut Events) -> (String, Json) {
    let Event { name, data, id } = events.next().await.expect("another event");
    assert!(id.is_some() || name == "error", "{name} has a position");
    (name, serde_json::from_str(&data).expect("an event's data is JSON"))
}

#[track_caller]
fn check(event: &(String, Json), name: &str, text: &str) {
    assert_eq!(
        (event.0.as_str(), &event.1["text"]),
        (name, &json!(text)),
        "{}",
        event.1
    );
}

#[tokio::test]
async fn a_list_is_a_snapshot_and_what_changes() {
    let app = TestApp::new(SCHEMA).await;
    let client = app.client();
    let first = note(&client, "a", 1).await;
    let live = client
        .request("GET", "/api/notes")
        .query("filter", "rank > 0")
        .query("sort", "-rank");
    let mut events = live.events().await;
    assert_eq!(events.headers["content-type"], "text/event-stream");
    assert_eq!(events.headers["x-accel-buffering"], "no");

    let (name, data) = next(&mut events).await;
    assert_eq!(
        (name.as_str(), data["items"].as_array().unwrap().len()),
        ("snapshot", 1)
    );
    assert_eq!(data["items"][0]["text"], "a");

    note(&client, "unseen", 0).await;
    let second = note(&client, "b", 2).await;
    check(&next(&mut events).await, "created", "b");
    client
        .patch(&format!("/api/notes/{first}"), &json!({"text": "a2"}))
        .await;
    check(&next(&mut events).await, "updated", "a2");
    client.patch(&format!("/api/notes/{first}"), &json!({"rank": 0})).await;
    assert_eq!(next(&mut events).await, ("removed".to_owned(), json!({"id": first})));
    client.delete(&format!("/api/notes/{second}")).await;
    assert_eq!(next(&mut events).await, ("removed".to_owned(), json!({"id": second})));
}

#[tokio::test]
async fn a_record_is_followed_until_it_is_gone() {
    let app = TestApp::new(SCHEMA).await;
    let client = app.client();
    let id = note(&client, "a", 1).await;
    let path = format!("/api/notes/{id}");
    let mut events = client.request("GET", &path).query("fields", "id,text").events().await;
    let (name, data) = next(&mut events).await;
    assert_eq!((name.as_str(), &data["item"]["text"]), ("snapshot", &json!("a")));
    client.patch(&path, &json!({"text": "b"})).await;
    check(&next(&mut events).await, "updated", "b");
    client.delete(&path).await;
    assert_eq!(next(&mut events).await.0, "removed");
    assert_eq!(client.request("GET", &path).first_event().await.status, 404);
}

#[tokio::test]
async fn rights_count_as_they_are_now() {
    let app = TestApp::new(SCHEMA).await;
    let (ana, ana_id) = app.sign_up("ana").await;
    let administrator = app.administrator().await;
    let mut events = ana.request("GET", "/api/rooms").events().await;
    assert_eq!(next(&mut events).await, ("snapshot".to_owned(), json!({"items": []})));

    let room = administrator
        .post("/api/rooms", &json!({"name": "secret"}))
        .await
        .json();
    let path = format!("/api/rooms/{}", room["id"].as_str().unwrap());
    administrator.patch(&path, &json!({"members": {"add": [ana_id]}})).await;
    let (name, data) = next(&mut events).await;
    assert_eq!((name.as_str(), &data["name"]), ("created", &json!("secret")));
    administrator
        .patch(&path, &json!({"members": {"remove": [ana_id]}}))
        .await;
    assert_eq!(next(&mut events).await.0, "removed");
    administrator.patch(&path, &json!({"name": "more secret"})).await;
    assert!(events.is_silent_for(Duration::from_millis(300)).await);
}

#[tokio::test]
async fn a_stream_ends_with_its_session() {
    let app = TestApp::new(SCHEMA).await;
    let (ana, _) = app.sign_up("ana").await;
    let mut events = ana.request("GET", "/api/people").events().await;
    assert_eq!(next(&mut events).await.0, "snapshot");
    let out = ana.request("POST", "/auth/sign-out").send().await;
    assert_eq!(out.status, 204, "{}", out.text());
    let signed_in = json!({"email": TestApp::email("ana"), "password": PASSWORD});
    assert_eq!(app.client().post("/auth/sign-in", &signed_in).await.status, 200);
    let (name, problem) = next(&mut events).await;
    assert_eq!(
        (name.as_str(), &problem["status"], &problem["code"]),
        ("error", &json!(401), &json!("unauthenticated"))
    );
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn streams_end_when_the_server_stops() {
    let app = TestApp::new(SCHEMA).await;
    let mut events = app.client().request("GET", "/api/notes").events().await;
    assert_eq!(next(&mut events).await.0, "snapshot");
    app.stop().await;
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn what_refuses_the_question_refuses_the_stream() {
    let app = TestApp::new(SCHEMA).await;
    let check = async |path: &str, status: u16| {
        let response = app.client().request("GET", path).first_event().await;
        assert_eq!(
            (response.status, response.header("content-type")),
            (status, Some("application/problem+json")),
            "{path}"
        );
    };
    check("/api/rooms", 401).await;
    check("/api/nothing", 404).await;
    check("/api/notes?cursor=x", 400).await;
    check("/api/notes?count=true", 400).await;
    check("/api/notes?filter=nonsense(", 400).await;
}

#[tokio::test]
async fn a_client_that_comes_back_begins_with_a_snapshot() {
    let app = TestApp::new(SCHEMA).await;
    let client = app.client();
    let mut events = client.request("GET", "/api/notes").events().await;
    let position = events.next().await.unwrap().id.unwrap();
    drop(events);
    note(&client, "meanwhile", 1).await;
    let mut events = client
        .request("GET", "/api/notes")
        .header("last-event-id", &position)
        .events()
        .await;
    let (name, data) = next(&mut events).await;
    assert_eq!(
        (name.as_str(), &data["items"][0]["text"]),
        ("snapshot", &json!("meanwhile"))
    );
}
