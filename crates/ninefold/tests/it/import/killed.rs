//! An import into a server's database whose process is killed in the middle.

use std::process::Stdio;
use std::time::Duration;

use serde_json::json;

use crate::binary::{Server, finish, folder, ninefold};

const SCHEMA: &str = r#"type Word @collection @access(read: "true") { text: String! @length(max: 20) @unique }"#;
const WORDS: i64 = 60_000;

/// What it published is taken out again by whoever opens the database next. `count` asks the database: how many
/// `others` are connected to it, how many staging `tables` there are.
pub(crate) async fn is_taken_back(url: &str, count: impl AsyncFn(&str) -> i64, others: &str, tables: &str) {
    let dir = folder(SCHEMA);
    let dir_name = dir.path().to_str().unwrap();
    let mut command = ninefold(["migrate", "apply", dir_name]);
    command.args(["--database", url]);
    let applied = finish(command, "").await;
    assert_eq!(applied.code, Some(0), "{}", applied.stderr);
    let words: String = (0..WORDS).map(|number| format!("word {number}\n")).collect();
    let file = dir.path().join("words.csv");
    std::fs::write(&file, format!("text\n{words}")).unwrap();
    let mut import = ninefold(["import", "words", file.to_str().unwrap(), dir_name]);
    import
        .args(["--database", url])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut import = import.kill_on_drop(true).spawn().unwrap();
    while count("SELECT count(*) FROM word").await == 0 {
        assert!(
            import.try_wait().unwrap().is_none(),
            "it came to its end without publishing anything"
        );
    }
    import.kill().await.unwrap();
    while count(others).await > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let published = count("SELECT count(*) FROM word").await;
    assert!(
        (1..WORDS).contains(&published),
        "it was killed in the middle: {published}"
    );

    let server = Server::start("serve", dir.path(), &["--database", url]).await;
    let left = server.client().get("/api/words").await.json();
    assert_eq!(left["items"], json!([]));
    assert_eq!(count(tables).await, 0);
}
