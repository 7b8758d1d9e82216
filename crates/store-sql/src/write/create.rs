//! Creating a record.

use engine::Model;
use engine::ports::store::StoreError;
use engine::query::{Change, CreatePlan, Outcome, OutcomeKind};

use super::{check_references, conclude, links, version};
use crate::compile::{self, Frame};
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
    session
        .execute(compile::insert(session.dialect(), collection, &plan.image))
        .await?;
    let links = links::change(session, frame, (collection, &plan.key), &plan.links, true).await?;
    let written = (collection, &plan.key, &plan.image);
    let row = conclude(session, frame, written, plan.answer.as_ref(), &plan.after).await?;
    changes.push(Change {
        collection: plan.collection,
        key: plan.key.clone(),
        before: None,
        after: Some(plan.image.clone()),
        links,
    });
    Ok(Outcome {
        kind: OutcomeKind::Created,
        collection: plan.collection,
        key: plan.key.clone(),
        version: version(collection, &plan.image),
        row,
    })
}
