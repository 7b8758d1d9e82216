//! A primary and a standby of its kind's own replication, and an application that reads from both.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use testkit::services::Killable;
use tokio::time::{sleep, timeout};

use super::{SCHEMA, texts};
use crate::app::{Client, PASSWORD, Response};
use crate::binary::{Server, folder, ninefold};
use crate::outages::failover::{blocking, caught_up};
use crate::outages::house::{Kind, Side, parts};

/// Longer than it takes to be found out how far a server is.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often something may come in between.
const ATTEMPTS_MAX: usize = 10;

pub(super) struct Pair {
    kind: Kind,
    pub(super) primary: Killable,
    pub(super) standby: Killable,
    folder: TempDir,
}

impl Pair {
    pub(super) async fn new(kind: Kind) -> Self {
        let (primary, standby) = blocking(move || {
            let primary = match kind {
                Kind::Postgres => Killable::postgres(),
                Kind::MariaDb => Killable::mysql_with_log(),
            };
            let standby = primary.standby();
            (primary, standby)
        })
        .await;
        let pair = Self {
            kind,
            primary,
            standby,
            folder: folder(SCHEMA),
        };
        if kind == Kind::MariaDb {
            // Who may do nothing but what is asked for.
            let mut root = pair.side(&pair.primary).await;
            for sql in [
                "CREATE DATABASE shop",
                "CREATE DATABASE other",
                "CREATE USER shop@'%' IDENTIFIED BY 'hush'",
                "GRANT ALL ON shop.* TO shop@'%'",
                "GRANT ALL ON other.* TO shop@'%'",
            ] {
                root.run(sql).await;
            }
        }
        pair
    }

    pub(super) fn dir(&self) -> &Path {
        self.folder.path()
    }

    /// The application's way to one of the two.
    pub(super) fn url(&self, server: &Killable) -> String {
        match self.kind {
            Kind::Postgres => server.url(),
            Kind::MariaDb => format!("mysql://shop:hush@127.0.0.1:{}/shop", server.port()),
        }
    }

    /// The way to another database of the standby's.
    pub(super) fn other_database(&self) -> String {
        let (of_kind, other) = match self.kind {
            Kind::Postgres => ("/postgres", "/template1"),
            Kind::MariaDb => ("/shop", "/other"),
        };
        let url = self.url(&self.standby);
        let (start, port, end) = parts(&url);
        format!("{start}{port}{}", end.replace(of_kind, other))
    }

    pub(super) async fn serve(&self, set: &[&str]) -> Server {
        self.serve_with(&self.url(&self.standby), set, None).await
    }

    pub(super) async fn serve_with(&self, replicas: &str, set: &[&str], mutant: Option<&str>) -> Server {
        let mut command = ninefold(["serve", "--migrate", "--listen", "127.0.0.1:0"]);
        command.arg(self.dir()).args(["--database", &self.url(&self.primary)]);
        command.args(["--set", &format!("database.replicas={replicas}")]);
        command.args(set.iter().flat_map(|set| ["--set", set]));
        if let Some(mutant) = mutant {
            command.env("NINEFOLD_MUTANT", mutant);
        }
        Server::launch(command).await
    }

    /// As whoever may do everything.
    async fn side(&self, server: &Killable) -> Side {
        Side::to(self.kind, &server.url()).await
    }

    /// To the application's own data on the standby.
    pub(super) async fn beside_standby(&self) -> Side {
        let mut side = self.side(&self.standby).await;
        if self.kind == Kind::MariaDb {
            side.run("USE shop").await;
        }
        side
    }

    /// From now on the standby stays as it is, with all that was written until now.
    pub(super) async fn pause(&self) {
        let (mut primary, mut standby) = (self.side(&self.primary).await, self.side(&self.standby).await);
        caught_up(&mut primary, &mut standby).await;
        match self.kind {
            Kind::Postgres => {
                standby.run("SELECT pg_wal_replay_pause()").await;
                let paused = "SELECT (pg_get_wal_replay_pause_state() = 'paused')::int::bigint";
                while standby.number(paused).await != 1 {
                    sleep(Duration::from_millis(5)).await;
                }
            }
            Kind::MariaDb => standby.run("STOP REPLICA SQL_THREAD").await,
        }
    }

    pub(super) async fn resume(&self) {
        let resume = match self.kind {
            Kind::Postgres => "SELECT pg_wal_replay_resume()",
            Kind::MariaDb => "START REPLICA SQL_THREAD",
        };
        self.side(&self.standby).await.run(resume).await;
    }

    /// From now on the standby is a server that writes, by itself.
    pub(super) async fn promote(&self) {
        let promotion: &[&str] = match self.kind {
            Kind::Postgres => &["SELECT pg_promote()"],
            Kind::MariaDb => &["STOP REPLICA", "RESET REPLICA ALL", "SET GLOBAL read_only = 0"],
        };
        let mut standby = self.side(&self.standby).await;
        for sql in promotion {
            standby.run(sql).await;
        }
    }

    /// Waits until reads of `reader` are answered by the standby. It replays nothing afterwards, and lacks a note that
    /// `writer`, who is somebody else, has just written.
    pub(super) async fn until_used(&self, reader: &Client, writer: &Client, text: &str) {
        let trying = async {
            for attempt in 0.. {
                let text = format!("{text} {attempt}");
                self.pause().await;
                create(writer, &text).await;
                if !texts(reader).await.contains(&text) {
                    return;
                }
                self.resume().await;
            }
        };
        timeout(PATIENCE, trying).await.expect("the standby is read from");
    }

    /// What `attempt` finds while reads of `reader` are answered by the standby. It finds nothing where the primary answers,
    /// as it may for a while when a server takes long to say how far it is; then it is all done again.
    pub(super) async fn until<T>(
        &self,
        reader: &Client,
        writer: &Client,
        text: &str,
        attempt: impl AsyncFn(usize) -> Option<T>,
    ) -> T {
        for round in 0..ATTEMPTS_MAX {
            self.resume().await;
            self.until_used(reader, writer, &format!("{text} {round}")).await;
            if let Some(found) = attempt(round).await {
                return found;
            }
        }
        panic!("{text}: the primary answers what the standby could");
    }
}

pub(super) async fn sign_up(visitor: &Client, name: &str) -> Client {
    let newcomer = json!({"email": format!("{name}@example.org"), "password": PASSWORD, "name": name});
    let signed_up = visitor.post("/auth/sign-up", &newcomer).await;
    assert_eq!(signed_up.status, 201, "{}", signed_up.text());
    visitor.with_token(signed_up.json()["accessToken"].as_str().unwrap())
}

/// Answers what is to be said again to another node.
pub(super) async fn create(client: &Client, text: &str) -> String {
    let created = created(client, text).await;
    created.header("ninefold-written").expect("it is said when").to_owned()
}

/// Answers where it is.
pub(super) async fn create_at(client: &Client, text: &str) -> String {
    let id = created(client, text).await.json()["id"].clone();
    format!("/api/notes/{}", id.as_str().expect("it has a key"))
}

async fn created(client: &Client, text: &str) -> Response {
    let created = client.post("/api/notes", &json!({ "text": text })).await;
    assert_eq!(created.status, 201, "{}", created.text());
    created
}
