//! The migrator's port, on MongoDB.

use std::time::Duration;

use async_trait::async_trait;
use engine::Model;
use engine::model::Structure;
use engine::model::migration::{Folder, Found, Leg, Step, Target, route};
use engine::ports::migrator::{
    Held, Hold, Lasts, MigrateError, Migrator, Options, Refusal, RenderedLeg, RenderedPlan, RenderedStep, Report,
    Status, refuse_if_followed,
};
use futures::TryStreamExt;
use mongodb::Database;
use mongodb::bson::Document;

use super::known::{self, UnderWay};
use super::{Failed, build, check, run};
use crate::MongoStore;
use crate::change_log;
use crate::lock::Lock;

/// The lock of whoever migrates.
pub(crate) const LOCK: &str = "migration_lock";
/// How long to wait for another node that migrates.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

#[async_trait]
impl Migrator for MongoStore {
    async fn status(&self, model: &Model, folder: &Folder, options: Options) -> Result<Status, MigrateError> {
        let target = Target::of(model);
        let (found, drift) = survey(&self.shared.database, &target).await?;
        let pending = match route(&found, folder, &target, options.mode) {
            Ok(legs) => Ok(rendered(&legs)?),
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

    async fn plan(&self, model: &Model, folder: &Folder, options: Options) -> Result<RenderedPlan, MigrateError> {
        let target = Target::of(model);
        let found = find(&self.shared.database, &target).await?;
        rendered(&route(&found, folder, &target, options.mode)?)
    }

    async fn apply(&self, model: &Model, folder: &Folder, options: Options) -> Result<Report, MigrateError> {
        let target = Target::of(model);
        // On this node nothing is written meanwhile.
        let _turn = self.shared.writer.lock().await;
        let lock = Lock::take(&self.shared.database, LOCK, PATIENCE)
            .await
            .map_err(Failed::from)?;
        let lock = lock.ok_or_else(|| MigrateError::Unavailable("another node is still migrating it".to_owned()))?;
        let applied = apply(&self.shared.database, &target, folder, options).await;
        lock.release().await.map_err(Failed::from)?;
        applied
    }
}

async fn apply(
    database: &Database,
    target: &Target,
    folder: &Folder,
    options: Options,
) -> Result<Report, MigrateError> {
    let mut report = Report::default();
    if let Some(mut left) = known::under_way(database).await? {
        finish(database, &mut left, &mut report).await?;
    }
    // Each round takes at least one file, or ends.
    for _ in 0..folder.files().len() + 2 {
        let found = find(database, target).await?;
        let Some(leg) = route(&found, folder, target, options.mode)?.into_iter().next() else {
            return Ok(report);
        };
        let is_followed = change_log::is_followed(database).await;
        refuse_if_followed(&leg, is_followed.map_err(Failed::from)?)?;
        let allow_destructive = options.allow_destructive || leg.allow_destructive;
        let mut leg = UnderWay::of(&leg, options.now);
        check::check(database, &leg, allow_destructive).await?;
        known::keep(database, &leg).await?;
        finish(database, &mut leg, &mut report).await?;
    }
    Err(MigrateError::Failed("the migrations don't come to an end".to_owned()))
}

async fn finish(database: &Database, leg: &mut UnderWay, report: &mut Report) -> Result<(), MigrateError> {
    run::run(database, leg).await?;
    known::finish(database, leg).await?;
    report.steps.extend(leg.steps.iter().map(ToString::to_string));
    report.files.extend(leg.files().iter().map(|file| file.file_name()));
    Ok(())
}

/// What the database says of itself, and where its collections say otherwise.
async fn survey(database: &Database, target: &Target) -> Result<(Found, Vec<String>), Failed> {
    let applied = known::applied(database).await?;
    let there = database.list_collection_names().await?;
    let is_there = |table: &String| there.contains(table);
    let (structure, mut drift) = match known::structure(database).await? {
        Some(structure) => {
            let drift = drift(database, &structure, is_there).await?;
            (structure, drift)
        }
        None => {
            let strange = tables(&target.structure).filter(|table| is_there(table));
            let strange =
                strange.map(|table| format!("the collection {table} is there already, and Ninefold did not make it"));
            (Structure::default(), strange.collect())
        }
    };
    // What was interrupted is half done, and is finished first.
    if known::under_way(database).await?.is_some() {
        drift.clear();
        drift.push("a migration was interrupted; applying migrations finishes it".to_owned());
    }
    Ok((Found { structure, applied }, drift))
}

/// As [`survey`], and the two must agree.
async fn find(database: &Database, target: &Target) -> Result<Found, MigrateError> {
    let (found, drift) = survey(database, target).await?;
    if drift.is_empty() {
        Ok(found)
    } else {
        Err(MigrateError::Drifted(drift))
    }
}

fn tables(structure: &Structure) -> impl Iterator<Item = &String> {
    structure.collections.iter().flat_map(|collection| {
        std::iter::once(&collection.table).chain(collection.links.iter().map(|links| &links.table))
    })
}

/// Somebody's own collections and indexes are no drift.
async fn drift(
    database: &Database,
    structure: &Structure,
    is_there: impl Fn(&String) -> bool,
) -> Result<Vec<String>, Failed> {
    let gone = tables(structure).filter(|table| !is_there(table));
    let mut drift: Vec<String> = gone.map(|table| format!("the collection {table} is gone")).collect();
    for collection in structure
        .collections
        .iter()
        .filter(|collection| is_there(&collection.table))
    {
        let indexes = database
            .collection::<Document>(&collection.table)
            .list_indexes()
            .await?;
        let indexes: Vec<_> = indexes.try_collect().await?;
        for index in &collection.indexes {
            let named = |found: &&mongodb::IndexModel| {
                found.options.as_ref().and_then(|options| options.name.as_deref()) == Some(index.name.as_str())
            };
            let wanted = build::index(structure, collection, index).map_err(Failed::Other)?;
            match indexes.iter().find(named) {
                None => drift.push(format!("the index {} of {} is gone", index.name, collection.table)),
                Some(found) if !run::is_same(found, &wanted) => {
                    drift.push(format!("the index {} of {} is another", index.name, collection.table));
                }
                Some(_) => {}
            }
        }
    }
    Ok(drift)
}

fn rendered(legs: &[Leg]) -> Result<RenderedPlan, MigrateError> {
    let mut plan = RenderedPlan::default();
    for leg in legs {
        let mut structure = leg.before.clone();
        let mut steps = Vec::new();
        for step in &leg.steps {
            let refused = |reason| {
                MigrateError::Refused(Refusal {
                    step: step.to_string(),
                    reason,
                })
            };
            if let Some(reason) = step.impossible(&structure) {
                return Err(refused(reason));
            }
            steps.push(RenderedStep {
                text: step.to_string(),
                destroys: step.destroys(),
                needs: step.needs(&structure),
                holds: holds(step, &structure),
                statements: statements(step, &structure),
            });
            step.replay(&mut structure).map_err(|misfit| refused(misfit.0))?;
        }
        plan.legs.push(RenderedLeg {
            files: leg.files.iter().map(|file| file.file_name()).collect(),
            steps,
            is_transaction: false,
        });
    }
    Ok(plan)
}

/// Documents are changed one after the other and indexes are built beside reads and writes; only names are changed at once.
fn holds(step: &Step, before: &Structure) -> Option<Vec<Hold>> {
    let moment = |name: &String| {
        let table = before.collection(name).map_or(name, |collection| &collection.table);
        vec![Hold::new(table, Held::Everything, Lasts::Moment)]
    };
    match step {
        Step::Run(_) => None,
        Step::RenameCollection { from: collection, .. }
        | Step::RemoveCollection { collection }
        | Step::RenameLinks { collection, .. }
        | Step::RemoveLinks { collection, .. }
        | Step::AddIndex { collection, .. }
        | Step::RemoveIndex { collection, .. } => Some(moment(collection)),
        _ => Some(Vec::new()),
    }
}

/// As one would write them in MongoDB's shell.
fn statements(step: &Step, before: &Structure) -> Vec<String> {
    let table = |name: &String| {
        before
            .collection(name)
            .map_or(name.as_str(), |collection| &collection.table)
            .to_owned()
    };
    match step {
        Step::AddCollection(collection) => vec![
            format!("db.createCollection({:?})", collection.table),
            format!(
                "db.runCommand({{ collMod: {:?}, validator: {} }})",
                collection.table,
                build::validator(collection)
            ),
        ],
        Step::RemoveCollection { collection } => vec![format!("db[{:?}].drop()", table(collection))],
        Step::RenameCollection { from, table: to, .. } if table(from) != *to => {
            vec![format!("db[{:?}].renameCollection({to:?})", table(from))]
        }
        Step::AddField { collection, field, .. } => {
            vec![format!(
                "db[{:?}].updateMany({{ {:?}: {{ $exists: false }} }}, {{ $set: {{ {1:?}: … }} }})",
                table(collection),
                field.column
            )]
        }
        Step::RemoveField { collection, field } => {
            vec![format!(
                "db[{:?}].updateMany({{}}, {{ $unset: {{ {field:?}: \"\" }} }})",
                table(collection)
            )]
        }
        Step::RenameField {
            collection,
            from,
            column,
            ..
        } => {
            vec![format!(
                "db[{:?}].updateMany({{}}, {{ $rename: {{ {from:?}: {column:?} }} }})",
                table(collection)
            )]
        }
        Step::AddLinks { links, .. } => vec![format!("db.createCollection({:?})", links.table)],
        Step::AddIndex { collection, index } => vec![format!(
            "db[{:?}].createIndex({{ {} }}, {{ name: {:?}, unique: {} }})",
            table(collection),
            index
                .fields
                .iter()
                .map(|field| format!("{field:?}: 1"))
                .collect::<Vec<_>>()
                .join(", "),
            index.name,
            index.unique
        )],
        Step::RemoveIndex { collection, index } => vec![format!("db[{:?}].dropIndex({index:?})", table(collection))],
        Step::Run(engines) => engines.get("mongodb").cloned().into_iter().collect(),
        Step::RenameCollection { .. }
        | Step::ChangeKey { .. }
        | Step::ChangeField { .. }
        | Step::RemoveLinks { .. }
        | Step::RenameLinks { .. } => Vec::new(),
    }
}
