//! Changing to-many fields: sets, of which only what really changes is reported.

use std::collections::HashSet;

use engine::Model;
use engine::model::keyed::{Keyed, distinct};
use engine::model::{Collection, FieldId, Key, Value};
use engine::ports::store::StoreError;
use engine::query::{LinkChange, LinkImage, LinkOperation, Pred};
use mongodb::bson::Document;

use crate::compile::{self, End, Frame, Links};
use crate::session::{KEYS_MAX, Session};

/// `fresh`: the record was created just now and has no links.
pub(super) async fn change(
    session: &mut Session<'_>,
    frame: Frame<'_>,
    (collection, key): (&Collection, &Key),
    changes: &[LinkChange],
    fresh: bool,
) -> Result<Vec<LinkImage>, StoreError> {
    let mut images = Vec::new();
    for change in changes {
        let source = key
            .single()
            .expect("a collection with to-many fields has a key of one part");
        let (add, remove) = match &change.operation {
            LinkOperation::Replace { with, .. } if fresh => (distinct(with), Vec::new()),
            LinkOperation::Replace { with, among } => {
                let of_source = Links::of(collection, change.field).at(End::Source, std::slice::from_ref(source));
                let stored = linked(session, frame.model, (collection, change.field), of_source).await?;
                let target = frame.model.collection(Links::of(collection, change.field).target);
                let out = seen(session, frame, target, without(&stored, with), among).await?;
                (without(with, &stored), out)
            }
            LinkOperation::Edit { add, remove } => {
                let (add, remove) = (without(add, remove), distinct(remove));
                let named: Vec<Value> = add.iter().chain(&remove).cloned().collect();
                let field = (collection, change.field);
                let there = between(session, frame.model, field, source, &named).await?;
                let gone = without(&remove, &there);
                (without(&add, &there), without(&remove, &gone))
            }
        };
        let links = Links::of(collection, change.field);
        let documents: Vec<_> = add.iter().map(|target| links.link(source, target)).collect();
        session.insert(links.table, documents).await?;
        for targets in remove.chunks(KEYS_MAX) {
            session.delete(links.table, links.between(source, targets)).await?;
        }
        let image = LinkImage {
            field: change.field,
            added: add,
            removed: remove,
        };
        if !image.added.is_empty() || !image.removed.is_empty() {
            images.push(image);
        }
    }
    Ok(images)
}

/// Those of the targets to which there is a link.
async fn between(
    session: &mut Session<'_>,
    model: &Model,
    field: (&Collection, FieldId),
    source: &Value,
    targets: &[Value],
) -> Result<Vec<Value>, StoreError> {
    let links = Links::of(field.0, field.1);
    let mut there = Vec::new();
    for targets in targets.chunks(KEYS_MAX) {
        there.extend(linked(session, model, field, links.between(source, targets)).await?);
    }
    Ok(there)
}

/// The targets of the links that a filter finds.
async fn linked(
    session: &mut Session<'_>,
    model: &Model,
    field: (&Collection, FieldId),
    filter: Document,
) -> Result<Vec<Value>, StoreError> {
    let statement = compile::links_where(model, field, filter, u64::MAX);
    let rows = session.query(statement).await?;
    Ok(rows.into_iter().filter_map(|mut row| row.pop()).collect())
}

/// Those of the targets for which the predicate holds.
async fn seen(
    session: &mut Session<'_>,
    frame: Frame<'_>,
    target: &Collection,
    keys: Vec<Value>,
    among: &Pred,
) -> Result<Vec<Value>, StoreError> {
    if keys.is_empty() || *among == Pred::Const(true) {
        return Ok(keys);
    }
    let mut seen = Vec::new();
    for keys in keys.chunks(KEYS_MAX) {
        let rows = session.query(compile::keys_where(frame, target, keys, among)).await?;
        seen.extend(rows.into_iter().filter_map(|mut row| row.pop()));
    }
    Ok(seen)
}

/// What is in `these` and not in `those`, once each.
fn without(these: &[Value], those: &[Value]) -> Vec<Value> {
    let those: HashSet<Keyed> = those.iter().cloned().map(Keyed).collect();
    distinct(these.iter().filter(|value| !those.contains(&Keyed((*value).clone()))))
}
