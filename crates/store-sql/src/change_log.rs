//! Reading and clearing the log of changes, in SQL that every database understands. How it is made is each one's own.

use engine::Model;
use engine::model::Value;
use engine::ports::change_log::Entry;
use engine::ports::relocation::Part;
use engine::ports::store::StoreError;

use crate::compile::{self, LogTable, Statement};
use crate::session::Session;

/// `None` where there is no log, or none that stands.
pub(crate) async fn note(session: &mut impl Session) -> Result<Option<String>, StoreError> {
    let statement = compile::note(session.dialect());
    read(session, statement).await
}

pub(crate) async fn renote(session: &mut impl Session, from: &str, to: &str) -> Result<bool, StoreError> {
    let (from, to) = (Value::text(from), Value::text(to));
    let statement = compile::renote(session.dialect(), &from, &to);
    Ok(session.execute(statement).await? > 0)
}

pub(crate) async fn entries(
    session: &mut impl Session,
    model: &Model,
    part: Part,
    after: i64,
    limit: u32,
) -> Result<Vec<Entry>, StoreError> {
    let statement = LogTable::of(model, part).entries(session.dialect(), after, limit);
    let rows = session.query(statement).await?;
    let entry = |mut row: Vec<Value>| {
        let key = row.split_off(1);
        let number = row.first().and_then(Value::as_int);
        let number = number.ok_or_else(|| StoreError::Failed("an entry has no number".to_owned()))?;
        Ok(Entry { number, key })
    };
    rows.into_iter().map(entry).collect()
}

/// The caller has a transaction around it.
pub(crate) async fn forget(
    session: &mut impl Session,
    model: &Model,
    part: Part,
    numbers: &[i64],
    expected: &str,
) -> Result<bool, StoreError> {
    let statement = compile::keep_note(session.dialect());
    if read(session, statement).await?.as_deref() != Some(expected) {
        return Ok(false);
    }
    let table = LogTable::of(model, part);
    let numbers: Vec<Value> = numbers.iter().copied().map(Value::Int).collect();
    let mut rest = numbers.as_slice();
    while !rest.is_empty() {
        let (statement, more) = table.forget(session.dialect(), rest);
        session.execute(statement).await?;
        rest = more;
    }
    Ok(true)
}

async fn read(session: &mut impl Session, statement: Statement<'_>) -> Result<Option<String>, StoreError> {
    let rows = session.query(statement).await?;
    let value = rows.first().and_then(|row| row.first()).and_then(Value::as_text);
    Ok(value.filter(|note| !note.is_empty()).map(str::to_owned))
}
