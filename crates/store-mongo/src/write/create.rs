//! Creating a record.

use engine::ports::store::StoreError;
use engine::query::{Change, CreatePlan, Outcome, OutcomeKind, Refusal};
use engine::{FieldError, Model};

use super::{check_references, conclude, links, version};
use crate::compile::{self, Frame};
use crate::session::Session;

pub(super) async fn create(
    session: &mut Session<'_>,
    model: &Model,
    plan: &CreatePlan,
    changes: &mut Vec<Change>,
) -> Result<Outcome, StoreError> {
    let collection = model.collection(plan.collection);
    if let Some(field) = plan.given.first() {
        let message = "must be given: MongoDB gives no values by itself";
        let error = FieldError::new(&collection.field(*field).name, "required", message);
        return Err(StoreError::Refused(Refusal::Invalid(vec![error])));
    }
    let frame = Frame::reading(model, &plan.bindings);
    check_references(session, frame, &plan.references).await?;
    let document = compile::document(collection, &plan.key, &plan.image);
    session.insert(&collection.table, vec![document]).await?;
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
