//! `ninefold explain`: what the page about it shows is what it says, and what it can't explain it refuses.

use regex::Regex;
use tempfile::TempDir;

use crate::binary::{Server, finish, folder, ninefold, run};

const PAGE: &str = include_str!("../../../../docs/explain.md");

/// The chat example with its seed data, as `talk` in a folder.
async fn talk() -> TempDir {
    let place = tempfile::tempdir().unwrap();
    for words in ["new talk --template chat", "migrate apply talk", "seed talk"] {
        let mut command = ninefold(words.split(' '));
        command.current_dir(place.path());
        let finished = finish(command, "").await;
        assert_eq!(finished.code, Some(0), "{words}: {}", finished.stderr);
    }
    place
}

/// The words of a line of shell; quotes are all that it has of shell.
fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for (index, part) in line.split('\'').enumerate() {
        if index % 2 == 1 {
            words.push(part);
        } else {
            words.extend(part.split_whitespace());
        }
    }
    words
}

#[tokio::test]
async fn the_page_shows_what_is_said() {
    let place = talk().await;
    let took = Regex::new(r"in [0-9.]+ ms").unwrap();
    let timeless = |text: &str| took.replace_all(text, "in … ms").into_owned();
    let mut shown = 0;
    for example in PAGE.split("```sh\n").skip(1) {
        let (line, rest) = example.split_once("\n```\n\n```text\n").expect("an answer follows");
        let expected = rest.split("```").next().unwrap();
        let mut command = ninefold(words(line).into_iter().skip(1));
        command.current_dir(place.path());
        let finished = finish(command, "").await;
        assert_eq!(finished.stderr, "", "{line}");
        assert_eq!(timeless(&finished.stdout), timeless(expected), "{line}");
        shown += 1;
    }
    assert_eq!(shown, 3);
}

#[tokio::test]
async fn it_works_beside_a_server_and_speaks_to_scripts() {
    let place = talk().await;
    let dir = place.path().join("talk");
    let mut server = Server::start("serve", &dir, &[]).await;
    let answer = run([
        "explain",
        "rooms",
        "list",
        dir.to_str().unwrap(),
        "--as",
        "ada@example.com",
        "--format",
        "json",
    ]);
    let finished = answer.await;
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let said: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(said["rules"][0]["rule"], "auth.id in record.members");
    assert_eq!(said["rules"][0]["place"], serde_json::json!({"line": 19, "column": 18}));
    assert_eq!(said["rules"][0]["decision"], "depends");
    assert_eq!(said["statements"][0]["rows"], 4);
    server.signal("TERM");
    assert_eq!(server.end().await, Some(0));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let application = folder("type Note @collection @access(read: \"true\") { word: String }");
    let dir = application.path().to_str().unwrap();
    assert_eq!(run(["migrate", "apply", dir]).await.code, Some(0));
    let check = async |words: &[&str], code: i32, said: &str| {
        let finished = run(["explain"].into_iter().chain(words.iter().copied()).chain([dir])).await;
        assert_eq!(finished.code, Some(code), "{words:?}: {}", finished.stderr);
        assert!(finished.stderr.contains(said), "{words:?}: {}", finished.stderr);
        assert_eq!(finished.stdout, "", "{words:?}");
    };
    check(&["notes", "get", "--sort", "word"], 2, "--sort is for lists").await;
    check(&["notes", "list", "--id", "1"], 2, "leave --id out").await;
    check(&["notes", "list", "--filter", "wrd == 'x'"], 1, "did you mean `word`?").await;
    check(
        &["notes", "list", "--expand", "word"],
        1,
        "--expand: `word` is not a relation",
    )
    .await;
    check(&["nots", "list"], 1, "did you mean `notes`?").await;
    check(&["notes", "list", "--as", "ann@example.com"], 1, "nobody can sign in").await;
    check(&["notes", "look"], 2, "possible values").await;
}

#[tokio::test]
async fn the_log_names_the_index_that_a_slow_list_misses() {
    let application = folder(
        r#"type Note @collection @index(fields: ["word"]) @access(read: "true") { word: String! @length(max: 40) rank: Int! }"#,
    );
    let dir = application.path().to_str().unwrap();
    assert_eq!(run(["migrate", "apply", dir]).await.code, Some(0));
    let rows = (0..20_000).map(|number| format!("{{\"word\": \"w{number}\", \"rank\": {number}}}\n"));
    let mut import = ninefold(["import", "notes", "-", "--format", "ndjson", dir]);
    import.env("NINEFOLD_LOG__LEVEL", "warn");
    let imported = finish(import, &rows.collect::<String>()).await;
    assert_eq!(imported.code, Some(0), "{}", imported.stderr);

    let slow = ["--set", "log.slow_query_ms=1"];
    let mut server = Server::start("serve", application.path(), &slow).await;
    let client = server.client();
    for secret in [11, 12] {
        let path = format!("/api/notes?filter=record.rank%20==%20{secret}%20%26%26%20word%20!=%20%27hush%27");
        assert_eq!(client.get(&path).await.status, 200);
    }
    let line = server.line_with(|line| line.contains("a slow list")).await;
    let line: serde_json::Value = serde_json::from_str(&line).expect("a server logs JSON");
    assert_eq!(line["collection"], "Note", "{line}");
    assert_eq!(
        line["filter"], "record.rank == ? && word != ?",
        "values are data, which the log has no business with"
    );
    assert_eq!(line["add_to_type"], r#"@index(fields: ["rank"])"#);
    server.signal("TERM");
    assert_eq!(server.end().await, Some(0));
    let told = server.said.iter().filter(|line| line.contains("a slow list"));
    assert_eq!(told.count(), 1, "once for what asks the same: {:?}", server.said);
}
