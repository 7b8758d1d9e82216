//! Putting related records in the place of keys: one statement per relation and level, however many rows.

use std::collections::HashMap;
use std::sync::Arc;

use engine::model::keyed::{Keyed, distinct};
use engine::model::{Row, Value};
use engine::ports::store::StoreError;
use engine::query::{Item, Nested, Projection, Shape};

use super::hide;
use super::joined::into_row;
use crate::compile::{self, Frame, Layout, RECORDS_MAX};
use crate::session::{Columns, Session};

/// Whether something is expanded that isn't joined.
pub(super) fn is_left(projection: &Projection, layout: &Layout) -> bool {
    let mut items = projection.items.iter().enumerate();
    items.any(|(place, item)| match item.shape {
        Shape::Value => false,
        Shape::One(_) => layout.joined.iter().all(|joined| joined.place != place),
        Shape::Many(_) => true,
    })
}

/// Fills in every relation that the projection expands, level by level. `budget` is how many more records the answer may hold.
pub(super) async fn expand<S: Session>(
    session: &mut S,
    frame: Frame<'_>,
    projection: &Projection,
    layout: &Layout,
    rows: &mut [Columns],
    budget: &mut u32,
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    for (place, item) in projection.items.iter().enumerate() {
        match &item.shape {
            Shape::Value => {}
            // Joined is none, or no more than an answer may hold by itself.
            Shape::One(_) if layout.joined.iter().any(|joined| joined.place == place) => {}
            Shape::One(nested) => one(session, frame, (projection, item, place), nested, rows, budget).await?,
            Shape::Many(nested) => {
                let key = layout.key.expect("a projection with to-many items selects the key");
                many(session, frame, (projection, item, place), (nested, key), rows, budget).await?;
            }
        }
    }
    Ok(())
}

async fn one<S: Session>(
    session: &mut S,
    frame: Frame<'_>,
    (projection, item, place): (&Projection, &Item, usize),
    nested: &Nested,
    rows: &mut [Columns],
    budget: &mut u32,
) -> Result<(), StoreError> {
    let keys = distinct(rows.iter().map(|row| &row[place]).filter(|key| has_value(key)));
    let field = frame.model.collection(projection.collection).field(item.field);
    let target = field.target().expect("only a relation is expanded");
    let target = frame.model.collection(target);
    let mut found = HashMap::with_capacity(keys.len());
    for keys in keys.chunks(session.dialect().keys_max()) {
        let (statement, layout) = compile::one(session.dialect(), frame, target, nested, keys);
        let mut related = session.query(statement).await?;
        spend(budget, related.len())?;
        deeper(session, frame, nested, &layout, &mut related, budget).await?;
        let key = layout.key.expect("a related record comes with its key");
        found.extend(
            related
                .into_iter()
                .map(|row| (Keyed(row[key].clone()), Value::Record(Arc::new(into_row(row, &layout))))),
        );
    }
    for row in rows {
        if let Some(record) = found.get(&Keyed(row[place].clone())) {
            row[place] = record.clone();
        }
    }
    Ok(())
}

async fn many<S: Session>(
    session: &mut S,
    frame: Frame<'_>,
    (projection, item, place): (&Projection, &Item, usize),
    (nested, key): (&Nested, usize),
    rows: &mut [Columns],
    budget: &mut u32,
) -> Result<(), StoreError> {
    let collection = frame.model.collection(projection.collection);
    let keys = distinct(
        rows.iter()
            .filter(|row| row[place] != Value::Hidden)
            .map(|row| &row[key]),
    );
    let mut found: HashMap<Keyed, Vec<Value>> = HashMap::with_capacity(keys.len());
    for keys in keys.chunks(session.dialect().keys_max()) {
        let rows_max = u64::from(nested.limit) * keys.len() as u64 + 1;
        let rows_max = rows_max.min(u64::from(*budget) + 1);
        let around = (collection, item.field);
        let (statement, layout) = compile::many(session.dialect(), frame, around, nested, keys, rows_max);
        let mut related = session.query(statement).await?;
        within_limit(&related, &layout, nested.limit)?;
        spend(budget, related.len())?;
        deeper(session, frame, nested, &layout, &mut related, budget).await?;
        let parent = layout.parent.expect("each row of many knows its parent");
        for mut row in related {
            let parent = Keyed(std::mem::replace(&mut row[parent], Value::Null));
            let Row(mut values) = into_row(row, &layout);
            let member = if nested.projection.is_some() {
                Value::Record(Arc::new(Row(values)))
            } else {
                values.swap_remove(0)
            };
            found.entry(parent).or_default().push(member);
        }
    }
    // The same record may stand at several places of the answer.
    let is_repeated = keys.len() < rows.len();
    for row in rows.iter_mut().filter(|row| row[place] != Value::Hidden) {
        let record = Keyed(row[key].clone());
        let members = if is_repeated {
            found.get(&record).cloned()
        } else {
            found.remove(&record)
        };
        row[place] = Value::List(members.unwrap_or_default());
    }
    Ok(())
}

/// The next level. Boxed, because it calls itself.
async fn deeper<S: Session>(
    session: &mut S,
    frame: Frame<'_>,
    nested: &Nested,
    layout: &Layout,
    related: &mut [Columns],
    budget: &mut u32,
) -> Result<(), StoreError> {
    let Some(projection) = &nested.projection else {
        return Ok(());
    };
    hide(related, layout);
    Box::pin(expand(session, frame, projection, layout, related, budget)).await
}

/// Rows come by parent, so that those of one stand together.
fn within_limit(related: &[Columns], layout: &Layout, limit: u32) -> Result<(), StoreError> {
    let parent = layout.parent.expect("each row of many knows its parent");
    let longest = related
        .chunk_by(|left, right| left[parent] == right[parent])
        .map(<[_]>::len)
        .max();
    if longest.is_some_and(|length| length > limit as usize) {
        return Err(StoreError::TooMany { limit });
    }
    Ok(())
}

fn spend(budget: &mut u32, records: usize) -> Result<(), StoreError> {
    let left = u32::try_from(records)
        .ok()
        .and_then(|records| budget.checked_sub(records));
    *budget = left.ok_or(StoreError::TooMany { limit: RECORDS_MAX })?;
    Ok(())
}

fn has_value(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Hidden)
}
