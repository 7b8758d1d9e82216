//! Reading and writing the parts of a database, in SQL that every database understands.

use engine::Model;
use engine::model::Value;
use engine::ports::relocation::{Part, Turn};
use engine::ports::store::StoreError;

use crate::compile::{self, PartTable};
use crate::session::Session;

/// Under this key `_ninefold_meta` has the mark of the move that fills the database.
pub(crate) const MARK: &str = "move";
/// Under this key it has where positions of commits are given from.
const POSITION: &str = "position";
/// Under this key it has what the end of the move has left.
pub(crate) const MOVED: &str = "moved";

pub(crate) async fn count(session: &mut impl Session, model: &Model, part: Part) -> Result<u64, StoreError> {
    let statement = PartTable::of(model, part).count(session.dialect());
    let rows = session.query(statement).await?;
    let count = rows.first().and_then(|row| row.first()).and_then(Value::as_int);
    Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
}

pub(crate) async fn read(
    session: &mut impl Session,
    model: &Model,
    part: Part,
    after: Option<&[Value]>,
    limit: u32,
) -> Result<Vec<Vec<Value>>, StoreError> {
    let statement = PartTable::of(model, part).select(session.dialect(), after, limit);
    session.query(statement).await
}

pub(crate) async fn find(
    session: &mut impl Session,
    model: &Model,
    part: Part,
    keys: &[Vec<Value>],
) -> Result<Vec<Vec<Value>>, StoreError> {
    let table = PartTable::of(model, part);
    let (mut found, mut rest) = (Vec::new(), keys);
    while !rest.is_empty() {
        let (statement, more) = table.find(session.dialect(), rest);
        found.extend(session.query(statement).await?);
        rest = more;
    }
    Ok(found)
}

/// The caller has a transaction around it.
pub(crate) async fn put(
    session: &mut impl Session,
    model: &Model,
    part: Part,
    gone: &[Vec<Value>],
    rows: &[Vec<Value>],
    turn: &Turn,
) -> Result<bool, StoreError> {
    // First: who comes second waits here, and finds another mark.
    if !exchange(session, MARK, &turn.from, &turn.to).await? {
        return Ok(false);
    }
    let table = PartTable::of(model, part);
    for key in gone {
        session.execute(table.delete(session.dialect(), key)).await?;
    }
    for statement in table.inserts(session.dialect(), rows) {
        session.execute(statement).await?;
    }
    Ok(true)
}

/// What is kept under a key of `_ninefold_meta`.
pub(crate) async fn meta(session: &mut impl Session, key: &str) -> Result<Option<String>, StoreError> {
    let rows = session.query(compile::meta(session.dialect(), key)).await?;
    let value = rows.first().and_then(|row| row.first()).and_then(Value::as_text);
    Ok(value.map(str::to_owned))
}

pub(crate) async fn position(session: &mut impl Session) -> Result<String, StoreError> {
    Ok(meta(session, POSITION).await?.unwrap_or_default())
}

/// Answers whether it was `from`. `to` is something else.
pub(crate) async fn exchange(session: &mut impl Session, key: &str, from: &str, to: &str) -> Result<bool, StoreError> {
    let (from, to) = (Value::text(from), Value::text(to));
    let statement = compile::exchange(session.dialect(), key, &from, &to);
    Ok(session.execute(statement).await? > 0)
}

/// Takes the mark away, if it is this. Answers whether it is.
pub(crate) async fn unmark(session: &mut impl Session, mark: &str) -> Result<bool, StoreError> {
    let mark = Value::text(mark);
    let statement = compile::take(session.dialect(), MARK, &mark);
    Ok(session.execute(statement).await? > 0)
}
