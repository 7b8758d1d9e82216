//! The same on MongoDB, of which Ninefold makes the copy itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use super::{PARTS, SCHEMA, parts, run, text, well, write};
use crate::binary::{Server, folder};
use crate::mongodb::url;

#[tokio::test(flavor = "multi_thread")]
async fn under_load_a_backup_is_of_one_moment_and_comes_back() {
    let (application, from, to) = (folder(SCHEMA), url(), url());
    let dir = text(application.path());
    let mut server = Server::start("serve", application.path(), &["--migrate", "--database", &from]).await;
    let stop = Arc::new(AtomicBool::new(false));
    let answered: Vec<_> = (0..3).map(|_| Arc::new(AtomicI64::new(-1))).collect();
    let writers: Vec<_> = (0..)
        .zip(&answered)
        .map(|(writer, answered)| tokio::spawn(write(server.client(), writer, answered.clone(), stop.clone())))
        .collect();
    while answered.iter().any(|number| number.load(Ordering::Relaxed) < 5) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let file = application.path().join("a.backup");
    let numbers = || -> Vec<i64> { answered.iter().map(|number| number.load(Ordering::Relaxed)).collect() };
    let before = numbers();
    well(["backup", dir, "--database", &from, "--out", text(&file)]).await;
    let after = numbers();
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(
        after.iter().sum::<i64>() > before.iter().sum::<i64>(),
        "the writers stood still"
    );
    server.signal("TERM");
    assert_eq!(server.end().await, Some(0));

    // Back to where it came from, and to a file.
    let sqlite = format!("sqlite:{}", text(&application.path().join("look.db")));
    for database in [&*to, &sqlite] {
        well(["restore", text(&file), dir, "--database", database]).await;
        let exported = well(["export", "entries", "-", dir, "--database", database]).await;
        let found = parts(&exported);
        for ((writer, before), after) in (0..).zip(&before).zip(&after) {
            let there = &found[&writer];
            let last = *there.keys().last().unwrap();
            assert!(
                (*before..=after + 1).contains(&last),
                "{last} is not among {before} and {after}"
            );
            assert_eq!(
                there,
                &(0..=last).map(|number| (number, PARTS)).collect(),
                "writer {writer}"
            );
        }
    }
    let again = run(["restore", text(&file), dir, "--database", &to]).await;
    assert_eq!(again.code, Some(1), "{}", again.stderr);
    assert!(
        again.stderr.contains("entries already; move to an empty database"),
        "{}",
        again.stderr
    );
    let forced = run(["restore", text(&file), dir, "--database", &to, "--force"]).await;
    assert!(forced.stderr.contains("can't be moved aside"), "{}", forced.stderr);
    let server = Server::start("serve", application.path(), &["--database", &to]).await;
    let page = server.client().get("/api/entries?limit=1&count=true").await.json();
    assert!(page["total"].as_i64().unwrap() >= 15 * PARTS, "{page}");
}
