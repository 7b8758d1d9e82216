//! A server to be treated badly: the real binary on a folder that outlives it.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::process::Command;

use crate::binary::{Server, folder, ninefold};

/// How the server is started, each time anew.
#[derive(Debug, Clone, Default)]
pub(super) struct Setup {
    /// The defence that is out.
    pub(super) mutant: Option<&'static str>,
    /// Keys of `ninefold.toml`.
    pub(super) set: Vec<String>,
    pub(super) environment: Vec<(&'static str, PathBuf)>,
}

pub(super) struct Node {
    pub(super) folder: TempDir,
    pub(super) setup: Setup,
}

impl Node {
    pub(super) fn new(schema: &str, setup: Setup) -> Self {
        Self {
            folder: folder(schema),
            setup,
        }
    }

    pub(super) fn database(&self) -> PathBuf {
        self.folder.path().join("data/app.db")
    }

    /// The command that serves it.
    pub(super) fn command(&self) -> Command {
        let dir = self.folder.path().to_str().expect("a path of a test is UTF-8");
        let mut command = ninefold(["serve", dir, "--migrate", "--listen", "127.0.0.1:0"]);
        for key in &self.setup.set {
            command.args(["--set", key]);
        }
        command.envs(self.setup.environment.iter().cloned());
        if let Some(mutant) = self.setup.mutant {
            command.env("NINEFOLD_MUTANT", mutant);
        }
        command
    }

    pub(super) async fn start(&self) -> Server {
        Server::launch(self.command()).await
    }
}

/// What SQLite itself finds wrong with the files as a crash left them. They are copied first: what is looked at is
/// still as it was.
pub(super) fn damage(database: &Path) -> Option<String> {
    let copy = TempDir::new().unwrap();
    for suffix in ["", "-wal"] {
        let name = format!("app.db{suffix}");
        if let Ok(bytes) = std::fs::read(database.with_file_name(&name)) {
            std::fs::write(copy.path().join(&name), bytes).unwrap();
        }
    }
    let check = || {
        let connection = rusqlite::Connection::open(copy.path().join("app.db"))?;
        let verdict: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
        let dangling = connection.prepare("PRAGMA foreign_key_check")?.exists([])?;
        Ok((verdict, dangling))
    };
    match check() {
        Ok((verdict, false)) if verdict == "ok" => None,
        Ok((verdict, false)) => Some(format!("integrity_check: {verdict}")),
        Ok((_, true)) => Some("foreign_key_check finds references to nothing".to_owned()),
        Err::<_, rusqlite::Error>(error) => Some(format!("the database can't be checked: {error}")),
    }
}
