//! Every refusal is a problem document, the framework's included.

use serde_json::json;

use super::{app, path, task};
use crate::app::{Response, TestApp};

/// Checks what all problem documents have in common.
#[track_caller]
fn check(response: &Response, status: u16, code: &str) {
    assert_eq!(response.status, status, "{}", response.text());
    assert_eq!(
        response.header("content-type"),
        Some("application/problem+json"),
        "{}",
        response.text()
    );
    let problem = response.json();
    assert_eq!(problem["code"], code, "{problem}");
    assert_eq!(problem["status"], status);
    assert_eq!(problem["type"], format!("/docs/errors#{code}"));
    assert_eq!(problem["requestId"].as_str(), response.header("x-request-id"));
    assert!(problem["title"].is_string() && problem["detail"].is_string() && problem["instance"].is_string());
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
}

#[tokio::test]
async fn paths_and_methods() {
    let app = app().await;
    let client = app.client();
    for path in [
        "/api",
        "/api/",
        "/api/tasks/",
        "/api/tasks/1/2",
        "/auth/nothing",
        "/docs/nothing",
        "/nothing",
    ] {
        let response = client.get(path).await;
        check(&response, 404, "not_found");
        assert_eq!(response.json()["instance"], path);
    }
    let unknown = client.get("/api/taks").await;
    check(&unknown, 404, "not_found");
    assert!(unknown.text().contains("did you mean `tasks`?"), "{}", unknown.text());
    check(&client.get("/api/tasks/no-id").await, 404, "not_found");
    check(&client.get("/api/tasks/%ff").await, 400, "bad_request");

    let refused = client.delete("/api/tasks").await;
    check(&refused, 405, "method_not_allowed");
    assert_eq!(refused.header("allow"), Some("GET,HEAD,POST"));
    let batch = client.get("/api/batch").await;
    check(&batch, 405, "method_not_allowed");
    assert_eq!(batch.header("allow"), Some("POST"));
    let options = client.request("OPTIONS", "/api/tasks").send().await;
    assert_eq!((options.status, options.header("allow")), (204, Some("GET,HEAD,POST")));
}

#[tokio::test]
async fn parameters() {
    let app = app().await;
    let client = app.client();
    let list = |query: &str| {
        let client = client.clone();
        let path = format!("/api/tasks?{query}");
        async move { client.get(&path).await }
    };
    for (query, field, message) in [
        ("filtr=1", "filtr", "did you mean `filter`?"),
        ("limit=1&limit=2", "limit", "more than once"),
        ("limit=", "limit", "no value"),
        ("limit=x", "limit", "whole number"),
        ("limit=0", "limit", "from 1 to 500"),
        ("limit=501", "limit", "from 1 to 500"),
        ("count=yes", "count", "true or false"),
        ("filter=%ff", "filter", "UTF-8"),
        ("filter=titel%20%3D%3D%20%22a%22", "filter", "titel"),
        ("sort=titel", "sort", "titel"),
        ("fields=titel", "fields", "did you mean `title`?"),
        ("expand=title", "expand", "not a relation"),
        ("cursor=forged", "cursor", ""),
    ] {
        let response = list(query).await;
        check(&response, 400, "bad_request");
        let problem = response.json();
        assert_eq!(problem["errors"][0]["field"], field, "{query}: {problem}");
        assert!(problem.to_string().contains(message), "{query}: {problem}");
    }
    let task = task(&client, "a").await;
    check(
        &client.get(&format!("{}?limit=1", path(&task))).await,
        400,
        "bad_request",
    );
    check(
        &client.delete(&format!("{}?fields=id", path(&task))).await,
        400,
        "bad_request",
    );
    check(&client.get("/auth/me?x=1").await, 400, "bad_request");
}

#[tokio::test]
async fn bodies() {
    let app = app().await;
    let client = app.client();
    let send = |kind: &str, body: &[u8]| {
        client
            .request("POST", "/api/tasks")
            .header("content-type", kind)
            .body(body.to_vec())
            .send()
    };
    let json = "application/json";
    for (body, message) in [
        (&b""[..], "empty"),
        (b"{\"title\":\n \"a\",,}", "line 2 column 6"),
        (b"{\"title\": \"\xff\"}", "not UTF-8"),
        (b"{\"title\": \"\\ud800\"}", "not JSON"),
        ("[".repeat(1000).as_bytes(), "recursion limit"),
    ] {
        let response = send(json, body).await;
        check(&response, 400, "bad_request");
        assert!(response.text().contains(message), "{}", response.text());
    }
    for body in [&b"7"[..], b"\"a\"", b"null"] {
        check(&send(json, body).await, 422, "invalid");
    }
    let typeless = client.request("POST", "/api/tasks").body("{}").send().await;
    check(&typeless, 415, "unsupported_media_type");
    assert_eq!(typeless.header("accept"), Some("application/json"));
    check(&send("text/plain", b"{}").await, 415, "unsupported_media_type");
    check(
        &send("application/json; charset=utf-16", b"{}").await,
        415,
        "unsupported_media_type",
    );
    let packed = client
        .request("POST", "/api/tasks")
        .header("content-encoding", "gzip")
        .json(&json!({}))
        .send()
        .await;
    check(&packed, 415, "unsupported_media_type");
    let patch = client
        .request("PATCH", "/api/tasks/1")
        .header("content-type", "application/json-patch+json");
    let patch = patch.body("[]").send().await;
    check(&patch, 415, "unsupported_media_type");
    assert_eq!(
        patch.header("accept"),
        Some("application/merge-patch+json, application/json")
    );
}

#[tokio::test]
async fn bodies_beyond_their_limit() {
    let small = TestApp::with(super::SCHEMA)
        .set("limits.body_bytes_max", "1024")
        .set("limits.batch_bytes_max", "2048");
    let app = small.start().await;
    let client = app.client();
    let fill = |bytes: usize| "x".repeat(bytes);
    let patch = client.patch("/api/tasks/1", &json!({"title": fill(1100)})).await;
    check(&patch, 413, "too_large");
    assert!(patch.text().contains("1024 bytes"), "{}", patch.text());
    check(
        &client.post("/api/tasks", &json!({"title": fill(1100)})).await,
        413,
        "too_large",
    );
    let array = json!([{"title": "a", "code": fill(250)}, {"title": "b", "code": fill(251)}, {"title": "c", "code": fill(252)}, {"title": "d", "code": fill(253)}]);
    assert!(array.to_string().len() > 1024);
    assert_eq!(
        client.post("/api/tasks", &array).await.status,
        201,
        "an array has the limit of a batch"
    );
    check(
        &client.post("/api/batch", &json!({"operations": [fill(2100)]})).await,
        413,
        "too_large",
    );
}

#[tokio::test]
async fn values() {
    let app = app().await;
    let client = app.client();
    let first = client
        .post("/api/tasks", &json!({"title": "a", "code": "x"}))
        .await
        .json();
    let refused = client
        .post(
            "/api/tasks",
            &json!({"title": "", "stage": "NEVER", "version": 7, "points": "x", "titel": 1}),
        )
        .await;
    check(&refused, 422, "invalid");
    let problem = refused.json();
    let mut fields: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["field"].as_str().unwrap())
        .collect();
    fields.sort_unstable();
    assert_eq!(fields, ["points", "stage", "titel", "title", "version"], "{problem}");

    let taken = client.post("/api/tasks", &json!({"title": "b", "code": "x"})).await;
    check(&taken, 409, "unique_violation");
    assert_eq!(taken.json()["errors"][0]["field"], "code");
    let child = json!({"title": "c", "parent": first["id"]});
    assert_eq!(client.post("/api/tasks", &child).await.status, 201);
    check(&client.delete(&path(&first)).await, 409, "referenced");
    let nowhere = client
        .post(
            "/api/tasks",
            &json!({"title": "d", "parent": "01939e5c-7d3a-7c41-9f7e-3d1f0a5b8c21"}),
        )
        .await;
    check(&nowhere, 422, "invalid");
    assert_eq!(nowhere.json()["errors"][0]["field"], "parent");
}

#[tokio::test]
async fn callers() {
    let app = app().await;
    let nobody = app.client();
    let anonymous = nobody.get("/api/people").await;
    check(&anonymous, 401, "unauthenticated");
    assert_eq!(anonymous.header("www-authenticate"), Some("Bearer realm=\"ninefold\""));
    let forged = nobody.with_token("forged").get("/api/tasks").await;
    check(&forged, 401, "unauthenticated");
    assert_eq!(
        forged.header("www-authenticate"),
        Some("Bearer realm=\"ninefold\", error=\"invalid_token\"")
    );
    let basic = nobody
        .request("GET", "/api/tasks")
        .header("authorization", "Basic YTpi")
        .send()
        .await;
    check(&basic, 401, "unauthenticated");
    let (ana, id) = app.sign_up("ana").await;
    let (ben, _) = app.sign_up("ben").await;
    assert_eq!(ana.get(&format!("/api/people/{id}")).await.status, 200);
    check(
        &ben.patch(&format!("/api/people/{id}"), &json!({"name": "x"})).await,
        403,
        "forbidden",
    );
    check(&ben.get("/api/letters").await, 403, "forbidden");
    let keyed = nobody
        .request("POST", "/auth/sign-in")
        .header("idempotency-key", "k")
        .json(&json!({}))
        .send()
        .await;
    check(&keyed, 400, "bad_request");
}

#[tokio::test]
async fn request_ids_are_kept_or_replaced() {
    let app = app().await;
    let with = async |id: &str| {
        let request = app.client().request("GET", "/api/tasks").header("x-request-id", id);
        request.send().await.header("x-request-id").unwrap().to_owned()
    };
    assert_eq!(with("abc-1").await, "abc-1");
    let long = "x".repeat(129);
    assert_ne!(with(&long).await, long);
    assert_ne!(with("a b").await, "a b");
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_ended() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let app = TestApp::with(super::SCHEMA)
        .set("limits.request_timeout_ms", "300")
        .start()
        .await;
    let mut connection = tokio::net::TcpStream::connect(app.client().address()).await.unwrap();
    let head = "POST /api/tasks HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{";
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("\"code\":\"request_timeout\""), "{answer}");
}
