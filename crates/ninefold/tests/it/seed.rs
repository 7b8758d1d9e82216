//! `seed`: through the engine, in one transaction, into an empty database.

use std::fs;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use crate::binary::{Server, folder, run};

const SCHEMA: &str = r#"
type User @collection(auth: true, signUp: CLOSED) @access(read: "auth != null") {
  name: String! @length(min: 1, max: 5)
  mentor: User
}
type Note @collection @access(read: "record.owner == auth.id") {
  owner: User!
  text: String! @length(max: 5)
  tags: [String!]
}
"#;

const USERS: &str = r#"[
  {"id": "01890000-0000-7000-8000-000000000001", "name": "Ann", "email": "ann@example.com", "password": "ann's own password",
   "roles": ["editor"], "verified": true, "mentor": "01890000-0000-7000-8000-000000000002"},
  {"id": "01890000-0000-7000-8000-000000000002", "name": "Ben", "email": "ben@example.com",
   "mentor": "01890000-0000-7000-8000-000000000001"}
]"#;

fn application(files: &[(&str, &str)]) -> TempDir {
    let dir = folder(SCHEMA);
    fs::create_dir(dir.path().join("seed")).unwrap();
    for (name, text) in files {
        fs::write(dir.path().join("seed").join(name), text).unwrap();
    }
    dir
}

/// The exit code, and what it says: of success on stdout, of failure on stderr.
async fn seed(dir: &Path) -> (Option<i32>, String) {
    let finished = run(["seed", dir.to_str().unwrap()]).await;
    let said = if finished.code == Some(0) {
        finished.stdout
    } else {
        finished.stderr
    };
    (finished.code, said)
}

#[tokio::test]
async fn accounts_sign_in_and_records_are_there() {
    let notes = "owner,text,tags\n01890000-0000-7000-8000-000000000001,hello,a;b\n";
    let dir = application(&[("users.json", USERS), ("notes.csv", notes)]);
    let (code, said) = seed(dir.path()).await;
    assert_eq!((code, said.trim()), (Some(0), "loaded 1 notes, 2 users"));

    let server = Server::start("serve", dir.path(), &[]).await;
    let credentials = json!({"email": "ann@example.com", "password": "ann's own password"});
    let response = server.client().post("/auth/sign-in", &credentials).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let answer = response.json();
    assert_eq!(answer["user"]["roles"], json!(["editor"]));
    assert_eq!(answer["user"]["mentor"], "01890000-0000-7000-8000-000000000002");
    let ann = server.client().with_token(answer["accessToken"].as_str().unwrap());
    let notes = ann.get("/api/notes?fields=text,tags").await.json();
    assert_eq!(notes["items"], json!([{"text": "hello", "tags": ["a", "b"]}]));
    drop(server);

    let (code, said) = seed(dir.path()).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("error: the database has records already"), "{said}");
}

#[tokio::test]
async fn one_bad_record_and_nothing_is_loaded() {
    let notes = "{\"owner\": \"01890000-0000-7000-8000-000000000001\", \"text\": \"fine\"}\n\
                 {\"owner\": \"01890000-0000-7000-8000-000000000001\", \"text\": \"much too long\"}\n";
    let dir = application(&[("users.json", USERS), ("notes.ndjson", notes)]);
    let (code, said) = seed(dir.path()).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("error: seed/notes.ndjson, line 2: text: "), "{said}");
    fs::write(dir.path().join("seed/notes.ndjson"), "").unwrap();
    let (code, said) = seed(dir.path()).await;
    assert_eq!(
        (code, said.trim()),
        (Some(0), "loaded 2 users"),
        "the users were not there"
    );
}

#[tokio::test]
async fn what_refers_to_nothing_is_refused_at_commit() {
    let notes = r#"[{"owner": "01890000-0000-7000-8000-0000000000ff", "text": "lost"}]"#;
    let dir = application(&[("users.json", USERS), ("notes.json", notes)]);
    let (code, said) = seed(dir.path()).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("error: seed/notes.json, record 1: owner: "), "{said}");
}

#[tokio::test]
async fn an_application_without_seeds_says_so() {
    let dir = folder(SCHEMA);
    let (code, said) = seed(dir.path()).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("has no folder seed"), "{said}");
}
