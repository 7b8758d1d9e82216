//! Carrying out what was rendered, within a transaction that somebody else ends.

use engine::model::{Key, StoredType, Value};
use engine::ports::migrator::{MigrateError, Refusal};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};

use super::catalog::Table;
use super::ddl::{self, Reference, quoted};
use super::render::{Action, Rendered};
use super::{convert, failed};
use crate::compile::Kind;
use crate::migrate::check::{Check, Complaint};
use crate::postgres::value::value;

/// Offenders that a refusal names.
const EXAMPLES: usize = 3;

/// # Errors
/// The first step that the data doesn't allow, or that PostgreSQL refuses. The transaction is then to be rolled back.
pub(super) async fn run(client: &Client, steps: &[Rendered], allow_destructive: bool) -> Result<(), MigrateError> {
    let runner = Runner::new(client, allow_destructive);
    for step in steps {
        for action in &step.actions {
            runner.act(action).await.map_err(|stop| stop.at(&step.step))?;
        }
    }
    Ok(())
}

pub(super) struct Runner<'c> {
    pub(super) client: &'c Client,
    allow_destructive: bool,
}

/// What ends a step early.
pub(crate) enum Stop {
    Refused(String),
    /// Others don't let go of a table.
    Busy,
    Postgres(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Postgres(error)
    }
}

impl Stop {
    pub(crate) fn at(self, step: &str) -> MigrateError {
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
                 (`SELECT * FROM pg_stat_activity WHERE state = 'idle in transaction'` finds it), then apply again"
            )),
            // What the data, somebody's own statements, triggers or views stand in the way of.
            Self::Postgres(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => Self::Busy.at(step),
            Self::Postgres(error) => match error.as_db_error() {
                Some(reported) if ["0A", "22", "23", "2B", "42", "P0"].contains(&&reported.code().code()[..2]) => {
                    let detail = reported
                        .detail()
                        .map(|detail| format!(": {detail}"))
                        .unwrap_or_default();
                    refused(format!("{}{detail}", reported.message()))
                }
                _ => failed(error),
            },
        }
    }
}

impl<'c> Runner<'c> {
    pub(super) fn new(client: &'c Client, allow_destructive: bool) -> Self {
        Self {
            client,
            allow_destructive,
        }
    }

    async fn act(&self, action: &Action) -> Result<(), Stop> {
        match action {
            Action::Run(sql) => Ok(self.client.batch_execute(sql).await?),
            Action::RunBlock(sql) => Ok(self.client.batch_execute(&contained(sql)).await?),
            Action::Check(check) => self.check(check).await,
            Action::Convert(column) => convert::convert(self, column).await,
            Action::DropKey { table } => {
                let found = Table::read(self.client, table).await?;
                if let Some(name) = found.and_then(|table| table.key_name) {
                    self.drop_constraint(table, &name).await?;
                }
                Ok(())
            }
            Action::Loosen(reference) => {
                for name in self.foreign_keys(reference).await? {
                    self.drop_constraint(&reference.table, &name).await?;
                }
                Ok(())
            }
            Action::Tighten(references) => self.tighten(references, Reference::create).await,
            Action::TightenNew(references) => self.tighten(references, Reference::create_unproven).await,
        }
    }

    async fn tighten(&self, references: &[Reference], create: fn(&Reference) -> String) -> Result<(), Stop> {
        for reference in references {
            if self.foreign_keys(reference).await?.is_empty() {
                self.client.batch_execute(&create(reference)).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn check(&self, check: &Check) -> Result<(), Stop> {
        if self.allow_destructive && matches!(check.complaint, Complaint::Destroys { .. }) {
            return Ok(());
        }
        let count: i64 = self.client.query_one(&check.count, &[]).await?.try_get(0)?;
        if count == 0 {
            return Ok(());
        }
        let examples = match &check.examples {
            Some(sql) => self.examples(sql, &check.shows).await?,
            None => Vec::new(),
        };
        Err(Stop::Refused(check.complaint.reason(count.unsigned_abs(), &examples)))
    }

    async fn examples(&self, sql: &str, shows: &[StoredType]) -> Result<Vec<String>, Error> {
        let rows = self.client.query(&format!("{sql} LIMIT {EXAMPLES}"), &[]).await?;
        let shown = |row: &tokio_postgres::Row| {
            let values = shows
                .iter()
                .enumerate()
                .filter_map(|(place, kind)| value(row, place, Kind::of_stored(kind)));
            Key(values.map(Value::from).collect()).to_string()
        };
        Ok(rows.iter().map(shown).collect())
    }

    /// The names of those constraints.
    async fn foreign_keys(&self, reference: &Reference) -> Result<Vec<String>, Error> {
        let table = Table::read(self.client, &reference.table).await?;
        let keys = table.into_iter().flat_map(|table| table.foreign_keys);
        let same = keys.filter(|key| key.column == reference.column && key.table == reference.target);
        Ok(same.map(|key| key.name).collect())
    }

    async fn drop_constraint(&self, table: &str, name: &str) -> Result<(), Error> {
        let sql = format!("ALTER TABLE {} DROP CONSTRAINT {}", quoted(table), quoted(name));
        self.client.batch_execute(&sql).await
    }
}

/// A file's own statements may do anything but end the transaction, which what runs within a block can't.
fn contained(sql: &str) -> String {
    let block = format!("BEGIN EXECUTE {}; END", ddl::literal(&Value::text(sql)));
    format!("DO {}", ddl::literal(&Value::text(block)))
}
