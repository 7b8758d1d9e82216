//! Reading and clearing the log of changes, in SQL that every database understands. How it is made is each one's own.

use engine::Model;
use engine::model::Value;
use engine::ports::change_log::Entry;
use engine::ports::relocation::Part;
use engine::ports::store::StoreError;

use crate::compile::{LogTable, NOTE};
use crate::relocation;
use crate::session::Session;

/// `None` where there is no log, or none that stands.
pub(crate) async fn note(session: &mut impl Session) -> Result<Option<String>, StoreError> {
    let note = relocation::meta(session, NOTE).await?;
    Ok(note.filter(|note| !note.is_empty()))
}

pub(crate) async fn renote(session: &mut impl Session, from: &str, to: &str) -> Result<bool, StoreError> {
    relocation::exchange(session, NOTE, from, to).await
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
    from: &str,
    to: &str,
) -> Result<bool, StoreError> {
    // First: nobody changes the note before the transaction ends.
    if !renote(session, from, to).await? {
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
