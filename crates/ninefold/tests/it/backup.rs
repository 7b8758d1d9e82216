//! `backup` and `restore`: the real binary, alone and beside a server under load.

mod continuous;
mod mongodb;
mod mysql;
mod postgres;
mod served;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::app::Client;
use crate::binary::{Finished, Server, finish, folder, ninefold, run};

const PAGE: &str = include_str!("../../../../docs/backup.md");
const SCHEMA: &str = r#"
type Entry @collection(path: "entries") @access(read: "true", create: "true") {
  writer: Int!
  number: Int!
  part: Int!
  text: String
}
"#;
const WRITERS: i64 = 6;
const PARTS: i64 = 3;
const BALLAST: i64 = 30_000;

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of a test is UTF-8")
}

/// One batch after the other, each whole or not at all, until told to stop. The number of the last that was answered is in
/// `answered`.
async fn write(client: Client, writer: i64, answered: Arc<AtomicI64>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        let number = answered.load(Ordering::Relaxed) + 1;
        let create = |part| {
            let data = json!({"writer": writer, "number": number, "part": part, "text": "x".repeat(500)});
            json!({"op": "create", "collection": "entries", "data": data})
        };
        let operations: Vec<_> = (0..PARTS).map(create).collect();
        let response = client.post("/api/batch", &json!({ "operations": operations })).await;
        assert_eq!(response.status, 200, "{}", response.text());
        answered.store(number, Ordering::Relaxed);
    }
}

fn numbers(answered: &[Arc<AtomicI64>]) -> Vec<i64> {
    answered.iter().map(|number| number.load(Ordering::Relaxed)).collect()
}

/// For each writer the parts by number.
fn parts(exported: &str) -> BTreeMap<i64, BTreeMap<i64, i64>> {
    let mut found: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for line in exported.lines() {
        let entry: Json = serde_json::from_str(line).unwrap();
        let [writer, number] = ["writer", "number"].map(|field| entry[field].as_i64().unwrap());
        *found.entry(writer).or_default().entry(number).or_default() += 1;
    }
    found
}

async fn well<'a>(arguments: impl IntoIterator<Item = &'a str>) -> String {
    let Finished { code, stdout, stderr } = run(arguments).await;
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    stdout
}

#[tokio::test]
async fn under_load_it_holds_what_was_acknowledged_and_writes_go_on() {
    let application = folder(SCHEMA);
    let dir = text(application.path());
    // So that a copy takes a while.
    let rows = (0..BALLAST).map(|number| format!("-1,{number},0,{}\n", "x".repeat(500)));
    let ballast = application.path().join("ballast.csv");
    std::fs::write(
        &ballast,
        format!("writer,number,part,text\n{}", rows.collect::<String>()),
    )
    .unwrap();
    well(["import", "entries", text(&ballast), dir]).await;
    let server = Server::start("serve", application.path(), &["--migrate"]).await;
    let stop = Arc::new(AtomicBool::new(false));
    let answered: Vec<_> = (0..WRITERS).map(|_| Arc::new(AtomicI64::new(-1))).collect();
    let writers: Vec<_> = (0..WRITERS)
        .zip(&answered)
        .map(|(writer, answered)| tokio::spawn(write(server.client(), writer, answered.clone(), stop.clone())))
        .collect();
    while numbers(&answered).iter().any(|number| *number < 20) {
        tokio::task::yield_now().await;
    }
    let mut backups = Vec::new();
    let mut written = 0;
    for round in 0..3 {
        let file = application.path().join(format!("{round}.backup"));
        let before = numbers(&answered);
        well(["backup", dir, "--out", text(&file)]).await;
        let after = numbers(&answered);
        written += after.iter().sum::<i64>() - before.iter().sum::<i64>();
        backups.push((file, before, after));
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(written > 0, "the writers stood still");
    for (file, before, after) in backups {
        let database = format!("sqlite:{}", text(&file.with_extension("db")));
        well(["restore", text(&file), dir, "--database", &database]).await;
        let exported = well(["export", "entries", "-", dir, "--database", &database]).await;
        let found = parts(&exported);
        assert_eq!(found[&-1].len(), usize::try_from(BALLAST).unwrap());
        for writer in 0..WRITERS {
            let index = usize::try_from(writer).unwrap();
            let there = &found[&writer];
            let last = *there.keys().last().unwrap();
            assert!(
                (before[index]..=after[index] + 1).contains(&last),
                "writer {writer}: {last} is not among {} and {}",
                before[index],
                after[index]
            );
            let whole: BTreeMap<_, _> = (0..=last).map(|number| (number, PARTS)).collect();
            assert_eq!(there, &whole, "writer {writer}");
        }
    }
}

#[tokio::test]
async fn nothing_is_restored_under_a_server_or_over_a_database() {
    let application = folder(SCHEMA);
    let dir = text(application.path());
    let file = application.path().join("a.backup");
    let missing = run(["backup", dir, "--out", text(&file)]).await;
    assert_eq!(missing.code, Some(1), "{}", missing.stderr);
    assert!(
        missing
            .stderr
            .starts_with("error: there is no database of Ninefold's at "),
        "{}",
        missing.stderr
    );

    let server = Server::start("serve", application.path(), &["--migrate"]).await;
    let entry = json!({"writer": 1, "number": 1, "part": 1});
    assert_eq!(server.client().post("/api/entries", &entry).await.status, 201);
    let stdout = well(["backup", dir, "--out", text(&file)]).await;
    assert!(
        stdout.starts_with(&format!("backed up to {} (", text(&file))),
        "{stdout}"
    );
    let again = run(["backup", dir, "--out", text(&file)]).await;
    assert_eq!(again.code, Some(1), "{}", again.stderr);
    assert_eq!(server.client().post("/api/entries", &entry).await.status, 201);

    let served = run(["restore", text(&file), dir, "--force"]).await;
    assert_eq!(served.code, Some(3), "{}", served.stderr);
    assert!(
        served
            .stderr
            .contains("is in use by another process\n help: stop the server first"),
        "{}",
        served.stderr
    );
    server.kill().await;
    let there = run(["restore", text(&file), dir]).await;
    assert_eq!(there.code, Some(1), "{}", there.stderr);
    assert!(
        there.stderr.contains("is there already\n help: --force moves"),
        "{}",
        there.stderr
    );
    assert_eq!(well(["export", "entries", "-", dir]).await.lines().count(), 2);

    let stdout = well(["restore", text(&file), dir, "--force"]).await;
    assert_eq!(well(["export", "entries", "-", dir]).await.lines().count(), 1);
    let aside = stdout.trim_end().split("is now ").nth(1).unwrap();
    let database = format!("sqlite:{}", text(&Path::new(aside).canonicalize().unwrap()));
    assert_eq!(
        well(["export", "entries", "-", dir, "--database", &database])
            .await
            .lines()
            .count(),
        2
    );

    let other = run([
        "restore",
        text(&application.path().join("schema.graphql")),
        dir,
        "--force",
    ])
    .await;
    assert!(
        other.stderr.contains("schema.graphql is no backup that Ninefold made"),
        "{}",
        other.stderr
    );
}

#[tokio::test]
async fn the_commands_of_the_page_do_what_it_says() {
    let parent = TempDir::new().unwrap();
    let shop = parent.path().join("shop");
    std::fs::create_dir(&shop).unwrap();
    let schema = "type Product @collection { name: String! }";
    std::fs::write(shop.join("schema.graphql"), schema).unwrap();
    std::fs::write(parent.path().join("products.csv"), "name\nlamp\n").unwrap();
    let lines = PAGE
        .split("```sh\n")
        .skip(1)
        .flat_map(|rest| rest.split("```").next().unwrap().lines());
    let mut stdout = String::new();
    for line in ["ninefold import products products.csv shop"].into_iter().chain(lines) {
        let mut command = ninefold(line.split(' ').skip(1));
        command.current_dir(parent.path());
        let finished = finish(command, "").await;
        assert_eq!(finished.code, Some(0), "{line}: {}", finished.stderr);
        stdout = finished.stdout;
    }
    assert!(stdout.contains("\"name\":\"lamp\""), "{stdout}");
}
