//! Locks on tables, taken with patience.
//!
//! Who waits for a lock on a table keeps everybody out who comes after him. So a lock is waited for only for a moment,
//! then those who queued up are let through, and it is tried again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use engine::model::Structure;
use engine::ports::migrator::{Held, MigrateError};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error, Row};

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
/// How often it is looked who is in the way, and after how many times it is told, at first and from then on.
const LOOK: Duration = Duration::from_secs(1);
const TOLD_AT: u64 = 5;
const TOLD_EACH: u64 = 30;
const ATTEMPTS_PER_LOOK: u64 = (LOOK.as_millis() / PAUSE_MIN.as_millis()) as u64;

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
pub(crate) async fn patiently(client: &Client, sql: &str) -> Result<(), Stop> {
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
pub(crate) async fn take_turn(client: &Client) -> Result<(), MigrateError> {
    let attempt = format!("SELECT pg_try_advisory_lock({TURN})");
    // The server keeps a number of 64 bits as two halves.
    let holders = format!(
        "{HOLDERS} WHERE pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         AND (classid::bigint << 32 | objid::bigint) = {TURN})"
    );
    for attempts in 0.. {
        let row = client.query_one(&attempt, &[]).await.map_err(failed)?;
        if row.try_get(0).map_err(failed)? {
            break;
        }
        if attempts % ATTEMPTS_PER_LOOK == 0 && is_told(attempts / ATTEMPTS_PER_LOOK) {
            tell(&client.query(&holders, &[]).await.map_err(failed)?);
        }
        tokio::time::sleep(PAUSE_MIN).await;
    }
    Ok(())
}

/// Whether it is told, of what was seen so many times.
fn is_told(looks: u64) -> bool {
    looks % TOLD_EACH == TOLD_AT
}

/// Tells whom the migration on the connection `waiting` waits for, as long as it does; doesn't end by itself.
///
/// # Errors
/// When that can't be asked.
pub(crate) async fn tell_waits(client: &Client, waiting: i32) -> Result<(), Error> {
    let mut seen = 0;
    let sql = format!("{HOLDERS} WHERE pid = ANY(pg_blocking_pids($1))");
    loop {
        tokio::time::sleep(LOOK).await;
        let holders = client.query(&sql, &[&waiting]).await?;
        seen += u64::from(!holders.is_empty());
        if !holders.is_empty() && is_told(seen) {
            tell(&holders);
        }
    }
}

fn tell(holders: &[Row]) {
    for holder in holders {
        let pid: Option<i32> = holder.try_get(0).ok();
        let (application, state): (Option<String>, Option<String>) =
            (holder.try_get(1).ok().flatten(), holder.try_get(2).ok().flatten());
        tracing::info!(pid, application, state, "the migration waits for another connection");
    }
}

pub(crate) async fn end_turn(client: &Client) -> Result<(), MigrateError> {
    let sql = format!("SELECT pg_advisory_unlock({TURN})");
    client.batch_execute(&sql).await.map_err(failed)
}

const HOLDERS: &str = "SELECT pid, application_name, state FROM pg_stat_activity";
const TURN: &str = "hashtextextended('ninefold.migration.' || current_schema(), 0)";
