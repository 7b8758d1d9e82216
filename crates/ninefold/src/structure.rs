//! Bringing the database to the structure that the schema needs, as far as the command may.

use std::path::Path;

use engine::Model;
use engine::model::migration::Folder;
use engine::ports::migrator::{MigrateError, Options, RenderedPlan, Report, Status};

use crate::application::Ports;
use crate::failure::Failure;

/// The folder in an application's folder.
pub(crate) const FOLDER: &str = "migrations";

/// What may be done to a database that is not as the schema needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Structure {
    /// Nothing, unless it is empty: then it starts from the schema.
    Require,
    /// What the migration files say.
    Apply {
        /// Also what destroys data.
        allow_destructive: bool,
    },
    /// Whatever the schema needs and loses nothing.
    Develop,
}

/// # Errors
/// What stands against it, and what to do.
pub(crate) async fn bring(ports: &Ports, model: &Model, dir: &Path, structure: Structure) -> Result<Report, Failure> {
    has_all(ports, model)?;
    let folder = folder(dir)?;
    let now = ports.clock.now();
    let options = match structure {
        Structure::Require => {
            let status = ports.migrator.status(model, &folder, Options::serve(now)).await;
            let status = status.map_err(failure)?;
            if !status.empty {
                return require(status).map(|()| Report::default());
            }
            Options::serve(now)
        }
        Structure::Apply { allow_destructive } => Options {
            allow_destructive,
            ..Options::serve(now)
        },
        Structure::Develop => Options::dev(now),
    };
    let report = ports.migrator.apply(model, &folder, options).await.map_err(failure)?;
    for step in &report.steps {
        tracing::info!("migrated: {step}");
    }
    Ok(report)
}

/// What the schema asks for, the database must have.
fn has_all(ports: &Ports, model: &Model) -> Result<(), Failure> {
    let capabilities = ports.store.capabilities();
    let lacking = capabilities.lacking(model);
    if lacking.is_empty() {
        return Ok(());
    }
    let message = format!("the schema asks for what {} lacks", capabilities.database);
    Err(Failure::mistake(message)
        .details(lacking.join("\n"))
        .help("choose another database with `database.url`, or take it out of the schema"))
}

/// The folder's migration files.
pub(crate) fn folder(dir: &Path) -> Result<Folder, Failure> {
    Folder::read(&dir.join(FOLDER)).map_err(|error| failure(MigrateError::Folder(error)))
}

fn require(status: Status) -> Result<(), Failure> {
    // No reason to stay away: another node may be at it.
    for begun in &status.begun {
        tracing::warn!(
            begun,
            "a migration was begun and is not done: `ninefold migrate status` tells more"
        );
    }
    if !status.drift.is_empty() {
        return Err(failure(MigrateError::Drifted(status.drift)));
    }
    let plan = status
        .pending
        .map_err(|no_route| failure(MigrateError::NoRoute(no_route)))?;
    if plan.legs.is_empty() {
        return Ok(());
    }
    Err(Failure::mistake("the database is behind the schema")
        .details(pending(&plan))
        .help("`ninefold serve --migrate` applies what is pending; `ninefold migrate plan` shows its SQL"))
}

fn pending(plan: &RenderedPlan) -> String {
    let legs = plan.legs.iter().flat_map(|leg| {
        let files = leg.files.iter().map(|file| format!("pending: {FOLDER}/{file}"));
        let steps = leg.steps.iter().map(|step| format!("pending: {}", step.text));
        files.chain(steps)
    });
    legs.collect::<Vec<_>>().join("\n")
}

/// A migrator's error in terms of the command line.
pub(crate) fn failure(error: MigrateError) -> Failure {
    let message = error.to_string();
    match error {
        MigrateError::Folder(_) => Failure::mistake(format!("{FOLDER}: {message}")),
        MigrateError::NoRoute(_) => Failure::mistake(message),
        MigrateError::Refused(_) => Failure::mistake(message).help("the database is as it was before"),
        MigrateError::Drifted(differences) => Failure::mistake("the database is not as migrations left it")
            .details(differences.iter().map(|line| format!("drift: {line}")).collect::<Vec<_>>().join("\n"))
            .help("somebody changed it by hand: change it back, or write what was changed into the schema and a migration"),
        MigrateError::Unavailable(_) | MigrateError::Failed(_) => Failure::environment(message),
    }
}
