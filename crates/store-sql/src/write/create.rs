//! Creating a record.

use std::borrow::Cow;

use engine::model::{Collection, FieldId, Key, Row, Value};
use engine::ports::store::StoreError;
use engine::query::{Change, CreatePlan, LinkImage, Outcome, OutcomeKind, Refusal};
use engine::{FieldError, Model};

use super::{Written, check_references, conclude, links, project, stored_image, version};
use crate::compile::{self, Frame, Kind};
use crate::mapped;
use crate::session::Session;

pub(super) async fn create<S: Session>(
    session: &mut S,
    model: &Model,
    plan: &CreatePlan,
    changes: &mut Vec<Change>,
) -> Result<Outcome, StoreError> {
    let collection = model.collection(plan.collection);
    let frame = Frame::reading(model, &plan.bindings);
    check_references(session, frame, &plan.references).await?;
    let plan = insert(session, frame, collection, plan).await?;
    let links = links::change(session, frame, (collection, &plan.key), &plan.links, true).await?;
    let written = (collection, &plan.key, &plan.image);
    let row = conclude(session, frame, written, plan.answer.as_ref(), &plan.after).await?;
    changes.push(change(&plan, links));
    Ok(outcome(collection, &plan, row))
}

/// Makes a record that takes no statement besides its insert.
pub(crate) async fn insert_alone<S: Session>(
    session: &mut S,
    model: &Model,
    plan: &CreatePlan,
) -> Result<Written, StoreError> {
    let collection = model.collection(plan.collection);
    let inserting = session.execute(compile::insert(session.dialect(), collection, &plan.image));
    inserting.await.map_err(|source| StoreError::At {
        index: 0,
        source: Box::new(source),
    })?;
    Ok(inserted(collection, plan))
}

/// What a record came to that was made by its insert alone.
pub(crate) fn inserted(collection: &Collection, plan: &CreatePlan) -> Written {
    let answer = plan.answer.as_ref();
    let row = answer.map(|answer| project(collection, answer, &plan.image));
    Written {
        outcomes: vec![outcome(collection, plan, row)],
        changes: vec![change(plan, Vec::new())],
    }
}

fn change(plan: &CreatePlan, links: Vec<LinkImage>) -> Change {
    Change {
        collection: plan.collection,
        key: plan.key.clone(),
        before: None,
        after: Some(plan.image.clone()),
        links,
    }
}

fn outcome(collection: &Collection, plan: &CreatePlan, row: Option<Row>) -> Outcome {
    Outcome {
        kind: OutcomeKind::Created,
        collection: plan.collection,
        key: plan.key.clone(),
        version: version(collection, &plan.image),
        row,
    }
}

/// Answers the plan with what the database gave.
async fn insert<'p, S: Session>(
    session: &mut S,
    frame: Frame<'_>,
    collection: &Collection,
    plan: &'p CreatePlan,
) -> Result<Cow<'p, CreatePlan>, StoreError> {
    let dialect = session.dialect();
    if plan.given.is_empty() {
        session
            .execute(compile::insert(dialect, collection, &plan.image))
            .await?;
        return Ok(Cow::Borrowed(plan));
    }
    let statement = compile::insert_given(dialect, frame.model, collection, &plan.image, &plan.given);
    let given = session.insert(statement).await?.ok_or_else(mapped::refused)?;
    let is_of_key = |field: &&FieldId| collection.key.contains(field);
    let mut written = plan.clone();
    if dialect.returns() {
        for (field, value) in plan.given.iter().zip(given) {
            written.set(collection, *field, value);
        }
        check_key(collection, &written.key)?;
        return Ok(Cow::Owned(written));
    }
    // The number is the key's, where that is one; all else is read by it.
    let is_number = |field: &&FieldId| {
        let kind = Kind::of_field(frame.model, collection.field(**field));
        kind == Kind::Int
    };
    let number_of = plan.given.iter().find(|field| is_of_key(field) && is_number(field));
    if let (Some(field), Some(number)) = (number_of, given.into_iter().next()) {
        written.set(collection, *field, number);
    }
    check_key(collection, &written.key)?;
    if !plan.given.iter().all(|field| is_of_key(&field)) {
        written.image = stored_image(session, frame, (collection, &written.key)).await?;
    }
    Ok(Cow::Owned(written))
}

/// Nobody would find a record again of which a part of the key is not known.
fn check_key(collection: &Collection, key: &Key) -> Result<(), StoreError> {
    let parts = collection.key.iter().zip(&key.0);
    let mut unknown = parts.filter(|(_, value)| matches!(value, Value::Null | Value::Hidden));
    let Some((field, _)) = unknown.next() else {
        return Ok(());
    };
    let message = "must be given: the database gives none, or doesn't tell it";
    let error = FieldError::new(&collection.field(*field).name, "required", message);
    Err(StoreError::Refused(Refusal::Invalid(vec![error])))
}
