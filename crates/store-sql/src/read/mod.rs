//! Carrying out plans that read.

mod joined;
mod related;

use engine::Model;
use engine::model::{Row, Value, ValueRef};
use engine::ports::store::StoreError;
use engine::query::json::{RECORD_BYTES, write_record};
use engine::query::{GetPlan, ListPlan, Page, Projection, Rows};

use crate::compile::{self, Frame, Layout, RECORDS_MAX, Statement};
use crate::session::{Columns, Session, owned};
use joined::{InRow, into_row};

pub(crate) use compile::{is_by_key, is_one_statement};

/// Records for which there is room before the first is read: a page's limit may be far from what it holds.
const FEW: u32 = 32;

pub(crate) async fn get(session: &mut impl Session, model: &Model, plan: &GetPlan) -> Result<Option<Row>, StoreError> {
    let frame = Frame::reading(model, &plan.bindings);
    let (statement, layout) = compile::get(session.dialect(), frame, plan);
    let rows = session.query(statement).await?;
    let rows = finish(session, frame, &plan.projection, &layout, rows).await?;
    Ok(rows.into_iter().next())
}

pub(crate) async fn list(session: &mut impl Session, model: &Model, plan: &ListPlan) -> Result<Page, StoreError> {
    let frame = Frame::reading(model, &plan.bindings);
    let (statement, layout) = compile::list(session.dialect(), frame, plan);
    let (rows, next) = if plan.as_json && !related::is_left(&plan.projection, &layout) {
        let (json, next) = write(session, model, plan, &layout, statement).await?;
        (Rows::Json(json), next)
    } else {
        let mut rows = session.query(statement).await?;
        let limit = plan.limit as usize;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows
            .last()
            .filter(|_| more)
            .map(|row| sorted_by(row, plan, &layout).to_vec());
        let rows = finish(session, frame, &plan.projection, &layout, rows).await?;
        (Rows::Values(rows), next)
    };
    let total = if plan.count {
        let counted = session.query(compile::count(session.dialect(), frame, plan)).await?;
        let count = counted.first().and_then(|row| row.first()).and_then(Value::as_int);
        Some(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
    } else {
        None
    };
    Ok(Page { rows, next, total })
}

/// The page as JSON, written while its rows arrive, and where the next one begins.
async fn write(
    session: &mut impl Session,
    model: &Model,
    plan: &ListPlan,
    layout: &Layout,
    statement: Statement<'_>,
) -> Result<(Vec<u8>, Option<Vec<Value>>), StoreError> {
    let mut out = Vec::with_capacity(RECORD_BYTES * plan.limit.min(FEW) as usize);
    let (mut count, mut last) = (0, None);
    out.push(b'[');
    let mut each = |columns: &[ValueRef<'_>]| {
        count += 1;
        if count > plan.limit {
            return;
        }
        if count > 1 {
            out.push(b',');
        }
        write_record(&mut out, model, &plan.projection, InRow { columns, layout });
        if count == plan.limit {
            last = Some(owned(sorted_by(columns, plan, layout)));
        }
    };
    session.each(statement, &mut each).await?;
    out.push(b']');
    Ok((out, last.filter(|_| count > plan.limit)))
}

/// The values of the sort's terms.
fn sorted_by<'r, V>(columns: &'r [V], plan: &ListPlan, layout: &Layout) -> &'r [V] {
    &columns[layout.sort..layout.sort + plan.sort.len()]
}

/// From columns to the projection's items: what is hidden hidden, what is related fetched.
pub(crate) async fn finish<S: Session>(
    session: &mut S,
    frame: Frame<'_>,
    projection: &Projection,
    layout: &Layout,
    mut rows: Vec<Columns>,
) -> Result<Vec<Row>, StoreError> {
    hide(&mut rows, layout);
    if related::is_left(projection, layout) {
        let mut budget = RECORDS_MAX;
        // Apart in memory, so that what expands nothing has no room for it.
        Box::pin(related::expand(
            session,
            frame,
            projection,
            layout,
            &mut rows,
            &mut budget,
        ))
        .await?;
    }
    Ok(rows.into_iter().map(|row| into_row(row, layout)).collect())
}

fn hide(rows: &mut [Columns], layout: &Layout) {
    rows.iter_mut().for_each(|row| joined::hide(row, layout));
}

#[cfg(test)]
mod tests;
