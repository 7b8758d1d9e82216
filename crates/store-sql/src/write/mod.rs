//! Carrying out plans that write, in the order that the store's contract gives.

mod create;
mod delete;
pub(crate) mod idempotency;
mod links;
mod record;
mod update;

use engine::Model;
use engine::model::{Collection, Row, Value};
use engine::ports::store::StoreError;
use engine::query::{Answer, Change, Image, Judgement, Mutation, Outcome, Pred, Reference, Refusal, Shape, UpsertPlan};

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
        let outcome = mutate(session, model, mutation, &mut written.changes).await;
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
    let (statement, layout) = compile::written_row(session.dialect(), frame, (collection, key), answer, judgements);
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

#[cfg(test)]
mod tests;
