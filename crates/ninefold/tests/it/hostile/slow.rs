//! Clients that take their time: with the head, with the body, with reading the answer.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::{SCHEMA, connect, is_open_after, is_well, patience, rest, send, serve};
use crate::binary::{Server, folder};

/// How long a connection lives that the limits don't end.
const A_WHILE: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_trickles_is_given_up() {
    let dir = folder(SCHEMA);
    let limited = serve(&dir, &["limits.header_timeout_ms=500"]).await;
    let mut stream = connect(limited.address).await;
    let (mut reading, mut writing) = stream.split();
    let trickle = async {
        // Each byte in good time, the head as a whole never.
        for byte in "GET /api/notes HTTP/1.1\r\nhost: x\r\nx-slow: "
            .bytes()
            .chain(std::iter::repeat(b'x'))
        {
            if writing.write_all(&[byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let closed = async {
        let mut answer = Vec::new();
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut reading, &mut answer).await;
    };
    let ended = tokio::time::timeout(patience(), async {
        tokio::select! { () = trickle => {}, () = closed => {} }
    })
    .await;
    assert!(ended.is_ok(), "the connection stays open");
    is_well(&limited).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_trickles_is_answered_with_a_time_out() {
    let dir = folder(SCHEMA);
    let limited = serve(&dir, &["limits.request_timeout_ms=500"]).await;
    let mut stream = connect(limited.address).await;
    let head = "POST /api/notes HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{";
    send(&mut stream, head).await;
    is_well(&limited).await;
    let answered = rest(&mut stream).await;
    assert!(answered.contains("\"code\":\"request_timeout\""), "{answered}");
    is_well(&limited).await;
}

/// Asks for far more than the sockets' buffers hold, and reads nothing of it.
async fn ask_and_do_not_read(server: &Server) -> tokio::net::TcpStream {
    let text = "x".repeat(15_000);
    for rank in 0..40 {
        let note = json!({ "text": text, "rank": rank });
        assert_eq!(server.client().post("/api/notes", &note).await.status, 201);
    }
    let mut stream = connect(server.address).await;
    send(
        &mut stream,
        "GET /api/notes?limit=500 HTTP/1.1\r\nhost: x\r\n\r\n".repeat(100),
    )
    .await;
    // Until the server has taken it, nobody holds it but the kernel.
    let from = stream.local_addr().unwrap();
    let until = tokio::time::Instant::now() + patience();
    while !server.holds(from) {
        assert!(tokio::time::Instant::now() < until, "the connection is not taken");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stream
}

/// Whether the server lets go of the connection, whatever the kernel still holds for the client.
async fn has_let_go(server: &Server, stream: &tokio::net::TcpStream, within: Duration) -> bool {
    let from = stream.local_addr().unwrap();
    let until = tokio::time::Instant::now() + within;
    while server.holds(from) {
        if tokio::time::Instant::now() > until {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_reads_is_given_up() {
    let dir = folder(SCHEMA);
    let limited = serve(&dir, &["limits.write_timeout_ms=500"]).await;
    let stream = ask_and_do_not_read(&limited).await;
    assert!(
        has_let_go(&limited, &stream, patience()).await,
        "the connection is kept"
    );
    is_well(&limited).await;
    drop(stream);

    // The control: with a long time-out it is kept.
    let dir = folder(SCHEMA);
    let patient = serve(&dir, &["limits.write_timeout_ms=600000"]).await;
    let stream = ask_and_do_not_read(&patient).await;
    assert!(!has_let_go(&patient, &stream, A_WHILE).await, "nothing is measured");
    drop(stream);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_closed_and_no_sooner() {
    let dir = folder(SCHEMA);
    let limited = serve(&dir, &["limits.header_timeout_ms=500"]).await;
    let mut stream = connect(limited.address).await;
    send(&mut stream, "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(!is_open_after(&mut stream, patience()).await);
    // The control.
    let dir = folder(SCHEMA);
    let patient = serve(&dir, &["limits.header_timeout_ms=600000"]).await;
    let mut stream = connect(patient.address).await;
    send(&mut stream, "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(is_open_after(&mut stream, A_WHILE).await);
}
