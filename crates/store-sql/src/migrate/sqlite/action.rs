//! What a step comes down to on SQLite: statements, and questions whose answer can stop it.

use crate::migrate::check::Check;

/// In the order in which they run.
#[derive(Debug, Clone)]
pub(super) enum Action {
    Run(String),
    /// Somebody's own statements, from a file.
    RunBlock(String),
    Check(Check),
    /// Remembers the indexes and triggers of a table that is about to be replaced, whoever made them.
    Keep {
        table: String,
    },
    /// Makes them again.
    Restore {
        table: String,
    },
    /// Stops when the table has columns beside these: a rebuilt one would lose them.
    KnownColumns {
        table: String,
        columns: Vec<String>,
    },
    /// Stops when the two tables don't hold the same number of records.
    SameCount {
        tables: [String; 2],
    },
}

impl Action {
    /// As it is shown to people who are about to run it.
    pub(super) fn shown(&self) -> Option<String> {
        match self {
            Self::Run(sql) | Self::RunBlock(sql) => Some(sql.clone()),
            Self::Restore { table } => Some(format!("-- the indexes and triggers of {table} are made again")),
            Self::Check(_) | Self::Keep { .. } | Self::KnownColumns { .. } | Self::SameCount { .. } => None,
        }
    }
}
