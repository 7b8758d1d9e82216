//! A connection in use, as far as reading and writing plans need to know it.
//!
//! What happens between the statements of an operation is written once, for every database, as async code over a
//! [`Session`]. SQLite's never waits, so [`at_once`] finishes it in one go on whatever thread it runs.

use engine::model::{Value, ValueRef};
use engine::ports::store::StoreError;
use futures::FutureExt;

use crate::compile::{DialectRef, Kind, Statement};

/// One row of a result, as the statement's columns have it.
pub(crate) type Columns = Vec<Value>;

/// Hears the rows of a result, one after another.
pub(crate) type EachRow<'r> = &'r mut (dyn FnMut(&[ValueRef<'_>]) + Send);

/// A row's values, of which `read` knows the one at a place.
pub(crate) fn columns<'v>(
    kinds: &[Kind],
    read: impl Fn(usize, Kind) -> Result<ValueRef<'v>, StoreError>,
) -> Result<Vec<ValueRef<'v>>, StoreError> {
    // `collect` would grow it step by step: it can't know that no value fails.
    let mut columns = Vec::with_capacity(kinds.len());
    for (place, kind) in kinds.iter().enumerate() {
        columns.push(read(place, *kind)?);
    }
    Ok(columns)
}

pub(crate) trait Session {
    fn dialect(&self) -> DialectRef;

    /// Reads rows, and keeps none. After an error not all of them were heard.
    async fn each(&mut self, statement: Statement<'_>, row: EachRow<'_>) -> Result<(), StoreError>;

    async fn query(&mut self, statement: Statement<'_>) -> Result<Vec<Columns>, StoreError> {
        let mut rows = Vec::new();
        self.each(statement, &mut |row| rows.push(owned(row))).await?;
        Ok(rows)
    }

    /// Answers how many rows were changed.
    async fn execute(&mut self, statement: Statement<'_>) -> Result<u64, StoreError>;

    /// Runs an insert of one row that says what it answers; see [`compile::insert_given`](crate::compile::insert_given).
    /// `None` where the database put no row in.
    async fn insert(&mut self, statement: Statement<'_>) -> Result<Option<Columns>, StoreError>;
}

/// Reads rows as [`Session::each`] does, and answers how many there were.
pub(crate) async fn count_each(
    session: &mut impl Session,
    statement: Statement<'_>,
    row: EachRow<'_>,
) -> Result<usize, StoreError> {
    let mut count = 0;
    let mut counted = |found: &[ValueRef<'_>]| {
        count += 1;
        row(found);
    };
    session.each(statement, &mut counted).await?;
    Ok(count)
}

/// What a row holds, to keep.
pub(crate) fn owned(row: &[ValueRef<'_>]) -> Columns {
    row.iter().map(|value| Value::from(*value)).collect()
}

/// Runs what never waits.
pub(crate) fn at_once<T>(work: impl Future<Output = T>) -> T {
    work.now_or_never().expect("a session in this process never waits")
}
