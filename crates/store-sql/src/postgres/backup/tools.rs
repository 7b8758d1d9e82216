//! `pg_dump` and `pg_restore`, found on the PATH. How to reach the server they are told by the environment, which other
//! users can't read, never by arguments.

use std::ffi::OsString;
use std::path::Path;
use std::process::Output;

use tokio::process::Command;
use tokio_postgres::config::Host;

use super::{PostgresBackupError, Result, not_a_backup};
use crate::postgres::options::PostgresOpenError;
use crate::postgres::pool::Url;
use crate::server_backup::tool::{self, argument};

const DUMP: &str = "pg_dump";
const RESTORE: &str = "pg_restore";
/// From this version on they know the system's certificates.
const VERSION_WITH_SYSTEM_CERTIFICATES: u32 = 16;

pub(super) struct Tools {
    environment: Vec<(&'static str, OsString)>,
}

/// What an archive says of itself.
pub(super) struct Contents {
    pub(super) made: String,
    pub(super) schema: String,
}

impl Tools {
    /// # Errors
    /// One is missing, or older than the server.
    pub(super) async fn find(url: &str, server: u32) -> Result<Self> {
        let mut oldest = u32::MAX;
        for tool in [DUMP, RESTORE] {
            let found = version(tool).await?;
            if found < server {
                let (found, server) = (found.to_string(), server.to_string());
                return Err(PostgresBackupError::OldTool { tool, found, server });
            }
            oldest = oldest.min(found);
        }
        let environment = environment(url, oldest >= VERSION_WITH_SYSTEM_CERTIFICATES)?;
        Ok(Self { environment })
    }

    pub(super) async fn dump(&self, schema: &str, to: &Path) -> Result<()> {
        let mut command = Command::new(DUMP);
        command
            .args(["--format=custom", "--no-owner", "--no-privileges", "--no-password"])
            .arg(format!("--schema={}", pattern(schema)))
            .arg(argument("--file=", to));
        self.run(DUMP, command).await.map(|_| ())
    }

    /// Reads all of an archive, and unpacks it to nowhere.
    pub(super) async fn read(&self, from: &Path) -> Result<()> {
        let mut command = Command::new(RESTORE);
        command.arg("--file=/dev/null").arg(from);
        self.run(RESTORE, command).await.map(|_| ())
    }

    pub(super) async fn restore(&self, schema: &str, from: &Path) -> Result<()> {
        let mut command = Command::new(RESTORE);
        command
            .args([
                "--single-transaction",
                "--exit-on-error",
                "--no-owner",
                "--no-privileges",
                "--no-password",
            ])
            .arg(format!("--schema={schema}"))
            .arg(argument("--dbname=", Path::new(&self.database())))
            .arg(from);
        self.run(RESTORE, command).await.map(|_| ())
    }

    pub(super) async fn contents(&self, from: &Path) -> Result<Contents> {
        let mut command = Command::new(RESTORE);
        command.arg("--list").arg(from);
        let output = self.run(RESTORE, command).await?;
        let list = String::from_utf8_lossy(&output.stdout);
        read_list(&list).ok_or_else(|| not_a_backup(from))
    }

    fn database(&self) -> OsString {
        let found = self.environment.iter().find(|(name, _)| *name == "PGDATABASE");
        found.map(|(_, name)| name.clone()).unwrap_or_default()
    }

    async fn run(&self, tool: &'static str, mut command: Command) -> Result<Output> {
        command.envs(self.environment.iter().cloned());
        tool::run(tool, command).await
    }
}

/// The major version: `pg_dump (PostgreSQL) 15.18`.
async fn version(tool: &'static str) -> Result<u32> {
    let mut command = Command::new(tool);
    command.arg("--version");
    let output = tool::output::<PostgresOpenError>(tool, command).await?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let number = said.split(' ').find_map(|word| word.split('.').next()?.parse().ok());
    number.ok_or(PostgresBackupError::ToolFailed { tool, said })
}

/// What libpq reads in place of a URL.
fn environment(url: &str, knows_system: bool) -> Result<Vec<(&'static str, OsString)>> {
    let url = Url::read(url);
    let config = url.config().map_err(PostgresOpenError::Url)?;
    let hosts = config.get_hosts().iter().map(|host| match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.to_string_lossy().into_owned(),
    });
    let ports = config.get_ports().iter().map(u16::to_string);
    let user = config.get_user().unwrap_or_default();
    let mut environment: Vec<(&'static str, OsString)> = vec![
        ("PGHOST", hosts.collect::<Vec<_>>().join(",").into()),
        ("PGPORT", ports.collect::<Vec<_>>().join(",").into()),
        ("PGUSER", user.into()),
        ("PGDATABASE", config.get_dbname().unwrap_or(user).into()),
        ("PGSSLMODE", url.sslmode.as_deref().unwrap_or("prefer").into()),
        ("PGAPPNAME", "ninefold backup".into()),
    ];
    if let Some(password) = config.get_password() {
        environment.push(("PGPASSWORD", String::from_utf8_lossy(password).into_owned().into()));
    }
    match (url.sslmode.as_deref(), url.sslrootcert) {
        (_, Some(file)) => environment.push(("PGSSLROOTCERT", file.into())),
        (Some("verify-full"), None) if knows_system => environment.push(("PGSSLROOTCERT", "system".into())),
        (Some("verify-full"), None) => return Err(PostgresBackupError::NoCertificates(DUMP, "sslrootcert")),
        (_, None) => {}
    }
    Ok(environment)
}

/// A name as `pg_dump` reads patterns: quoted, it stands for itself.
fn pattern(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The head of an archive's list, and the schema of our own tables:
/// `217; 1259 16390 TABLE shop _ninefold_meta owner`.
fn read_list(list: &str) -> Option<Contents> {
    let made = list
        .lines()
        .find_map(|line| line.strip_prefix("; Archive created at "))?;
    let schema = list.lines().find_map(|line| {
        let (_, entry) = line.split_once(" TABLE ")?;
        let (before, _) = entry.split_once(" _ninefold_meta ")?;
        Some(before.trim_start_matches("DATA ").to_owned())
    })?;
    Some(Contents {
        made: made.trim().to_owned(),
        schema,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_of_a_url() {
        let check = |url: &str, expected: &[(&str, &str)]| {
            let environment = environment(url, false).unwrap();
            for (name, value) in expected {
                let found = environment.iter().find(|(known, _)| known == name);
                assert_eq!(
                    found.map(|(_, value)| value.to_str().unwrap()),
                    Some(*value),
                    "{name} of {url}"
                );
            }
        };
        let all = "postgresql://ann:a%20b@db:6000/shop?sslmode=verify-full&sslrootcert=%2Fca.pem&options=-c%20a%3Db";
        let expected = [
            ("PGHOST", "db"),
            ("PGPORT", "6000"),
            ("PGUSER", "ann"),
            ("PGPASSWORD", "a b"),
            ("PGDATABASE", "shop"),
            ("PGSSLMODE", "verify-full"),
            ("PGSSLROOTCERT", "/ca.pem"),
        ];
        check(all, &expected);
        check("postgres://ann@db", &[("PGDATABASE", "ann"), ("PGSSLMODE", "prefer")]);
        let unknown = environment("postgres://ann@db/a?sslmode=verify-full", false);
        assert!(matches!(unknown, Err(PostgresBackupError::NoCertificates(..))));
    }

    #[test]
    fn what_a_list_says() {
        let list = ";\n; Archive created at 2026-01-31 09:05:00 UTC\n;     dbname: shop\n\
                    217; 1259 16390 TABLE my shop _ninefold_meta ann\n";
        let contents = read_list(list).unwrap();
        assert_eq!(
            (&*contents.made, &*contents.schema),
            ("2026-01-31 09:05:00 UTC", "my shop")
        );
        assert!(read_list("; Archive created at 2026-01-31 09:05:00 UTC\n").is_none());
    }
}
