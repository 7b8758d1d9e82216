//! Locks on tables, taken with patience.
//!
//! Who waits for a lock on a table keeps everybody out who comes after him. So a lock is waited for only for a moment,
//! then those who queued up are let through, and it is tried again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use engine::model::Structure;
use engine::ports::migrator::{Held, MigrateError};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::ddl::quoted;
use super::failed;
use super::render::Rendered;
use super::run::Stop;

/// How long others queue up behind an attempt.
const ATTEMPT: &str = "1s";
/// The same for what a step locks besides, while it has the others' tables.
const WITHIN: &str = "10s";
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How long it is tried.
const PATIENCE: Duration = Duration::from_secs(120);

/// All that the steps lock, from the start: who has them comes to the end without waiting for anybody.
pub(super) fn wanted(steps: &[Rendered], there: &Structure) -> Vec<String> {
    let tables = there.collections.iter().flat_map(|collection| {
        std::iter::once(&collection.table).chain(collection.links.iter().map(|links| &links.table))
    });
    let mut modes: BTreeMap<&String, bool> = BTreeMap::new();
    for hold in steps.iter().filter_map(|step| step.holds.as_ref()).flatten() {
        if let Some(table) = tables.clone().find(|table| **table == hold.table) {
            *modes.entry(table).or_default() |= hold.held == Held::Everything;
        }
    }
    let lock = |(table, alone): (&String, bool)| {
        let mode = if alone {
            "ACCESS EXCLUSIVE"
        } else {
            "SHARE ROW EXCLUSIVE"
        };
        format!("LOCK TABLE {} IN {mode} MODE", quoted(table))
    };
    modes.into_iter().map(lock).collect()
}

/// Begins a transaction by `begin` that has those locks.
pub(super) async fn begin(client: &Client, begin: &str, locks: &[String]) -> Result<(), MigrateError> {
    let locks = locks.join("; ");
    let attempt =
        format!("{begin}; SET LOCAL lock_timeout = '{ATTEMPT}'; {locks}; SET LOCAL lock_timeout = '{WITHIN}'");
    let begun = retried(client, &attempt).await;
    begun.map_err(|stop| stop.at("lock the tables that change"))
}

/// One statement that locks a table for a moment.
pub(super) async fn patiently(client: &Client, sql: &str) -> Result<(), Stop> {
    let attempt = format!("BEGIN; SET LOCAL lock_timeout = '{ATTEMPT}'; {sql}; COMMIT");
    retried(client, &attempt).await
}

/// `attempt` begins a transaction.
async fn retried(client: &Client, attempt: &str) -> Result<(), Stop> {
    let began = Instant::now();
    let mut pause = PAUSE_MIN;
    loop {
        let Err(error) = client.batch_execute(attempt).await else {
            return Ok(());
        };
        client.batch_execute("ROLLBACK").await?;
        let in_use = [SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_DEADLOCK_DETECTED];
        if !error.code().is_some_and(|code| in_use.contains(code)) {
            return Err(error.into());
        }
        if began.elapsed() > PATIENCE {
            return Err(Stop::Busy);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Only one migrates this schema at a time. Whoever waits has no transaction open, which the building of an index would
/// wait for in turn.
pub(super) async fn take_turn(client: &Client) -> Result<(), MigrateError> {
    loop {
        let sql = format!("SELECT pg_try_advisory_lock({TURN})");
        let row = client.query_one(&sql, &[]).await.map_err(failed)?;
        if row.try_get(0).map_err(failed)? {
            return Ok(());
        }
        tokio::time::sleep(PAUSE_MIN).await;
    }
}

pub(super) async fn end_turn(client: &Client) -> Result<(), MigrateError> {
    let sql = format!("SELECT pg_advisory_unlock({TURN})");
    client.batch_execute(&sql).await.map_err(failed)
}

const TURN: &str = "hashtextextended('ninefold.migration.' || current_schema(), 0)";
