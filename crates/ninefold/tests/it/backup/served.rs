//! What holds on every server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use serde_json::json;

use super::{PARTS, SCHEMA, parts, run, text, well, write};
use crate::binary::{Server, folder};

/// A backup of a database that is served, into its own place again. `place`: the schema or database, for people. Answers
/// the name that has what was replaced.
pub(super) async fn is_backed_up_and_restored(url: &str, place: &str) -> String {
    let application = folder(SCHEMA);
    let dir = text(application.path());
    let file = application.path().join("a.backup");
    let back_up = ["backup", dir, "--database", url, "--out", text(&file)];
    let restore = ["restore", text(&file), dir, "--database", url];
    let empty = run(back_up).await;
    assert!(
        empty.stderr.contains("the database holds no application yet"),
        "{}",
        empty.stderr
    );

    let mut server = Server::start("serve", application.path(), &["--migrate", "--database", url]).await;
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI64::new(-1)));
    let writer = tokio::spawn(write(server.client(), 0, answered.clone(), stop.clone()));
    while answered.load(Ordering::Relaxed) < 20 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let before = answered.load(Ordering::Relaxed);
    well(back_up).await;
    let after = answered.load(Ordering::Relaxed);
    stop.store(true, Ordering::Relaxed);
    writer.await.unwrap();

    let served = run(restore.into_iter().chain(["--force"])).await;
    assert_eq!(served.code, Some(3), "{}", served.stderr);
    assert!(served.stderr.contains("stop the servers first"), "{}", served.stderr);
    server.signal("TERM");
    assert_eq!(server.end().await, Some(0));
    let occupied = run(restore).await;
    assert_eq!(occupied.code, Some(1), "{}", occupied.stderr);
    let has_tables = format!("{place} has tables already");
    assert!(occupied.stderr.contains(&has_tables), "{}", occupied.stderr);
    let stdout = well(restore.into_iter().chain(["--force"])).await;
    let replaced = stdout.split(&format!("is now {place}_replaced_")).nth(1);
    let replaced = replaced.unwrap_or_else(|| panic!("{stdout}")).trim_end();

    let exported = well(["export", "entries", "-", dir, "--database", url]).await;
    let there = &parts(&exported)[&0];
    let last = *there.keys().last().unwrap();
    assert!(
        (before..=after + 1).contains(&last),
        "{last} is not among {before} and {after}"
    );
    assert_eq!(there, &(0..=last).map(|number| (number, PARTS)).collect());
    // It goes on where it was: rules, indexes and functions are there again.
    let server = Server::start("serve", application.path(), &["--database", url]).await;
    let entry = json!({"writer": 1, "number": 1, "part": 1});
    assert_eq!(server.client().post("/api/entries", &entry).await.status, 201);
    let filter = "/api/entries?filter=text.startsWith('x')&limit=1&count=true";
    let page = server.client().get(filter).await.json();
    assert_eq!(page["total"], (last + 1) * PARTS, "{page}");
    let (_, name) = place.rsplit_once(' ').unwrap();
    format!("{name}_replaced_{replaced}")
}
