//! Statements on a MySQL connection: binding, running, reading values back.

use engine::Model;
use engine::model::{Value, ValueRef};
use engine::ports::store::StoreError;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Error, Params, Row};

use super::error::{is_conflict, is_lost, needs_room_to_sort, store_error};
use super::gtid::Gtids;
use super::pool::Connection;
use super::replicas::{progress, replayed};
use super::value::{bound, read};
use crate::compile::{DialectRef, Kind, PAGE_END, Statement};
use crate::session::{self, Columns, EachRow, Session};

/// In which a statement sorts that finds no room in what the server gives to each.
const SORT_BYTES_MAX: u32 = 64 << 20;

/// A connection for as long as one operation has it.
pub(crate) struct MySqlSession<'c> {
    connection: &'c mut Connection,
    model: &'c Model,
    /// The name of the database of which the server is to say, before the next statement, how far it has followed another.
    asks_progress: Option<String>,
    progress: Option<Gtids>,
    conflict: bool,
    lost: bool,
}

impl<'c> MySqlSession<'c> {
    pub(crate) fn new(connection: &'c mut Connection, model: &'c Model) -> Self {
        Self {
            connection,
            model,
            asks_progress: None,
            progress: None,
            conflict: false,
            lost: false,
        }
    }

    /// Whether what failed may succeed when it is tried again.
    pub(super) fn met_conflict(&self) -> bool {
        self.conflict
    }

    /// Whether the connection was lost. Nothing that was not committed by then is.
    pub(super) fn was_lost(&self) -> bool {
        self.lost
    }

    /// Has the server say, before the next statement, how far it has followed another with the database of this name: with a command in the same round trip.
    pub(super) fn ask_progress(&mut self, identity: String) {
        self.asks_progress = Some(identity);
    }

    /// What it said; `None`: it follows no other, holds another database, or nothing was asked of it.
    pub(super) fn take_progress(&mut self) -> Option<Gtids> {
        self.progress.take()
    }

    /// Text of ours with nothing to bind and no rows, such as `BEGIN`.
    pub(super) async fn command(&mut self, text: &str) -> Result<(), StoreError> {
        if let Some(identity) = self.asks_progress.take() {
            let question = progress(self.connection.dialect, &identity);
            return self.hear_progress(&format!("{question}; {text}")).await;
        }
        self.connection.is_busy = true;
        let done = self.connection.conn.query_drop(text).await;
        self.ended(text, done)
    }

    /// What is read afterwards, or in the transaction that the text begins, is as far at least.
    async fn hear_progress(&mut self, text: &str) -> Result<(), StoreError> {
        self.connection.is_busy = true;
        let said = self.connection.conn.query_first(text).await;
        self.progress = replayed(self.connection.dialect.0, self.ended(text, said)?);
        Ok(())
    }

    /// Whether the server looks after references while what follows is written. When records are deleted it doesn't: it
    /// would do so row by row, and those that go together may refer to each other in a circle. Each of them is locked by
    /// then, so that nobody else can refer to it, and all that does is known.
    async fn check_references(&mut self, checks: bool) -> Result<(), StoreError> {
        if self.connection.checks != checks && !self.connection.never_checks {
            self.command(&format!("SET foreign_key_checks = {}", u8::from(checks)))
                .await?;
            self.connection.checks = checks;
        }
        Ok(())
    }

    /// Ends a transaction.
    pub(super) async fn end(&mut self, text: &str) -> Result<(), StoreError> {
        self.check_references(true).await?;
        self.command(text).await
    }

    fn ended<T>(&mut self, text: &str, done: Result<T, Error>) -> Result<T, StoreError> {
        self.connection.is_busy = matches!(&done, Err(error) if error.is_fatal());
        done.map_err(|error| {
            self.conflict |= is_conflict(&error, text);
            self.lost |= is_lost(&error);
            store_error(&error, text, self.model)
        })
    }
}

impl Session for MySqlSession<'_> {
    fn dialect(&self) -> DialectRef {
        self.connection.dialect
    }

    async fn each(&mut self, statement: Statement<'_>, row: EachRow<'_>) -> Result<(), StoreError> {
        if let Some(identity) = self.asks_progress.take() {
            self.hear_progress(&progress(self.connection.dialect, &identity))
                .await?;
        }
        self.connection.is_busy = true;
        let mut rows = self
            .connection
            .conn
            .exec(statement.text.as_str(), params(&statement))
            .await;
        if rows.as_ref().is_err_and(needs_room_to_sort)
            && let Some(text) = with_room_to_sort(&statement.text)
        {
            rows = self.connection.conn.exec(text, params(&statement)).await;
        }
        let rows: Vec<Row> = self.ended(&statement.text, rows)?;
        for found in &rows {
            row(&columns(found, &statement.columns)?);
        }
        Ok(())
    }

    async fn execute(&mut self, statement: Statement<'_>) -> Result<u64, StoreError> {
        self.check_references(!statement.text.starts_with("DELETE FROM `"))
            .await?;
        self.connection.is_busy = true;
        let done = self
            .connection
            .conn
            .exec_drop(statement.text.as_str(), params(&statement))
            .await;
        self.ended(&statement.text, done)?;
        let changed = self.connection.conn.affected_rows();
        if mutant!(OneTransaction) {
            self.command("COMMIT; BEGIN").await?;
        }
        Ok(changed)
    }

    async fn insert(&mut self, statement: Statement<'_>) -> Result<Option<Columns>, StoreError> {
        if self.dialect().returns() {
            self.check_references(true).await?;
            return Ok(self.query(statement).await?.pop());
        }
        if self.execute(statement).await? == 0 {
            return Ok(None);
        }
        let number = self.connection.conn.last_insert_id();
        let number = number
            .and_then(|number| i64::try_from(number).ok())
            .filter(|number| *number != 0);
        Ok(Some(vec![number.map_or(Value::Null, Value::Int)]))
    }
}

/// The statement with as much memory for sorting as it may have. MySQL gives up where some values that it sorts by don't have room together in what is
/// usual; MariaDB never does. It is said in the outermost select, and holds for the page that comes before it, too.
fn with_room_to_sort(text: &str) -> Option<String> {
    let end = text.find(PAGE_END).filter(|_| text.starts_with("WITH "));
    let (page, select) = text.split_at(end.map_or(0, |end| end + ") ".len()));
    let rest = select.strip_prefix("SELECT ")?;
    Some(format!(
        "{page}SELECT /*+ SET_VAR(sort_buffer_size = {SORT_BYTES_MAX}) */ {rest}"
    ))
}

fn params(statement: &Statement<'_>) -> Params {
    if statement.binds.is_empty() {
        Params::Empty
    } else {
        Params::Positional(statement.binds.iter().map(|value| bound(value)).collect())
    }
}

fn columns<'r>(row: &'r Row, kinds: &[Kind]) -> Result<Vec<ValueRef<'r>>, StoreError> {
    session::columns(kinds, |place, kind| {
        let found = row.as_ref(place).and_then(|wire| read(wire, kind));
        found.ok_or_else(|| {
            let ty = row.columns_ref().get(place).map(|column| column.column_type());
            StoreError::Failed(format!("column {place} is {ty:?} where a {kind:?} should be"))
        })
    })
}

#[cfg(test)]
mod tests;
