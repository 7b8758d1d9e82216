//! Migrations on SQLite.
//!
//! [`apply`] takes one leg after the other, each in one transaction under the write lock: it happens whole or not at
//! all, whatever interrupts it. Who comes later finds the structure that the earlier left, and decides anew. After the
//! steps, and before the commit, the catalog is compared with what the steps should have made.
//!
//! Foreign keys are off meanwhile, for a table is dropped that others refer to and made again; they are checked before
//! the commit.

use std::collections::{BTreeMap, BTreeSet};

use engine::Model;
use engine::model::migration::{Folder, Found, Leg, Target, route};
use engine::model::{Structure, Timestamp};
use engine::ports::migrator::{
    MigrateError, Options, Refusal, RenderedLeg, RenderedPlan, Report, Status, refuse_if_followed,
};
use rusqlite::Connection;

use render::{Rendered, render};
use run::failed;

use super::holds;

mod accounts;
mod action;
mod catalog;
mod ddl;
mod drift;
mod functions;
mod render;
mod run;
mod stored;
mod system;
#[cfg(test)]
mod tests;

pub(crate) use system::FORMAT;
pub use system::prepare;

/// Builds everything that `model` needs in an empty database.
///
/// # Errors
/// As [`apply`]'s.
pub fn create(connection: &Connection, model: &Model) -> Result<(), MigrateError> {
    let options = Options::dev(Timestamp(0));
    apply(connection, &Target::of(model), &Folder::default(), options).map(|_| ())
}

/// Runs what is left to do. The connection must not be in a transaction.
///
/// # Errors
/// See [`MigrateError`]; the database is then as the last whole leg left it.
pub fn apply(
    connection: &Connection,
    target: &Target,
    folder: &Folder,
    options: Options,
) -> Result<Report, MigrateError> {
    let _session = Session::begin(connection)?;
    let mut report = Report::default();
    // Each round takes at least one file, or ends.
    for _ in 0..folder.files().len() + 2 {
        let leg = in_transaction(connection, || {
            system::prepare(connection).map_err(sqlite)?;
            let found = find(connection, target)?;
            let legs = route(&found, folder, target, options.mode)?;
            let Some(leg) = legs.into_iter().next() else {
                return Ok(None);
            };
            take(connection, &leg, options)?;
            Ok(Some(leg))
        })?;
        let Some(leg) = leg else { return Ok(report) };
        report.steps.extend(leg.steps.iter().map(ToString::to_string));
        report.files.extend(leg.files.iter().map(|file| file.file_name()));
    }
    Err(MigrateError::Failed("the migrations don't come to an end".to_owned()))
}

/// What [`apply`] would run. Reads only.
///
/// # Errors
/// As [`apply`]'s, as far as they can be told without running anything.
pub fn plan(
    connection: &Connection,
    target: &Target,
    folder: &Folder,
    options: Options,
) -> Result<RenderedPlan, MigrateError> {
    let legs = route(&find(connection, target)?, folder, target, options.mode)?;
    let plan = rendered(&legs, options.now)?;
    let sizes = sizes(connection, holds::tables(&plan)).map_err(sqlite)?;
    Ok(holds::with_sizes(plan, &sizes))
}

/// How many records the tables have.
fn sizes(connection: &Connection, tables: BTreeSet<String>) -> rusqlite::Result<BTreeMap<String, u64>> {
    let mut sizes = BTreeMap::new();
    for table in tables {
        if catalog::Table::read(connection, &table)?.is_some() {
            let sql = format!("SELECT count(*) FROM {}", ddl::quoted(&table));
            let size = connection.query_row(&sql, [], |row| row.get(0))?;
            sizes.insert(table, size);
        }
    }
    Ok(sizes)
}

/// Reads only.
///
/// # Errors
/// When the database can't be read.
pub fn status(
    connection: &Connection,
    target: &Target,
    folder: &Folder,
    options: Options,
) -> Result<Status, MigrateError> {
    let (found, drift) = survey(connection, target).map_err(sqlite)?;
    let pending = match route(&found, folder, target, options.mode) {
        Ok(legs) => Ok(rendered(&legs, options.now)?),
        Err(no_route) => Err(no_route),
    };
    Ok(Status {
        empty: found.structure.collections.is_empty(),
        applied: found.applied,
        pending,
        begun: Vec::new(),
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
fn survey(connection: &Connection, target: &Target) -> rusqlite::Result<(Found, Vec<String>)> {
    let (structure, mut differences) = match system::read_structure(connection)? {
        Some(structure) => {
            let differences = drift::drift(connection, &structure)?;
            (structure, differences)
        }
        None => drift::existing(connection, &target.structure)?,
    };
    differences.extend(drift::mapped(connection, &target.mapped)?);
    let applied = system::read_applied(connection)?;
    Ok((Found { structure, applied }, differences))
}

/// As [`survey`], and the two must agree.
fn find(connection: &Connection, target: &Target) -> Result<Found, MigrateError> {
    let (found, differences) = survey(connection, target).map_err(sqlite)?;
    if differences.is_empty() {
        Ok(found)
    } else {
        Err(MigrateError::Drifted(differences))
    }
}

/// One leg, but for the commit.
fn take(connection: &Connection, leg: &Leg, options: Options) -> Result<(), MigrateError> {
    refuse_if_followed(leg, system::is_followed(connection).map_err(sqlite)?)?;
    let steps = render(leg, options.now).map_err(MigrateError::Refused)?;
    run::run(connection, &steps, options.allow_destructive || leg.allow_destructive)?;
    if !leg.steps.is_empty() {
        check_foreign_keys(connection, &leg.after)?;
        let differences = drift::drift(connection, &leg.after).map_err(sqlite)?;
        if !differences.is_empty() {
            let differences = differences.join("; ");
            return Err(MigrateError::Failed(format!(
                "the steps did not make what they should: {differences}"
            )));
        }
    }
    system::write_structure(connection, &leg.after).map_err(sqlite)?;
    for file in &leg.files {
        system::write_applied(connection, file, options.now).map_err(sqlite)?;
    }
    Ok(())
}

/// Of our own tables; somebody else's are not our business.
fn check_foreign_keys(connection: &Connection, structure: &Structure) -> Result<(), MigrateError> {
    for collection in &structure.collections {
        for table in std::iter::once(&collection.table).chain(collection.links.iter().map(|links| &links.table)) {
            let sql = "SELECT count(*), min(parent) FROM pragma_foreign_key_check(?1)";
            let (count, parent): (i64, Option<String>) = connection
                .query_row(sql, [table], |row| Ok((row.get(0)?, row.get(1)?)))
                .map_err(sqlite)?;
            if let Some(parent) = parent {
                return Err(MigrateError::Refused(Refusal {
                    step: "complete the migration".to_owned(),
                    reason: format!("{count} records of {table} would refer to what is not in {parent}"),
                }));
            }
        }
    }
    Ok(())
}

fn in_transaction<T>(
    connection: &Connection,
    work: impl FnOnce() -> Result<T, MigrateError>,
) -> Result<T, MigrateError> {
    connection.execute_batch("BEGIN IMMEDIATE").map_err(sqlite)?;
    let result = work().and_then(|done| {
        connection.execute_batch("COMMIT").map_err(sqlite)?;
        Ok(done)
    });
    if result.is_err() && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK").map_err(sqlite)?;
    }
    result
}

fn sqlite(error: rusqlite::Error) -> MigrateError {
    failed(&error)
}

/// A connection while it migrates; it is as it was afterwards.
struct Session<'c> {
    connection: &'c Connection,
    foreign_keys: bool,
}

impl<'c> Session<'c> {
    fn begin(connection: &'c Connection) -> Result<Self, MigrateError> {
        let begin = || {
            let foreign_keys = connection.pragma_query_value(None, "foreign_keys", |row| row.get(0))?;
            connection.pragma_update(None, "foreign_keys", false)?;
            functions::register(connection)?;
            Ok(foreign_keys)
        };
        let foreign_keys = begin().map_err(sqlite)?;
        Ok(Self {
            connection,
            foreign_keys,
        })
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        let restored = functions::unregister(self.connection)
            .and_then(|()| self.connection.pragma_update(None, "legacy_alter_table", false))
            .and_then(|()| self.connection.pragma_update(None, "foreign_keys", self.foreign_keys));
        if let Err(error) = restored {
            tracing::error!(%error, "a connection could not be restored after a migration");
        }
    }
}
