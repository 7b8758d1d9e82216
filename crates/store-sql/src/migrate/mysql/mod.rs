//! Migrations on MySQL and MariaDB.
//!
//! [`apply`] takes one leg after the other under a lock of the database's own. What changes a table is committed by that
//! alone here, so a leg that is interrupted, or that the data forbids halfway, stays as far as it came; how far that is
//! is kept beside the structure, and who comes next goes on from there. See `progress`.
//! After the steps, and before the leg counts as done, the catalog is compared with what the steps should have made.

use std::collections::BTreeMap;

use engine::model::migration::{Folder, Found, Leg, Target, route};
use engine::model::{StoredCollection, StoredIndex, Timestamp};
use engine::ports::migrator::{MigrateError, Options, RenderedLeg, RenderedPlan, Report, Status, refuse_if_followed};
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Error};

use progress::Progress;
use render::{Rendered, render};

use super::holds;

use crate::dialect::{MySql, Server};
use crate::mysql::Connection;

mod catalog;
mod convert;
mod ddl;
mod drift;
mod portions;
mod progress;
mod render;
pub(crate) mod run;
pub(crate) mod system;

/// Nobody else migrates this database meanwhile. The lock's name may have 64 characters; MySQL has no `MD5` any more.
pub(crate) const LOCK: &str = "CONCAT('ninefold.migration.', LEFT(SHA2(DATABASE(), 256), 40))";
/// A day.
const LOCK_SECONDS: u32 = 86_400;
/// How long others queue up behind an attempt to lock a table. Who waits for records keeps nobody else waiting.
const ATTEMPT_SECONDS: u32 = 2;

/// The index that is violated under this name.
pub(crate) fn unique_index_of<'c>(collection: &'c StoredCollection, name: &str) -> Option<&'c StoredIndex> {
    collection.indexes.iter().find(|index| index.name == name)
}

/// What makes an index of these fields, on a table that nobody else uses.
pub(crate) fn trial_index(
    dialect: &MySql,
    collection: &StoredCollection,
    name: &str,
    fields: Vec<String>,
) -> Vec<String> {
    let table = ddl::quoted(&collection.table);
    let covered = fields.iter().filter_map(|name| collection.field(name));
    let bounded = covered.map(|field| ddl::column(dialect, field, true));
    let mut sql: Vec<String> = bounded
        .map(|definition| format!("ALTER TABLE {table} MODIFY COLUMN {definition}"))
        .collect();
    let index = StoredIndex {
        name: name.to_owned(),
        fields,
        unique: false,
        only: None,
    };
    sql.push(ddl::IndexParts::of(collection, &index).create(None));
    sql
}

/// Runs what is left to do. The connection is worth nothing else afterwards.
///
/// # Errors
/// See [`MigrateError`]; what was done stays, and is gone on with the next time.
pub(crate) async fn apply(
    connection: &mut Connection,
    target: &Target,
    folder: &Folder,
    options: Options,
) -> Result<Report, MigrateError> {
    alone(connection).await?;
    let applied = apply_alone(connection, target, folder, options).await;
    let unlock = format!("DO RELEASE_LOCK({LOCK})");
    let unlocked = connection.conn.query_drop(unlock).await.map_err(failed);
    let report = applied?;
    unlocked?;
    Ok(report)
}

/// Takes the lock. However long it takes, it is not cut off.
async fn alone(connection: &mut Connection) -> Result<(), MigrateError> {
    let limit = match connection.dialect.0 {
        Server::MySql => "max_execution_time = 0",
        Server::MariaDb => "max_statement_time = 0",
    };
    let settings = format!(
        "SET SESSION {limit}, innodb_lock_wait_timeout = {LOCK_SECONDS}, lock_wait_timeout = {ATTEMPT_SECONDS}"
    );
    connection.conn.query_drop(settings).await.map_err(failed)?;
    // Records that a step passes by are not locked.
    let isolation = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";
    connection.conn.query_drop(isolation).await.map_err(failed)?;
    let lock = format!("SELECT GET_LOCK({LOCK}, {LOCK_SECONDS})");
    let locked: Option<Option<i64>> = connection.conn.query_first(lock).await.map_err(failed)?;
    match locked.flatten() {
        Some(1) => Ok(()),
        _ => Err(MigrateError::Unavailable(
            "another migration does not come to its end".to_owned(),
        )),
    }
}

async fn apply_alone(
    connection: &mut Connection,
    target: &Target,
    folder: &Folder,
    options: Options,
) -> Result<Report, MigrateError> {
    system::prepare(connection).await.map_err(failed)?;
    let mut report = Report::default();
    // Each round takes at least one file, or ends, or leaves what an interrupted one was about.
    for _ in 0..folder.files().len() + 3 {
        let Some(leg) = next(connection, target, folder, options).await? else {
            return Ok(report);
        };
        report.steps.extend(leg.steps.iter().map(ToString::to_string));
        report.files.extend(leg.files.iter().map(|file| file.file_name()));
    }
    Err(MigrateError::Failed("the migrations don't come to an end".to_owned()))
}

/// Takes the next leg, if there is one, or the rest of it.
async fn next(
    connection: &mut Connection,
    target: &Target,
    folder: &Folder,
    options: Options,
) -> Result<Option<Leg>, MigrateError> {
    loop {
        let found = find(connection, target).await?;
        let leg = route(&found, folder, target, options.mode)?.into_iter().next();
        let progress = system::read_progress(&mut connection.conn).await?;
        match (leg, progress) {
            (Some(leg), progress) if progress.as_ref().is_none_or(|progress| progress.is_of(&leg)) => {
                take(connection, &leg, progress, options).await?;
                return Ok(Some(leg));
            }
            (_, Some(progress)) => rest(connection, &progress).await?,
            (_, None) => return Ok(None),
        }
    }
}

/// Lets another way begin where an interrupted leg came to.
async fn rest(connection: &mut Connection, progress: &Progress) -> Result<(), MigrateError> {
    let Some(structure) = progress.resting() else {
        return Err(MigrateError::Failed(
            "an earlier migration was interrupted halfway: apply the same one once more, with the schema and the files \
             of then, before another"
                .to_owned(),
        ));
    };
    let conn = &mut connection.conn;
    system::write_structure(conn, structure).await.map_err(failed)?;
    system::forget_progress(conn).await.map_err(failed)
}

/// What [`apply`] would run. Reads only.
///
/// # Errors
/// As [`apply`]'s, as far as they can be told without running anything.
pub(crate) async fn plan(
    connection: &mut Connection,
    target: &Target,
    folder: &Folder,
    options: Options,
) -> Result<RenderedPlan, MigrateError> {
    let legs = route(&find(connection, target).await?, folder, target, options.mode)?;
    let plan = rendered(connection.dialect, &legs, options.now)?;
    let sizes = sizes(&mut connection.conn).await.map_err(failed)?;
    Ok(holds::with_sizes(plan, &sizes))
}

/// How many records the tables have, about.
async fn sizes(conn: &mut Conn) -> Result<BTreeMap<String, u64>, Error> {
    let sql = "SELECT table_name, table_rows FROM information_schema.tables \
               WHERE table_schema = DATABASE() AND table_rows IS NOT NULL";
    let rows: Vec<(String, u64)> = conn.query(sql).await?;
    Ok(rows.into_iter().collect())
}

/// Reads only.
///
/// # Errors
/// When the database can't be read.
pub(crate) async fn status(
    connection: &mut Connection,
    target: &Target,
    folder: &Folder,
    options: Options,
) -> Result<Status, MigrateError> {
    let (found, drift) = survey(connection, target).await?;
    let pending = match route(&found, folder, target, options.mode) {
        Ok(legs) => Ok(rendered(connection.dialect, &legs, options.now)?),
        Err(no_route) => Err(no_route),
    };
    let begun = system::read_progress(&mut connection.conn).await?;
    Ok(Status {
        empty: found.structure.collections.is_empty(),
        applied: found.applied,
        pending,
        begun: begun.iter().map(ToString::to_string).collect(),
        drift,
    })
}

fn rendered(dialect: &'static MySql, legs: &[Leg], now: Timestamp) -> Result<RenderedPlan, MigrateError> {
    let mut plan = RenderedPlan::default();
    for leg in legs {
        let steps = render(dialect, leg, now).map_err(MigrateError::Refused)?;
        plan.legs.push(RenderedLeg {
            files: leg.files.iter().map(|file| file.file_name()).collect(),
            steps: steps.into_iter().map(Rendered::shown).collect(),
            is_transaction: false,
        });
    }
    Ok(plan)
}

/// What the database says of itself, and where its catalog says otherwise. In the middle of a leg it must.
async fn survey(connection: &mut Connection, target: &Target) -> Result<(Found, Vec<String>), MigrateError> {
    let conn = &mut connection.conn;
    let is_halfway = system::read_progress(conn).await?.is_some();
    let (structure, mut differences) = match system::read_structure(conn).await? {
        Some(structure) if is_halfway => (structure, Vec::new()),
        Some(structure) => {
            let differences = drift::drift(conn, &structure).await.map_err(failed)?;
            (structure, differences)
        }
        None => drift::existing(conn, &target.structure).await.map_err(failed)?,
    };
    differences.extend(drift::mapped(conn, &target.mapped).await.map_err(failed)?);
    let applied = system::read_applied(conn).await?;
    Ok((Found { structure, applied }, differences))
}

/// As [`survey`], and the two must agree.
async fn find(connection: &mut Connection, target: &Target) -> Result<Found, MigrateError> {
    let (found, differences) = survey(connection, target).await?;
    if differences.is_empty() {
        Ok(found)
    } else {
        Err(MigrateError::Drifted(differences))
    }
}

/// One leg, or the rest of it.
async fn take(
    connection: &mut Connection,
    leg: &Leg,
    progress: Option<Progress>,
    options: Options,
) -> Result<(), MigrateError> {
    refuse_if_followed(leg, system::is_followed(&mut connection.conn).await.map_err(failed)?)?;
    let steps = render(connection.dialect, leg, options.now).map_err(MigrateError::Refused)?;
    let allow_destructive = options.allow_destructive || leg.allow_destructive;
    let is_resumed = progress.is_some();
    if !is_resumed {
        // What is found without one may be a stranger's; from here on it is the leg's.
        system::write_structure(&mut connection.conn, &leg.before)
            .await
            .map_err(failed)?;
    }
    let progress = progress.unwrap_or_else(|| Progress::of(leg));
    run::run(connection, &steps, progress, is_resumed, allow_destructive).await?;
    if !leg.steps.is_empty() {
        let differences = drift::drift(&mut connection.conn, &leg.after).await.map_err(failed)?;
        if !differences.is_empty() {
            let differences = differences.join("; ");
            return Err(MigrateError::Failed(format!(
                "the steps did not make what they should: {differences}"
            )));
        }
    }
    finish(connection, leg, options.now).await.map_err(failed)
}

/// The leg counts as done.
async fn finish(connection: &mut Connection, leg: &Leg, now: Timestamp) -> Result<(), Error> {
    let conn = &mut connection.conn;
    conn.query_drop("START TRANSACTION").await?;
    system::write_structure(conn, &leg.after).await?;
    for file in &leg.files {
        system::write_applied(conn, file, now).await?;
    }
    system::forget_progress(conn).await?;
    conn.query_drop("COMMIT").await
}

/// A failure that is no step's fault.
fn failed(error: Error) -> MigrateError {
    match error {
        Error::Server(reported) => MigrateError::Failed(format!("{} ({})", reported.message, reported.code)),
        other => MigrateError::Unavailable(other.to_string()),
    }
}

#[cfg(test)]
mod tests;
