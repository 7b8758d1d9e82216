//! `mariadb-dump` and `mariadb`, or `mysqldump` and `mysql`, found on the PATH.
//!
//! How to reach the server they are told by a file that its owner alone can read: not by arguments or variables, which others
//! may see. On Linux it has no name, so that it is gone with this process however that ends. It is the only such file that
//! they read, so that nobody's own settings change what a backup holds.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tokio::process::Command;
use tokio::task::spawn_blocking;

use super::super::address::{Address, Encryption};
use super::file::{self, Head, Unreadable};
use super::{MySqlBackupError, Result, maker};
use crate::dialect::Server as Maker;
use crate::mysql::numbers;
use crate::mysql::options::MySqlOpenError;
use crate::mysql::pool::which;
use crate::server_backup::tool::{self, argument};

/// MySQL's programs read what is in that file whatever else they are told to read; it may name another server.
const LOGIN_FILE: &str = "MYSQL_TEST_LOGIN_FILE";
const NO_FILE: &str = "/nonexistent/login";
/// Of one statement; as much as the programs take.
const PACKET: &str = "--max-allowed-packet=1G";
/// One state of all tables, with all that others may have made beside them, and texts as they are.
const DUMP: [&str; 13] = [
    "--single-transaction",
    "--quick",
    "--skip-lock-tables",
    "--skip-add-locks",
    "--skip-add-drop-table",
    "--skip-disable-keys",
    "--hex-blob",
    "--routines",
    "--events",
    "--triggers",
    "--no-tablespaces",
    "--default-character-set=utf8mb4",
    PACKET,
];
/// Of MySQL's own alone: it would ask for more rights, and write what belongs to the server and not to the database.
const MYSQL_DUMP: [&str; 2] = ["--set-gtid-purged=OFF", "--column-statistics=0"];
/// Nothing in the file is a command to the program itself.
const RESTORE: [&str; 4] = ["--batch", "--binary-mode", "--default-character-set=utf8mb4", PACKET];

pub(super) struct Tools {
    dump: &'static str,
    client: &'static str,
    maker: Maker,
    database: String,
    /// See the top.
    options: Options,
}

/// A file for programs that this process starts.
struct Options {
    path: PathBuf,
    /// What keeps it.
    #[cfg(target_os = "linux")]
    _file: File,
    #[cfg(not(target_os = "linux"))]
    _file: tempfile::NamedTempFile,
}

impl Options {
    #[cfg(target_os = "linux")]
    fn new(told: &str) -> io::Result<Self> {
        use std::os::fd::AsRawFd as _;
        // One that never had a name could be read by all.
        let mut file = tempfile::NamedTempFile::new()?.into_file();
        file.write_all(told.as_bytes())?;
        let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()).into();
        Ok(Self { path, _file: file })
    }

    #[cfg(not(target_os = "linux"))]
    fn new(told: &str) -> io::Result<Self> {
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(told.as_bytes())?;
        let path = file.path().to_owned();
        Ok(Self { path, _file: file })
    }
}

impl Tools {
    /// # Errors
    /// One is missing, of another maker, or older than the server.
    pub(super) async fn find(url: &str, maker: Maker, server: &str) -> Result<Self> {
        let address = Address::read(url).map_err(MySqlOpenError::Url)?;
        let (dump, client) = pair(maker).await?;
        for tool in [dump, client] {
            fits(tool, &version(tool).await?, maker, server)?;
        }
        let told = options(&address, maker, dump)?;
        let written = Options::new(&told);
        Ok(Self {
            dump,
            client,
            maker,
            database: address.database().to_owned(),
            options: written.map_err(MySqlBackupError::of_file(&std::env::temp_dir()))?,
        })
    }

    pub(super) async fn dump(&self, head: Head, to: &Path) -> Result<()> {
        let mut command = self.command(self.dump);
        command.args(DUMP);
        if matches!(self.maker, Maker::MySql) {
            command.args(MYSQL_DUMP);
        }
        command.args(["--", &self.database]);
        let path = to.to_owned();
        let write = move |dump: File| file::write(&head, dump, &path);
        let written = tool::read_from::<_, _, MySqlOpenError>(self.dump, command, write).await?;
        written.map_err(MySqlBackupError::of_file(to))
    }

    pub(super) async fn restore(&self, from: &Path) -> Result<()> {
        let mut command = self.command(self.client);
        command.args(RESTORE).args(["--", &self.database]);
        let path = from.to_owned();
        let read = move |mut client: File| file::read(&path, &mut client).map(|_| ());
        let is_closed = |error: &Unreadable| matches!(error, Unreadable::Closed(_));
        let read = tool::write_to::<_, _, MySqlOpenError>(self.client, command, read, is_closed).await?;
        read.map_err(unreadable(from))
    }

    fn command(&self, tool: &'static str) -> Command {
        let mut command = Command::new(tool);
        command.env(LOGIN_FILE, NO_FILE);
        // It has to be the first of all.
        command.arg(argument("--defaults-file=", &self.options.path));
        command
    }
}

/// Reads all of a backup, and answers what it is of.
pub(super) async fn read(from: &Path) -> Result<Head> {
    let path = from.to_owned();
    let read = spawn_blocking(move || file::read(&path, &mut io::sink())).await;
    let read = read.map_err(|error| MySqlBackupError::Refused(error.to_string()))?;
    read.map_err(unreadable(from))
}

fn unreadable(from: &Path) -> impl FnOnce(Unreadable) -> MySqlBackupError + '_ {
    |unreadable| match unreadable {
        Unreadable::NotABackup => MySqlBackupError::NotABackup {
            path: from.to_owned(),
            kind: "MySQL or MariaDB",
        },
        Unreadable::Damaged(what) => MySqlBackupError::Damaged {
            path: from.to_owned(),
            what,
        },
        Unreadable::Files(error) | Unreadable::Closed(error) => MySqlBackupError::of_file(from)(error),
    }
}

/// The programs by the names that are there.
async fn pair(maker: Maker) -> Result<(&'static str, &'static str)> {
    let old = ("mysqldump", "mysql");
    match maker {
        Maker::MySql => Ok(old),
        // Before version 11 it has them by both names.
        Maker::MariaDb => match version("mariadb-dump").await {
            Err(missing @ MySqlBackupError::NoTool(_)) => match version(old.0).await {
                Err(MySqlBackupError::NoTool(_)) => Err(missing),
                _ => Ok(old),
            },
            _ => Ok(("mariadb-dump", "mariadb")),
        },
    }
}

/// Its first line about itself.
async fn version(tool: &'static str) -> Result<String> {
    let mut command = Command::new(tool);
    command.env(LOGIN_FILE, NO_FILE);
    command.arg("--version");
    let output = tool::run::<MySqlOpenError>(tool, command).await?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn fits(tool: &'static str, said: &str, wanted: Maker, server: &str) -> Result<()> {
    let found = number(said).ok_or_else(|| MySqlBackupError::ToolFailed {
        tool,
        said: said.to_owned(),
    })?;
    let is_same = matches!(
        (which(said), wanted),
        (Maker::MySql, Maker::MySql) | (Maker::MariaDb, Maker::MariaDb)
    );
    let (server, (major, minor, _)) = (format!("{} {server}", maker(wanted)), numbers(server));
    if !is_same {
        let maker = maker(which(said));
        return Err(MySqlBackupError::OtherTool { tool, maker, server });
    }
    let (found_major, found_minor, _) = numbers(found);
    if (found_major, found_minor) < (major, minor) {
        let found = found.to_owned();
        return Err(MySqlBackupError::OldTool { tool, found, server });
    }
    Ok(())
}

/// The version of the server that a program comes with: `mariadb-dump  Ver 10.19 Distrib 10.11.19-MariaDB, for ...`,
/// `mariadb-dump from 11.4.2-MariaDB, client 10.19 for ...`, `mysqldump  Ver 8.0.36 for ...`.
fn number(said: &str) -> Option<&str> {
    let mut words = said.split([' ', ',']);
    let behind = |word: &str| words.clone().skip_while(|found| *found != word).nth(1);
    let number = behind("Distrib").or_else(|| behind("from")).or_else(|| behind("Ver"))?;
    words.find(|word| *word == number && number.starts_with(|first: char| first.is_ascii_digit()))
}

/// The file that the programs read.
fn options(address: &Address, maker: Maker, tool: &'static str) -> Result<String> {
    let mut lines = vec![
        "[client]".to_owned(),
        "protocol=TCP".to_owned(),
        format!("host={}", quoted(address.host())),
        format!("port={}", address.port()),
        format!("user={}", quoted(address.user())),
        format!("password={}", quoted(address.password())),
    ];
    let root = match &address.encryption {
        Encryption::Disabled | Encryption::Required => None,
        Encryption::VerifyCa(root) | Encryption::VerifyIdentity(root) => {
            let root = root.as_ref().and_then(|root| root.to_str());
            Some(root.ok_or(MySqlBackupError::NoCertificates(tool, "ssl-ca"))?)
        }
    };
    let encryption: &[&str] = match (maker, &address.encryption) {
        (Maker::MySql, Encryption::Disabled) => &["ssl-mode=DISABLED", "get-server-public-key"],
        (Maker::MySql, Encryption::Required) => &["ssl-mode=REQUIRED"],
        (Maker::MySql, Encryption::VerifyCa(_)) => &["ssl-mode=VERIFY_CA"],
        (Maker::MySql, Encryption::VerifyIdentity(_)) => &["ssl-mode=VERIFY_IDENTITY"],
        (Maker::MariaDb, Encryption::Disabled) => &["skip-ssl"],
        (Maker::MariaDb, Encryption::Required) => &["ssl", "skip-ssl-verify-server-cert"],
        // It knows only the stricter one.
        (Maker::MariaDb, Encryption::VerifyCa(_) | Encryption::VerifyIdentity(_)) => &["ssl", "ssl-verify-server-cert"],
    };
    lines.extend(encryption.iter().map(|&line| line.to_owned()));
    lines.extend(root.map(|root| format!("ssl-ca={}", quoted(root))));
    lines.push(String::new());
    Ok(lines.join("\n"))
}

/// A value as option files have it.
fn quoted(value: &str) -> String {
    let mut quoted = String::from("\"");
    for character in value.chars() {
        match character {
            '\\' => quoted.push_str("\\\\"),
            '"' => quoted.push_str("\\\""),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_the_programs() {
        let check = |said: &str, server: &str, maker: Maker, expected: &str| {
            let found = fits("tool", said, maker, server);
            assert_eq!(
                found.map_or_else(|error| error.to_string(), |()| String::new()),
                expected,
                "{said}"
            );
        };
        let old = "mariadb-dump  Ver 10.19 Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)";
        let new = "mariadb-dump from 11.4.2-MariaDB, client 10.19 for Linux (x86_64)";
        let mysql = "mysqldump  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)";
        check(old, "10.11.19-MariaDB-0+deb12u1", Maker::MariaDb, "");
        check(old, "10.6.1-MariaDB", Maker::MariaDb, "");
        check(new, "10.11.19-MariaDB", Maker::MariaDb, "");
        let too_old = "tool is version 10.11.19-MariaDB, and the server MariaDB 11.4.2-MariaDB";
        check(old, "11.4.2-MariaDB", Maker::MariaDb, too_old);
        check(mysql, "8.0.44", Maker::MySql, "");
        check(
            mysql,
            "8.4.0",
            Maker::MySql,
            "tool is version 8.0.36, and the server MySQL 8.4.0",
        );
        check(
            old,
            "8.0.36",
            Maker::MySql,
            "tool is MariaDB's, and the server MySQL 8.0.36",
        );
        check("none", "8.0.36", Maker::MySql, "tool failed: none");
    }

    #[test]
    fn the_options_of_a_url() {
        let check = |url: &str, maker: Maker, expected: &[&str]| {
            let told = options(&Address::read(url).unwrap(), maker, "tool").unwrap();
            let lines: Vec<&str> = told.lines().collect();
            for line in expected {
                assert!(lines.contains(line), "{line} of {url} in {told}");
            }
        };
        let all = "mysql://ann:a%20%22b%5C%0A%23@db:6000/shop";
        let expected = [
            "host=\"db\"",
            "port=6000",
            "user=\"ann\"",
            "password=\"a \\\"b\\\\\\n#\"",
            "skip-ssl",
        ];
        check(all, Maker::MariaDb, &expected);
        let verified = format!("{all}?ssl-mode=VERIFY_CA&ssl-ca=/ca.pem");
        check(&verified, Maker::MySql, &["ssl-mode=VERIFY_CA", "ssl-ca=\"/ca.pem\""]);
        check(
            &verified,
            Maker::MariaDb,
            &["ssl", "ssl-verify-server-cert", "ssl-ca=\"/ca.pem\""],
        );
        let unknown = Address::read(&format!("{all}?ssl-mode=VERIFY_IDENTITY")).unwrap();
        let unknown = options(&unknown, Maker::MySql, "tool");
        assert!(matches!(unknown, Err(MySqlBackupError::NoCertificates(..))));
    }
}
