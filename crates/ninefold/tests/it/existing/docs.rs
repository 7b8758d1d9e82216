//! `docs/introspect.md`: its database, commands and answers are real.

use super::{administrator, fence};
use crate::binary::{Server, finish, ninefold};

const PAGE: &str = include_str!("../../../../../docs/introspect.md");

#[tokio::test]
async fn the_examples_of_the_page_do_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let database = rusqlite::Connection::open(folder.path().join("shop.db")).unwrap();
    database.execute_batch(fence(PAGE, "sql")).unwrap();
    for line in fence(PAGE, "sh").lines() {
        let mut command = ninefold(line.split(' ').skip(1));
        command.current_dir(folder.path());
        let finished = finish(command, "").await;
        assert_eq!(finished.code, Some(0), "{line}: {}", finished.stderr);
    }
    let dir = folder.path().join("shop");
    let schema = std::fs::read_to_string(dir.join("schema.graphql")).unwrap();
    assert!(schema.starts_with(fence(PAGE, "graphql")), "{schema}");
    administrator(&dir, &[]).await;
    let server = Server::start("serve", &dir, &[]).await;
    let admin = super::signed_in(&server).await;
    for example in fence(PAGE, "http").split("\n\n") {
        let (request, answer) = example.split_once('\n').unwrap();
        let response = match request.strip_prefix("POST ").and_then(|post| post.split_once(' ')) {
            Some((path, body)) => admin.post(path, &serde_json::from_str(body).unwrap()).await,
            None => admin.get(request.strip_prefix("GET ").unwrap()).await,
        };
        assert_eq!(response.text(), answer.trim_end(), "{request}");
    }
}
