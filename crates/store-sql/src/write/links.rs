//! Changing to-many fields: sets, of which only what really changes is reported.

use std::collections::HashSet;

use engine::Model;
use engine::model::keyed::{Keyed, distinct};
use engine::model::{Collection, Key, Value};
use engine::ports::store::StoreError;
use engine::query::{LinkChange, LinkImage, LinkOperation, Pred};

use crate::compile::{self, End, Frame, Links};
use crate::session::Session;

/// `fresh`: the record was created just now and has no links.
pub(super) async fn change<S: Session>(
    session: &mut S,
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
                let stored = targets(session, frame.model, (collection, source), change).await?;
                let target = frame.model.collection(Links::of(collection, change.field).target);
                let out = seen(session, frame, target, without(&stored, with), among).await?;
                (without(with, &stored), out)
            }
            LinkOperation::Edit { add, remove } => (without(add, remove), distinct(remove)),
        };
        let links = Links::of(collection, change.field);
        let mut image = LinkImage {
            field: change.field,
            added: Vec::new(),
            removed: Vec::new(),
        };
        for target in add {
            let statement = compile::insert_link(session.dialect(), links, source, &target);
            if session.execute(statement).await? > 0 {
                image.added.push(target);
            }
        }
        for target in remove {
            let statement = compile::delete_link(session.dialect(), links, source, &target);
            if session.execute(statement).await? > 0 {
                image.removed.push(target);
            }
        }
        if !image.added.is_empty() || !image.removed.is_empty() {
            images.push(image);
        }
    }
    Ok(images)
}

async fn targets<S: Session>(
    session: &mut S,
    model: &Model,
    (collection, source): (&Collection, &Value),
    change: &LinkChange,
) -> Result<Vec<Value>, StoreError> {
    let sources = std::slice::from_ref(source);
    let field = (collection, change.field);
    let statement = compile::links_at(session.dialect(), model, field, End::Source, sources, u64::MAX);
    let rows = session.query(statement).await?;
    Ok(rows.into_iter().filter_map(|mut row| row.pop()).collect())
}

/// Those of the targets for which the predicate holds.
async fn seen<S: Session>(
    session: &mut S,
    frame: Frame<'_>,
    target: &Collection,
    keys: Vec<Value>,
    among: &Pred,
) -> Result<Vec<Value>, StoreError> {
    if keys.is_empty() || *among == Pred::Const(true) {
        return Ok(keys);
    }
    let statement = compile::keys_where(session.dialect(), frame, target, &keys, among);
    let rows = session.query(statement).await?;
    Ok(rows.into_iter().filter_map(|mut row| row.pop()).collect())
}

/// What is in `these` and not in `those`, once each.
fn without(these: &[Value], those: &[Value]) -> Vec<Value> {
    let those: HashSet<Keyed> = those.iter().cloned().map(Keyed).collect();
    distinct(these.iter().filter(|value| !those.contains(&Keyed((*value).clone()))))
}
