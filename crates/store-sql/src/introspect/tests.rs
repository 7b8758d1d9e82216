//! Published structures, and what becomes of them: the golden files are to be read.

use engine::Model;
use engine::introspect::schema;
use mysql_async::prelude::Queryable as _;
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::runtime::Builder;

use super::{mysql, postgres, sqlite};
use crate::dialect::Server;
use crate::mysql::testing::OwnDatabase;
use crate::postgres::testing::Schema;

/// The schema of a database that these statements make. It reads, and nothing of the file changes.
fn schema_of(sql: &str) -> String {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("existing.db");
    Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    let before = std::fs::read(&path).unwrap();
    let written = schema(&sqlite(&path).unwrap(), "sqlite:existing.db");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let said = Model::examine(&written.schema, "schema.graphql").1;
    assert!(said.is_empty(), "{said}\n{}", written.schema);
    written.schema
}

#[test]
fn chinook_on_sqlite() {
    insta::assert_snapshot!(schema_of(include_str!("fixtures/chinook.sql")));
}

#[test]
fn northwind_on_sqlite() {
    insta::assert_snapshot!(schema_of(include_str!("fixtures/northwind.sql")));
}

#[test]
fn sakila_on_sqlite() {
    insta::assert_snapshot!(schema_of(include_str!("fixtures/sakila.sql")));
}

#[test]
fn whatever_else_there_may_be() {
    insta::assert_snapshot!(schema_of(
        r#"
        CREATE TABLE "File" (id INTEGER PRIMARY KEY, "in" TEXT, "a b" TEXT, a_b TEXT, __typename TEXT, "ü" BOOLEAN DEFAULT 1);
        CREATE TABLE files (code TEXT PRIMARY KEY, kind TEXT NOT NULL DEFAULT 'new' CHECK (kind IN ('new', 'used')),
          size TEXT CHECK (size IN ('S', 'it''s "big"', 'true')), mixed, data, at DATETIME DEFAULT CURRENT_TIMESTAMP,
          price DECIMAL(8, 2) DEFAULT 1.50, label TEXT DEFAULT 'it''s \ "so"', n INT DEFAULT (1 + 1), twice INT AS (n * 2),
          stamp DATETIME, flag BOOL NOT NULL DEFAULT FALSE, email VARCHAR(300) UNIQUE);
        CREATE UNIQUE INDEX two ON files (kind, size);
        CREATE INDEX part ON files (kind) WHERE size = 'S';
        CREATE INDEX expr ON files (lower(label));
        CREATE TABLE keyless (a INT);
        CREATE TABLE pairs (a INT NOT NULL REFERENCES "File", b TEXT NOT NULL REFERENCES files (code), note TEXT, PRIMARY KEY (a, b));
        CREATE TABLE leads_to_pairs (id INTEGER PRIMARY KEY, a INT, b TEXT, other INT, FOREIGN KEY (a, b) REFERENCES pairs (a, b) ON DELETE CASCADE,
          FOREIGN KEY (other) REFERENCES nowhere (id));
        CREATE TABLE profile (id INTEGER PRIMARY KEY REFERENCES "File" (id) ON DELETE CASCADE, best INT REFERENCES "File" ON DELETE SET NULL);
        CREATE TABLE knows (who INT REFERENCES profile, whom INT REFERENCES profile, PRIMARY KEY (who, whom));
        CREATE TABLE chicken (id INTEGER PRIMARY KEY REFERENCES egg);
        CREATE TABLE egg (id INTEGER PRIMARY KEY REFERENCES chicken);
        CREATE TABLE backwards (id INTEGER PRIMARY KEY DESC, note TEXT);
        CREATE TABLE short (id INT PRIMARY KEY, note TEXT);
        CREATE TABLE plain (id INTEGER PRIMARY KEY, note TEXT) WITHOUT ROWID;
        CREATE TABLE dated (day DATE PRIMARY KEY DEFAULT CURRENT_DATE, file INT NOT NULL DEFAULT 1 REFERENCES "File");
        CREATE VIRTUAL TABLE search USING fts5(body);
        CREATE VIEW nothing_unique AS SELECT kind FROM files;
        INSERT INTO files (code, mixed, data, stamp) VALUES ('a', 1, x'01', 1700000000), ('b', 'text', x'02', NULL);
        "#
    ));
}

/// The same of a schema on the server for tests.
fn postgres_schema_of(sql: &str) -> String {
    let place = Schema::new();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let database = runtime.block_on(async {
        let client = crate::postgres::connected(&place.url()).await.unwrap();
        client.batch_execute(sql).await.unwrap();
        postgres(&place.url()).await.unwrap()
    });
    drop(runtime);
    let written = schema(&database, "postgres://db.example.com/existing");
    let said = Model::examine(&written.schema, "schema.graphql").1;
    assert!(said.is_empty(), "{said}\n{}", written.schema);
    written.schema
}

#[test]
fn chinook_on_postgres() {
    let sqlite = include_str!("fixtures/chinook.sql");
    let sql = sqlite.replace("NVARCHAR", "VARCHAR").replace("DATETIME", "TIMESTAMP");
    insta::assert_snapshot!(postgres_schema_of(&sql));
}

#[test]
fn pagila_on_postgres() {
    insta::assert_snapshot!(postgres_schema_of(include_str!("fixtures/pagila.sql")));
}

#[test]
fn sakila_on_mysql() {
    let own = OwnDatabase::new();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let (server, database) = runtime.block_on(async {
        let mut connection = crate::mysql::connected(&own.url()).await.unwrap();
        let made = connection.conn.query_drop(include_str!("fixtures/sakila_mysql.sql"));
        made.await.unwrap();
        (connection.dialect.0, mysql(&own.url()).await.unwrap())
    });
    drop(runtime);
    let written = schema(&database, "mysql://db.example.com/sakila");
    let said = Model::examine(&written.schema, "schema.graphql").1;
    assert!(said.is_empty(), "{said}\n{}", written.schema);
    // They write conditions in ways of their own, and have another order of names.
    let name = match server {
        Server::MySql => "sakila_on_mysql",
        Server::MariaDb => "sakila_on_mariadb",
    };
    insta::assert_snapshot!(name, written.schema);
}
