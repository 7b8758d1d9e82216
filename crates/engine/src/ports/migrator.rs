//! Bringing a database to the structure that a model needs. Fit for SQL databases and document stores alike.
//!
//! Contract:
//! - What there is to do is decided by [`route`](crate::model::migration::route), the same for every engine.
//! - Each leg of a route happens whole or not at all, whatever interrupts it; several nodes that apply at once take
//!   turns, and the later finds nothing left to do.
//! - Nothing is lost that the caller has not agreed to lose: a step that destroys data runs only if there is none, its
//!   file says so, or [`Options::allow_destructive`] does. Values that can't be converted, nulls in what becomes
//!   required, and duplicates in what becomes unique refuse the leg, and the refusal names some of the records.
//! - What is in a database beside the application's own structure is left alone.

use std::fmt;

use async_trait::async_trait;

use crate::model::migration::{FileId, Folder, FolderError, Leg, Mode, NoRoute};
use crate::model::{Model, Timestamp};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    pub mode: Mode,
    /// Also what destroys data and no file agrees to.
    pub allow_destructive: bool,
    /// The moment of the migration, for what is filled with it.
    pub now: Timestamp,
}

impl Options {
    /// Whatever the model needs, if nothing is lost by it.
    pub fn dev(now: Timestamp) -> Self {
        Self {
            mode: Mode::Direct,
            allow_destructive: false,
            now,
        }
    }

    /// What the files say.
    pub fn serve(now: Timestamp) -> Self {
        Self {
            mode: Mode::Files,
            allow_destructive: false,
            now,
        }
    }
}

/// Where a database stands.
#[derive(Debug)]
pub struct Status {
    /// Nothing of the application is there yet.
    pub empty: bool,
    /// Files that it has run, in order.
    pub applied: Vec<FileId>,
    /// What is left to do, or why nothing can be done.
    pub pending: Result<RenderedPlan, NoRoute>,
    /// What a migration has begun that was interrupted, or still runs, in words.
    pub begun: Vec<String>,
    /// Where the database is not as migrations left it, in words.
    pub drift: Vec<String>,
}

impl Status {
    /// Whether the database serves the model as it is.
    pub fn is_current(&self) -> bool {
        self.begun.is_empty() && self.drift.is_empty() && self.pending.as_ref().is_ok_and(|plan| plan.legs.is_empty())
    }
}

/// Steps with the statements that they will run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RenderedPlan {
    pub legs: Vec<RenderedLeg>,
}

/// What happens at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedLeg {
    /// `0002_add_phone.toml` …: files that the database has run thereby.
    pub files: Vec<String>,
    /// None when the database only has to remember that it is there already.
    pub steps: Vec<RenderedStep>,
    /// One transaction: what a step locks stays locked to the end of the last.
    pub is_transaction: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedStep {
    /// In words.
    pub text: String,
    /// What is lost by it, if there is data.
    pub destroys: Option<String>,
    /// What records that exist must satisfy, or have done to them first.
    pub needs: Option<String>,
    /// What others wait for meanwhile; `None` where only its author knows.
    pub holds: Option<Vec<Hold>>,
    /// In the engine's own language.
    pub statements: Vec<String>,
}

/// What others wait for while a step runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    pub table: String,
    pub held: Held,
    pub lasts: Lasts,
    /// The table whose records it lasts for.
    pub of: String,
    /// How many records that one has, about.
    pub records: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Reads go on.
    Writes,
    /// Reads go on; writes to other tables wait as well.
    AllWrites,
    Everything,
}

/// For how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lasts {
    /// However large the table is.
    Moment,
    /// Until its records have been read.
    Reading,
    /// Until they have been written anew.
    Writing,
}

impl Lasts {
    /// What a small server does at the least; an estimate to plan by, no promise.
    fn records_per_second(self) -> Option<u64> {
        match self {
            Self::Moment => None,
            Self::Reading => Some(500_000),
            Self::Writing => Some(50_000),
        }
    }
}

impl Hold {
    pub fn new(table: &str, held: Held, lasts: Lasts) -> Self {
        Self {
            table: table.to_owned(),
            held,
            lasts,
            of: table.to_owned(),
            records: None,
        }
    }

    /// For as long as another table's records take.
    #[must_use]
    pub fn while_of(self, table: &str) -> Self {
        Self {
            of: table.to_owned(),
            ..self
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (table, of) = (&self.table, &self.of);
        match self.held {
            Held::Writes => write!(f, "writes to {table} wait ")?,
            Held::AllWrites => write!(f, "all writes wait ")?,
            Held::Everything => write!(f, "reads and writes of {table} wait ")?,
        }
        match self.lasts {
            Lasts::Moment => return f.write_str("for a moment"),
            Lasts::Reading => write!(f, "while the records of {of} are read")?,
            Lasts::Writing => write!(f, "while the records of {of} are written anew")?,
        }
        let (Some(records), Some(rate)) = (self.records, self.lasts.records_per_second()) else {
            return Ok(());
        };
        write!(f, " (about {records}: ")?;
        match records / rate {
            0 => f.write_str("less than a second)"),
            seconds @ 1..120 => write!(f, "some {seconds} s)"),
            seconds => write!(f, "some {} min)", seconds / 60),
        }
    }
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// The steps that ran, in words.
    pub steps: Vec<String>,
    /// Files that the database has now run.
    pub files: Vec<String>,
}

/// Why a step did not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{step}: {reason}")]
pub struct Refusal {
    /// In words.
    pub step: String,
    /// What stands against it, and what to do.
    pub reason: String,
}

#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    NoRoute(#[from] NoRoute),
    /// The database is as it was before the leg.
    #[error("can't {0}")]
    Refused(Refusal),
    /// Somebody changed the database by hand; nothing was done.
    #[error("the database is not as migrations left it: {}", .0.join("; "))]
    Drifted(Vec<String>),
    /// Locked, or lost; worth trying again.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    #[error("the database failed: {0}")]
    Failed(String),
}

#[async_trait]
pub trait Migrator: Send + Sync {
    /// Reads only.
    async fn status(&self, model: &Model, folder: &Folder, options: Options) -> Result<Status, MigrateError>;

    /// What [`Migrator::apply`] would run. Reads only.
    async fn plan(&self, model: &Model, folder: &Folder, options: Options) -> Result<RenderedPlan, MigrateError>;

    /// Runs what is left to do. Legs that ran before one that failed stay.
    async fn apply(&self, model: &Model, folder: &Folder, options: Options) -> Result<Report, MigrateError>;
}

/// No migration while a move follows the database: its log has keys as they are now, and what a migration changes in rows is
/// in no log.
///
/// # Errors
/// The leg changes something, and there is a log.
pub fn refuse_if_followed(leg: &Leg, is_followed: bool) -> Result<(), MigrateError> {
    if leg.steps.is_empty() || !is_followed {
        return Ok(());
    }
    Err(MigrateError::Refused(Refusal {
        step: "change the structure".to_owned(),
        reason: "a move of this database is under way; finish it first, or give it up with `ninefold move --abandon`"
            .to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_says_who_waits_for_how_long() {
        let check = |held, lasts, records, expected| {
            let hold = Hold {
                records,
                ..Hold::new("user", held, lasts)
            };
            assert_eq!(hold.to_string(), expected);
        };
        check(
            Held::Everything,
            Lasts::Moment,
            Some(9),
            "reads and writes of user wait for a moment",
        );
        check(
            Held::Writes,
            Lasts::Reading,
            None,
            "writes to user wait while the records of user are read",
        );
        check(
            Held::AllWrites,
            Lasts::Writing,
            Some(120_000),
            "all writes wait while the records of user are written anew (about 120000: some 2 s)",
        );
        check(
            Held::Writes,
            Lasts::Reading,
            Some(3),
            "writes to user wait while the records of user are read (about 3: less than a second)",
        );
        check(
            Held::Writes,
            Lasts::Writing,
            Some(30_000_000),
            "writes to user wait while the records of user are written anew (about 30000000: some 10 min)",
        );
    }
}
