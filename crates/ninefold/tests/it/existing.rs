//! Databases that others made: served as they are.

mod docs;
mod generated;
mod introspect;
mod mapped;

use std::path::Path;

use rusqlite::Connection;

use crate::app::Client;
use crate::binary::{Server, finish, ninefold};

/// A database in the folder, made by these statements.
fn database(folder: &Path, sql: &str) -> Connection {
    let connection = Connection::open(folder.join("existing.db")).unwrap();
    connection.execute_batch(sql).unwrap();
    connection
}

/// All that a database's own catalog says of what is not Ninefold's.
fn catalog(folder: &Path) -> Vec<String> {
    let connection = Connection::open(folder.join("existing.db")).unwrap();
    let mut statement = connection
        .prepare("SELECT coalesce(sql, name) FROM sqlite_schema WHERE tbl_name NOT LIKE '\\_ninefold\\_%' ESCAPE '\\' ORDER BY name")
        .unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

const DATABASE: [&str; 2] = ["--database", "sqlite:existing.db"];

/// Serves the database after `migrate apply`, and signs an administrator in.
async fn served(dir: &Path) -> (Server, Client) {
    administrator(dir, &DATABASE).await;
    let server = Server::start("serve", dir, &DATABASE).await;
    let client = signed_in(&server).await;
    (server, client)
}

/// Lets Ninefold add its own tables, and makes an administrator.
async fn administrator(dir: &Path, arguments: &[&str]) {
    let path = dir.to_str().unwrap();
    let create = ["admin", "create", path, "--email", "me@example.com", "--password-stdin"];
    for command in [&["migrate", "apply", path][..], &create] {
        let finished = finish(
            ninefold(command.iter().chain(arguments).copied()),
            "a password of mine\n",
        )
        .await;
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    }
}

async fn signed_in(server: &Server) -> Client {
    let credentials = serde_json::json!({"email": "me@example.com", "password": "a password of mine"});
    let response = server.client().post("/auth/admin/sign-in", &credentials).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let token = response.json()["accessToken"].as_str().unwrap().to_owned();
    server.client().with_token(&token)
}

/// The page's first block in a language.
fn fence(page: &'static str, language: &str) -> &'static str {
    let (_, rest) = page.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0
}
