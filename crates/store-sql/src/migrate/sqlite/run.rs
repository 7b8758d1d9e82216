//! Carrying out what was rendered, within a transaction that somebody else ends.

use std::collections::HashMap;

use engine::model::{Key, StoredType};
use engine::ports::migrator::{MigrateError, Refusal};
use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::{Batch, Connection, ErrorCode};

use super::action::Action;
use super::catalog;
use super::ddl::quoted;
use super::render::Rendered;
use super::stored;
use crate::migrate::check::{Check, Complaint};

/// Offenders that a refusal names.
const EXAMPLES: usize = 3;

/// # Errors
/// The first step that the data doesn't allow, or that SQLite refuses. The transaction is then to be rolled back.
pub(super) fn run(connection: &Connection, steps: &[Rendered], allow_destructive: bool) -> Result<(), MigrateError> {
    let mut runner = Runner {
        connection,
        allow_destructive,
        kept: HashMap::new(),
    };
    for step in steps {
        for action in &step.actions {
            runner.act(action).map_err(|stop| stop.at(&step.step))?;
        }
    }
    Ok(())
}

/// Statements that end a transaction, or that can't stand in one.
const BARRED: [&str; 9] = [
    "BEGIN",
    "COMMIT",
    "END",
    "ROLLBACK",
    "SAVEPOINT",
    "RELEASE",
    "ATTACH",
    "DETACH",
    "VACUUM",
];

/// Behind white space and comments.
fn first_word(sql: &str) -> &str {
    let mut rest = sql.trim_start();
    loop {
        rest = if let Some(comment) = rest.strip_prefix("--") {
            comment.split_once('\n').map_or("", |(_, rest)| rest).trim_start()
        } else if let Some(comment) = rest.strip_prefix("/*") {
            comment.split_once("*/").map_or("", |(_, rest)| rest).trim_start()
        } else {
            break;
        };
    }
    let end = rest
        .find(|letter: char| !letter.is_ascii_alphabetic())
        .unwrap_or(rest.len());
    &rest[..end]
}

struct Runner<'c> {
    connection: &'c Connection,
    allow_destructive: bool,
    /// By table: definitions of its indexes and triggers.
    kept: HashMap<String, Vec<String>>,
}

/// What ends a step early.
enum Stop {
    Refused(String),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
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
            // What the data or somebody's own triggers and views stand in the way of.
            Self::Sqlite(error) => match error.sqlite_error_code() {
                Some(ErrorCode::ConstraintViolation | ErrorCode::Unknown) => refused(error.to_string()),
                _ => failed(&error),
            },
        }
    }
}

/// A failure that is no step's fault.
pub(super) fn failed(error: &rusqlite::Error) -> MigrateError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => MigrateError::Unavailable(error.to_string()),
        _ => MigrateError::Failed(error.to_string()),
    }
}

impl Runner<'_> {
    fn act(&mut self, action: &Action) -> Result<(), Stop> {
        match action {
            Action::Run(sql) => Ok(self.connection.execute_batch(sql)?),
            Action::RunBlock(sql) => self.run_block(sql),
            Action::Check(check) => self.check(check),
            Action::Keep { table } => self.keep(table),
            Action::Restore { table } => {
                for sql in self.kept.remove(table).unwrap_or_default() {
                    self.connection.execute_batch(&sql)?;
                }
                Ok(())
            }
            Action::KnownColumns { table, columns } => self.known_columns(table, columns),
            Action::SameCount { tables: [old, new] } => {
                let (before, after) = (self.count(old)?, self.count(new)?);
                if before == after {
                    return Ok(());
                }
                Err(Stop::Refused(format!(
                    "{before} records became {after} in a copy; nothing was changed"
                )))
            }
        }
    }

    /// A file's own statements may do anything but end the transaction, or leave the database.
    fn run_block(&self, sql: &str) -> Result<(), Stop> {
        let mut batch = Batch::new(self.connection, sql);
        while let Some(mut statement) = batch.next()? {
            let text = statement.expanded_sql().unwrap_or_default();
            let verb = first_word(&text).to_ascii_uppercase();
            if BARRED.contains(&verb.as_str()) {
                return Err(Stop::Refused(format!(
                    "`{verb}` can't stand in a migration, which is one transaction"
                )));
            }
            let mut rows = statement.query([])?;
            while rows.next()?.is_some() {}
        }
        Ok(())
    }

    fn check(&self, check: &Check) -> Result<(), Stop> {
        if self.allow_destructive && matches!(check.complaint, Complaint::Destroys { .. }) {
            return Ok(());
        }
        let count: i64 = self.connection.query_row(&check.count, [], |row| row.get(0))?;
        if count == 0 {
            return Ok(());
        }
        let examples = match &check.examples {
            Some(sql) => self.examples(sql, &check.shows)?,
            None => Vec::new(),
        };
        Err(Stop::Refused(check.complaint.reason(count.unsigned_abs(), &examples)))
    }

    fn examples(&self, sql: &str, shows: &[StoredType]) -> rusqlite::Result<Vec<String>> {
        let mut statement = self.connection.prepare(&format!("{sql} LIMIT {EXAMPLES}"))?;
        let rows = statement.query_map([], |row| {
            let mut values = Vec::new();
            for (place, kind) in shows.iter().enumerate() {
                values.extend(stored::read(row.get_ref(place)?, kind));
            }
            Ok(Key(values).to_string())
        })?;
        rows.collect()
    }

    fn keep(&mut self, table: &str) -> Result<(), Stop> {
        let mut statement = self.connection.prepare(
            "SELECT sql FROM sqlite_schema
             WHERE tbl_name = ?1 COLLATE NOCASE AND type IN ('index', 'trigger') AND sql IS NOT NULL
             ORDER BY rowid",
        )?;
        let definitions = statement.query_map([table], |row| row.get(0))?;
        let definitions: Vec<String> = definitions.collect::<Result<_, _>>()?;
        self.kept.insert(table.to_owned(), definitions);
        Ok(())
    }

    fn known_columns(&self, table: &str, known: &[String]) -> Result<(), Stop> {
        let found = catalog::Table::read(self.connection, table)?;
        let is_known = |name: &str| known.iter().any(|column| column.eq_ignore_ascii_case(name));
        let columns = found.iter().flat_map(|table| &table.columns);
        let strange: Vec<&str> = columns
            .map(|column| column.name.as_str())
            .filter(|name| !is_known(name))
            .collect();
        if strange.is_empty() {
            return Ok(());
        }
        Err(Stop::Refused(format!(
            "{table} would be rebuilt, and lose columns that are not the schema's ({}): move or drop them first",
            strange.join(", ")
        )))
    }

    fn count(&self, table: &str) -> rusqlite::Result<i64> {
        self.connection
            .query_row(&format!("SELECT count(*) FROM {}", quoted(table)), [], |row| row.get(0))
    }
}
