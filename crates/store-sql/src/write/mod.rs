//! Carrying out plans that write, in the order that the store's contract gives.

mod create;
mod delete;
pub(crate) mod idempotency;
mod links;
pub(crate) mod order;
pub(crate) mod others;
mod update;

use engine::Model;
use engine::model::{Collection, Key, Row, Value};
use engine::ports::store::StoreError;
use engine::query::{
    Answer, Change, CreatePlan, Image, Judgement, Mutation, Outcome, Pred, Reference, Refusal, Shape, UpsertPlan,
};

pub(crate) use create::{insert_alone, inserted};

use crate::compile::{self, Frame};
use crate::read;
use crate::session::Session;

/// What mutations came to.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) changes: Vec<Change>,
}

/// Runs the mutations in order. The caller has a transaction around it, and takes it back on an error.
pub(crate) async fn run<S: Session>(
    session: &mut S,
    model: &Model,
    mutations: &[Mutation],
) -> Result<Written, StoreError> {
    let mut written = Written::default();
    for (index, mutation) in mutations.iter().enumerate() {
        let outcome = mutate(session, model, mutation, &mut written).await;
        let outcome = outcome.map_err(|source| StoreError::At {
            index,
            source: Box::new(source),
        })?;
        written.outcomes.push(outcome);
    }
    Ok(written)
}

async fn mutate<S: Session>(
    session: &mut S,
    model: &Model,
    mutation: &Mutation,
    written: &mut Written,
) -> Result<Outcome, StoreError> {
    let changes = &mut written.changes;
    match mutation {
        Mutation::Create(plan) => {
            let plan = plan.settled(model.collection(plan.collection), &written.outcomes);
            create::create(session, model, &plan, changes).await
        }
        // Apart in memory: a create, which is the smallest by far, would have room for them otherwise.
        Mutation::Update(plan) => {
            let updated = Box::pin(update::update(session, model, plan, false, changes)).await?;
            updated.ok_or(StoreError::Refused(Refusal::NotFound))
        }
        Mutation::Upsert(plan) => Box::pin(upsert(session, model, plan, changes)).await,
        Mutation::Delete(plan) => Box::pin(delete::delete(session, model, plan, changes)).await,
    }
}

async fn upsert<S: Session>(
    session: &mut S,
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

/// Whether a record takes no statement besides its insert.
pub(crate) fn is_one_insert(model: &Model, plan: &CreatePlan) -> bool {
    let collection = model.collection(plan.collection);
    let is_answered = |answer: &Answer| is_certain(&answer.guard) && answers_image(collection, answer);
    // Only of a table of ours it is known that a key is there once.
    collection.managed
        && plan.references.is_empty()
        && plan.given.is_empty()
        && plan.links.is_empty()
        && plan.after.iter().all(|judgement| is_certain(&judgement.holds))
        && plan.answer.as_ref().is_none_or(is_answered)
}

fn is_certain(pred: &Pred) -> bool {
    *pred == Pred::Const(true)
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

/// What a writer names must be there and readable by it.
async fn check_references<'a, S: Session>(
    session: &mut S,
    frame: Frame<'a>,
    references: impl IntoIterator<Item = &'a Reference>,
) -> Result<(), StoreError> {
    for reference in references {
        let statement = compile::referenced(session.dialect(), frame, reference);
        if session.query(statement).await?.is_empty() {
            return Err(StoreError::Refused(reference.otherwise.clone()));
        }
    }
    Ok(())
}

/// Takes the judgements on the row as it now is, and reads the writer's answer.
async fn conclude<S: Session>(
    session: &mut S,
    frame: Frame<'_>,
    (collection, key, image): (&Collection, &Key, &Image),
    answer: Option<&Answer>,
    judgements: &[Judgement],
) -> Result<Option<Row>, StoreError> {
    let in_image = answer.filter(|answer| answers_image(collection, answer));
    let projection = match in_image {
        Some(_) => None,
        None => answer.map(|answer| &*answer.projection),
    };
    // Often who may write may read by the same rule, which is asked once.
    let guard = answer
        .map(|answer| &answer.guard)
        .filter(|guard| !is_certain(guard) && judgements.iter().all(|judgement| judgement.holds != **guard));
    let is_judged = judgements.iter().any(|judgement| !is_certain(&judgement.holds));
    if projection.is_none() && guard.is_none() && !is_judged {
        return Ok(in_image.map(|answer| project(collection, answer, image)));
    }
    let truths = judgements.iter().map(|judgement| &judgement.holds).chain(guard);
    let (statement, layout) = compile::written_row(session.dialect(), frame, (collection, key), projection, truths);
    let mut rows = session.query(statement).await?;
    let Some(mut row) = rows.pop() else {
        return Err(gone());
    };
    let truths = row.split_off(row.len() - judgements.len() - usize::from(guard.is_some()));
    judge(judgements, &truths)?;
    if guard.is_some() && truths.last() != Some(&Value::Bool(true)) {
        return Ok(None);
    }
    if let Some(answer) = in_image {
        return Ok(Some(project(collection, answer, image)));
    }
    let (Some(projection), Some(layout)) = (projection, layout) else {
        return Ok(None);
    };
    let rows = read::finish(session, frame, projection, &layout, vec![row]).await?;
    Ok(rows.into_iter().next())
}

/// The record as the database has it.
async fn stored_image<S: Session>(
    session: &mut S,
    frame: Frame<'_>,
    record: (&Collection, &Key),
) -> Result<Image, StoreError> {
    let statement = compile::stored_row(session.dialect(), frame, record, &[], &[]);
    session.query(statement).await?.pop().map(Image).ok_or_else(gone)
}

fn gone() -> StoreError {
    StoreError::Failed("a record is gone right after it was written".to_owned())
}

/// Whether the answer is made of what was written, so that no field needs to be read. A table that others made may keep
/// something else than what it was given.
fn answers_image(collection: &Collection, answer: &Answer) -> bool {
    let plain = |item: &engine::query::Item| item.shape == Shape::Value && is_certain(&item.visible);
    collection.managed && answer.projection.items.iter().all(plain)
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

#[cfg(test)]
mod tests;
