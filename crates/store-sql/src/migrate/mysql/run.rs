//! Carrying out what was rendered, action by action, and remembering how far it came.

use std::time::Duration;

use engine::model::{Key, StoredType, Value};
use engine::ports::migrator::{MigrateError, Refusal};
use mysql_async::prelude::Queryable as _;
use mysql_async::{Error, Params, Row};

use super::catalog::Table;
use super::ddl::{Reference, quoted};
use super::progress::Progress;
use super::render::{Action, Rendered, Replace};
use super::{ATTEMPT_SECONDS, LOCK_SECONDS, convert, failed, system};
use crate::compile::Kind;
use crate::migrate::check::{Check, Complaint};
use crate::mysql::Connection;
use crate::mysql::value::read;

/// Offenders that a refusal names.
const EXAMPLES: usize = 3;
/// A table, a column, an index or a constraint is there already, or is gone already, or has its new name.
const DONE_ALREADY: [u16; 8] = [1050, 1051, 1054, 1060, 1061, 1091, 1146, 1826];
/// Others didn't let go of a table or a record in time, or wanted ours.
const IN_USE: [u16; 2] = [1205, 1213];
pub(super) const PAUSE: Duration = Duration::from_millis(500);
/// How often it is tried: some two minutes of waiting, however long what is tried takes by itself.
pub(super) const ATTEMPTS_MAX: u32 = 48;

/// Goes on with the leg from where `progress` is.
///
/// # Errors
/// The first step that the data doesn't allow, or that MySQL refuses. What was done before stays, and is remembered.
pub(super) async fn run(
    connection: &mut Connection,
    steps: &[Rendered],
    mut progress: Progress,
    is_resumed: bool,
    allow_destructive: bool,
) -> Result<(), MigrateError> {
    let mut runner = Runner {
        connection,
        allow_destructive,
        may_be_done: is_resumed,
    };
    for step in steps.iter().skip(progress.step) {
        for action in step.actions.iter().skip(progress.action) {
            if let Err(stop) = runner.act(action).await {
                if let Some(change) = begun(step, progress.action) {
                    runner.withdraw(change, &mut progress).await?;
                }
                return Err(stop.at(&step.step));
            }
            progress.action += 1;
            if !matches!(action, Action::Check(_)) {
                runner.may_be_done = false;
                runner.remember(&progress).await?;
            }
        }
        progress.step_done(&step.makes);
        runner.remember(&progress).await?;
    }
    Ok(())
}

/// What the column is for that the step has made by the time it comes to that action, and not yet put in its place.
fn begun(step: &Rendered, action: usize) -> Option<&Replace> {
    let (done, rest) = step.actions.split_at(action);
    let is_beside = done.iter().any(|action| matches!(action, Action::Convert(_)));
    rest.iter().find_map(|action| match action {
        Action::Replace(change) if is_beside => Some(change),
        _ => None,
    })
}

pub(crate) fn is_in_use(error: &Error) -> bool {
    matches!(error, Error::Server(reported) if IN_USE.contains(&reported.code))
}

pub(super) struct Runner<'c> {
    pub(super) connection: &'c mut Connection,
    allow_destructive: bool,
    /// The next action may have been carried out without being remembered.
    pub(super) may_be_done: bool,
}

/// What ends a step early.
pub(super) enum Stop {
    Refused(String),
    /// Others don't let go of a table.
    Busy,
    MySql(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::MySql(error)
    }
}

impl Stop {
    fn at(self, step: &str) -> MigrateError {
        let refused = |reason: String| {
            MigrateError::Refused(Refusal {
                step: step.to_owned(),
                reason,
            })
        };
        match self {
            Self::Refused(reason) => refused(reason),
            Self::Busy => MigrateError::Unavailable(format!(
                "can't {step}: a transaction of somebody else's keeps a table and does not end. End it \
                 (`SELECT * FROM information_schema.innodb_trx` finds it), then apply again"
            )),
            // What the data, somebody's own statements, triggers or views stand in the way of.
            Self::MySql(Error::Server(reported))
                if ["0A", "22", "23", "42", "45"]
                    .iter()
                    .any(|class| reported.state.starts_with(class)) =>
            {
                refused(reported.message)
            }
            Self::MySql(error) => failed(error),
        }
    }
}

impl Runner<'_> {
    async fn remember(&mut self, progress: &Progress) -> Result<(), MigrateError> {
        system::write_progress(&mut self.connection.conn, progress)
            .await
            .map_err(failed)
    }

    async fn act(&mut self, action: &Action) -> Result<(), Stop> {
        match action {
            Action::Run(sql) => self.define(sql).await,
            Action::Fill(nulls) => self.fill(nulls).await,
            // Nobody knows which of it may be tried again.
            Action::RunBlock(sql) => {
                let wait = |seconds| format!("SET SESSION lock_wait_timeout = {seconds}");
                self.connection.conn.query_drop(wait(LOCK_SECONDS)).await?;
                self.connection.conn.query_drop(sql).await?;
                Ok(self.connection.conn.query_drop(wait(ATTEMPT_SECONDS)).await?)
            }
            Action::Check(check) => self.check(check).await,
            Action::Convert(change) => convert::convert(self, change).await,
            Action::Replace(change) => convert::replace(self, change).await,
            Action::Bound {
                table,
                column,
                definition,
            } => {
                let found = Table::read(&mut self.connection.conn, table).await?;
                let kind = found
                    .as_ref()
                    .and_then(|found| found.column(column))
                    .map(|column| &*column.kind);
                if kind.is_some_and(|kind| kind.ends_with("text") || kind.ends_with("blob")) {
                    let sql = format!("ALTER TABLE {} MODIFY COLUMN {definition}", quoted(table));
                    self.define(&sql).await?;
                }
                Ok(())
            }
            Action::Loosen(reference) => self.loosen(reference).await,
            Action::Tighten(references) => self.tighten(references).await,
        }
    }

    pub(super) async fn loosen(&mut self, reference: &Reference) -> Result<(), Stop> {
        for name in self.foreign_keys(reference).await? {
            let (table, name) = (quoted(&reference.table), quoted(&name));
            self.define(&format!("ALTER TABLE {table} DROP FOREIGN KEY {name}"))
                .await?;
        }
        Ok(())
    }

    async fn tighten(&mut self, references: &[Reference]) -> Result<(), Stop> {
        for reference in references {
            if self.foreign_keys(reference).await?.is_empty() {
                self.define(&reference.create()).await?;
            }
        }
        Ok(())
    }

    /// The step is as if it had not begun, unless its foreign keys can't be made again, or the connection is lost: then the
    /// next run goes on with it. So it does when the exchange has happened.
    async fn withdraw(&mut self, change: &Replace, progress: &mut Progress) -> Result<(), MigrateError> {
        if !matches!(convert::is_beside(self, &change.convert).await, Ok(true)) {
            return Ok(());
        }
        if self.tighten(&change.loosened).await.is_err() {
            return Ok(());
        }
        progress.action = 0;
        // First: without that column it would be taken for one that is in its place.
        self.remember(progress).await?;
        let dropped = self.patiently(&change.convert.drop()).await;
        dropped.map_err(|stop| stop.at("take away what the step began"))
    }

    async fn define(&mut self, sql: &str) -> Result<(), Stop> {
        match self.patiently(sql).await {
            Err(Stop::MySql(Error::Server(reported))) if self.may_be_done && DONE_ALREADY.contains(&reported.code) => {
                Ok(())
            }
            other => other,
        }
    }

    /// Who waits for a lock on a table keeps everybody out who comes after him. So it waits only for a moment, then those
    /// who queued up are let through, and it is tried again.
    pub(super) async fn patiently(&mut self, sql: &str) -> Result<(), Stop> {
        self.patiently_with(sql, Params::Empty).await
    }

    pub(super) async fn patiently_with(&mut self, sql: &str, values: Params) -> Result<(), Stop> {
        for _ in 0..ATTEMPTS_MAX {
            let conn = &mut self.connection.conn;
            let done = match &values {
                // Not all statements can be prepared.
                Params::Empty => conn.query_drop(sql).await,
                values => conn.exec_drop(sql, values.clone()).await,
            };
            match done {
                Err(error) if is_in_use(&error) => {}
                other => return Ok(other?),
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(Stop::Busy)
    }

    pub(super) async fn all(&mut self, checks: &[Check]) -> Result<(), Stop> {
        for check in checks {
            self.check(check).await?;
        }
        Ok(())
    }

    async fn check(&mut self, check: &Check) -> Result<(), Stop> {
        if self.allow_destructive && matches!(check.complaint, Complaint::Destroys { .. }) {
            return Ok(());
        }
        let count = match self.connection.conn.query_first::<u64, _>(&check.count).await {
            // What it would destroy is gone.
            Err(Error::Server(reported)) if self.may_be_done && DONE_ALREADY.contains(&reported.code) => return Ok(()),
            other => other?.unwrap_or(0),
        };
        if count == 0 {
            return Ok(());
        }
        let examples = match &check.examples {
            Some(sql) => self.examples(sql, &check.shows).await?,
            None => Vec::new(),
        };
        Err(Stop::Refused(check.complaint.reason(count, &examples)))
    }

    async fn examples(&mut self, sql: &str, shows: &[StoredType]) -> Result<Vec<String>, Error> {
        // Prepared, since only then values come as what they are.
        let rows: Vec<Row> = self.connection.conn.exec(format!("{sql} LIMIT {EXAMPLES}"), ()).await?;
        let shown = |row: &Row| {
            let mut values: Vec<Value> = Vec::new();
            for (place, kind) in shows.iter().enumerate() {
                let wire = row.as_ref(place);
                values.extend(wire.and_then(|wire| read(wire, Kind::of_stored(kind))).map(Value::from));
            }
            Key(values).to_string()
        };
        Ok(rows.iter().map(shown).collect())
    }

    /// The names of those constraints.
    async fn foreign_keys(&mut self, reference: &Reference) -> Result<Vec<String>, Error> {
        let table = Table::read(&mut self.connection.conn, &reference.table).await?;
        let keys = table.into_iter().flat_map(|table| table.foreign_keys);
        let same = keys.filter(|key| key.column == reference.column && key.table == reference.target);
        Ok(same.map(|key| key.name).collect())
    }
}
