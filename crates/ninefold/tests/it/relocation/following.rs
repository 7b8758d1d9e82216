//! A move that follows what is written to the old database: by whomever, however late, and whatever becomes of the move.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mongodb::bson::{Document, doc};
use mysql_async::prelude::Queryable as _;
use tempfile::TempDir;

use super::online::{self, SCHEMA, id};
use super::{text, well};
use crate::binary::{Server, folder, ninefold, run};
use crate::database::{self, Database};
use crate::mysql::OwnDatabase;

const LEVEL: &str = "what is written to it from now on is followed";
const BY_LOG: &str = "by the log of changes";

/// Items in a SQLite file.
async fn filled() -> TempDir {
    let application = folder(SCHEMA);
    online::fill(application.path()).await;
    application
}

/// The database of a SQLite file, for plain SQL.
fn sqlite(application: &TempDir) -> rusqlite::Connection {
    rusqlite::Connection::open(application.path().join("data/app.db")).unwrap()
}

/// How many tables and triggers it has for a log of changes.
fn logging(application: &TempDir) -> u32 {
    let sql = "SELECT count(*) FROM sqlite_schema WHERE name LIKE '\\_ninefold\\_change%' ESCAPE '\\'";
    let counted = sqlite(application).query_row(sql, [], |row| row.get(0));
    counted.unwrap()
}

/// A MongoDB database of the test's own: its name and its URL.
fn mongodb() -> (String, String) {
    let name = format!("m{}", uuid::Uuid::now_v7().simple());
    let url = testkit::services::mongodb_url().replacen("/?", &format!("/{name}?"), 1);
    (name, url)
}

async fn assert_same(dir: &str, from: &str, to: &str) {
    assert_eq!(online::export(dir, to).await, online::export(dir, from).await, "{to}");
}

/// A move that is killed again and again, from a database that is written to.
async fn assert_loses_nothing(application: &TempDir, from: &str, to: &str) {
    let dir = text(application.path());
    let mut server = Server::start("serve", application.path(), &["--database", from]).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writer = online::write(server.client(), stop.clone());
    for _ in 0..6 {
        let mut moving = ninefold(["move", dir, "--database", from, "--to", to, "--online"]);
        let mut child = moving.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(fastrand::u64(100..1500))).await;
        // It may have come to its end.
        let _ = child.start_kill();
        child.wait().await.unwrap();
    }
    let stdout = well(["move", dir, "--database", from, "--to", to, "--online"]).await;
    assert!(stdout.contains(LEVEL), "{stdout}");
    stop.store(true, Ordering::Relaxed);
    writer.await.unwrap();
    server.signal("TERM");
    assert_eq!(server.end().await, Some(0));
    let stdout = well(["move", dir, "--database", from, "--to", to]).await;
    assert!(stdout.contains(BY_LOG), "{stdout}");
    assert_same(dir, from, to).await;
}

#[tokio::test]
async fn one_that_is_killed_again_and_again_loses_nothing() {
    let application = filled().await;
    let database = Database::new();
    assert_loses_nothing(&application, "sqlite:data/app.db", database.url()).await;
}

#[tokio::test]
async fn nor_does_one_from_mongodb() {
    let application = filled().await;
    let (name, from) = mongodb();
    well(["move", text(application.path()), "--to", &from]).await;
    assert_loses_nothing(&application, &from, "sqlite:data/back.db").await;
    let client = mongodb::Client::with_uri_str(&from).await.unwrap();
    client.database(&name).drop().await.unwrap();
}

#[tokio::test]
async fn one_that_is_given_up_leaves_nothing_behind() {
    let application = filled().await;
    let dir = text(application.path());
    well(["move", dir, "--to", "sqlite:data/other.db", "--online"]).await;
    assert!(logging(&application) > 0);
    let longer = SCHEMA.replace("number: Int", "number: Int more: Int");
    std::fs::write(application.path().join("schema.graphql"), longer).unwrap();
    let arguments = ["serve", dir, "--migrate", "--listen", "127.0.0.1:0"];
    let refused = run(arguments).await;
    assert!(refused.stderr.contains("ninefold move --abandon"), "{}", refused.stderr);
    std::fs::write(application.path().join("schema.graphql"), SCHEMA).unwrap();
    let stdout = well(["move", dir, "--abandon"]).await;
    assert!(stdout.contains("is not followed any more"), "{stdout}");
    assert_eq!(logging(&application), 0);
    let stdout = well(["move", dir, "--abandon"]).await;
    assert!(stdout.contains("no move follows the database"), "{stdout}");
    // What was written to it since isn't known: both are read.
    let stdout = well(["move", dir, "--to", "sqlite:data/other.db"]).await;
    assert!(!stdout.contains(BY_LOG), "{stdout}");
    assert_same(dir, "sqlite:data/app.db", "sqlite:data/other.db").await;
}

/// The log of a database that was put back to what it was doesn't say what the new one has beyond that.
#[tokio::test]
async fn a_source_that_is_put_back_is_read_as_a_whole() {
    let application = filled().await;
    let (dir, to) = (text(application.path()), "sqlite:data/other.db");
    let data = application.path().join("data");
    well(["move", dir, "--to", to, "--online"]).await;
    std::fs::copy(data.join("app.db"), data.join("kept.db")).unwrap();
    sqlite(&application)
        .execute("UPDATE item SET number = -1 WHERE number < 10", [])
        .unwrap();
    well(["move", dir, "--to", to, "--online"]).await;
    std::fs::rename(data.join("kept.db"), data.join("app.db")).unwrap();
    let stdout = well(["move", dir, "--to", to]).await;
    assert!(!stdout.contains(BY_LOG), "{stdout}");
    assert_same(dir, "sqlite:data/app.db", to).await;
}

/// Data that is loaded without triggers is in no log, and nobody can tell afterwards but by how the triggers are.
#[tokio::test]
async fn a_log_that_was_turned_off_for_a_while_is_not_relied_on() {
    let application = filled().await;
    let dir = text(application.path());
    let (database, to) = (Database::new(), "sqlite:data/back.db");
    let from = database.url();
    well(["move", dir, "--to", from]).await;
    well(["move", dir, "--database", from, "--to", to, "--online"]).await;
    let client = database::connect(from).await;
    let sql = format!(
        "ALTER TABLE item DISABLE TRIGGER USER; UPDATE item SET number = -7 WHERE id = '{}'; \
         ALTER TABLE item ENABLE TRIGGER USER",
        id(5)
    );
    client.batch_execute(&sql).await.unwrap();
    drop(client);
    let finished = run(["move", dir, "--database", from, "--to", to]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(!finished.stdout.contains(BY_LOG), "{}", finished.stdout);
    assert!(finished.stderr.contains("is not relied on"), "{}", finished.stderr);
    assert_same(dir, from, to).await;
}

#[tokio::test]
async fn a_log_without_one_of_its_triggers_is_not_relied_on() {
    let application = filled().await;
    let (dir, to) = (text(application.path()), "sqlite:data/other.db");
    well(["move", dir, "--to", to, "--online"]).await;
    let connection = sqlite(&application);
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'item' AND name LIKE '%update'";
    let trigger: String = connection.query_row(sql, [], |row| row.get(0)).unwrap();
    connection
        .execute_batch(&format!("DROP TRIGGER {trigger}; UPDATE item SET number = -7"))
        .unwrap();
    drop(connection);
    let stdout = well(["move", dir, "--to", to]).await;
    assert!(!stdout.contains(BY_LOG), "{stdout}");
    assert_same(dir, "sqlite:data/app.db", to).await;
    assert_eq!(logging(&application), 0, "the log goes with the end of the move");
}

/// What was read from the log is forgotten: a target that was put back to before that must not go on.
#[tokio::test]
async fn a_target_that_is_put_back_by_one_step_is_read_as_a_whole() {
    let application = filled().await;
    let (dir, to) = (text(application.path()), "sqlite:data/other.db");
    let data = application.path().join("data");
    well(["move", dir, "--to", to, "--online"]).await;
    std::fs::copy(data.join("other.db"), data.join("kept.db")).unwrap();
    sqlite(&application)
        .execute("UPDATE item SET number = -1 WHERE number = 10", [])
        .unwrap();
    // One entry, and so one step.
    well(["move", dir, "--to", to, "--online"]).await;
    std::fs::rename(data.join("kept.db"), data.join("other.db")).unwrap();
    let stdout = well(["move", dir, "--to", to]).await;
    assert!(!stdout.contains(BY_LOG), "{stdout}");
    assert_same(dir, "sqlite:data/app.db", to).await;
}

/// Plain SQL, a key that changes, rows that go without a trace, and a transaction that commits behind another's back.
#[tokio::test]
async fn what_others_write_to_postgresql_is_followed() {
    let application = filled().await;
    let dir = text(application.path());
    let (database, to) = (Database::new(), "sqlite:data/back.db");
    let from = database.url();
    well(["move", dir, "--to", from]).await;
    let (late, other) = (database::connect(from).await, database::connect(from).await);
    well(["move", dir, "--database", from, "--to", to, "--online"]).await;
    let update = |number: usize| format!("UPDATE item SET number = -7 WHERE id = '{}'", id(number));
    late.batch_execute(&format!("BEGIN; {}", update(5))).await.unwrap();
    let sql = format!(
        "{}; UPDATE item SET id = '{}' WHERE id = '{}'; DELETE FROM item WHERE id = '{}'",
        update(6),
        id(9_000_000),
        id(7),
        id(8)
    );
    other.batch_execute(&sql).await.unwrap();
    well(["move", dir, "--database", from, "--to", to, "--online"]).await;
    late.batch_execute("COMMIT").await.unwrap();
    other.batch_execute("TRUNCATE tag CASCADE").await.unwrap();
    let stdout = well(["move", dir, "--database", from, "--to", to]).await;
    assert!(stdout.contains(BY_LOG), "{stdout}");
    assert_same(dir, from, to).await;
}

#[tokio::test]
async fn what_others_write_to_mysql_is_followed() {
    let application = filled().await;
    let dir = text(application.path());
    let (database, to) = (OwnDatabase::new(), "sqlite:data/back.db");
    let from = database.url();
    well(["move", dir, "--to", &from]).await;
    let connect = async || mysql_async::Conn::from_url(&from).await.unwrap();
    let (mut late, mut other) = (connect().await, connect().await);
    well(["move", dir, "--database", &from, "--to", to, "--online"]).await;
    let key = |number: usize| format!("0x{}", id(number).replace('-', ""));
    let update = |number: usize| format!("UPDATE item SET number = -7 WHERE id = {}", key(number));
    late.query_drop("START TRANSACTION").await.unwrap();
    late.query_drop(update(5)).await.unwrap();
    other.query_drop(update(6)).await.unwrap();
    let sql = format!("UPDATE item SET id = {} WHERE id = {}", key(9_000_000), key(7));
    other.query_drop(sql).await.unwrap();
    other
        .query_drop(format!("DELETE FROM item WHERE id = {}", key(8)))
        .await
        .unwrap();
    well(["move", dir, "--database", &from, "--to", to, "--online"]).await;
    late.query_drop("COMMIT").await.unwrap();
    late.disconnect().await.unwrap();
    other.disconnect().await.unwrap();
    let stdout = well(["move", dir, "--database", &from, "--to", to]).await;
    assert!(stdout.contains(BY_LOG), "{stdout}");
    assert_same(dir, &from, to).await;
}

/// Of a transaction that commits late, of links, and of a key that is exchanged for another.
#[tokio::test]
async fn what_others_write_to_mongodb_is_followed() {
    let application = filled().await;
    let dir = text(application.path());
    let ((name, from), to) = (mongodb(), "sqlite:data/back.db");
    well(["move", dir, "--to", &from]).await;
    let client = mongodb::Client::with_uri_str(&from).await.unwrap();
    let database = client.database(&name);
    let items = database.collection::<Document>("item");
    let by = |number: usize| doc! { "_id": id(number) };
    let update = doc! { "$set": { "number": -7_i64 } };
    let mut late = client.start_session().await.unwrap();
    late.start_transaction().await.unwrap();
    items
        .update_one(by(9), update.clone())
        .session(&mut late)
        .await
        .unwrap();
    well(["move", dir, "--database", &from, "--to", to, "--online"]).await;
    items.update_one(by(6), update).await.unwrap();
    let mut item = items.find_one_and_delete(by(7)).await.unwrap().unwrap();
    item.insert("_id", id(9_000_000));
    items.insert_one(item).await.unwrap();
    items.delete_one(by(8)).await.unwrap();
    let links = database.collection::<Document>("item_tags");
    let link = |number: usize| doc! { "item_id": id(number), "tag_id": id(1) };
    links.insert_many([link(10), link(11), link(12)]).await.unwrap();
    well(["move", dir, "--database", &from, "--to", to, "--online"]).await;
    late.commit_transaction().await.unwrap();
    links.delete_one(link(11)).await.unwrap();
    links
        .update_one(link(12), doc! { "$set": { "tag_id": id(2) } })
        .await
        .unwrap();
    let stdout = well(["move", dir, "--database", &from, "--to", to]).await;
    assert!(stdout.contains(BY_LOG), "{stdout}");
    assert_same(dir, &from, to).await;
    let collections = database.list_collection_names().await.unwrap();
    assert!(!collections.iter().any(|name| name.starts_with("_ninefold_change")));

    // Of what goes as a whole nothing is told: all is read.
    let again = "sqlite:data/again.db";
    well(["move", dir, "--database", &from, "--to", again, "--online"]).await;
    items.delete_one(by(20)).await.unwrap();
    links.drop().await.unwrap();
    database.create_collection("item_tags").await.unwrap();
    let stdout = well(["move", dir, "--database", &from, "--to", again]).await;
    assert!(!stdout.contains(BY_LOG), "{stdout}");
    assert_same(dir, &from, again).await;
    database.drop().await.unwrap();
}
