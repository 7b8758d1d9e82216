//! Many records from a file: each settled as a create would be, gathered aside, judged together, then published.
//!
//! [`Engine::import`] is for the operator, an administrator like any other. Nothing is seen before
//! [`Import::publish`], and nothing stays of an import that is taken back. Relations may be named by a unique field of
//! the target in place of its key: `"country.code": "DE"`.

mod relations;

use std::sync::Arc;
use std::time::Duration;

use crate::access::Permit;
use crate::error::{Error, ErrorCode, FieldError};
use crate::expr::{Aliases, Before};
use crate::model::{Collection, CollectionId, FieldId, Model, Value};
use crate::operations::export::LINKS_MAX;
use crate::operations::input::{Mode, Named, Parsed, Parser};
use crate::operations::write::Planner;
use crate::operations::{Ctx, Data, Precondition, WriteOptions};
use crate::pipeline::{Engine, Moment};
use crate::ports::staging::{Obstacle, Published, StagePlan, Staged, Staging};
use crate::query::{Alias, Assignment, Judgement, Refusal};

use relations::Relations;

pub use relations::By;

/// A record as the file has it.
#[derive(Debug)]
pub struct Draft {
    /// Its line, or its number in the file; positive, and different for each.
    pub place: u64,
    pub data: Data,
}

/// A record that can't be imported, and why.
#[derive(Debug)]
pub struct Rejected {
    pub place: u64,
    pub error: Error,
}

/// An import under way. It holds on to the model that it began with: when the schema changes, it fails.
pub struct Import<'e> {
    engine: &'e Engine,
    ctx: Ctx,
    moment: Moment,
    collection: CollectionId,
    staging: Box<dyn Staging>,
    relations: Relations,
    /// Refusals by the index of their judgement.
    judged: Vec<Refusal>,
}

impl Engine {
    /// Begins an import into a collection, named by its path or type. `keep_going`: records that can't be imported are
    /// left out, rather than the end of it.
    ///
    /// # Errors
    /// Another import is under way, the collection is unknown, or the caller is no administrator.
    pub async fn import(&self, ctx: &Ctx, collection: &str, keep_going: bool) -> Result<Import<'_>, Error> {
        let moment = self.moment();
        let target = moment.collection(collection)?;
        let grants = moment.grants(ctx, "create");
        if !ctx.principal.is_administrator() {
            return Err(grants.denied(&format!("import {}", target.path)));
        }
        if let Some(reason) = no_import(target) {
            return Err(Error::new(
                ErrorCode::Forbidden,
                format!("{} can't be imported: {reason}", target.path),
            ));
        }
        let mut after = Vec::new();
        for check in target.checks.iter().filter(|check| !check.rule.is_local()) {
            let holds = grants.lower(&check.rule, Alias::ROOT, &mut Aliases::default(), Before::Absent)?;
            let otherwise = broken(target, check);
            after.push(Judgement { holds, otherwise });
        }
        let judged = after.iter().map(|judgement| judgement.otherwise.clone()).collect();
        let plan = StagePlan {
            collection: target.id,
            after,
            bindings: moment.bindings(ctx),
            keep_going,
        };
        let staging = self.store().stage(Permit::seal(plan, moment.model.epoch)).await;
        let staging = staging.map_err(|error| self.failed(&grants, error))?;
        let collection = target.id;
        Ok(Import {
            engine: self,
            ctx: ctx.clone(),
            moment,
            collection,
            staging,
            relations: Relations::default(),
            judged,
        })
    }
}

/// An import is staged in a table like the collection's own, record by record.
fn no_import(collection: &Collection) -> Option<&'static str> {
    if collection.read_only {
        Some("it is read only")
    } else if !collection.managed {
        Some("its table is not managed by Ninefold; use the tool that the database came with")
    } else if collection.key.len() > 1 {
        Some("its records have a key of several fields; create them, up to 100 at once")
    } else {
        None
    }
}

/// What a check that fails comes to.
pub(crate) fn broken(collection: &Collection, check: &crate::model::Check) -> Refusal {
    let field = check.field.map_or("", |field| collection.field(field).name.as_str());
    Refusal::Invalid(vec![FieldError::new(field, "check_failed", check.message.clone())])
}

impl Import<'_> {
    /// What is imported into.
    pub fn target(&self) -> (Arc<Model>, CollectionId) {
        (self.moment.model.clone(), self.collection)
    }

    /// The collection's path segment.
    pub fn path(&self) -> &str {
        &self.collection().path
    }

    /// Whether records may have a member of this name; if not, why.
    ///
    /// # Errors
    /// What the name should have been, perhaps.
    pub fn knows(&self, name: &str) -> Result<(), FieldError> {
        relations::Column::of(&self.moment.model, self.collection(), name).map(|_| ())
    }

    /// Takes more records; answers those that are not valid by themselves.
    ///
    /// # Errors
    /// The database can't be asked, or can't take them.
    pub async fn add(&mut self, mut drafts: Vec<Draft>) -> Result<Vec<Rejected>, Error> {
        let mut rejected = self.resolve(&mut drafts).await?;
        let mut staged = Vec::with_capacity(drafts.len());
        {
            let named = Named::new();
            let options = WriteOptions::default();
            let planner = self.planner(&options, &named);
            for Draft { place, data } in drafts {
                match planner.staged(place, data) {
                    Ok(record) => staged.push(record),
                    Err(error) => rejected.push(Rejected { place, error }),
                }
            }
        }
        let permit = Permit::seal(staged, self.moment.model.epoch);
        self.staging.add(permit).await.map_err(|error| self.failed(error))?;
        Ok(rejected)
    }

    /// Judges the records against each other and the data; answers how many are refused.
    ///
    /// # Errors
    /// The database can't be asked.
    pub async fn check(&mut self) -> Result<u64, Error> {
        self.staging.check().await.map_err(|error| self.failed(error))
    }

    /// Records refused by [`Import::check`] or [`Import::publish`] whose place is behind `behind`, in the order of places.
    ///
    /// # Errors
    /// The database can't be asked.
    pub async fn refused(&mut self, behind: u64, limit: u32) -> Result<Vec<Rejected>, Error> {
        let problems = self.staging.problems(behind, limit).await;
        let problems = problems.map_err(|error| self.failed(error))?;
        let told = problems.into_iter().map(|problem| Rejected {
            place: problem.place,
            error: self.told(problem.obstacle),
        });
        Ok(told.collect())
    }

    /// Makes the next portion visible. Call it until nothing is left.
    ///
    /// # Errors
    /// A record can't be published any more, or the database can't take it: take back what was published.
    pub async fn publish(&mut self) -> Result<Published, Error> {
        self.staging.publish().await.map_err(|error| self.failed(error))
    }

    /// Ends the import as if it had not been; answers how many records have to stay, because others refer to them by now.
    ///
    /// # Errors
    /// The database can't take it; it will be done when the database is opened next.
    pub async fn take_back(mut self) -> Result<u64, Error> {
        self.staging.take_back().await.map_err(|error| self.failed(error))
    }

    fn collection(&self) -> &Collection {
        self.moment.model.collection(self.collection)
    }

    fn planner<'p>(&'p self, options: &'p WriteOptions, named: &'p Named) -> Planner<'p> {
        Planner {
            engine: self.engine,
            ctx: &self.ctx,
            moment: &self.moment,
            grants: self.moment.grants(&self.ctx, "create"),
            collection: self.collection(),
            options,
            precondition: &Precondition::None,
            named,
        }
    }

    fn failed(&self, error: crate::ports::store::StoreError) -> Error {
        self.engine.failed(&self.moment.grants(&self.ctx, "create"), error)
    }

    fn told(&self, obstacle: Obstacle) -> Error {
        let name = |field: FieldId| self.collection().field(field).name.clone();
        let target = |field: FieldId| {
            let target = self
                .collection()
                .field(field)
                .target()
                .expect("a relation has a target");
            self.moment.model.collection(target).name.clone()
        };
        match obstacle {
            Obstacle::Taken { fields } => crate::pipeline::unique_violation(fields),
            Obstacle::NoTarget { field } => {
                let message = format!("names no {} that is there", target(field));
                Error::invalid(vec![FieldError::new(name(field), "no_such_record", message)])
            }
            Obstacle::Unreached { field } => {
                let message = format!(
                    "names a {} of this file that is not imported, or that refers back to this one",
                    target(field)
                );
                Error::invalid(vec![FieldError::new(name(field), "unreached", message)])
            }
            Obstacle::Judged { index } => match self.judged.get(index) {
                Some(refusal) => self.moment.grants(&self.ctx, "create").refused(refusal.clone()),
                None => Error::new(ErrorCode::Invalid, "a check does not hold"),
            },
        }
    }
}

impl Planner<'_> {
    /// As a create would settle it; but what the file says of `created`, `updated` and `version` holds, and a null that is
    /// said is a null and not the default.
    fn staged(&self, place: u64, mut data: Data) -> Result<Staged, Error> {
        let system = self.kept(&mut data)?;
        let parser = Parser {
            links_max: LINKS_MAX,
            ..self.parser()
        };
        let mut parsed = parser.parse(&data, Mode::Create);
        self.nulls(&data, &mut parsed);
        let key = self.key(&mut parsed);
        let image = self.image(&key, &mut parsed, system);
        self.accept(&mut parsed)?;
        for check in self.collection.checks.iter().filter(|check| check.rule.is_local()) {
            if !check.rule.holds(self.input(Some(&image))) {
                return Err(self.grants.refused(broken(self.collection, check)));
            }
        }
        Ok(Staged {
            place,
            key,
            image,
            links: parsed.links,
        })
    }

    /// What no caller may set, but an export wrote down.
    fn kept(&self, data: &mut Data) -> Result<Vec<(FieldId, Value)>, Error> {
        let collection = self.collection;
        let mut kept = Vec::new();
        for id in [collection.created, collection.updated, collection.version]
            .into_iter()
            .flatten()
        {
            let field = collection.field(id);
            match data.shift_remove(&field.name) {
                None | Some(serde_json::Value::Null) => {}
                Some(json) => {
                    let value = field.accept(self.grants.model, &json).map_err(Error::invalid)?;
                    kept.push((id, value));
                }
            }
        }
        Ok(kept)
    }

    fn nulls(&self, data: &Data, parsed: &mut Parsed) {
        let nullable = |field: &&crate::model::Field| field.default.is_some() && !field.required && !field.system;
        for field in self.collection.stored().filter(nullable) {
            if data.get(&field.name).is_some_and(serde_json::Value::is_null) {
                parsed.assignments.push((field.id, Assignment::Set(Value::Null)));
            }
        }
    }
}

/// How long one question to the database may take.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(30);
