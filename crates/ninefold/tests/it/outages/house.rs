//! An application whose database is reached over a wire that a test has in its hand.

use std::any::Any;

use serde_json::json;
use tempfile::TempDir;
use testkit::services::{Proxy, mysql_processes};
use tokio_postgres::NoTls;

use crate::app::{Client, Request, Response};
use crate::binary::{Server, folder, ninefold};
use crate::database::Database;
use crate::mysql::own::OwnDatabase;

use mysql_async::prelude::Queryable as _;

const SCHEMA: &str = r#"
type Note @collection @access(read: "true", create: "true", update: "true") { text: String! @length(max: 40) }
type Mark @collection @access(read: "true", create: "true") { text: String! @length(max: 40) }
"#;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Postgres,
    MariaDb,
}

/// `K`: what is known of the database's kind, by which it is reached from the side.
pub(super) struct House<K = Kind> {
    kind: K,
    pub(super) client: Client,
    pub(super) proxy: Proxy,
    server: Server,
    url: String,
    _folder: TempDir,
    /// The database, dropped after the server, which would be in the way of its end.
    own: Box<dyn Any + Send>,
}

/// What is done to the database behind the server's back.
pub(crate) enum Side {
    Postgres(tokio_postgres::Client),
    MariaDb(mysql_async::Conn),
}

impl House {
    /// On the tests' common server; `set` are keys of `ninefold.toml`.
    pub(super) async fn open(kind: Kind, set: &[&str], mutant: Option<&str>) -> Self {
        let (url, own) = match kind {
            Kind::Postgres => {
                let own = Database::new();
                (own.url().to_owned(), Box::new(own) as Box<dyn Any + Send>)
            }
            Kind::MariaDb => {
                let own = OwnDatabase::new();
                (own.url(), Box::new(own) as _)
            }
        };
        Self::build(kind, url, own, set, mutant).await
    }

    /// On a server of the test's own.
    pub(super) async fn at(kind: Kind, url: String, set: &[&str], mutant: Option<&str>) -> Self {
        Self::build(kind, url, Box::new(()), set, mutant).await
    }

    /// A way to the database that nothing befalls.
    pub(super) async fn side(&self) -> Side {
        Side::to(self.kind, &self.url).await
    }

    /// It ends cleanly, whatever has been, and leaves nothing open on the database's server.
    pub(super) async fn leave(self, mut side: Side) {
        let kind = self.kind;
        let own = self.end().await;
        side.wait_until(&side_connections(kind), 0).await;
        drop(own);
    }
}

impl<K> House<K> {
    pub(super) async fn build(
        kind: K,
        url: String,
        own: Box<dyn Any + Send>,
        set: &[&str],
        mutant: Option<&str>,
    ) -> Self {
        let (start, port, end) = parts(&url);
        let proxy = Proxy::to(port).await;
        let through = format!("{start}{}{end}", proxy.port());
        let folder = folder(SCHEMA);
        let dir = folder.path().to_str().unwrap();
        let mut command = ninefold([
            "serve",
            dir,
            "--migrate",
            "--listen",
            "127.0.0.1:0",
            "--database",
            &through,
        ]);
        for key in set {
            command.args(["--set", key]);
        }
        if let Some(mutant) = mutant {
            command.env("NINEFOLD_MUTANT", mutant);
        }
        let server = Server::launch(command).await;
        Self {
            kind,
            client: server.client(),
            proxy,
            server,
            url,
            _folder: folder,
            own,
        }
    }

    pub(super) fn creation(&self, text: &str) -> Request {
        let request = self.client.request("POST", "/api/notes");
        request.json(&json!({ "text": text }))
    }

    pub(super) async fn create(&self, text: &str) -> Response {
        self.creation(text).send().await
    }

    pub(super) fn update(&self, id: &str, text: &str) -> Request {
        let request = self.client.request("PATCH", &format!("/api/notes/{id}"));
        request.json(&json!({ "text": text }))
    }

    /// Ids of new notes, in their order.
    pub(super) async fn notes<const N: usize>(&self) -> [String; N] {
        let mut ids = Vec::new();
        for number in 0..N {
            let created = self.create(&number.to_string()).await;
            assert_eq!(created.status, 201, "{}", created.text());
            ids.push(created.json()["id"].as_str().unwrap().to_owned());
        }
        ids.sort();
        ids.try_into().unwrap()
    }

    pub(super) async fn texts(&self) -> Vec<String> {
        let page = self.client.get("/api/notes?limit=500&sort=text").await;
        assert_eq!(page.status, 200, "{}", page.text());
        let items = page.json()["items"].as_array().unwrap().clone();
        items
            .iter()
            .map(|item| item["text"].as_str().unwrap().to_owned())
            .collect()
    }

    /// It ends cleanly, whatever has been, and leaves no connection open. Answers what the database goes with.
    pub(super) async fn end(mut self) -> Box<dyn Any + Send> {
        self.server.signal("TERM");
        assert_eq!(self.server.end().await, Some(0), "{}", self.server.said.join("\n"));
        for _ in 0..500 {
            if self.proxy.open() == 0 {
                return self.own;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("{} connections are left over", self.proxy.open());
    }
}

/// How many others have a connection to the database.
pub(super) fn side_connections(kind: Kind) -> String {
    match kind {
        Kind::Postgres => {
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                .to_owned()
        }
        Kind::MariaDb => format!(
            "SELECT COUNT(*) FROM {} WHERE db = DATABASE() AND id <> CONNECTION_ID()",
            mysql_processes()
        ),
    }
}

impl Side {
    pub(crate) async fn to(kind: Kind, url: &str) -> Self {
        match kind {
            Kind::Postgres => {
                let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
                tokio::spawn(connection);
                Self::Postgres(client)
            }
            Kind::MariaDb => Self::MariaDb(mysql_async::Conn::from_url(url).await.unwrap()),
        }
    }

    pub(crate) async fn run(&mut self, sql: &str) {
        match self {
            Self::Postgres(client) => client.batch_execute(sql).await.unwrap(),
            Self::MariaDb(conn) => conn.query_drop(sql).await.unwrap(),
        }
    }

    pub(super) async fn text(&mut self, sql: &str) -> String {
        match self {
            Self::Postgres(client) => client.query_one(sql, &[]).await.unwrap().get(0),
            Self::MariaDb(conn) => conn.query_first(sql).await.unwrap().unwrap(),
        }
    }

    pub(crate) async fn number(&mut self, sql: &str) -> i64 {
        match self {
            Self::Postgres(client) => client.query_one(sql, &[]).await.unwrap().get(0),
            Self::MariaDb(conn) => conn.query_first(sql).await.unwrap().unwrap(),
        }
    }

    pub(super) async fn wait_until(&mut self, sql: &str, wanted: i64) {
        for _ in 0..100 {
            if self.number(sql).await == wanted {
                return;
            }
            // MariaDB looks anew at its transactions only when nobody has asked for 100 ms.
            tokio::time::sleep(std::time::Duration::from_millis(120)).await;
        }
        panic!("{sql} never was {wanted}, but {}", self.number(sql).await);
    }
}

/// What is before and behind the port of a URL.
pub(crate) fn parts(url: &str) -> (&str, u16, &str) {
    let host = url.find('@').map_or_else(|| url.find("//").unwrap() + 2, |at| at + 1);
    let colon = host + url[host..].find(':').unwrap() + 1;
    let end = colon + url[colon..].find('/').unwrap();
    (&url[..colon], url[colon..end].parse().unwrap(), &url[end..])
}

/// Worth trying again, and it is said when.
pub(super) fn is_unavailable(answer: &Response) -> bool {
    answer.status == 503
        && answer.json()["code"] == "unavailable"
        && answer
            .header("retry-after")
            .is_some_and(|after| after.parse::<u32>().is_ok())
}
