//! Tables that are Ninefold's own, and what they say about the database.

use engine::model::migration::FileId;
use engine::model::{Structure, Timestamp};
use engine::ports::migrator::MigrateError;
use tokio_postgres::{Client, Error};

use super::ahead::Made;
use super::{catalog, failed};
use crate::compile::NOTE;

/// Statements by version: a database at version `n` has run the first `n` groups. Groups are only ever appended.
const VERSIONS: &[&str] = &[
    "
    CREATE TABLE _ninefold_meta (key text COLLATE \"C\" PRIMARY KEY, value text NOT NULL);
    CREATE TABLE _ninefold_idempotency (
        scope bytea PRIMARY KEY,
        request bytea NOT NULL,
        outcome bytea NOT NULL,
        expires_at timestamptz NOT NULL
    );
    CREATE INDEX _ninefold_idempotency_expires ON _ninefold_idempotency (expires_at);
    CREATE TABLE _ninefold_migration (
        id bigint PRIMARY KEY,
        name text NOT NULL,
        checksum bytea NOT NULL,
        applied_at timestamptz NOT NULL
    );
    CREATE TABLE _ninefold_credential (
        kind text COLLATE \"C\" NOT NULL,
        subject uuid NOT NULL,
        hash text NOT NULL,
        PRIMARY KEY (kind, subject)
    );
    CREATE TABLE _ninefold_session (
        id uuid PRIMARY KEY,
        kind text COLLATE \"C\" NOT NULL,
        subject uuid NOT NULL,
        created bigint NOT NULL,
        expires bigint NOT NULL,
        idle_until bigint NOT NULL,
        generation bigint NOT NULL,
        rotated bigint NOT NULL,
        user_agent text
    );
    CREATE INDEX _ninefold_session_subject ON _ninefold_session (subject);
    CREATE INDEX _ninefold_session_idle_until ON _ninefold_session (idle_until);
    CREATE TABLE _ninefold_one_time_token (
        hash bytea PRIMARY KEY,
        purpose text COLLATE \"C\" NOT NULL,
        kind text COLLATE \"C\",
        subject uuid,
        email text COLLATE \"C\" NOT NULL,
        expires bigint NOT NULL
    );
    CREATE INDEX _ninefold_one_time_token_subject ON _ninefold_one_time_token (subject);
    CREATE INDEX _ninefold_one_time_token_expires ON _ninefold_one_time_token (expires);
    CREATE TABLE _ninefold_administrator (
        id uuid PRIMARY KEY,
        email text COLLATE \"C\" NOT NULL UNIQUE,
        created bigint NOT NULL
    );
    CREATE TABLE _ninefold_signing_key (
        id text COLLATE \"C\" PRIMARY KEY,
        seed bytea NOT NULL,
        starts bigint NOT NULL,
        expires bigint NOT NULL
    );
    CREATE TABLE _ninefold_secret (name text COLLATE \"C\" PRIMARY KEY, value bytea NOT NULL);
",
    "
    CREATE TABLE _ninefold_node (id bigint PRIMARY KEY);
    CREATE TABLE _ninefold_feed (number bigint PRIMARY KEY, node bigint NOT NULL, tables text);
",
];

const FUNCTIONS: &str = include_str!("functions.sql");

/// The format of our own tables, as this version of Ninefold knows it; the database's is in `_ninefold_meta`.
pub(crate) const FORMAT: i64 = VERSIONS.len() as i64;

const FORMAT_KEY: &str = "format";
const STRUCTURE_KEY: &str = "structure";
const AHEAD_KEY: &str = "ahead";

/// Brings our own tables to the newest format, within a transaction. Cheap when they are there already.
pub(super) async fn prepare(client: &Client) -> Result<(), Error> {
    let done = format(client).await?;
    let done = usize::try_from(done).unwrap_or(usize::MAX);
    let missing = VERSIONS.get(done..).unwrap_or_default();
    if missing.is_empty() {
        return Ok(());
    }
    for statements in missing {
        client.batch_execute(statements).await?;
    }
    client.batch_execute(FUNCTIONS).await?;
    write(client, FORMAT_KEY, &FORMAT.to_string()).await
}

/// The format that a database has; 0 where Ninefold has never been.
pub(crate) async fn format(client: &Client) -> Result<i64, Error> {
    let stored = read(client, FORMAT_KEY).await?;
    Ok(stored.and_then(|stored| stored.parse().ok()).unwrap_or(0))
}

/// The structure that the database was last brought to; `None` where Ninefold has never been.
pub(super) async fn read_structure(client: &Client) -> Result<Option<Structure>, MigrateError> {
    let json = read(client, STRUCTURE_KEY).await.map_err(failed)?;
    let structure = json.map(|json| serde_json::from_str(&json)).transpose();
    structure.map_err(|error| MigrateError::Failed(format!("the structure that was kept can't be read: {error}")))
}

pub(super) async fn write_structure(client: &Client, structure: &Structure) -> Result<(), Error> {
    let json = serde_json::to_string(structure).expect("a structure is plain data");
    write(client, STRUCTURE_KEY, &json).await
}

/// What was made for a leg whose transaction has not come.
pub(super) async fn read_ahead(client: &Client) -> Result<Vec<Made>, MigrateError> {
    let json = read(client, AHEAD_KEY).await.map_err(failed)?;
    let made = json.map(|json| serde_json::from_str(&json)).transpose();
    let made = made.map_err(|error| MigrateError::Failed(format!("what a migration began can't be read: {error}")))?;
    Ok(made.unwrap_or_default())
}

pub(super) async fn write_ahead(client: &Client, made: &[Made]) -> Result<(), Error> {
    let json = serde_json::to_string(made).expect("names are plain data");
    write(client, AHEAD_KEY, &json).await
}

pub(super) async fn forget_ahead(client: &Client) -> Result<(), Error> {
    let sql = "DELETE FROM _ninefold_meta WHERE key = $1";
    client.execute(sql, &[&AHEAD_KEY]).await?;
    Ok(())
}

/// Files that the database has run, in order.
pub(super) async fn read_applied(client: &Client) -> Result<Vec<FileId>, MigrateError> {
    if !catalog::exists(client, "_ninefold_migration").await.map_err(failed)? {
        return Ok(Vec::new());
    }
    let sql = "SELECT id, name, checksum FROM _ninefold_migration ORDER BY id";
    let rows = client.query(sql, &[]).await.map_err(failed)?;
    let unreadable = || MigrateError::Failed("a row of _ninefold_migration is not as it was written".to_owned());
    let read = |row: &tokio_postgres::Row| {
        let (number, name, checksum): (i64, String, Vec<u8>) =
            (row.try_get(0).ok()?, row.try_get(1).ok()?, row.try_get(2).ok()?);
        Some(FileId {
            number: u32::try_from(number).ok()?,
            name,
            checksum: checksum.try_into().ok()?,
        })
    };
    rows.iter().map(|row| read(row).ok_or_else(unreadable)).collect()
}

pub(super) async fn write_applied(client: &Client, file: &FileId, now: Timestamp) -> Result<(), Error> {
    let sql = "INSERT INTO _ninefold_migration (id, name, checksum, applied_at) \
               VALUES ($1, $2, $3, $4::text::timestamptz)";
    let (number, checksum) = (i64::from(file.number), file.checksum.as_slice());
    client
        .execute(sql, &[&number, &file.name, &checksum, &now.to_string()])
        .await?;
    Ok(())
}

/// Whether a move follows the database.
pub(super) async fn is_followed(client: &Client) -> Result<bool, Error> {
    Ok(read(client, NOTE).await?.is_some())
}

async fn read(client: &Client, key: &str) -> Result<Option<String>, Error> {
    if !catalog::exists(client, "_ninefold_meta").await? {
        return Ok(None);
    }
    let sql = "SELECT value FROM _ninefold_meta WHERE key = $1";
    let found = client.query_opt(sql, &[&key]).await?;
    found.map(|row| row.try_get(0)).transpose()
}

async fn write(client: &Client, key: &str, value: &str) -> Result<(), Error> {
    let sql = "INSERT INTO _ninefold_meta (key, value) VALUES ($1, $2) \
               ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    client.execute(sql, &[&key, &value]).await?;
    Ok(())
}
