//! Statements on a PostgreSQL connection: binding, running, reading values back.

use std::pin::pin;

use engine::Model;
use engine::model::ValueRef;
use engine::ports::store::StoreError;
use futures::{FutureExt as _, TryStreamExt as _};
use tokio_postgres::{Client, Error, Row};

use super::error::{is_conflict, is_lost, store_error};
use super::pool::{Connection, Statements};
use super::replicas::{Lsn, PROGRESS};
use super::value::{Bound, value};
use crate::compile::{DialectRef, Kind, Statement};
use crate::dialect::Postgres;
use crate::session::{self, Columns, EachRow, Session};

/// A connection, for one operation: it has it to itself, or reads beside others that do no more than that.
pub(super) struct PostgresSession<'c> {
    connection: &'c Connection,
    model: &'c Model,
    /// What begins a transaction and has not been sent yet.
    opening: Option<&'static str>,
    /// Whether the server is to say, before the next statement, how far it has followed another.
    asks_progress: bool,
    progress: Option<Lsn>,
    conflict: bool,
    lost: bool,
}

impl<'c> PostgresSession<'c> {
    pub(super) fn new(connection: &'c Connection, model: &'c Model) -> Self {
        Self {
            connection,
            model,
            opening: None,
            asks_progress: false,
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

    /// Begins a transaction with what is asked next: a statement that only reads is sent along, and the answers to both are
    /// waited for together. Should the beginning alone fail, what writes would be done outside of a transaction.
    pub(super) fn open(&mut self, text: &'static str) {
        self.opening = Some(text);
    }

    /// Has the server say, before the next statement and in the same round trip, how far it has followed another.
    pub(super) fn ask_progress(&mut self) {
        self.asks_progress = true;
    }

    /// What it said; `None`: it follows no other, or nothing was asked of it.
    pub(super) fn progress(&self) -> Option<Lsn> {
        self.progress
    }

    /// Text of ours with nothing to bind and no rows, such as `COMMIT`.
    pub(super) async fn command(&mut self, text: &str) -> Result<(), StoreError> {
        let done = match self.opening.take() {
            // Of several commands in one text those behind one that fails are not carried out.
            Some(opening) => {
                let both = format!("{opening}; {text}");
                self.connection.client.batch_execute(&both).await
            }
            None => self.connection.client.batch_execute(text).await,
        };
        done.map_err(|error| self.failed(&error))
    }

    /// Ends a transaction that only read. Nobody waits for the answer: whatever the connection is asked next comes after it.
    pub(super) fn let_go(&mut self) -> Result<(), StoreError> {
        if self.opening.take().is_some() {
            return Ok(());
        }
        let ended = self.connection.client.batch_execute("ROLLBACK").now_or_never();
        ended.unwrap_or(Ok(())).map_err(|error| self.failed(&error))
    }

    /// What is to be sent with the next statement; begins the transaction otherwise.
    async fn opened(&mut self, only_reads: bool) -> Result<Option<&'static str>, StoreError> {
        match self.opening.take() {
            Some(opening) if !only_reads => self.command(opening).await.map(|()| None),
            opening => Ok(opening),
        }
    }

    fn failed(&mut self, error: &Error) -> StoreError {
        self.conflict |= is_conflict(error);
        self.lost |= is_lost(error);
        store_error(error, self.model)
    }
}

impl Session for PostgresSession<'_> {
    fn dialect(&self) -> DialectRef {
        &Postgres
    }

    async fn each(&mut self, statement: Statement<'_>, row: EachRow<'_>) -> Result<(), StoreError> {
        let opening = self.opened(statement.is_select()).await?;
        let asks_progress = std::mem::take(&mut self.asks_progress);
        let Connection { client, statements, .. } = self.connection;
        let (mut said, mut unreadable) = (None, None);
        let asked = if asks_progress {
            let reading = read_with_progress(client, statements, &statement, opening, row, &mut unreadable);
            // Apart in memory: most reads ask for none.
            Box::pin(reading).await.map(|progress| said = progress)
        } else {
            let reading = read(client, statements, &statement, row, &mut unreadable);
            let (opened, asked) = together(client, opening, reading).await;
            opened.and(asked)
        };
        asked.map_err(|error| self.failed(&error))?;
        self.progress = said.or(self.progress);
        unreadable.map_or(Ok(()), Err)
    }

    async fn execute(&mut self, statement: Statement<'_>) -> Result<u64, StoreError> {
        self.opened(false).await?;
        let Connection { client, statements, .. } = self.connection;
        let asked = execute(client, statements, &statement).await;
        let changed = asked.map_err(|error| self.failed(&error))?;
        if mutant!(OneTransaction) {
            self.command("COMMIT; BEGIN").await?;
        }
        Ok(changed)
    }

    async fn insert(&mut self, statement: Statement<'_>) -> Result<Option<Columns>, StoreError> {
        Ok(self.query(statement).await?.pop())
    }
}

async fn progress(client: &Client, question: &tokio_postgres::Statement) -> Result<Option<Lsn>, Error> {
    client.query_one(question, &[]).await?.try_get(0)
}

/// Sends both at once, in this order, and waits for both answers.
async fn together<T>(
    client: &Client,
    opening: Option<&'static str>,
    work: impl Future<Output = Result<T, Error>>,
) -> (Result<(), Error>, Result<T, Error>) {
    match opening {
        // Each is sent when it is polled for the first time.
        Some(opening) => futures::join!(client.batch_execute(opening), work),
        None => (Ok(()), work.await),
    }
}

/// The same, and how far the server has followed another: what is read is as far at least.
async fn read_with_progress(
    client: &Client,
    statements: &Statements,
    statement: &Statement<'_>,
    opening: Option<&'static str>,
    each: EachRow<'_>,
    unreadable: &mut Option<StoreError>,
) -> Result<Option<Lsn>, Error> {
    let question = statements.prepared(client, PROGRESS).await?;
    let asking = together(client, opening, read(client, statements, statement, each, unreadable));
    // Each is sent when it is polled for the first time.
    let (progress, (opened, asked)) = futures::join!(progress(client, &question), asking);
    opened.and(asked)?;
    progress
}

/// Tells of each row. A value that is none of its kind is `unreadable`, and ends it.
async fn read(
    client: &Client,
    statements: &Statements,
    statement: &Statement<'_>,
    each: EachRow<'_>,
    unreadable: &mut Option<StoreError>,
) -> Result<(), Error> {
    let prepared = statements.prepared(client, &statement.text).await?;
    let values = statement.binds.iter().map(|value| Bound(value));
    let mut rows = pin!(client.query_raw(&prepared, values).await?);
    while let Some(row) = rows.try_next().await? {
        match columns(&row, &statement.columns) {
            Ok(columns) => each(&columns),
            Err(error) => {
                *unreadable = Some(error);
                break;
            }
        }
    }
    Ok(())
}

async fn execute(client: &Client, statements: &Statements, statement: &Statement<'_>) -> Result<u64, Error> {
    let prepared = statements.prepared(client, &statement.text).await?;
    let values = statement.binds.iter().map(|value| Bound(value));
    client.execute_raw(&prepared, values).await
}

fn columns<'r>(row: &'r Row, kinds: &[Kind]) -> Result<Vec<ValueRef<'r>>, StoreError> {
    session::columns(kinds, |place, kind| {
        value(row, place, kind).ok_or_else(|| {
            let ty = row.columns().get(place).map(|column| column.type_().to_string());
            StoreError::Failed(format!("column {place} is {ty:?} where a {kind:?} should be"))
        })
    })
}
