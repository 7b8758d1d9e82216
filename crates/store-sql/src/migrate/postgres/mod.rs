//! Migrations on PostgreSQL.
//!
//! [`apply`] takes one leg after the other, each in one transaction under a lock of the database's own: it happens whole
//! or not at all, whatever interrupts it. Who comes later finds the structure that the earlier left, and decides anew.
//! After the steps, and before the commit, the catalog is compared with what the steps should have made.
//!
//! What takes long is done before the transaction where PostgreSQL can do it beside readers and writers: see `ahead`. The
//! transaction locks its tables first, with patience: see `locks`.

use std::collections::{BTreeMap, BTreeSet};

use engine::model::Timestamp;
use engine::model::migration::{Folder, Found, Leg, Target, route};
use engine::ports::migrator::{MigrateError, Options, RenderedLeg, RenderedPlan, Report, Status, refuse_if_followed};
use tokio_postgres::{Client, Error};

pub(crate) use locks::{end_turn, patiently, take_turn, tell_waits};
use render::{Rendered, render};
pub(crate) use run::Stop;

use super::holds;

mod ahead;
mod catalog;
mod convert;
mod ddl;
mod drift;
mod locks;
mod render;
mod run;
pub(crate) mod system;
#[cfg(test)]
mod tests;

/// However long it takes, it is not cut off.
const PATIENT: &str = "
    SET statement_timeout = 0;
    SET lock_timeout = 0;
    SET idle_in_transaction_session_timeout = 0";
/// What is checked of references is so at once: a table can't be changed while checks of it wait.
const BEGIN: &str = "BEGIN; SET CONSTRAINTS ALL IMMEDIATE";

/// Runs what is left to do. The connection must not be in a transaction.
///
/// # Errors
/// See [`MigrateError`]; the database is then as the last whole leg left it.
pub(crate) async fn apply(
    client: &Client,
    target: &Target,
    folder: &Folder,
    options: Options,
) -> Result<Report, MigrateError> {
    client.batch_execute(PATIENT).await.map_err(failed)?;
    locks::take_turn(client).await?;
    let applied = apply_alone(client, target, folder, options).await;
    let ended = locks::end_turn(client).await;
    let report = applied?;
    ended?;
    Ok(report)
}

async fn apply_alone(
    client: &Client,
    target: &Target,
    folder: &Folder,
    options: Options,
) -> Result<Report, MigrateError> {
    client.batch_execute(BEGIN).await.map_err(failed)?;
    end(client, system::prepare(client).await.map_err(failed)).await?;
    let mut report = Report::default();
    // Each round takes at least one file, or ends.
    for _ in 0..folder.files().len() + 2 {
        let Some(leg) = next(client, target, folder, options).await? else {
            ahead::prove_references(client, &target.structure).await?;
            return Ok(report);
        };
        report.steps.extend(leg.steps.iter().map(ToString::to_string));
        report.files.extend(leg.files.iter().map(|file| file.file_name()));
    }
    Err(MigrateError::Failed("the migrations don't come to an end".to_owned()))
}

/// Takes the next leg, if there is one.
async fn next(
    client: &Client,
    target: &Target,
    folder: &Folder,
    options: Options,
) -> Result<Option<Leg>, MigrateError> {
    let found = find(client, target).await?;
    let legs = route(&found, folder, target, options.mode)?;
    let Some(leg) = legs.into_iter().next() else {
        ahead::go(client, &[]).await?;
        return Ok(None);
    };
    refuse_if_followed(&leg, system::is_followed(client).await.map_err(failed)?)?;
    let steps = render(&leg, options.now).map_err(MigrateError::Refused)?;
    ahead::go(client, &steps).await?;
    let taken = async {
        let locks = locks::wanted(&steps, &leg.before);
        locks::begin(client, BEGIN, &locks).await?;
        end(client, take(client, &leg, &steps, options).await).await
    };
    match taken.await {
        Ok(()) => Ok(Some(leg)),
        Err(error) => {
            ahead::take_back(client).await;
            Err(error)
        }
    }
}

async fn end(client: &Client, done: Result<(), MigrateError>) -> Result<(), MigrateError> {
    let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
    client.batch_execute(end).await.map_err(failed)?;
    done
}

/// What [`apply`] would run. Reads only.
///
/// # Errors
/// As [`apply`]'s, as far as they can be told without running anything.
pub(crate) async fn plan(
    client: &Client,
    target: &Target,
    folder: &Folder,
    options: Options,
) -> Result<RenderedPlan, MigrateError> {
    let legs = route(&find(client, target).await?, folder, target, options.mode)?;
    let plan = rendered(&legs, options.now)?;
    let sizes = sizes(client, holds::tables(&plan)).await.map_err(failed)?;
    Ok(holds::with_sizes(plan, &sizes))
}

/// How many records the tables have, as far as the server has counted them.
async fn sizes(client: &Client, tables: BTreeSet<String>) -> Result<BTreeMap<String, u64>, Error> {
    let sql = "SELECT c.relname::text, c.reltuples::bigint FROM pg_class c \
               WHERE c.relname = ANY($1) AND c.relnamespace = current_schema()::regnamespace AND c.reltuples >= 0";
    let tables: Vec<String> = tables.into_iter().collect();
    let rows = client.query(sql, &[&tables]).await?;
    let size = |row: &tokio_postgres::Row| Ok((row.try_get(0)?, row.try_get::<_, i64>(1)?.unsigned_abs()));
    rows.iter().map(size).collect()
}

/// Reads only.
///
/// # Errors
/// When the database can't be read.
pub(crate) async fn status(
    client: &Client,
    target: &Target,
    folder: &Folder,
    options: Options,
) -> Result<Status, MigrateError> {
    let (found, drift) = survey(client, target).await?;
    let pending = match route(&found, folder, target, options.mode) {
        Ok(legs) => Ok(rendered(&legs, options.now)?),
        Err(no_route) => Err(no_route),
    };
    let begun = system::read_ahead(client).await?;
    Ok(Status {
        empty: found.structure.collections.is_empty(),
        applied: found.applied,
        pending,
        begun: begun.iter().map(ToString::to_string).collect(),
        drift,
    })
}

fn rendered(legs: &[Leg], now: Timestamp) -> Result<RenderedPlan, MigrateError> {
    let mut plan = RenderedPlan::default();
    for leg in legs {
        let steps = render(leg, now).map_err(MigrateError::Refused)?;
        plan.legs.push(RenderedLeg {
            files: leg.files.iter().map(|file| file.file_name()).collect(),
            steps: steps.into_iter().map(Rendered::shown).collect(),
            is_transaction: true,
        });
    }
    Ok(plan)
}

/// What the database says of itself, and where its catalog says otherwise.
async fn survey(client: &Client, target: &Target) -> Result<(Found, Vec<String>), MigrateError> {
    let (structure, mut differences) = match system::read_structure(client).await? {
        Some(structure) => {
            let differences = drift::drift(client, &structure).await.map_err(failed)?;
            (structure, differences)
        }
        None => drift::existing(client, &target.structure).await.map_err(failed)?,
    };
    differences.extend(drift::mapped(client, &target.mapped).await.map_err(failed)?);
    let applied = system::read_applied(client).await?;
    Ok((Found { structure, applied }, differences))
}

/// As [`survey`], and the two must agree.
async fn find(client: &Client, target: &Target) -> Result<Found, MigrateError> {
    let (found, differences) = survey(client, target).await?;
    if differences.is_empty() {
        Ok(found)
    } else {
        Err(MigrateError::Drifted(differences))
    }
}

/// One leg, but for the commit.
async fn take(client: &Client, leg: &Leg, steps: &[Rendered], options: Options) -> Result<(), MigrateError> {
    run::run(client, steps, options.allow_destructive || leg.allow_destructive).await?;
    if !leg.steps.is_empty() {
        let differences = drift::drift(client, &leg.after).await.map_err(failed)?;
        if !differences.is_empty() {
            let differences = differences.join("; ");
            return Err(MigrateError::Failed(format!(
                "the steps did not make what they should: {differences}"
            )));
        }
    }
    system::write_structure(client, &leg.after).await.map_err(failed)?;
    for file in &leg.files {
        system::write_applied(client, file, options.now).await.map_err(failed)?;
    }
    system::forget_ahead(client).await.map_err(failed)
}

/// A failure that is no step's fault.
fn failed(error: Error) -> MigrateError {
    match error.as_db_error() {
        Some(reported) => MigrateError::Failed(format!("{} ({})", reported.message(), reported.code().code())),
        None => MigrateError::Unavailable(error.to_string()),
    }
}
