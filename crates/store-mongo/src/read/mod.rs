//! Carrying out plans that read.

mod related;

use engine::Model;
use engine::model::{Row, Value};
use engine::ports::store::StoreError;
use engine::query::{GetPlan, ListPlan, Page, Projection, Rows, Shape};

use crate::compile::{self, Frame, Layout};
use crate::session::{Columns, Session};

pub(crate) async fn get(session: &mut Session<'_>, model: &Model, plan: &GetPlan) -> Result<Option<Row>, StoreError> {
    let frame = Frame::reading(model, &plan.bindings);
    let (statement, layout) = compile::get(frame, plan);
    let rows = session.query(statement).await?;
    let rows = finish(session, frame, &plan.projection, &layout, rows).await?;
    Ok(rows.into_iter().next())
}

/// Whether a projection takes no statement besides the one that finds its rows.
pub(crate) fn is_one_statement(projection: &Projection) -> bool {
    projection.items.iter().all(|item| matches!(item.shape, Shape::Value))
}

pub(crate) async fn list(session: &mut Session<'_>, model: &Model, plan: &ListPlan) -> Result<Page, StoreError> {
    let frame = Frame::reading(model, &plan.bindings);
    let (statement, layout) = compile::list(frame, plan);
    let mut rows = session.query(statement).await?;
    let limit = plan.limit as usize;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|row| row[layout.sort..].to_vec());
    let total = if plan.count {
        let counted = session.query(compile::count(frame, plan)).await?;
        let count = counted.first().and_then(|row| row.first()).and_then(Value::as_int);
        Some(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
    } else {
        None
    };
    let rows = finish(session, frame, &plan.projection, &layout, rows).await?;
    Ok(Page {
        rows: Rows::Values(rows),
        next,
        total,
    })
}

/// From columns to the projection's items: what is hidden hidden, what is related fetched.
pub(crate) async fn finish(
    session: &mut Session<'_>,
    frame: Frame<'_>,
    projection: &Projection,
    layout: &Layout,
    mut rows: Vec<Columns>,
) -> Result<Vec<Row>, StoreError> {
    hide(&mut rows, layout);
    let mut budget = related::RECORDS_MAX;
    related::expand(session, frame, projection, layout, &mut rows, &mut budget).await?;
    Ok(rows.into_iter().map(|row| into_row(row, layout)).collect())
}

fn hide(rows: &mut [Columns], layout: &Layout) {
    for row in rows {
        for (item, mask) in &layout.masks {
            if row[*mask] != Value::Bool(true) {
                row[*item] = Value::Hidden;
            }
        }
    }
}

fn into_row(mut columns: Columns, layout: &Layout) -> Row {
    columns.truncate(layout.items);
    Row(columns)
}
