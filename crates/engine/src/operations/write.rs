//! Every write: steps planned one by one, committed as one transaction, answered from its outcomes.

use crate::access::{Grants, Operation, Permit};
use crate::error::{Error, ErrorCode, FieldError};
use crate::expr::Decision;
use crate::model::{Collection, Key, Value};
use crate::operations::get::{SharedShape, reply};
use crate::operations::idempotency;
use crate::operations::input::{Named, NamedKey};
use crate::operations::shape::shape;
use crate::operations::{Action, Ctx, Precondition, Step, WriteOptions, WriteReply, Written};
use crate::pipeline::{Engine, Moment};
use crate::query::{Answer, Committed, Effect, Mutation, Outcome, Transaction};

/// Longest name that a step of a batch can be given.
const ALIAS_BYTES_MAX: usize = 64;

impl Engine {
    /// One step or a batch, all or nothing. Errors of a batch of more than one carry `operation`.
    pub async fn write(&self, ctx: &Ctx, steps: Vec<Step>, options: &WriteOptions) -> Result<WriteReply, Error> {
        if steps.len() > self.limits().batch_max {
            let limit = self.limits().batch_max;
            return Err(Error::new(
                ErrorCode::TooLarge,
                format!("at most {limit} operations at once"),
            ));
        }
        let _in_flight = self.claim_in_flight(ctx, options)?;
        self.retrying(|moment| {
            let steps = &steps;
            async move { self.write_once(ctx, &moment, steps, Vec::new(), options).await }
        })
        .await
    }

    /// As [`Engine::write`], for what the operator loads: as many steps as there are, and effects of the system in the
    /// same transaction.
    pub async fn load(&self, ctx: &Ctx, steps: Vec<Step>, effects: Vec<Effect>) -> Result<WriteReply, Error> {
        let options = WriteOptions::default();
        self.retrying(|moment| {
            let (steps, effects, options) = (&steps, effects.clone(), &options);
            async move { self.write_once(ctx, &moment, steps, effects, options).await }
        })
        .await
    }

    async fn write_once(
        &self,
        ctx: &Ctx,
        moment: &Moment,
        steps: &[Step],
        effects: Vec<Effect>,
        options: &WriteOptions,
    ) -> Result<WriteReply, Error> {
        let mut named = Named::new();
        let mut planned = Vec::with_capacity(steps.len());
        for (index, step) in steps.iter().enumerate() {
            let place = |error: Error| in_step(error, index, steps.len());
            let plan = self.plan(ctx, moment, step, options, &named).map_err(place)?;
            remember(&mut named, (index, step), &plan).map_err(place)?;
            planned.push(plan);
        }
        self.commit(ctx, moment, planned, effects, options).await
    }

    fn plan(
        &self,
        ctx: &Ctx,
        moment: &Moment,
        step: &Step,
        options: &WriteOptions,
        named: &Named,
    ) -> Result<Planned, Error> {
        let collection = moment.collection(&step.collection)?;
        let operation = operation(&step.action);
        let planner = Planner {
            engine: self,
            ctx,
            moment,
            grants: moment.grants(ctx, operation),
            collection,
            options,
            precondition: &step.precondition,
            named,
        };
        if collection.read_only {
            return Err(planner.refuse_write(&step.action));
        }
        let (key, mutation, shape) = match &step.action {
            Action::Create { data } => planner.create(data, None)?,
            Action::Update { key, patch } => planner.update(key, patch)?,
            Action::Upsert { key, data } => planner.upsert(key, data)?,
            Action::Delete { key } => planner.delete(key)?,
        };
        Ok(Planned {
            collection: collection.id,
            key,
            mutation,
            shape,
            alias: step.alias.clone(),
        })
    }

    pub(crate) async fn commit(
        &self,
        ctx: &Ctx,
        moment: &Moment,
        planned: Vec<Planned>,
        effects: Vec<Effect>,
        options: &WriteOptions,
    ) -> Result<WriteReply, Error> {
        let epoch = moment.model.epoch;
        let count = planned.len();
        let mut answers = Vec::with_capacity(count);
        let mut mutations = Vec::with_capacity(count);
        for step in planned {
            answers.push((step.collection, step.shape, step.alias));
            mutations.push(Permit::seal(step.mutation, epoch));
        }
        let transaction = Transaction {
            mutations,
            effects,
            idempotency: idempotency::claim(ctx, options, moment.now, self.limits().idempotency_s),
            deadline: ctx.deadline,
        };
        let grants = moment.grants(ctx, "write");
        let committed = self.store().commit(transaction).await;
        let acknowledged = self.wrote(&ctx.principal, &moment.model, &committed);
        match committed.map_err(|error| self.failed_write(&grants, error, count))? {
            Committed::Done { outcomes, .. } => {
                self.tell_of_accounts(&moment.model, &outcomes);
                let written = outcomes.into_iter().zip(answers);
                let written = written.map(|(outcome, (_, shape, alias))| written_from(moment, outcome, shape, alias));
                Ok(WriteReply {
                    written: written.collect(),
                    replayed: false,
                    acknowledged,
                })
            }
            Committed::Replayed(kept) => {
                let reply = self.replay(ctx, moment, &kept, answers).await?;
                Ok(WriteReply { acknowledged, ..reply })
            }
        }
    }
}

fn operation(action: &Action) -> &'static str {
    match action {
        Action::Create { .. } => "create",
        Action::Update { .. } | Action::Upsert { .. } => "update",
        Action::Delete { .. } => "delete",
    }
}

/// A step, ready to be committed.
pub(crate) struct Planned {
    pub(crate) collection: crate::model::CollectionId,
    pub(crate) key: Key,
    pub(crate) mutation: Mutation,
    /// `None` for deletes, and where the caller may read nothing of the collection.
    pub(crate) shape: Option<SharedShape>,
    pub(crate) alias: Option<String>,
}

/// What the steps' plans are made from; `create.rs`, `update.rs`, `upsert.rs` and `delete.rs` each add theirs.
pub(crate) struct Planner<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) ctx: &'a Ctx,
    pub(crate) moment: &'a Moment,
    pub(crate) grants: Grants<'a>,
    pub(crate) collection: &'a Collection,
    pub(crate) options: &'a WriteOptions,
    pub(crate) precondition: &'a Precondition,
    pub(crate) named: &'a Named,
}

pub(crate) type Plan = (Key, Mutation, Option<SharedShape>);

impl Planner<'_> {
    /// Of a collection that nobody writes: who might read it is told why.
    fn refuse_write(&self, action: &Action) -> Error {
        let path = &self.collection.path;
        if self.grants.decide(self.collection, Operation::Read) == Decision::Never {
            return self.grants.denied(&format!("{} {path}", operation(action)));
        }
        Error::new(ErrorCode::Forbidden, format!("{path} are read only, for everybody"))
    }

    /// How the writer gets to see the result, if at all.
    pub(crate) fn answer(&self) -> Result<(Option<Answer>, Option<SharedShape>), Error> {
        let unreadable = self.grants.decide(self.collection, Operation::Read) == Decision::Never;
        if unreadable && !mutant!(ReadRule) {
            return Ok((None, None));
        }
        let shape = SharedShape::from(shape(
            &self.grants,
            self.engine.limits(),
            self.collection,
            &self.options.shape,
        )?);
        let guard = self.grants.read_guard(self.collection)?;
        Ok((
            Some(Answer {
                guard,
                projection: shape.projection.clone(),
            }),
            Some(shape),
        ))
    }

    /// `If-Match` as the store is to check it.
    pub(crate) fn expected(&self) -> Option<crate::query::Expected> {
        match self.precondition {
            Precondition::Match(tags) => Some(crate::operations::etag::expected(self.collection, tags)),
            Precondition::None | Precondition::MatchAny | Precondition::NoneMatchAny => None,
        }
    }

    /// All that is wrong with the input, at once.
    pub(crate) fn accept(&self, parsed: &mut crate::operations::input::Parsed) -> Result<(), Error> {
        if !parsed.errors.is_empty() {
            parsed.errors.append(&mut parsed.forbidden);
            return Err(Error::invalid(std::mem::take(&mut parsed.errors)));
        }
        if !parsed.forbidden.is_empty() {
            let mut error = self.grants.denied("set these fields; see errors");
            error.fields = std::mem::take(&mut parsed.forbidden);
            return Err(error);
        }
        Ok(())
    }
}

pub(crate) fn written_from(
    moment: &Moment,
    outcome: Outcome,
    shape: Option<SharedShape>,
    alias: Option<String>,
) -> Written {
    let collection = moment.model.collection(outcome.collection);
    let reply = shape
        .zip(outcome.row)
        .map(|(shape, row)| reply(&moment.model, shape, row));
    Written {
        kind: outcome.kind,
        collection: collection.path.clone(),
        key: outcome.key,
        reply,
        alias,
    }
}

fn remember(named: &mut Named, (index, step): (usize, &Step), plan: &Planned) -> Result<(), Error> {
    let Some(alias) = &step.alias else { return Ok(()) };
    let invalid = |code: &'static str, message: String| Err(Error::invalid(vec![FieldError::new("as", code, message)]));
    if alias.is_empty() || alias.len() > ALIAS_BYTES_MAX || alias.contains('.') {
        return invalid(
            "malformed",
            format!("a name of 1 to {ALIAS_BYTES_MAX} bytes without dots"),
        );
    }
    let Some(key) = plan.key.single() else { return Ok(()) };
    let key = match key {
        Value::Hidden => NamedKey::Later(index),
        known => NamedKey::Known(known.clone()),
    };
    match named.insert(alias.clone(), (plan.collection, key)) {
        None => Ok(()),
        Some(_) => invalid("taken", format!("`{alias}` names an earlier operation already")),
    }
}

/// Says where in a batch it went wrong.
pub(crate) fn in_step(mut error: Error, index: usize, steps: usize) -> Error {
    if steps > 1 {
        let outer = format!("operations[{index}]");
        error.fields = error.fields.into_iter().map(|field| field.within(&outer)).collect();
        return error.in_operation(index);
    }
    error
}
