//! Changing a record.

use engine::Model;
use engine::model::{Collection, Value};
use engine::ports::store::StoreError;
use engine::query::{Change, Image, Outcome, OutcomeKind, Reference, Refusal, UpdatePlan};

use super::{check_references, conclude, judge, links, version};
use crate::compile::{self, Frame};
use crate::session::Session;

/// `None` when there is no such record. `must_create`: that it is there is refused, once it is known to be readable.
pub(super) async fn update(
    session: &mut Session<'_>,
    model: &Model,
    plan: &UpdatePlan,
    must_create: bool,
    changes: &mut Vec<Change>,
) -> Result<Option<Outcome>, StoreError> {
    let collection = model.collection(plan.collection);
    let record = (collection, &plan.key);
    let frame = Frame::reading(model, &plan.bindings);
    let stored = compile::stored_row(frame, record, &plan.before, &plan.captures);
    let Some(mut row) = session.query(stored).await?.pop() else {
        return Ok(None);
    };
    let truths = row.split_off(collection.stored().count());
    let (judged, captured) = truths.split_at(plan.before.len());
    match judge(&plan.before, judged) {
        Err(StoreError::Refused(Refusal::NotFound)) => return Err(StoreError::Refused(Refusal::NotFound)),
        _ if must_create => return Err(StoreError::Refused(Refusal::Stale)),
        other => other?,
    }
    let captured: Vec<bool> = captured.iter().map(|truth| *truth == Value::Bool(true)).collect();
    let before = Image(row);
    let after = plan.apply(&before).map_err(StoreError::Refused)?;

    let new = |reference: &&Reference| is_new(collection, reference, &before);
    check_references(session, frame, plan.references.iter().filter(new)).await?;
    if let Some(update) = compile::update(collection, &before, &after) {
        let filter = compile::by_key(collection, &plan.key);
        session.update(&collection.table, filter, update).await?;
    }
    let links = links::change(session, frame, record, &plan.links, false).await?;

    let frame = Frame {
        before: Some((collection, &before)),
        captured: &captured,
        ..frame
    };
    let written = (collection, &plan.key, &after);
    let row = conclude(session, frame, written, plan.answer.as_ref(), &plan.after).await?;
    let outcome = Outcome {
        kind: OutcomeKind::Updated,
        collection: plan.collection,
        key: plan.key.clone(),
        version: version(collection, &after),
        row,
    };
    changes.push(Change {
        collection: plan.collection,
        key: plan.key.clone(),
        before: Some(before),
        after: Some(after),
        links,
    });
    Ok(Some(outcome))
}

/// A to-one reference that stays as it was is nobody's business. What a to-many change names is always checked: it would
/// tell otherwise which unreadable records are linked.
fn is_new(collection: &Collection, reference: &Reference, before: &Image) -> bool {
    collection
        .slot(reference.field)
        .is_none_or(|slot| before.0[slot] != reference.key)
}
