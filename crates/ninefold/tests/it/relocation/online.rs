//! A move of which most is done while the old database is served and written to.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value as Json, json};
use tokio::task::JoinHandle;

use super::{text, well};
use crate::app::Client;
use crate::binary::{Server, folder, run};
use crate::database::Database;
use crate::mysql::OwnDatabase;

pub(super) const SCHEMA: &str = r#"
type Tag @collection @access(read: "true", create: "true") { name: String! }
type Item @collection @access(read: "true", create: "true", update: "true", delete: "true") {
  name: String! @unique
  number: Int
  parent: Item @relation(onDelete: SET_NULL)
  tags: [Tag!]!
}
"#;
/// More than one portion.
const ITEMS: usize = 1500;
const WRITES_MIN: usize = 32;

pub(super) fn id(number: usize) -> String {
    format!("01890000-0000-7000-8000-{number:012}")
}

/// Creates, deletes, changes relations, and exchanges what is unique, until it is told to stop.
pub(super) fn write(client: Client, stop: Arc<AtomicBool>) -> JoinHandle<usize> {
    tokio::spawn(async move {
        let mut written = 0;
        while written < WRITES_MIN || !stop.load(Ordering::Relaxed) {
            let at = || fastrand::usize(0..ITEMS);
            let update =
                |number, data: Json| json!({"op": "update", "collection": "items", "id": id(number), "data": data});
            let operations = match written % 4 {
                0 => {
                    json!([{"op": "create", "collection": "items", "data": {"name": format!("new {written} {}", fastrand::u64(..)), "parent": id(0)}}])
                }
                // The first two exchange their names with the last two.
                1 => {
                    let other = ITEMS - 1 - written % 2;
                    let names =
                        async |number| client.get(&format!("/api/items/{}", id(number))).await.json()["name"].clone();
                    let (one, two) = (names(written % 2).await, names(other).await);
                    json!([
                        update(written % 2, json!({"name": "passing"})),
                        update(other, json!({"name": one})),
                        update(written % 2, json!({"name": two})),
                    ])
                }
                2 => json!([{"op": "delete", "collection": "items", "id": id(2 + at() % (ITEMS - 4))}]),
                _ => json!([
                    update(0, json!({"number": written, "tags": {"add": [id(1)]}})),
                    update(1, json!({"tags": []}))
                ]),
            };
            let response = client.post("/api/batch", &json!({ "operations": operations })).await;
            // What is to be deleted may be gone already.
            assert!([200, 404].contains(&response.status), "{}", response.text());
            written += 1;
        }
        written
    })
}

pub(super) async fn export(dir: &str, database: &str) -> [String; 2] {
    let of = async |collection| {
        let exported = well(["export", collection, "-", dir, "--database", database]).await;
        let mut lines: Vec<_> = exported.lines().collect();
        lines.sort_unstable();
        lines.join("\n")
    };
    [of("items").await, of("tags").await]
}

/// Moves ahead to each of them while the database is written to, and then, when nobody serves it, the rest.
async fn assert_moves(dir: &Path, from: &str, targets: &[&str]) {
    let mut server = Server::start("serve", dir, &["--database", from]).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writer = write(server.client(), stop.clone());
    for to in targets {
        let stdout = well(["move", text(dir), "--database", from, "--to", to, "--online"]).await;
        assert!(stdout.contains("without --online"), "{stdout}");
        let refused = run(["export", "items", "-", text(dir), "--database", to]).await;
        assert!(refused.stderr.contains("incomplete"), "{}", refused.stderr);
    }
    stop.store(true, Ordering::Relaxed);
    let Ok(written) = writer.await else {
        let why = server
            .line_with(|line| line.contains("refused for a reason of ours"))
            .await;
        panic!("{from} refused a write: {why}");
    };
    assert!(written >= WRITES_MIN);
    // Of all that was written since nothing is in the targets.
    stop.store(true, Ordering::Relaxed);
    write(server.client(), stop).await.unwrap();
    server.signal("TERM");
    assert_eq!(server.end().await, Some(0));
    let expected = export(text(dir), from).await;
    for to in targets {
        let stdout = well(["move", text(dir), "--database", from, "--to", to]).await;
        assert!(stdout.contains("caught up with "), "{stdout}");
        // The log is that of the move that was begun last.
        let is_last = targets.last() == Some(to);
        assert_eq!(stdout.contains("by the log of changes"), is_last, "{stdout}");
        assert_eq!(export(text(dir), to).await, expected, "{to}");
    }
}

/// More than one portion of items, and two tags.
pub(super) async fn fill(dir: &Path) {
    let items: Vec<_> = (0..ITEMS)
        .map(|number| json!({"id": id(number), "name": format!("item {number}"), "number": number}))
        .collect();
    let tags = json!([{"id": id(1), "name": "one"}, {"id": id(2), "name": "two"}]);
    well(["migrate", "apply", text(dir)]).await;
    for (collection, records) in [("tags", tags), ("items", json!(items))] {
        let file = dir.join("records.json");
        std::fs::write(&file, records.to_string()).unwrap();
        well(["import", collection, text(&file), text(dir)]).await;
    }
}

#[tokio::test]
async fn what_is_written_meanwhile_is_caught_up_with() {
    let application = folder(SCHEMA);
    let dir = application.path();
    fill(dir).await;
    let (postgres, mysql) = (Database::new(), OwnDatabase::new());
    let mongodb = format!("/m{}?", uuid::Uuid::now_v7().simple());
    let mongodb = testkit::services::mongodb_url().replacen("/?", &mongodb, 1);
    assert_moves(dir, "sqlite:data/app.db", &[postgres.url(), &mysql.url(), &mongodb]).await;
    assert_moves(dir, postgres.url(), &["sqlite:data/one.db"]).await;
    assert_moves(dir, &mysql.url(), &["sqlite:data/two.db"]).await;
    assert_moves(dir, &mongodb, &["sqlite:data/three.db"]).await;
}
