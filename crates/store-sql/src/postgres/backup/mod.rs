//! Copying a schema to a file and back, by PostgreSQL's own `pg_dump` and `pg_restore`.
//!
//! `pg_dump` reads one snapshot and holds nobody up. Its file is read again as a whole before it gets its name. What is
//! restored takes the schema's name in one transaction; a schema that was there before is renamed, not dropped.

mod tools;

use std::path::Path;

use tokio_postgres::Client;

use super::error::described;
use super::nodes;
use super::options::{PostgresOpenError, PostgresOptions};
use super::pool::{self, Connection};
use crate::server_backup::{self, Server, ServerBackupError, ServerRestored};
use tools::Tools;

/// The first bytes of what `pg_dump --format=custom` writes.
const MAGIC: &[u8] = b"PGDMP";

/// Why a backup can't be made or restored.
pub type PostgresBackupError = ServerBackupError<PostgresOpenError>;

type Result<T> = std::result::Result<T, PostgresBackupError>;

fn refused(error: tokio_postgres::Error) -> PostgresBackupError {
    PostgresBackupError::Refused(described(&error))
}

/// Copies the schema to the new file `to`, and answers its size in bytes. Stops when dropped, and leaves no file.
///
/// # Errors
/// See [`PostgresBackupError`].
pub async fn back_up(url: &str, to: &Path, options: &PostgresOptions) -> Result<u64> {
    server_backup::back_up(Postgres::connect(url, options), to).await
}

/// Fills the schema from the backup at `from`. One that has tables is renamed if `force` says so; `stamp` ends its name.
///
/// # Errors
/// See [`PostgresBackupError`]; the schema is what it was.
pub async fn restore(
    url: &str,
    from: &Path,
    force: bool,
    stamp: &str,
    options: &PostgresOptions,
) -> Result<ServerRestored> {
    is_archive(from)?;
    server_backup::restore(Postgres::connect(url, options).await?, from, force, stamp).await
}

/// Whether the file begins as an archive does.
fn is_archive(path: &Path) -> Result<()> {
    use std::io::Read as _;
    let mut begin = [0; MAGIC.len()];
    let mut file = std::fs::File::open(path).map_err(PostgresBackupError::of_file(path))?;
    match file.read_exact(&mut begin) {
        Ok(()) if begin == MAGIC => Ok(()),
        _ => Err(not_a_backup(path)),
    }
}

fn not_a_backup(path: &Path) -> PostgresBackupError {
    ServerBackupError::NotABackup {
        path: path.to_owned(),
        kind: "PostgreSQL",
    }
}

/// The database, and what it is.
struct Postgres {
    connection: Connection,
    schema: String,
    tools: Tools,
}

impl Postgres {
    async fn connect(url: &str, options: &PostgresOptions) -> Result<Self> {
        let pool = pool::of(url, options)?;
        let connected = tokio::time::timeout(options.connect_timeout, pool.connect()).await;
        let connected = connected.map_err(|_| PostgresOpenError::Unreachable("no answer in time".to_owned()))?;
        let connection = connected.map_err(|error| match error.as_db_error() {
            Some(_) => PostgresOpenError::Refused(described(&error)),
            None => PostgresOpenError::Unreachable(described(&error)),
        })?;
        super::fits(&connection.client, options).await?;
        let sql = "SELECT current_schema()::text, current_setting('server_version_num')::bigint / 10000";
        let row = connection.client.query_one(sql, &[]).await.map_err(refused)?;
        let version: i64 = row.try_get(1).map_err(refused)?;
        let tools = Tools::find(url, u32::try_from(version).unwrap_or(u32::MAX)).await?;
        Ok(Self {
            schema: row.try_get(0).map_err(refused)?,
            tools,
            connection,
        })
    }

    fn client(&self) -> &Client {
        &self.connection.client
    }

    /// Whether the schema has tables with names like that.
    async fn has_tables(&self, like: &str) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                   WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p', 'v', 'm') AND c.relname LIKE $1)";
        let row = self.client().query_one(sql, &[&like]).await.map_err(refused)?;
        row.try_get(0).map_err(refused)
    }

    /// Behind every position that was given out before: those who come back after a restore must not take what they
    /// missed for nothing.
    async fn begin_positions_anew(&self) -> Result<()> {
        let sql = format!(
            "INSERT INTO {}._ninefold_meta AS meta (key, value) \
             VALUES ('position', floor(extract(epoch FROM now()) * 1000000)::bigint::text) ON CONFLICT (key) DO UPDATE \
             SET value = greatest(meta.value::bigint, excluded.value::bigint)::text",
            quoted(&self.schema)
        );
        self.client().batch_execute(&sql).await.map_err(refused)
    }
}

impl Server for Postgres {
    type Refusal = PostgresOpenError;

    async fn holds_application(&mut self) -> Result<bool> {
        self.has_tables("_ninefold_meta").await
    }

    async fn dump(&mut self, to: &Path) -> Result<()> {
        self.tools.dump(&self.schema, to).await
    }

    async fn examine(&mut self, from: &Path) -> Result<String> {
        let contents = self.tools.contents(from).await?;
        if contents.schema != self.schema {
            return Err(ServerBackupError::OtherSchema {
                found: contents.schema,
                wanted: self.schema.clone(),
            });
        }
        self.tools.read(from).await?;
        Ok(contents.made)
    }

    async fn occupied(&mut self) -> Result<Option<String>> {
        let has_tables = self.has_tables("%").await?;
        Ok(has_tables.then(|| format!("the schema {}", self.schema)))
    }

    async fn is_alone(&mut self) -> Result<()> {
        // Nobody here is a node.
        match nodes::serving(self.client(), || 0).await.map_err(refused)? {
            0 => Ok(()),
            count => Err(ServerBackupError::Served {
                who: "Ninefold has",
                count,
            }),
        }
    }

    async fn make_room(&mut self, stamp: &str) -> Result<Option<String>> {
        if self.occupied().await?.is_none() {
            return Ok(None);
        }
        let aside = format!("{}_replaced_{stamp}", self.schema);
        let (from, to) = (quoted(&self.schema), quoted(&aside));
        let sql = format!("BEGIN; ALTER SCHEMA {from} RENAME TO {to}; CREATE SCHEMA {from}; COMMIT");
        self.client().batch_execute(&sql).await.map_err(refused)?;
        Ok(Some(aside))
    }

    async fn fill(&mut self, from: &Path) -> Result<()> {
        self.tools.restore(&self.schema, from).await?;
        self.begin_positions_anew().await
    }

    /// The restore has left nothing in the schema: it is one transaction.
    async fn put_back(&mut self, aside: Option<&str>) -> Result<()> {
        let Some(aside) = aside else { return Ok(()) };
        let (from, to) = (quoted(aside), quoted(&self.schema));
        let sql = format!("BEGIN; DROP SCHEMA {to} CASCADE; ALTER SCHEMA {from} RENAME TO {to}; COMMIT");
        self.client().batch_execute(&sql).await.map_err(refused)
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
