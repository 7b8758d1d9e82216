//! Tables that are Ninefold's own, and what they say about the database.

use engine::model::migration::FileId;
use engine::model::{Structure, Timestamp};
use engine::ports::migrator::MigrateError;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Error};

use super::progress::Progress;
use super::{catalog, failed};
use crate::compile::NOTE;
use crate::dialect::MySql;
use crate::mysql::Connection;

/// Statements by version: a database at version `n` has run the first `n` groups. Groups are only ever appended. Each
/// statement may run twice: nothing undoes the first ones when a later one fails.
const VERSIONS: &[&[&str]] = &[
    &[
        "CREATE TABLE IF NOT EXISTS _ninefold_meta (`key` varchar(255) PRIMARY KEY, value longtext NOT NULL)",
        "INSERT INTO _ninefold_meta (`key`, value) VALUES ('alone', ''), ('position', '0') \
     ON DUPLICATE KEY UPDATE value = value",
        "CREATE TABLE IF NOT EXISTS _ninefold_idempotency (
        scope varbinary(32) PRIMARY KEY,
        request varbinary(32) NOT NULL,
        outcome longblob NOT NULL,
        expires_at datetime(3) NOT NULL,
        INDEX _ninefold_idempotency_expires (expires_at)
    )",
        "CREATE TABLE IF NOT EXISTS _ninefold_migration (
        id bigint PRIMARY KEY,
        name longtext NOT NULL,
        checksum varbinary(32) NOT NULL,
        applied_at datetime(3) NOT NULL
    )",
        "CREATE TABLE IF NOT EXISTS _ninefold_credential (
        kind varchar(20) NOT NULL,
        subject binary(16) NOT NULL,
        hash longtext NOT NULL,
        PRIMARY KEY (kind, subject)
    )",
        "CREATE TABLE IF NOT EXISTS _ninefold_session (
        id binary(16) PRIMARY KEY,
        kind varchar(20) NOT NULL,
        subject binary(16) NOT NULL,
        created bigint NOT NULL,
        expires bigint NOT NULL,
        idle_until bigint NOT NULL,
        generation bigint NOT NULL,
        rotated bigint NOT NULL,
        user_agent longtext,
        INDEX _ninefold_session_subject (subject),
        INDEX _ninefold_session_idle_until (idle_until)
    )",
        "CREATE TABLE IF NOT EXISTS _ninefold_one_time_token (
        hash varbinary(32) PRIMARY KEY,
        purpose varchar(40) NOT NULL,
        kind varchar(20),
        subject binary(16),
        email varchar(768) NOT NULL,
        expires bigint NOT NULL,
        INDEX _ninefold_one_time_token_subject (subject),
        INDEX _ninefold_one_time_token_expires (expires)
    )",
        "CREATE TABLE IF NOT EXISTS _ninefold_administrator (
        id binary(16) PRIMARY KEY,
        email varchar(768) NOT NULL UNIQUE,
        created bigint NOT NULL
    )",
        "CREATE TABLE IF NOT EXISTS _ninefold_signing_key (
        id varchar(255) PRIMARY KEY,
        seed varbinary(32) NOT NULL,
        starts bigint NOT NULL,
        expires bigint NOT NULL
    )",
        "CREATE TABLE IF NOT EXISTS _ninefold_secret (name varchar(255) PRIMARY KEY, value varbinary(32) NOT NULL)",
    ],
    &[
        "CREATE TABLE IF NOT EXISTS _ninefold_node (id bigint PRIMARY KEY)",
        "CREATE TABLE IF NOT EXISTS _ninefold_feed (number bigint PRIMARY KEY, node bigint NOT NULL, tables longtext)",
    ],
];

/// The format of our own tables, as this version of Ninefold knows it; the database's is in `_ninefold_meta`.
pub(crate) const FORMAT: i64 = VERSIONS.len() as i64;

const FORMAT_KEY: &str = "format";
const STRUCTURE_KEY: &str = "structure";
const PROGRESS_KEY: &str = "progress";
const IDENTITY_KEY: &str = "identity";
/// By what copies of the database are known, within a statement; null where nobody has asked for it yet.
pub(crate) const IDENTITY: &str = "(SELECT value FROM _ninefold_meta WHERE `key` = 'identity')";

/// Brings our own tables to the newest format. Cheap when they are there already.
pub(super) async fn prepare(connection: &mut Connection) -> Result<(), Error> {
    let done = format(connection).await?;
    let done = usize::try_from(done).unwrap_or(usize::MAX);
    let missing = VERSIONS.get(done..).unwrap_or_default();
    for group in missing {
        for statement in *group {
            let statement = with_options(connection.dialect, statement);
            connection.conn.query_drop(statement).await?;
        }
    }
    if !missing.is_empty() {
        write(&mut connection.conn, FORMAT_KEY, &FORMAT.to_string()).await?;
    }
    Ok(())
}

fn with_options(dialect: &MySql, statement: &str) -> String {
    if statement.starts_with("CREATE TABLE") {
        let collation = dialect.collation();
        format!("{statement} ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}")
    } else {
        statement.to_owned()
    }
}

/// The format that a database has; 0 where Ninefold has never been.
pub(crate) async fn format(connection: &mut Connection) -> Result<i64, Error> {
    let stored = read(&mut connection.conn, FORMAT_KEY).await?;
    Ok(stored.and_then(|stored| stored.parse().ok()).unwrap_or(0))
}

/// The structure that the database was last brought to; `None` where Ninefold has never been.
pub(super) async fn read_structure(conn: &mut Conn) -> Result<Option<Structure>, MigrateError> {
    let json = read(conn, STRUCTURE_KEY).await.map_err(failed)?;
    let structure = json.map(|json| serde_json::from_str(&json)).transpose();
    structure.map_err(|error| MigrateError::Failed(format!("the structure that was kept can't be read: {error}")))
}

pub(super) async fn write_structure(conn: &mut Conn, structure: &Structure) -> Result<(), Error> {
    let json = serde_json::to_string(structure).expect("a structure is plain data");
    write(conn, STRUCTURE_KEY, &json).await
}

/// How far a leg came that has not come to its end.
pub(super) async fn read_progress(conn: &mut Conn) -> Result<Option<Progress>, MigrateError> {
    let json = read(conn, PROGRESS_KEY).await.map_err(failed)?;
    let progress = json.map(|json| serde_json::from_str(&json)).transpose();
    progress.map_err(|error| MigrateError::Failed(format!("how far a migration came can't be read: {error}")))
}

pub(super) async fn write_progress(conn: &mut Conn, progress: &Progress) -> Result<(), Error> {
    let json = serde_json::to_string(progress).expect("progress is plain data");
    write(conn, PROGRESS_KEY, &json).await
}

pub(super) async fn forget_progress(conn: &mut Conn) -> Result<(), Error> {
    conn.exec_drop("DELETE FROM _ninefold_meta WHERE `key` = ?", (PROGRESS_KEY,))
        .await
}

/// Files that the database has run, in order.
pub(super) async fn read_applied(conn: &mut Conn) -> Result<Vec<FileId>, MigrateError> {
    if !catalog::exists(conn, "_ninefold_migration").await.map_err(failed)? {
        return Ok(Vec::new());
    }
    let sql = "SELECT id, name, checksum FROM _ninefold_migration ORDER BY id";
    let rows: Vec<(u32, String, Vec<u8>)> = conn.query(sql).await.map_err(failed)?;
    let unreadable = || MigrateError::Failed("a row of _ninefold_migration is not as it was written".to_owned());
    let read = |(number, name, checksum): (u32, String, Vec<u8>)| {
        let checksum = checksum.try_into().map_err(|_| unreadable())?;
        Ok(FileId { number, name, checksum })
    };
    rows.into_iter().map(read).collect()
}

pub(super) async fn write_applied(conn: &mut Conn, file: &FileId, now: Timestamp) -> Result<(), Error> {
    let sql = "INSERT INTO _ninefold_migration (id, name, checksum, applied_at) VALUES (?, ?, ?, ?)";
    let now = crate::mysql::value::bound(&engine::model::Value::DateTime(now));
    let values = (file.number, file.name.clone(), file.checksum.to_vec(), now);
    conn.exec_drop(sql, values).await
}

/// Gives the database a name by which its copies are known, if it has none.
pub(crate) async fn name(connection: &mut Connection) -> Result<(), Error> {
    let sql = "INSERT IGNORE INTO _ninefold_meta (`key`, value) VALUES (?, ?)";
    let name = uuid::Uuid::new_v4().to_string();
    connection.conn.exec_drop(sql, (IDENTITY_KEY, name)).await
}

/// Takes its name from a database that was filled from another's backup: replicas of the one are none of the other.
pub(crate) async fn unname(connection: &mut Connection) -> Result<(), Error> {
    let sql = "DELETE FROM _ninefold_meta WHERE `key` = ?";
    connection.conn.exec_drop(sql, (IDENTITY_KEY,)).await
}

/// By what copies of the database are known; `None` where nobody has asked for it yet.
pub(crate) async fn identity(connection: &mut Connection) -> Result<Option<String>, Error> {
    read(&mut connection.conn, IDENTITY_KEY).await
}

/// Whether a move follows the database.
pub(super) async fn is_followed(conn: &mut Conn) -> Result<bool, Error> {
    Ok(read(conn, NOTE).await?.is_some())
}

async fn read(conn: &mut Conn, key: &str) -> Result<Option<String>, Error> {
    if !catalog::exists(conn, "_ninefold_meta").await? {
        return Ok(None);
    }
    conn.exec_first("SELECT value FROM _ninefold_meta WHERE `key` = ?", (key,))
        .await
}

async fn write(conn: &mut Conn, key: &str, value: &str) -> Result<(), Error> {
    let sql = "INSERT INTO _ninefold_meta (`key`, value) VALUES (?, ?) ON DUPLICATE KEY UPDATE value = ?";
    conn.exec_drop(sql, (key, value, value)).await
}
