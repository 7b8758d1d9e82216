//! `move`: from one kind of database to another and back, killed in the middle, and everything is there.

mod following;
mod online;

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::process::Child;

use crate::app::PASSWORD;
use crate::binary::{Finished, Server, finish, folder, ninefold, run};
use crate::database::{self, Database};
use crate::mysql::OwnDatabase;

const PAGE: &str = include_str!("../../../../docs/move.md");
/// References in circles, of every kind of value, and to-many fields.
const SCHEMA: &str = r#"
type User @collection(auth: true, signUp: OPEN) @access(read: "auth != null", update: "record.id == auth.id") {
  name: String!
  friends: [User!]!
  best: Message @relation(onDelete: SET_NULL)
}
type Room @collection @access(read: "true") {
  name: String! @unique
  parent: Room
  members: [User!]!
  pinned: Message @relation(onDelete: SET_NULL)
}
type Message @collection @access(read: "true") {
  room: Room! @relation(onDelete: CASCADE)
  author: User
  body: String
  big: Long
  ratio: Float
  amount: Decimal
  flag: Boolean
  at: DateTime
  day: Date
  raw: Bytes
  extra: JSON
  numbers: [Int!]
}
"#;
const COLLECTIONS: [&str; 3] = ["users", "rooms", "messages"];

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of a test is UTF-8")
}

async fn well<'a>(arguments: impl IntoIterator<Item = &'a str>) -> String {
    let Finished { code, stdout, stderr } = run(arguments).await;
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    stdout
}

/// All records, to-many fields and private ones included.
async fn export(dir: &str, database: &str) -> Vec<String> {
    let mut exported = Vec::new();
    for collection in COLLECTIONS {
        exported.push(well(["export", collection, "-", dir, "--database", database]).await);
    }
    exported
}

/// Some of everything, and a user who is signed in: the refresh token is answered.
async fn fill(application: &TempDir, messages: usize) -> String {
    let dir = text(application.path());
    let server = Server::start("serve", application.path(), &["--migrate"]).await;
    let account = json!({"email": "ann@example.com", "password": PASSWORD, "name": "Ann"});
    let signed_up = server.client().post("/auth/sign-up", &account).await.json();
    let ann = signed_up["user"]["id"].as_str().unwrap();
    drop(server);
    let id = |number: usize| format!("01890000-0000-7000-8000-{number:012}");
    let room = |number: usize, parent: Json| json!({"id": id(number), "name": format!("room {number}"), "parent": parent, "members": [ann], "version": number});
    let rooms = json!([room(1, Json::Null), room(2, json!(id(1)))]);
    let message = |number: usize| {
        json!({
            "id": id(1000 + number), "room": id(1 + number % 2), "author": if number.is_multiple_of(3) { Json::Null } else { json!(ann) },
            "body": format!("größer \u{1F980} {number}"), "big": (9_007_199_254_740_993_i64 + number as i64).to_string(),
            "ratio": number as f64 / 7.0, "amount": format!("{number}.000001"), "flag": number.is_multiple_of(2),
            "at": "2026-01-31T09:05:00.250Z", "day": "1234-05-06", "raw": "AAEC", "extra": {"b": 1.50, "a": [null, "é"]},
            "numbers": [number, 2], "version": number + 1, "created": "2020-01-01T00:00:00.001Z",
        })
    };
    let messages: Vec<_> = (0..messages).map(message).collect();
    for (collection, records) in [("rooms", rooms), ("messages", json!(messages))] {
        let file = application.path().join("records.json");
        std::fs::write(&file, records.to_string()).unwrap();
        well(["import", collection, text(&file), dir]).await;
    }
    // Circles, and a record that refers to itself.
    let server = Server::start("serve", application.path(), &[]).await;
    let user = server.client().with_token(signed_up["accessToken"].as_str().unwrap());
    let change = json!({"best": id(1000), "friends": [ann]});
    let changed = user.patch(&format!("/api/users/{ann}"), &change).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    signed_up["refreshToken"].as_str().unwrap().to_owned()
}

/// Whether who was signed in still is, and can sign in with the password.
async fn assert_knows(application: &TempDir, database: &str, refresh: &str) -> String {
    let server = Server::start("serve", application.path(), &["--database", database]).await;
    let refreshed = server
        .client()
        .post("/auth/refresh", &json!({ "refreshToken": refresh }))
        .await;
    assert_eq!(refreshed.status, 200, "{}", refreshed.text());
    let account = json!({"email": "ann@example.com", "password": PASSWORD});
    assert_eq!(server.client().post("/auth/sign-in", &account).await.status, 200);
    refreshed.json()["refreshToken"].as_str().unwrap().to_owned()
}

/// Until a move has begun to fill the database.
async fn until_begun(url: &str) {
    let client = database::connect(url).await;
    let is_begun = async || {
        let found = client.query("SELECT FROM _ninefold_meta WHERE key = 'move'", &[]).await;
        found.is_ok_and(|rows| !rows.is_empty())
    };
    while !is_begun().await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Of two at once one stops, and says why; and when all is done, that is said to who asks for it once more.
#[tokio::test]
async fn only_one_of_two_goes_on_and_none_after_the_end() {
    let application = folder(SCHEMA);
    let dir = text(application.path());
    fill(&application, 3000).await;
    let (postgres, from) = (Database::new(), "sqlite:data/app.db");
    let to = postgres.url();
    let moving = || run(["move", dir, "--to", to, "--online"]);
    let second = async {
        until_begun(to).await;
        moving().await
    };
    let (one, other) = tokio::join!(moving(), second);
    for finished in [&one, &other] {
        let is_told =
            finished.stderr.contains("another run of this move") || finished.stderr.contains("is another or gone");
        assert!(finished.code == Some(0) || is_told, "{}", finished.stderr);
    }
    // The one may just have taken the log over when it found that the other goes on.
    well(["move", dir, "--to", to, "--online"]).await;
    well(["move", dir, "--to", to]).await;
    assert_eq!(export(dir, to).await, export(dir, from).await);
    let again = run(["move", dir, "--to", to]).await;
    assert_eq!(again.code, Some(1), "{}", again.stderr);
    assert!(
        again.stderr.contains("of that nothing is left to do"),
        "{}",
        again.stderr
    );
}

/// A server is known by more than what its URL calls its connections.
#[tokio::test]
async fn a_server_by_any_name_is_noticed() {
    let application = folder(SCHEMA);
    let dir = text(application.path());
    let (postgres, other) = (Database::new(), Database::new());
    let url = |name: &str| {
        let separator = if postgres.url().contains('?') { '&' } else { '?' };
        format!("{}{separator}application_name={name}", postgres.url())
    };
    let file = application.path().join("shop.backup");
    let _server = Server::start("serve", application.path(), &["--database", &url("shop"), "--migrate"]).await;
    let (mover, to) = (url("mover"), other.url());
    well(["backup", dir, "--database", &mover, "--out", text(&file)]).await;
    let moved = run(["move", dir, "--database", &mover, "--to", to]).await;
    let restored = run(["restore", text(&file), dir, "--database", &mover, "--force"]).await;
    for refused in [moved, restored] {
        assert_eq!(refused.code, Some(3), "{}", refused.stderr);
        assert!(refused.stderr.contains("stop the servers first"), "{}", refused.stderr);
    }
}

#[tokio::test]
async fn from_sqlite_to_postgresql_and_back() {
    let application = folder(SCHEMA);
    let dir = text(application.path());
    let refresh = fill(&application, 2500).await;
    let before = export(dir, "sqlite:data/app.db").await;
    let database = Database::new();
    let stdout = well(["move", dir, "--to", database.url()]).await;
    assert!(
        stdout.contains(": 1 users, 2 rooms, 2500 messages, 1 users.friends, 2 rooms.members, 1 credentials, "),
        "{stdout}"
    );
    assert!(
        stdout.ends_with("both databases hold the same; set `database.url` to the new one\n"),
        "{stdout}"
    );
    assert_eq!(export(dir, database.url()).await, before);
    let refresh = assert_knows(&application, database.url(), &refresh).await;

    let again = run(["move", dir, "--to", database.url()]).await;
    assert_eq!(again.code, Some(1), "{}", again.stderr);
    assert!(
        again.stderr.contains("it has users already; move to an empty database"),
        "{}",
        again.stderr
    );

    let moved_on = export(dir, database.url()).await;
    let back = "sqlite:data/back.db";
    well(["move", dir, "--database", database.url(), "--to", back]).await;
    assert_eq!(export(dir, back).await, moved_on);
    assert_knows(&application, back, &refresh).await;
    // Relations are looked after again.
    let server = Server::start("serve", application.path(), &["--database", database.url()]).await;
    let answer = server
        .client()
        .get("/api/rooms?expand=pinned,parent&sort=name")
        .await
        .json();
    assert_eq!(answer["items"][1]["parent"]["name"], "room 1", "{answer}");
    let other = "sqlite:data/other.db";
    let served = run(["move", dir, "--database", database.url(), "--to", other]).await;
    assert_eq!(served.code, Some(3), "{}", served.stderr);
    assert!(
        served.stderr.contains("connections to it open; stop the servers first"),
        "{}",
        served.stderr
    );
}

#[tokio::test]
async fn from_sqlite_to_mysql_on_to_mongodb_and_back() {
    let application = folder(SCHEMA);
    let dir = text(application.path());
    let mut refresh = fill(&application, 1200).await;
    let mysql = OwnDatabase::new();
    let mongodb = format!("/m{}?", uuid::Uuid::now_v7().simple());
    let mongodb = testkit::services::mongodb_url().replacen("/?", &mongodb, 1);
    let mut from = "sqlite:data/app.db".to_owned();
    for to in [mysql.url(), mongodb, "sqlite:data/back.db".to_owned()] {
        let before = export(dir, &from).await;
        let stdout = well(["move", dir, "--database", &from, "--to", &to]).await;
        assert!(stdout.contains("2 rooms, 1200 messages, 1 users.friends"), "{stdout}");
        assert_eq!(export(dir, &to).await, before, "{from} to {to}");
        refresh = assert_knows(&application, &to, &refresh).await;
        let again = run(["move", dir, "--database", &from, "--to", &to]).await;
        assert_eq!(again.code, Some(1), "{}", again.stderr);
        from = to;
    }
    let other = "sqlite:data/other.db";
    let _server = Server::start("serve", application.path(), &["--database", &mysql.url()]).await;
    let served = run(["move", dir, "--database", &mysql.url(), "--to", other]).await;
    assert_eq!(served.code, Some(3), "{}", served.stderr);
    assert!(served.stderr.contains("stop the servers first"), "{}", served.stderr);
}

/// A move that was begun and not ended is refused by all but a move.
#[tokio::test]
async fn no_kind_of_database_is_served_while_a_move_fills_it() {
    let application = folder(SCHEMA);
    let dir = text(application.path());
    fill(&application, 10).await;
    let mysql = OwnDatabase::new();
    let name = format!("m{}", uuid::Uuid::now_v7().simple());
    let mongodb = testkit::services::mongodb_url().replacen("/?", &format!("/{name}?"), 1);
    for url in [&mysql.url(), &mongodb] {
        well(["migrate", "apply", dir, "--database", url]).await;
    }
    let mark = json!({"from": "sqlite:elsewhere", "part": "messages", "after": null, "done": 3}).to_string();
    let mut connection = mysql_async::Conn::from_url(mysql.url()).await.unwrap();
    let sql = "INSERT INTO _ninefold_meta (`key`, value) VALUES ('move', ?)";
    mysql_async::prelude::Queryable::exec_drop(&mut connection, sql, (&mark,))
        .await
        .unwrap();
    connection.disconnect().await.unwrap();
    let client = mongodb::Client::with_uri_str(&mongodb).await.unwrap();
    let meta = client
        .database(&name)
        .collection::<mongodb::bson::Document>("_ninefold_meta");
    let document = mongodb::bson::doc! { "_id": "move", "value": &mark };
    meta.insert_one(document).await.unwrap();
    for url in [&mysql.url(), &mongodb] {
        let refused = run(["serve", dir, "--database", url, "--listen", "127.0.0.1:0"]).await;
        assert_eq!(refused.code, Some(3), "{}", refused.stderr);
        assert!(
            refused.stderr.contains("incomplete: a move fills it"),
            "{}",
            refused.stderr
        );
        let other = run(["move", dir, "--to", url]).await;
        assert!(
            other.stderr.contains("it is being filled from sqlite:elsewhere"),
            "{}",
            other.stderr
        );
    }
}

/// Ends the process as a loss of power would, once the target has something.
async fn kill_half_way(mut child: Child, has_begun: impl AsyncFn() -> bool) {
    while !has_begun().await {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended before it could be killed"
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    child.start_kill().unwrap();
    let status = child.wait().await.unwrap();
    assert_eq!(status.code(), None, "it was over already");
}

fn start(dir: &str, from: &str, to: &str) -> Child {
    let mut command = ninefold(["move", dir, "--database", from, "--to", to]);
    command.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
}

async fn assert_goes_on(dir: &str, from: &str, to: &str, before: &[String]) {
    let refused = run(["serve", dir, "--database", to, "--listen", "127.0.0.1:0"]).await;
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    assert!(
        refused
            .stderr
            .contains("incomplete: a move fills it\n help: run `ninefold move` again"),
        "{}",
        refused.stderr
    );
    let stdout = well(["move", dir, "--database", from, "--to", to]).await;
    assert!(stdout.starts_with("went on behind "), "{stdout}");
    assert_eq!(export(dir, to).await, before);
}

#[tokio::test]
async fn one_that_is_killed_goes_on_where_it_was() {
    let application = folder(SCHEMA);
    let dir = text(application.path());
    fill(&application, 12_000).await;
    let from = "sqlite:data/app.db";
    let before = export(dir, from).await;
    let database = Database::new();
    let (client, connection) = tokio_postgres::connect(database.url(), tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let has_begun = async || {
        let found = client.query_one("SELECT count(*) >= 2000 FROM message", &[]).await;
        found.is_ok_and(|row| row.get(0))
    };
    kill_half_way(start(dir, from, database.url()), has_begun).await;
    assert_goes_on(dir, from, database.url(), &before).await;

    let file = application.path().join("data/back.db");
    let has_begun = async || {
        let connection = rusqlite::Connection::open(&file).unwrap();
        let sql = "SELECT count(*) >= 2000 FROM message";
        connection.query_row(sql, [], |row| row.get(0)).unwrap_or(false)
    };
    kill_half_way(start(dir, database.url(), "sqlite:data/back.db"), has_begun).await;
    assert_goes_on(dir, database.url(), "sqlite:data/back.db", &before).await;
}

#[tokio::test]
async fn what_cannot_be_moved_is_named() {
    let application = folder(SCHEMA);
    let dir = text(application.path());
    let other = "sqlite:data/other.db";
    for (arguments, code, expected) in [
        (vec!["move", dir, "--to", other], 1, "there is no database to move"),
        (
            vec!["move", dir, "--to", "sqlite:data/app.db"],
            1,
            "both databases are the same",
        ),
        (
            vec!["move", dir, "--to", "mailto:ann"],
            1,
            "is no database that Ninefold knows",
        ),
    ] {
        let refused = run(arguments).await;
        assert_eq!(refused.code, Some(code), "{}", refused.stderr);
        assert!(refused.stderr.contains(expected), "{}", refused.stderr);
    }
    fill(&application, 10).await;
    let server = Server::start("serve", application.path(), &[]).await;
    let served = run(["move", dir, "--to", other]).await;
    assert_eq!(served.code, Some(3), "{}", served.stderr);
    assert!(
        served.stderr.contains("is in use by another process"),
        "{}",
        served.stderr
    );
    server.kill().await;

    // Should anything be missing at the end, the database stays incomplete.
    well(["migrate", "apply", dir, "--database", other]).await;
    let mark = json!({"from": format!("sqlite:{}", text(&application.path().join("data/app.db"))), "part": "messages", "after": null, "done": 0});
    let connection = rusqlite::Connection::open(application.path().join("data/other.db")).unwrap();
    let sql = "INSERT INTO _ninefold_meta (key, value) VALUES ('move', ?)";
    connection.execute(sql, [mark.to_string()]).unwrap();
    drop(connection);
    let differs = run(["move", dir, "--to", other]).await;
    assert_eq!(differs.code, Some(1), "{}", differs.stderr);
    assert!(
        differs
            .stderr
            .contains("the databases differ: 1 users in the one, 0 in the other"),
        "{}",
        differs.stderr
    );
    let refused = run(["export", "users", "-", dir, "--database", other]).await;
    assert!(refused.stderr.contains("is incomplete"), "{}", refused.stderr);
}

#[tokio::test]
async fn the_commands_of_the_page_do_what_it_says() {
    let parent = TempDir::new().unwrap();
    let shop = parent.path().join("shop");
    std::fs::create_dir(&shop).unwrap();
    std::fs::write(
        shop.join("schema.graphql"),
        "type Product @collection { name: String! }",
    )
    .unwrap();
    std::fs::write(parent.path().join("products.csv"), "name\nlamp\n").unwrap();
    let database = Database::new();
    let lines = PAGE
        .split("```sh\n")
        .skip(1)
        .flat_map(|rest| rest.split("```").next().unwrap().lines());
    let mut stdout = String::new();
    for line in ["ninefold import products products.csv shop"].into_iter().chain(lines) {
        let words = line.split(' ').skip(1);
        let words = words.map(|word| {
            if word.starts_with("postgresql://") {
                database.url()
            } else {
                word
            }
        });
        let mut command = ninefold(words);
        command.current_dir(parent.path());
        let finished = finish(command, "").await;
        assert_eq!(finished.code, Some(0), "{line}: {}", finished.stderr);
        stdout = finished.stdout;
    }
    assert!(stdout.contains("\"name\":\"lamp\""), "{stdout}");
}
