//! A clean end: what has begun is finished, and then the process is gone.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::app::{Client, TestApp};
use crate::binary::{Server, folder};

const SCHEMA: &str = "type Note @collection @access(read: \"true\", create: \"true\") { text: String! }\n";

/// Sends the head of a create and half of its body.
async fn begin(server: &Server, text: &str) -> (TcpStream, String) {
    let body = json!({ "text": text }).to_string();
    let (first, second) = body.split_at(body.len() / 2);
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST /api/notes HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{first}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    (stream, second.to_owned())
}

async fn rest(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    let read = timeout(Duration::from_secs(20), stream.read_to_string(&mut answer)).await;
    read.expect("an answer in time").expect("text");
    answer
}

#[tokio::test]
async fn sigterm_lets_requests_finish_and_ends_with_0() {
    let dir = folder(SCHEMA);
    let mut server = Server::start("serve", dir.path(), &["--migrate"]).await;
    let (mut stream, second) = begin(&server, "in the middle").await;
    // Answered behind it on another connection: the first has reached the server by now.
    assert_eq!(server.client().get("/healthz").await.status, 200);
    server.signal("TERM");
    server.line_with(|line| line.contains("stopping")).await;
    // Nobody new is let in.
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    stream.write_all(second.as_bytes()).await.unwrap();
    let answer = rest(stream).await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert_eq!(server.end().await, Some(0));

    let server = Server::start("serve", dir.path(), &[]).await;
    let notes = server.client().get("/api/notes").await.json();
    assert_eq!(notes["items"][0]["text"], "in the middle");
}

#[tokio::test]
async fn live_streams_end_with_the_server() {
    let dir = folder(SCHEMA);
    let mut server = Server::start("serve", dir.path(), &["--migrate"]).await;
    let mut events = server.client().request("GET", "/api/notes").events().await;
    assert_eq!(events.next().await.unwrap().name, "snapshot");
    let start = Instant::now();
    server.signal("INT");
    while events.next().await.is_some() {}
    assert_eq!(server.end().await, Some(0));
    assert!(
        start.elapsed() < Duration::from_secs(8),
        "the drain time-out was not waited for"
    );
}

#[tokio::test]
async fn who_never_finishes_is_cut_off() {
    let dir = folder(SCHEMA);
    let mut server = Server::start(
        "serve",
        dir.path(),
        &["--migrate", "--set", "limits.drain_timeout_ms=200"],
    )
    .await;
    let (stream, _) = begin(&server, "never finished").await;
    assert_eq!(server.client().get("/healthz").await.status, 200);
    server.signal("TERM");
    assert_eq!(server.end().await, Some(0));
    drop(stream);
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let dir = folder(SCHEMA);
    let mut server = Server::start("serve", dir.path(), &["--migrate"]).await;
    let (stream, _) = begin(&server, "never finished").await;
    assert_eq!(server.client().get("/healthz").await.status, 200);
    server.signal("TERM");
    server.line_with(|line| line.contains("stopping")).await;
    assert!(server.is_running(), "it waits for the request");
    server.signal("TERM");
    assert_eq!(server.end().await, Some(143));
    drop(stream);
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let dir = folder(SCHEMA);
    let mut server = Server::start("serve", dir.path(), &["--migrate"]).await;
    let client = server.client();
    let writer = tokio::spawn(async move {
        let mut acknowledged = 0;
        for number in 0..200 {
            let note = json!({ "text": number.to_string() });
            assert_eq!(client.post("/api/notes", &note).await.status, 201);
            acknowledged += 1;
        }
        acknowledged
    });
    let acknowledged = writer.await.unwrap();
    server.signal("KILL");
    server.end().await;
    let server = Server::start("serve", dir.path(), &[]).await;
    let page = server.client().get("/api/notes?count=true&limit=1").await.json();
    assert_eq!(page["total"], acknowledged);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_of_http_are_spoken_on_one_port() {
    let app = TestApp::new(SCHEMA).await;
    let address = app.client().address();
    for client in [Client::new(address), Client::http2(address)] {
        let note = client.post("/api/notes", &json!({"text": "hello"})).await;
        assert_eq!(note.status, 201, "{}", note.text());
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_never_end_are_given_up() {
    let app = TestApp::with(SCHEMA)
        .set("limits.header_timeout_ms", "200")
        .start()
        .await;
    for begun in ["", "P", "GET / HTTP/1.1\r\nhost: x\r\n"] {
        let mut stream = TcpStream::connect(app.client().address()).await.unwrap();
        stream.write_all(begun.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let closed = timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
        assert!(closed.is_ok(), "the connection stays open after {begun:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_are_too_large_are_refused() {
    let app = TestApp::with(SCHEMA)
        .set("limits.header_bytes_max", "8192")
        .start()
        .await;
    let long = "x".repeat(9_000);
    let response = app
        .client()
        .request("GET", "/api/notes")
        .header("x-long", &long)
        .send()
        .await;
    assert_eq!(response.status, 431);
}
