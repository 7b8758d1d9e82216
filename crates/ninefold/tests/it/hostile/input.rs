//! Input made to break what reads it: each is an answer that says what is wrong, soon, and without growing the server.

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::{SCHEMA, anonymous_mib, connect, is_well, rest, send, serve};
use crate::app::PASSWORD;
use crate::binary::{Server, folder};

/// On a machine that does much else.
const SOON: Duration = Duration::from_secs(10);
/// What reading any of it may leave behind.
const GROWTH_MIB: u64 = 64;

/// Sends a request with any body and answers its status and its problem.
async fn ask(server: &Server, method: &str, path: &str, headers: &str, body: &[u8]) -> (u16, Json) {
    let mut stream = connect(server.address).await;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    send(&mut stream, head).await;
    // It may refuse, and close, before all is sent.
    let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, body).await;
    let answered = rest(&mut stream).await;
    let status = answered.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
    let (_, body) = answered.split_once("\r\n\r\n").unwrap_or_default();
    (status, serde_json::from_str(body).unwrap_or(Json::Null))
}

async fn refused(server: &Server, method: &str, path: &str, headers: &str, body: &[u8]) {
    let what = || {
        format!(
            "{method} {} {headers} {}",
            &path[..path.len().min(120)],
            String::from_utf8_lossy(&body[..body.len().min(120)])
        )
    };
    let began = Instant::now();
    let (status, problem) = ask(server, method, path, headers, body).await;
    assert!((400..500).contains(&status), "{}: {status} {problem}", what());
    assert!(began.elapsed() < SOON, "{} took {:?}", what(), began.elapsed());
    // Where there is more to be said than that HTTP itself is broken.
    if !matches!(status, 414 | 431) {
        let said = problem["detail"].as_str().unwrap_or_default();
        assert!(said.len() > 5 && said.len() < 2_000, "{}: {problem}", what());
        for secret in ["SQLite", "SELECT", "panicked", "thread '"] {
            assert!(!problem.to_string().contains(secret), "{}: {problem}", what());
        }
    }
}

fn query(name: &str, value: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'(' | b')' | b'\'' => char::from(byte).to_string(),
        _ => format!("%{byte:02x}"),
    };
    let encoded: String = value.bytes().map(encode).collect();
    format!("/api/notes?{name}={encoded}")
}

async fn server(dir: &tempfile::TempDir) -> Server {
    let limits = [
        "limits.header_bytes_max=1000000",
        "auth.limits.sign_in_address_burst=100000",
    ];
    serve(dir, &limits).await
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies() {
    let dir = folder(SCHEMA);
    let server = server(&dir).await;
    is_well(&server).await;
    let before = anonymous_mib(&server);
    let json_type = "content-type: application/json\r\n";
    let fields: String = (0..10_000).map(|number| format!("\"f{number}\":{number},")).collect();
    let bodies: Vec<Vec<u8>> = vec![
        "[".repeat(100_000).into(),
        "{\"more\":".repeat(50_000).into(),
        format!("{{\"text\":\"x\",\"more\":{}{}}}", "[".repeat(5_000), "]".repeat(5_000)).into(),
        format!("{{\"text\":{}{}}}", "[".repeat(100), "]".repeat(100)).into(),
        format!("{{{fields}\"text\":\"x\"}}").into(),
        b"{\"text\":\"x\",\"rank\":1e400}".to_vec(),
        format!("{{\"text\":\"x\",\"rank\":{}}}", "9".repeat(400)).into(),
        b"{\"text\":\"x\",\"rank\":2147483648}".to_vec(),
        b"{\"text\":\"x\",\"amount\":\"1e999999999\"}".to_vec(),
        b"{\"text\":\"x\",\"amount\":\"99999999999999999999999999\"}".to_vec(),
        b"{\"text\":\"x\",\"on\":\"99999-12-31\"}".to_vec(),
        b"{\"text\":\"x\",\"at\":\"2026-02-30T00:00:00Z\"}".to_vec(),
        b"{\"text\":\"a\\u0000b\"}".to_vec(),
        b"{\"text\":\"x\",\"more\":{\"a\\u0000\":1}}".to_vec(),
        format!("{{\"text\":\"x\",\"more\":{}{}}}", "[".repeat(100), "]".repeat(100)).into(),
        format!("{{\"text\":\"x\",\"more\":\"{}\"}}", "y".repeat(70_000)).into(),
        b"{\"text\":\"\\ud800\"}".to_vec(),
        b"{\"text\":\"\xff\xfe\"}".to_vec(),
        b"\xef\xbb\xbf{}".to_vec(),
        b"{\"text\":\"x\"}{\"text\":\"y\"}".to_vec(),
        b"{\"text\":\"x\",\"parent\":\"00000000-0000-0000-0000-000000000000\"}".to_vec(),
        b"{\"text\":\"x\",\"id\":\"' OR 1=1 --\"}".to_vec(),
        b"nul".to_vec(),
        b"".to_vec(),
    ];
    for body in &bodies {
        refused(&server, "POST", "/api/notes", json_type, body).await;
        refused(&server, "POST", "/auth/sign-in", json_type, body).await;
        refused(&server, "POST", "/auth/sign-up", json_type, body).await;
        refused(&server, "POST", "/api/batch", json_type, body).await;
    }
    let made = server
        .client()
        .post("/api/notes", &json!({"text": "kept"}))
        .await
        .json();
    let path = format!("/api/notes/{}", made["id"].as_str().unwrap());
    for body in bodies.iter().filter(|body| !body.is_empty()) {
        refused(
            &server,
            "PATCH",
            &path,
            "content-type: application/merge-patch+json\r\n",
            body,
        )
        .await;
    }
    is_well(&server).await;
    let notes = server.client().get("/api/notes?count=true").await.json();
    assert_eq!(notes["total"], 1, "none of it is kept: {notes}");
    let after = anonymous_mib(&server);
    assert!(after < before + GROWTH_MIB, "{before} MiB before, {after} MiB after");
}

/// What would be fine if it were not so large.
#[tokio::test(flavor = "multi_thread")]
async fn large_bodies() {
    let dir = folder(SCHEMA);
    let server = server(&dir).await;
    let spaces = |count| " ".repeat(count);
    let create = r#"{"op": "create", "collection": "notes", "data": {"text": "x"}}"#;
    for (path, body) in [
        ("/api/notes", format!("{{\"text\":\"x\"{}}}", spaces(2_000_000))),
        ("/api/notes", format!("[{{\"text\":\"x\"}}{}]", spaces(9_000_000))),
        (
            "/api/batch",
            format!("{{\"operations\":[{create}]{}}}", spaces(9_000_000)),
        ),
        (
            "/auth/sign-up",
            format!(
                "{{\"email\":\"a@example.com\",\"password\":\"{PASSWORD}\"{}}}",
                spaces(100_000)
            ),
        ),
    ] {
        refused(
            &server,
            "POST",
            path,
            "content-type: application/json\r\n",
            body.as_bytes(),
        )
        .await;
    }
    is_well(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_of_many() {
    let dir = folder(SCHEMA);
    let server = server(&dir).await;
    let create = r#"{"op": "create", "collection": "notes", "data": {"text": "x"}}"#;
    for (path, body) in [
        (
            "/api/batch",
            format!("{{\"operations\":[{}]}}", vec![create; 501].join(",")),
        ),
        ("/api/notes", format!("[{}]", vec![r#"{"text": "x"}"#; 501].join(","))),
    ] {
        refused(
            &server,
            "POST",
            path,
            "content-type: application/json\r\n",
            body.as_bytes(),
        )
        .await;
    }
    let notes = server.client().get("/api/notes?count=true").await.json();
    assert_eq!(notes["total"], 0, "none of it is kept: {notes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn questions() {
    let dir = folder(SCHEMA);
    let server = server(&dir).await;
    is_well(&server).await;
    let before = anonymous_mib(&server);
    let nested =
        |open: &str, inner: &str, close: &str, times| format!("{}{inner}{}", open.repeat(times), close.repeat(times));
    let exists = "children.exists(a, a.children.exists(b, b.children.exists(c, c.children.exists(d, d.text == 'x'))))";
    for filter in [
        // Deep, but of no more words than are allowed.
        format!("rank{} > 0", " + rank".repeat(490)),
        nested("(", "true", ")", 900),
        nested("!", "true", "", 1_900),
        nested("-", "1", "", 1_900) + " == 1",
        nested("[", "1", "]", 900),
        "true ? ".repeat(380) + "true" + &" : false".repeat(380),
        "parent.".repeat(12) + "text == 'x'",
        exists.to_owned(),
        // And of more.
        nested("(", "true", ")", 3_000),
        nested("!", "true", "", 3_000),
        // Texts that end elsewhere for the parser than for a careless reader, with brackets in them.
        format!("'\\ {}'", "[".repeat(6_000)),
        format!("'\r{}'", "[".repeat(6_000)),
        format!("rb'\\'{}'", "[".repeat(6_000)),
        format!("text == '{}'", "y".repeat(20_000)),
        format!("text == '{}'", "x".repeat(10_000)),
        format!("text == '{}'", "z".repeat(200_000)),
        format!("rank in [{}]", vec!["1"; 1_000].join(",")),
        vec!["rank>1"; 800].join(" || "),
        format!("rank in [{}]", vec!["1"; 20_000].join(",")),
        format!("text.matches('{}')", "a".repeat(1_100)),
        "text.matches('a{300}')".to_owned(),
        "text.matches('(a{1000}){1000}')".to_owned(),
        "text.matches('((a{100}){100}){5}')".to_owned(),
        "text.matches('(((a{100}){100}){100}){100}')".to_owned(),
        "text.matches('(')".to_owned(),
        "rank == 99999999999999999999999999".to_owned(),
        "rank / 0 == 1 && ".to_owned(),
        "text == \"\\ud800\"".to_owned(),
        "timestamp('99999-01-01T00:00:00Z') > at".to_owned(),
        "text".repeat(3_000),
        "parent.".repeat(1_000) + "text == 'x'",
        "size(text) > 1; DROP TABLE note".to_owned(),
        "${7*7}".to_owned(),
    ] {
        refused(&server, "GET", &query("filter", &filter), "", b"").await;
    }
    for (name, value) in [
        ("sort", vec!["text"; 1_000].join(",")),
        ("sort", "text desc; --".to_owned()),
        ("sort", "parent.".repeat(500) + "text"),
        (
            "fields",
            (0..10_000)
                .map(|number| format!("f{number}"))
                .collect::<Vec<_>>()
                .join(","),
        ),
        ("fields", vec!["text"; 1_000].join(",")),
        ("expand", "parent.parent.parent.parent.parent".to_owned()),
        ("expand", "parent.".repeat(50) + "parent"),
        ("expand", vec!["nowhere"; 2_000].join(",")),
        ("limit", "501".to_owned()),
        ("limit", "9".repeat(1_000)),
        ("limit", "-1".to_owned()),
        ("cursor", "A".repeat(50_000)),
        ("cursor", "\0\u{ff}".to_owned()),
    ] {
        refused(&server, "GET", &query(name, &value), "", b"").await;
    }
    let after = anonymous_mib(&server);
    assert!(after < before + GROWTH_MIB, "{before} MiB before, {after} MiB after");
}

/// What looks dangerous and is harmless is answered, and soon.
#[tokio::test(flavor = "multi_thread")]
async fn questions_that_only_look_bad() {
    let dir = folder(SCHEMA);
    let server = server(&dir).await;
    let text = format!("{}!", "a".repeat(10_000));
    assert_eq!(
        server
            .client()
            .post("/api/notes", &json!({ "text": text }))
            .await
            .status,
        201
    );
    let many: Vec<String> = (0..900).map(|number| number.to_string()).collect();
    for filter in [
        "text.matches('^(a+)+$')".to_owned(),
        "text.matches('(a|aa)+$')".to_owned(),
        "text.matches('(.*)*b')".to_owned(),
        format!("rank in [{}]", many.join(",")),
        "text == 'a\0b'".to_owned(),
        "text.contains('%') || text.startsWith('_') || text.contains('*')".to_owned(),
        "children.exists(a, a.children.exists(b, b.text == 'x'))".to_owned(),
    ] {
        let began = Instant::now();
        let (status, answered) = ask(&server, "GET", &query("filter", &filter), "", b"").await;
        assert_eq!(status, 200, "{filter}: {answered}");
        assert_eq!(answered["items"], json!([]), "{filter}");
        assert!(began.elapsed() < SOON, "{filter} took {:?}", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_and_paths() {
    let dir = folder(SCHEMA);
    let server = server(&dir).await;
    let made = server
        .client()
        .post("/api/notes", &json!({"text": "kept"}))
        .await
        .json();
    let path = format!("/api/notes/{}", made["id"].as_str().unwrap());
    let long = "x".repeat(200_000);
    let json_type = "content-type: application/json\r\n";
    for header in [
        format!("authorization: Bearer {long}\r\n"),
        "authorization: Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.\r\n".to_owned(),
        "authorization: Bearer a.b.c\r\nauthorization: Bearer d.e.f\r\n".to_owned(),
        format!("if-none-match: {long}\r\n"),
    ] {
        refused(&server, "GET", &path, &header, b"").await;
    }
    for header in [
        format!("idempotency-key: {long}\r\n"),
        "idempotency-key: a\r\nidempotency-key: b\r\n".to_owned(),
    ] {
        refused(
            &server,
            "POST",
            "/api/notes",
            &format!("{json_type}{header}"),
            b"{\"text\":\"x\"}",
        )
        .await;
    }
    for path in [
        "/api/../../etc/passwd",
        "/api/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/api/notes/%00",
        "/api/notes/..%2f..",
        "/api/_ninefold_meta",
        "/api/sqlite_schema",
        "/api/notes/'%20OR%201=1%20--",
    ] {
        refused(&server, "GET", path, "", b"").await;
    }
    is_well(&server).await;
}
