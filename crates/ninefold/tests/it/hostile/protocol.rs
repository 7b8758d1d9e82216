//! HTTP as it is seldom spoken, and as it must not be (RFC 9110, RFC 9112).

use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::{SCHEMA, answer, connect, is_well, rest, send, serve};
use crate::binary::folder;

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_are_answered_in_order() {
    let dir = folder(SCHEMA);
    let server = serve(&dir, &[]).await;
    let mut stream = connect(server.address).await;
    let body = json!({"text": "piped"}).to_string();
    let create = format!(
        "POST /api/notes HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let list = "GET /api/notes?count=true&fields=text HTTP/1.1\r\nhost: x\r\n\r\n";
    let nowhere = "GET /api/nowhere HTTP/1.1\r\nhost: x\r\n\r\n";
    send(&mut stream, format!("{create}{list}{nowhere}{create}{list}")).await;
    for expected in [
        "HTTP/1.1 201",
        "\"total\":1",
        "HTTP/1.1 404",
        "HTTP/1.1 201",
        "\"total\":2",
    ] {
        let answered = answer(&mut stream).await;
        assert!(answered.contains(expected), "{expected}: {answered}");
    }
}

/// Whoever closes the half that it sends on is taken to be gone, as by most servers: what it waits for is given up, and
/// the connection is not kept.
#[tokio::test(flavor = "multi_thread")]
async fn who_closes_one_half_is_gone() {
    let dir = folder(SCHEMA);
    let server = serve(&dir, &[]).await;
    for sent in ["", "GET /api/no", "GET /api/notes HTTP/1.1\r\nhost: x\r\n\r\n"] {
        let mut stream = connect(server.address).await;
        send(&mut stream, sent).await;
        stream.shutdown().await.unwrap();
        let answered = rest(&mut stream).await;
        assert!(
            answered.is_empty() || answered.starts_with("HTTP/1.1"),
            "{sent:?}: {answered}"
        );
    }
    let mut live = connect(server.address).await;
    send(
        &mut live,
        "GET /api/notes HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n\r\n",
    )
    .await;
    live.shutdown().await.unwrap();
    rest(&mut live).await;
    is_well(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_only_sent_where_it_is_wanted() {
    let dir = folder(SCHEMA);
    let server = serve(&dir, &[]).await;
    let body = json!({"text": "expected"}).to_string();
    let head = |length: usize| {
        format!(
            "POST /api/notes HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n"
        )
    };
    let mut stream = connect(server.address).await;
    send(&mut stream, head(body.len())).await;
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 100"));
    send(&mut stream, &body).await;
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 201"));
    // What is too long is refused before a byte of it is sent.
    let mut stream = connect(server.address).await;
    send(&mut stream, head(100_000_000)).await;
    let refused = answer(&mut stream).await;
    assert!(refused.starts_with("HTTP/1.1 413"), "{refused}");
    assert!(refused.contains("\"code\":\"too_large\""), "{refused}");
}

/// Each could mean two requests to two readers; nobody may find out by us.
#[tokio::test(flavor = "multi_thread")]
async fn what_could_smuggle_a_request_is_refused() {
    let dir = folder(SCHEMA);
    let server = serve(&dir, &[]).await;
    let hidden = "GET /api/notes HTTP/1.1\r\nhost: hidden\r\nconnection: close\r\n\r\n";
    let post = "POST /api/notes HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    for attack in [
        format!(
            "{post}content-length: 0\r\ncontent-length: {}\r\n\r\n{hidden}",
            hidden.len()
        ),
        format!("{post}content-length: 0, 5\r\n\r\n{hidden}"),
        format!("{post}content-length: -1\r\n\r\n{hidden}"),
        format!("{post}content-length: +5\r\n\r\n{hidden}"),
        format!("{post}transfer-encoding: chunked\r\n\r\nzz\r\n{hidden}"),
        format!("{post}transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n{hidden}"),
        format!("{post}transfer-encoding: identity, gzip\r\n\r\n{hidden}"),
        format!("GET /api/notes HTTP/1.1\r\nhost: x\r\nx-a: b\0c\r\n\r\n{hidden}"),
        format!("GET /api/notes HTTP/1.1\r\nhost: x\r\nbad header: y\r\n\r\n{hidden}"),
        format!("GET /api/ notes HTTP/1.1\r\nhost: x\r\n\r\n{hidden}"),
        format!("GET /api/notes HTTP/9.9\r\nhost: x\r\n\r\n{hidden}"),
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}".to_owned(),
    ] {
        let mut stream = connect(server.address).await;
        send(&mut stream, &attack).await;
        let answered = rest(&mut stream).await;
        assert!(!answered.contains("HTTP/1.1 2"), "{attack:?}\n{answered}");
        assert!(answered.matches("HTTP/1.1").count() <= 1, "{attack:?}\n{answered}");
    }
    is_well(&server).await;
    let notes = server.client().get("/api/notes?count=true").await.json();
    assert_eq!(notes["total"], 0);
}

/// Of both lengths the chunks decide, and the connection ends with the answer (RFC 9112 §6.3).
#[tokio::test(flavor = "multi_thread")]
async fn of_two_lengths_the_chunks_count() {
    let dir = folder(SCHEMA);
    let server = serve(&dir, &[]).await;
    let body = json!({"text": "chunked"}).to_string();
    let mut stream = connect(server.address).await;
    let attack = format!(
        "POST /api/notes HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\nGET /api/notes HTTP/1.1\r\nhost: hidden\r\n\r\n",
        body.len()
    );
    send(&mut stream, attack).await;
    let first = answer(&mut stream).await;
    assert!(
        first.starts_with("HTTP/1.1 201") || first.starts_with("HTTP/1.1 400"),
        "{first}"
    );
    is_well(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_of_headers_are_refused() {
    let dir = folder(SCHEMA);
    let server = serve(&dir, &[]).await;
    let headers = |count| {
        (0..count)
            .map(|number| format!("x-{number}: y\r\n"))
            .collect::<String>()
    };
    let (some, many) = (headers(200), headers(5_000));
    let long = format!("x-long: {}\r\n", "y".repeat(100_000));
    let path = format!("/api/notes?filter={}", "x".repeat(100_000));
    for (path, headers) in [
        ("/api/notes", some.as_str()),
        ("/api/notes", &many),
        ("/api/notes", &long),
        (&path, ""),
    ] {
        let mut stream = connect(server.address).await;
        // It may close while we still write.
        let _ = stream
            .write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n").as_bytes())
            .await;
        let answered = rest(&mut stream).await;
        let is_refused = ["HTTP/1.1 431", "HTTP/1.1 414", "HTTP/1.1 400"]
            .iter()
            .any(|head| answered.starts_with(head));
        assert!(
            is_refused || answered.is_empty(),
            "{}",
            &answered[..answered.len().min(200)]
        );
    }
    is_well(&server).await;
}
