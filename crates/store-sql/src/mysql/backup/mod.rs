//! Copying a database to a file and back, by the server's own `mariadb-dump` and `mariadb`, or `mysqldump` and `mysql`.
//!
//! The dump reads one snapshot and holds nobody up. What changes a table commits by itself on these servers, so that a restore
//! is no transaction: **from its first step to its last the database has the table `_ninefold_restore`**, and nobody opens it. The tables
//! that were there before go to a database of their own in the statement that brings the mark. Who restores into a database with
//! a mark begins anew in the same room.

mod file;
mod tools;

use std::path::Path;

use mysql_async::Error;
use mysql_async::prelude::Queryable as _;

use super::error::described;
use super::options::{MySqlOpenError, MySqlOptions};
use super::pool::{self, Connection};
use super::{fits, numbers, reach, relocation};
use crate::dialect::Server as Maker;
use crate::migrate::mysql::system;
use crate::server_backup::{self, Server, ServerBackupError, ServerRestored};
use file::Head;
use tools::Tools;

/// The table of a database that a restore fills. Its one row has the database with what was there before.
const MARK: &str = "_ninefold_restore";
/// Nobody else is there who should keep a table locked.
const LOCK_SECONDS: u32 = 60;
/// How a database is named that has what was replaced, before the stamp.
const ASIDE: &str = "_replaced_";
/// Characters that the name of a database may have.
const NAME_MAX: usize = 64;

/// Why a backup can't be made or restored.
pub type MySqlBackupError = ServerBackupError<MySqlOpenError>;

type Result<T> = std::result::Result<T, MySqlBackupError>;

fn refused(error: Error) -> MySqlBackupError {
    MySqlBackupError::Refused(described(&error))
}

/// Copies the database to the new file `to`, and answers its size in bytes; `made`: the time, as in RFC 3339. Stops when
/// dropped, and leaves no file.
///
/// # Errors
/// See [`ServerBackupError`].
pub async fn back_up(url: &str, to: &Path, made: &str, options: &MySqlOptions) -> Result<u64> {
    let connecting = async {
        let mut database = Database::connect(url, made, options).await?;
        match is_interrupted(&mut database.connection).await.map_err(refused)? {
            true => Err(MySqlBackupError::Open(MySqlOpenError::Restoring)),
            false => Ok(database),
        }
    };
    server_backup::back_up(connecting, to).await
}

/// Fills the database from the backup at `from`. The tables of one that has some go to another database if `force` says so;
/// `stamp` ends its name.
///
/// # Errors
/// See [`ServerBackupError`]; the database is what it was.
pub async fn restore(
    url: &str,
    from: &Path,
    force: bool,
    stamp: &str,
    options: &MySqlOptions,
) -> Result<ServerRestored> {
    // One that a move didn't finish is as good as any other.
    let options = MySqlOptions {
        incomplete: true,
        ..options.clone()
    };
    let database = Database::connect(url, "", &options).await?;
    server_backup::restore(database, from, force, stamp).await
}

/// Whether a restore has begun, and not come to its end.
pub(super) async fn is_interrupted(connection: &mut Connection) -> std::result::Result<bool, Error> {
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = '{MARK}')"
    );
    let found: Option<bool> = connection.conn.query_first(sql).await?;
    Ok(found == Some(true))
}

/// For people.
fn maker(maker: Maker) -> &'static str {
    match maker {
        Maker::MySql => "MySQL",
        Maker::MariaDb => "MariaDB",
    }
}

/// The database, and what it is.
struct Database {
    connection: Connection,
    name: String,
    /// The server's, as it says it.
    version: String,
    /// Of our own tables; 0 where there are none.
    format: i64,
    made: String,
    tools: Tools,
}

impl Database {
    async fn connect(url: &str, made: &str, options: &MySqlOptions) -> Result<Self> {
        let mut connection = reach(&pool::of(url, options)?, options).await?;
        let format = fits(&mut connection, options).await?;
        let unlimited = match connection.dialect.0 {
            Maker::MySql => "max_execution_time",
            Maker::MariaDb => "max_statement_time",
        };
        let settings = format!("SET SESSION {unlimited} = 0, lock_wait_timeout = {LOCK_SECONDS}");
        connection.conn.query_drop(settings).await.map_err(refused)?;
        let about: Option<(String, String)> = connection
            .conn
            .query_first("SELECT DATABASE(), VERSION()")
            .await
            .map_err(refused)?;
        let (name, version) = about.unwrap_or_default();
        let tools = Tools::find(url, connection.dialect.0, &version).await?;
        Ok(Self {
            connection,
            name,
            version,
            format,
            made: made.to_owned(),
            tools,
        })
    }

    async fn run(&mut self, sql: String) -> Result<()> {
        self.connection.conn.query_drop(sql).await.map_err(refused)
    }

    async fn names(&mut self, sql: &str) -> Result<Vec<String>> {
        self.connection.conn.query(sql).await.map_err(refused)
    }

    async fn tables(&mut self) -> Result<Vec<String>> {
        let sql = format!(
            "SELECT table_name FROM information_schema.tables \
             WHERE table_schema = DATABASE() AND table_type <> 'VIEW' AND table_name <> '{MARK}'"
        );
        self.names(&sql).await
    }

    /// What others made beside the tables, as `VIEW top_sellers`.
    async fn others(&mut self) -> Result<Vec<(String, String)>> {
        let sql = "SELECT 'VIEW', table_name FROM information_schema.views WHERE table_schema = DATABASE() \
                   UNION ALL SELECT routine_type, routine_name FROM information_schema.routines \
                             WHERE routine_schema = DATABASE() \
                   UNION ALL SELECT 'EVENT', event_name FROM information_schema.events WHERE event_schema = DATABASE() \
                   UNION ALL SELECT 'TRIGGER', trigger_name FROM information_schema.triggers \
                             WHERE trigger_schema = DATABASE()";
        self.connection.conn.query(sql).await.map_err(refused)
    }

    /// Where what was there before a restore that didn't come to its end is now: `Some(None)` where nothing was.
    async fn interrupted(&mut self) -> Result<Option<Option<String>>> {
        if !is_interrupted(&mut self.connection).await.map_err(refused)? {
            return Ok(None);
        }
        let sql = format!("SELECT replaced FROM {MARK}");
        let replaced: Option<Option<String>> = self.connection.conn.query_first(sql).await.map_err(refused)?;
        Ok(Some(replaced.flatten()))
    }

    /// Drops what a restore has made so far, but for the mark.
    async fn clear(&mut self) -> Result<()> {
        // Triggers go with their tables.
        for (kind, name) in self.others().await? {
            if kind != "TRIGGER" {
                self.run(format!("DROP {kind} {}", quoted(&name))).await?;
            }
        }
        let tables = self.tables().await?;
        if tables.is_empty() {
            return Ok(());
        }
        let tables: Vec<_> = tables.iter().map(|name| quoted(name)).collect();
        self.run("SET SESSION foreign_key_checks = 0".to_owned()).await?;
        let dropped = self.run(format!("DROP TABLE {}", tables.join(", "))).await;
        self.run("SET SESSION foreign_key_checks = 1".to_owned()).await?;
        dropped
    }

    /// Moves all tables but the mark from one database to another, and the mark the other way, in one statement.
    async fn exchange(&mut self, from: &str, to: &str, tables: &[String]) -> Result<()> {
        let (from, to, mark) = (quoted(from), quoted(to), quoted(MARK));
        let tables = tables.iter().map(|name| {
            let name = quoted(name);
            format!("{from}.{name} TO {to}.{name}")
        });
        // The last of all: where it is, the tables are not.
        let renames: Vec<_> = tables.chain([format!("{to}.{mark} TO {from}.{mark}")]).collect();
        self.run(format!("RENAME TABLE {}", renames.join(", "))).await
    }

    /// Behind every position that was given out before: those who come back after a restore must not take what they
    /// missed for nothing.
    async fn begin_positions_anew(&mut self) -> Result<()> {
        let now = "FLOOR(UNIX_TIMESTAMP(NOW(3)) * 1000000)";
        self.run(format!(
            "UPDATE _ninefold_meta SET value = GREATEST(CAST(value AS SIGNED), {now}) WHERE `key` = 'position'"
        ))
        .await
    }
}

impl Server for Database {
    type Refusal = MySqlOpenError;

    async fn holds_application(&mut self) -> Result<bool> {
        Ok(self.format > 0)
    }

    async fn dump(&mut self, to: &Path) -> Result<()> {
        let (major, minor, patch) = numbers(&self.version);
        let head = Head {
            server: maker(self.connection.dialect.0).to_owned(),
            version: format!("{major}.{minor}.{patch}"),
            format: self.format,
            made: self.made.clone(),
        };
        self.tools.dump(head, to).await
    }

    async fn examine(&mut self, from: &Path) -> Result<String> {
        let head = tools::read(from).await?;
        let (major, minor, _) = numbers(&self.version);
        let (of_major, of_minor, _) = numbers(&head.version);
        let own = maker(self.connection.dialect.0);
        if head.server != own || (of_major, of_minor) > (major, minor) {
            return Err(ServerBackupError::OtherServer {
                found: format!("{} {}", head.server, head.version),
                server: format!("{own} {}", self.version),
            });
        }
        if head.format > system::FORMAT {
            let (found, known) = (head.format, system::FORMAT);
            return Err(ServerBackupError::Newer { found, known });
        }
        Ok(head.made)
    }

    /// What a restore left that didn't come to its end counts for nothing.
    async fn occupied(&mut self) -> Result<Option<String>> {
        if self.interrupted().await?.is_some() {
            return Ok(None);
        }
        let is_occupied = !self.tables().await?.is_empty() || !self.others().await?.is_empty();
        Ok(is_occupied.then(|| format!("the database {}", self.name)))
    }

    async fn is_alone(&mut self) -> Result<()> {
        let own = self.connection.conn.id();
        match relocation::await_others(&mut self.connection, || vec![own])
            .await
            .map_err(refused)?
        {
            0 => Ok(()),
            count => Err(ServerBackupError::Served {
                who: "others have",
                count,
            }),
        }
    }

    async fn make_room(&mut self, stamp: &str) -> Result<Option<String>> {
        if let Some(replaced) = self.interrupted().await? {
            self.clear().await?;
            return Ok(replaced);
        }
        let create = |place: &str| format!("CREATE TABLE {place} (replaced varchar({NAME_MAX})) ENGINE = InnoDB");
        let tables = self.tables().await?;
        let others = self.others().await?;
        if tables.is_empty() && others.is_empty() {
            self.run(create(MARK)).await?;
            return Ok(None);
        }
        if let Some((kind, name)) = others.first() {
            return Err(ServerBackupError::Fixed(format!("the {} {name}", kind.to_lowercase())));
        }
        let kept = self.name.floor_char_boundary(NAME_MAX - ASIDE.len() - stamp.len());
        let aside = format!("{}{ASIDE}{stamp}", &self.name[..kept]);
        let place = quoted(&aside);
        let made = self.run(format!("CREATE DATABASE {place}")).await;
        made.map_err(|error| ServerBackupError::NoPlace {
            to: format!("the database {aside}"),
            said: error.to_string(),
        })?;
        let moved = async {
            self.run(create(&format!("{place}.{MARK}"))).await?;
            let insert = format!("INSERT INTO {place}.{MARK} (replaced) VALUES (?)");
            let inserted = self.connection.conn.exec_drop(insert, (aside.as_str(),)).await;
            inserted.map_err(refused)?;
            let name = self.name.clone();
            self.exchange(&name, &aside, &tables).await
        };
        if let Err(error) = moved.await {
            // Only together with the mark it holds nothing else.
            self.run(format!("DROP TABLE IF EXISTS {place}.{MARK}")).await?;
            self.run(format!("DROP DATABASE {place}")).await?;
            return Err(error);
        }
        Ok(Some(aside))
    }

    async fn fill(&mut self, from: &Path) -> Result<()> {
        self.tools.restore(from).await?;
        self.begin_positions_anew().await?;
        let unnamed = system::unname(&mut self.connection).await;
        unnamed.map_err(refused)?;
        self.run(format!("DROP TABLE {MARK}")).await
    }

    async fn put_back(&mut self, aside: Option<&str>) -> Result<()> {
        self.clear().await?;
        let sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = ?";
        let aside = aside.unwrap_or_default();
        let tables: Vec<String> = self.connection.conn.exec(sql, (aside,)).await.map_err(refused)?;
        if tables.is_empty() {
            return self.run(format!("DROP TABLE IF EXISTS {MARK}")).await;
        }
        let name = self.name.clone();
        self.exchange(aside, &name, &tables).await?;
        // All is back in its place; what is left over holds nothing.
        if let Err(error) = self.run(format!("DROP DATABASE {}", quoted(aside))).await {
            tracing::warn!(database = aside, %error, "an empty database is left over");
        }
        Ok(())
    }
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}
