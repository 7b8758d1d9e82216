//! Carrying out plans that write, in the order that the store's contract gives.

mod create;
mod delete;
pub(crate) mod idempotency;
mod links;
mod update;

use std::collections::HashSet;

use engine::Model;
use engine::model::keyed::Keyed;
use engine::model::{Collection, Row, Value};
use engine::ports::store::StoreError;
use engine::query::{Answer, Change, Image, Judgement, Mutation, Outcome, Pred, Reference, Refusal, Shape, UpsertPlan};

use crate::compile::{self, Frame};
use crate::read;
use crate::session::{KEYS_MAX, Session};

/// What mutations came to.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) changes: Vec<Change>,
}

/// Runs the mutations in order. The caller has a transaction around it, and takes it back on an error.
pub(crate) async fn run(
    session: &mut Session<'_>,
    model: &Model,
    mutations: &[Mutation],
) -> Result<Written, StoreError> {
    let mut written = Written::default();
    for (index, mutation) in mutations.iter().enumerate() {
        let outcome = mutate(session, model, mutation, &mut written.changes).await;
        let outcome = outcome.map_err(|source| StoreError::At {
            index,
            source: Box::new(source),
        })?;
        written.outcomes.push(outcome);
    }
    Ok(written)
}

async fn mutate(
    session: &mut Session<'_>,
    model: &Model,
    mutation: &Mutation,
    changes: &mut Vec<Change>,
) -> Result<Outcome, StoreError> {
    match mutation {
        Mutation::Create(plan) => create::create(session, model, plan, changes).await,
        Mutation::Update(plan) => {
            let updated = update::update(session, model, plan, false, changes).await?;
            updated.ok_or(StoreError::Refused(Refusal::NotFound))
        }
        Mutation::Upsert(plan) => upsert(session, model, plan, changes).await,
        Mutation::Delete(plan) => delete::delete(session, model, plan, changes).await,
    }
}

async fn upsert(
    session: &mut Session<'_>,
    model: &Model,
    plan: &UpsertPlan,
    changes: &mut Vec<Change>,
) -> Result<Outcome, StoreError> {
    if let Some(updated) = update::update(session, model, &plan.update, plan.must_create, changes).await? {
        return Ok(updated);
    }
    match &plan.create {
        Ok(create) => create::create(session, model, create, changes).await,
        Err(refusal) => Err(StoreError::Refused(refusal.clone())),
    }
}

/// The first that does not hold, as an error. `truths` are the columns that judge them.
fn judge(judgements: &[Judgement], truths: &[Value]) -> Result<(), StoreError> {
    let failed = judgements
        .iter()
        .zip(truths)
        .find(|(_, truth)| **truth != Value::Bool(true));
    match failed {
        Some((judgement, _)) => Err(StoreError::Refused(judgement.otherwise.clone())),
        None => Ok(()),
    }
}

/// What a writer names must be there and readable by it. Those in a row that are alike, as a to-many field's are, are asked for
/// together.
async fn check_references<'a>(
    session: &mut Session<'_>,
    frame: Frame<'a>,
    references: impl IntoIterator<Item = &'a Reference>,
) -> Result<(), StoreError> {
    let references: Vec<&Reference> = references.into_iter().collect();
    let alike = |one: &&Reference, other: &&Reference| one.target == other.target && one.guard == other.guard;
    for references in references.chunk_by(alike).flat_map(|alike| alike.chunks(KEYS_MAX)) {
        let first = references[0];
        let keys: Vec<Value> = references.iter().map(|reference| reference.key.clone()).collect();
        let target = frame.model.collection(first.target);
        let found = session
            .query(compile::keys_where(frame, target, &keys, &first.guard))
            .await?;
        let found: HashSet<Keyed> = found.into_iter().flatten().map(Keyed).collect();
        let missing = references
            .iter()
            .find(|reference| !found.contains(&Keyed(reference.key.clone())));
        if let Some(missing) = missing {
            return Err(StoreError::Refused(missing.otherwise.clone()));
        }
    }
    Ok(())
}

/// Takes the judgements on the row as it now is, and reads the writer's answer.
async fn conclude(
    session: &mut Session<'_>,
    frame: Frame<'_>,
    (collection, key, image): (&Collection, &engine::model::Key, &Image),
    answer: Option<&Answer>,
    judgements: &[Judgement],
) -> Result<Option<Row>, StoreError> {
    if judgements.iter().all(|judgement| judgement.holds == Pred::Const(true)) {
        match answer {
            None => return Ok(None),
            Some(answer) if answers_image(answer) => return Ok(Some(project(collection, answer, image))),
            Some(_) => {}
        }
    }
    let (statement, layout) = compile::written_row(frame, (collection, key), answer, judgements);
    let mut rows = session.query(statement).await?;
    let Some(mut row) = rows.pop() else {
        return Err(StoreError::Failed(
            "a record is gone right after it was written".to_owned(),
        ));
    };
    let truths = row.split_off(row.len() - judgements.len());
    judge(judgements, &truths)?;
    let (Some(answer), Some(layout)) = (answer, layout) else {
        return Ok(None);
    };
    if row.pop() != Some(Value::Bool(true)) {
        return Ok(None);
    }
    let rows = read::finish(session, frame, &answer.projection, &layout, vec![row]).await?;
    Ok(rows.into_iter().next())
}

/// Whether the answer is made of what was written, so that nothing needs to be read.
fn answers_image(answer: &Answer) -> bool {
    let plain = |item: &engine::query::Item| item.shape == Shape::Value && item.visible == Pred::Const(true);
    answer.guard == Pred::Const(true) && answer.projection.items.iter().all(plain)
}

fn project(collection: &Collection, answer: &Answer, image: &Image) -> Row {
    let value = |item: &engine::query::Item| {
        let slot = collection.slot(item.field).expect("a plain item is a stored field");
        image.0[slot].clone()
    };
    Row(answer.projection.items.iter().map(value).collect())
}

/// The record's version after a write.
fn version(collection: &Collection, image: &Image) -> Option<i64> {
    let slot = collection.slot(collection.version?)?;
    image.0[slot].as_int()
}
