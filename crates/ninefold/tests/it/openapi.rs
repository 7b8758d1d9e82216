//! The document against the server: what is described is there, and answers as described.

mod schemathesis;

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value as Json, json};

use crate::app::{Client, Request, Response, TestApp};

const CHAT: &str = include_str!("../../../../examples/chat/schema.graphql");
const METHODS: [&str; 5] = ["get", "post", "patch", "put", "delete"];
/// The interpreter that has the packages of `tests/requirements.txt`; `cargo xtask test` sets it.
const PYTHON: &str = "NINEFOLD_OPENAPI_PYTHON";
const NOBODY: &str = "01939e5c-7d3a-7c41-9f7e-3d1f0a5b8c21";

/// One operation of the document.
struct Operation {
    path: String,
    method: &'static str,
    described: Json,
}

/// What an operation answered, for the comparison with its schema.
struct Sample {
    operation: String,
    status: u16,
    content_type: Option<String>,
    described: Json,
    body: Json,
}

fn operations(document: &Json) -> Vec<Operation> {
    let paths = document["paths"].as_object().expect("a document has paths");
    let of_path = |(path, item): (&String, &Json)| {
        let own = METHODS.into_iter().filter(|method| item.get(*method).is_some());
        let path = path.clone();
        own.map(|method| Operation {
            path: path.clone(),
            method,
            described: item[method].clone(),
        })
        .collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

impl Operation {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn request(&self, client: &Client, id: &str) -> Request {
        client.request(&self.method.to_uppercase(), &self.path.replace("{id}", id))
    }

    fn example(&self) -> Option<(&str, &Json)> {
        let (kind, media) = self.described["requestBody"]["content"].as_object()?.iter().next()?;
        Some((kind, media.get("example").unwrap_or(&Json::Null)))
    }

    /// The answer's description, which has to be there.
    #[track_caller]
    fn sample(&self, document: &Json, response: &Response) -> Sample {
        let described = &self.described["responses"][response.status.to_string()];
        assert!(
            !described.is_null(),
            "{} answers {} without a description: {}",
            self.name(),
            response.status,
            response.text()
        );
        let described = match described["$ref"].as_str() {
            Some(reference) => document.pointer(&reference[1..]).expect("references lead somewhere"),
            None => described,
        };
        for header in described["headers"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.to_lowercase())
        {
            let conditional =
                ["idempotency-replayed", "ninefold-written", "location", "etag"].contains(&header.as_str());
            assert!(
                conditional || response.header(&header).is_some(),
                "{} {}: no {header}",
                self.name(),
                response.status
            );
        }
        Sample {
            operation: self.name(),
            status: response.status,
            content_type: response.header("content-type").map(str::to_owned),
            described: described.clone(),
            body: response.json_or_null(),
        }
    }
}

/// Holds bodies against their schemas by an implementation that isn't ours.
fn conform(document: &Json, samples: &[Sample]) {
    let Some(python) = std::env::var_os(PYTHON) else {
        assert!(
            std::env::var_os("CI").is_none(),
            "{PYTHON} is not set: run `cargo xtask test`"
        );
        eprintln!("not run: {PYTHON} is not set; `cargo xtask test` sets it");
        return;
    };
    let bodies = samples.iter().filter_map(|sample| {
        let kind = sample.content_type.as_deref()?;
        let media = &sample.described["content"][kind];
        assert!(!media.is_null(), "{} {} has a body of {kind}", sample.operation, sample.status);
        Some(json!({"name": format!("{} {}", sample.operation, sample.status), "schema": media["schema"], "body": sample.body}))
    });
    let input = json!({"document": document, "samples": bodies.collect::<Json>()});
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/openapi/conform.py");
    let mut check = Command::new(python);
    let mut check = check
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    check
        .stdin
        .take()
        .unwrap()
        .write_all(input.to_string().as_bytes())
        .unwrap();
    let found = check.wait_with_output().unwrap();
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stdout));
}

async fn document(app: &TestApp) -> Json {
    app.client().get("/openapi.json").await.json()
}

#[tokio::test]
async fn operations_answer_as_described() {
    let app = TestApp::new(CHAT).await;
    let document = document(&app).await;
    let (ana, ana_id) = app.sign_up("ana").await;
    let room = ana
        .post("/api/rooms", &json!({"name": "Tea", "members": [ana_id]}))
        .await
        .json();
    let message = ana
        .post("/api/messages", &json!({"room": room["id"], "body": "hello"}))
        .await
        .json();
    let mut samples = Vec::new();
    for operation in operations(&document) {
        let id = match operation.path.split('/').nth(2) {
            Some("rooms") => room["id"].as_str(),
            Some("messages") => message["id"].as_str(),
            Some("users") => Some(ana_id.as_str()),
            _ => None,
        };
        // What deletes comes to nobody's harm: each operation has its own caller, and rooms stay for the others.
        let id = if operation.method == "delete" {
            NOBODY
        } else {
            id.unwrap_or(NOBODY)
        };
        for client in [app.administrator().await, ana.clone(), app.client()] {
            if operation.path == "/auth/sign-out" || operation.path == "/auth/sessions" && client.token() == ana.token()
            {
                continue;
            }
            let request = operation.request(&client, id);
            let response = match operation.example() {
                Some((kind, example)) => {
                    let kind = if kind == "application/json" {
                        "application/json"
                    } else {
                        "application/merge-patch+json"
                    };
                    request
                        .header("content-type", kind)
                        .body(example.to_string())
                        .send()
                        .await
                }
                None => request.send().await,
            };
            assert_ne!(response.status, 405, "{}", operation.name());
            samples.push(operation.sample(&document, &response));
        }
    }
    for query in [
        "",
        "?expand=members,messages",
        "?fields=id,messages.author.name",
        "?fields=*,members&count=true",
    ] {
        let operation = operations(&document)
            .into_iter()
            .find(|one| one.name() == "get /api/rooms")
            .unwrap();
        samples.push(operation.sample(&document, &ana.get(&format!("/api/rooms{query}")).await));
    }
    let good = samples.iter().filter(|sample| sample.status < 300).count();
    assert!(good > 20, "{good} of {}", samples.len());
    conform(&document, &samples);
}

#[tokio::test]
async fn refusals_are_as_described() {
    let app = TestApp::new(CHAT).await;
    let document = document(&app).await;
    let administrator = app.administrator().await;
    let nobody = app.client();
    let mut samples = Vec::new();
    for operation in operations(&document) {
        let mut check = async |request: Request, expected: &[u16]| {
            let response = request.send().await;
            assert!(
                expected.contains(&response.status),
                "{} answers {}: {}",
                operation.name(),
                response.status,
                response.text()
            );
            samples.push(operation.sample(&document, &response));
        };
        if operation.described["security"] != json!([]) && operation.path != "/auth/sign-out" {
            check(operation.request(&nobody.with_token("forged"), NOBODY), &[401]).await;
        }
        if operation.example().is_some() {
            // A sign-out may come without a body, so that one of no type says nothing.
            let typeless = if operation.path == "/auth/sign-out" { 204 } else { 415 };
            check(
                operation.request(&app.administrator().await, NOBODY).body("{}"),
                &[typeless],
            )
            .await;
            let json = || {
                operation
                    .request(&administrator, NOBODY)
                    .header("content-type", "application/json")
            };
            check(json().body("{"), &[400]).await;
            check(json().body("7"), &[422]).await;
            check(json().body("{\"unknown\": 1}"), &[422]).await;
        }
        if operation.path.starts_with("/api/") {
            let mut unknown = operation.request(&administrator, NOBODY).query("unknown", "1");
            if let Some((_, example)) = operation.example() {
                unknown = unknown
                    .header("content-type", "application/json")
                    .body(example.to_string());
            }
            check(unknown, &[400]).await;
        }
    }
    conform(&document, &samples);
}

#[tokio::test]
async fn the_document_is_kept_by_its_tag() {
    let app = TestApp::new(CHAT).await;
    let first = app.client().get("/openapi.json").await;
    assert_eq!(
        (first.status, first.header("content-type")),
        (200, Some("application/json"))
    );
    let tag = first.header("etag").unwrap();
    let again = app
        .client()
        .request("GET", "/openapi.json")
        .header("if-none-match", tag)
        .send()
        .await;
    assert_eq!((again.status, again.body.len()), (304, 0));
}

#[tokio::test]
async fn pages_need_nothing_from_elsewhere() {
    let app = TestApp::new(CHAT).await;
    let page = app.client().get("/docs").await;
    assert_eq!(
        (page.status, page.header("content-type")),
        (200, Some("text/html; charset=utf-8"))
    );
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none';") && !policy.contains("http"),
        "{policy}"
    );
    let mut files = vec!["/docs/app.js".to_owned()];
    let mut seen = 0;
    let imports = regex::Regex::new(r#"from "\./([a-z]+\.js)""#).unwrap();
    while let Some(path) = files.get(seen).cloned() {
        let file = app.client().get(&path).await;
        assert_eq!(file.status, 200, "{path}");
        assert!(!file.text().contains("https://"), "{path}");
        let text = file.text();
        for import in imports.captures_iter(&text).map(|found| format!("/docs/{}", &found[1])) {
            if !files.contains(&import) {
                files.push(import);
            }
        }
        seen += 1;
    }
    assert_eq!(seen, 5, "{files:?}");
    assert_eq!(app.client().get("/docs/style.css").await.status, 200);
    let errors = app.client().get("/docs/errors").await;
    assert!(errors.text().contains("id=\"stale\""));
}
