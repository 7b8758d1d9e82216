//! The real binary with its data on a MySQL or MariaDB server.

use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;
use serde_json::{Value as Json, json};
use tokio::sync::Mutex;

use crate::app::PASSWORD;
use crate::binary::{Server, finish, folder, ninefold};
use crate::import::killed;

#[path = "../../../store-sql/tests/support/mysql.rs"]
pub(crate) mod own;

pub(crate) use own::OwnDatabase;

const APPLICATION: &str = r#"
type User @collection(auth: true, signUp: OPEN) @access(read: "auth != null") { name: String! }
type Note @collection @access(read: "auth.id == record.author", create: "auth.id == record.author") {
  author: User! @default(value: "auth.id")
  text: String! @length(max: 200) @unique
}
"#;

#[tokio::test]
async fn an_application_runs_on_it_and_finds_its_data_again() {
    let (dir, database) = (folder(APPLICATION), OwnDatabase::new());
    let url = database.url();
    let arguments = ["--database", &url];
    let mut server = Server::start("serve", dir.path(), &arguments).await;
    let account = json!({"email": "ann@example.com", "password": PASSWORD, "name": "Ann"});
    let signed_up = server.client().post("/auth/sign-up", &account).await;
    assert_eq!(signed_up.status, 201, "{}", signed_up.text());
    let token = |answer: &Json| answer["accessToken"].as_str().unwrap().to_owned();
    let ann = server.client().with_token(&token(&signed_up.json()));
    let note = json!({"text": "größer"});
    assert_eq!(ann.post("/api/notes", &note).await.status, 201);
    assert_eq!(ann.post("/api/notes", &note).await.status, 409);
    let mut events = ann.request("GET", "/api/notes").events().await;
    assert_eq!(events.next().await.unwrap().name, "snapshot");
    assert_eq!(ann.post("/api/notes", &json!({"text": "heard"})).await.status, 201);
    let heard = events.next().await.unwrap();
    assert!(heard.data.to_string().contains("heard"), "{:?}", heard.data);
    server.signal("TERM");
    assert_eq!(server.end().await, Some(0));

    let server = Server::start("serve", dir.path(), &arguments).await;
    let credentials = json!({"email": "ann@example.com", "password": PASSWORD});
    let signed_in = server.client().post("/auth/sign-in", &credentials).await;
    assert_eq!(signed_in.status, 200, "{}", signed_in.text());
    let ann = server.client().with_token(&token(&signed_in.json()));
    let notes = ann.get("/api/notes?sort=text").await.json();
    let texts: Vec<&str> = notes["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|note| note["text"].as_str().unwrap())
        .collect();
    assert_eq!(texts, ["größer", "heard"]);
    assert_eq!(server.client().get("/api/notes").await.status, 401);
}

#[tokio::test]
async fn an_import_that_is_killed_is_taken_back() {
    let database = OwnDatabase::new();
    let conn = Mutex::new(Conn::from_url(database.url()).await.unwrap());
    let count = async |sql: &str| -> i64 { conn.lock().await.query_first(sql).await.unwrap().unwrap() };
    let others = format!(
        "SELECT count(*) FROM {} WHERE db = DATABASE() AND id <> CONNECTION_ID()",
        testkit::services::mysql_processes()
    );
    let tables = "SELECT count(*) FROM information_schema.tables \
                  WHERE table_schema = DATABASE() AND table_name LIKE '\\_ninefold\\_import%'";
    killed::is_taken_back(&database.url(), count, &others, tables).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_of_without_the_password() {
    let dir = folder(APPLICATION);
    let mut command = ninefold(["serve", dir.path().to_str().unwrap(), "--listen", "127.0.0.1:0"]);
    command.args(["--database", "mysql://ann:hush@127.0.0.1:1/none"]);
    let finished = finish(command, "").await;
    assert_ne!(finished.code, Some(0));
    assert!(finished.stderr.contains("does not answer"), "{}", finished.stderr);
    assert!(!finished.stderr.contains("hush"), "{}", finished.stderr);
}
