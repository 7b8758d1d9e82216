//! What a step comes down to on SQLite: statements, and questions whose answer can stop it.

use std::fmt;

use engine::model::StoredType;

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

/// Stops the step when `count` is not zero.
#[derive(Debug, Clone)]
pub(super) struct Check {
    /// Selects one number.
    pub(super) count: String,
    /// Selects some of the offenders, a column for each type of `shows`.
    pub(super) examples: Option<String>,
    pub(super) shows: Vec<StoredType>,
    pub(super) complaint: Complaint,
}

#[derive(Debug, Clone)]
pub(super) enum Complaint {
    /// Agreed to, it is no obstacle.
    Destroys {
        what: String,
    },
    NoValue {
        collection: String,
        field: String,
    },
    Null {
        place: String,
    },
    NotOfType {
        place: String,
        kind: StoredType,
    },
    NoTarget {
        place: String,
        target: String,
    },
    Duplicates {
        place: String,
    },
}

impl Complaint {
    /// With what to do about it.
    pub(super) fn reason(&self, count: u64, examples: &[String]) -> String {
        let some = Examples(examples);
        match self {
            Self::Destroys { what } => format!(
                "it would destroy {what} ({count}): say `--allow-destructive` if that is meant, or `@renamed(from: …)` \
                 on what has another name now"
            ),
            Self::NoValue { collection, field } => format!(
                "{collection} has {count} records without a value for it: give {field} a constant `@default`, make it \
                 optional, or write a migration file whose step has a `fill`"
            ),
            Self::Null { place } => {
                format!("{count} records have no {place}{some}: set it in them first, or give it a constant `@default`")
            }
            Self::NotOfType { place, kind } => {
                format!("{count} values of {place} are no {kind}{some}: change them first")
            }
            Self::NoTarget { place, target } => {
                format!("{count} values of {place} are the key of no {target}{some}: change or remove them first")
            }
            Self::Duplicates { place } => {
                format!("{count} values of {place} occur more than once{some}: change or remove the records first")
            }
        }
    }
}

struct Examples<'a>(&'a [String]);

impl fmt::Display for Examples<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => Ok(()),
            examples => write!(f, ", such as {}", examples.join(", ")),
        }
    }
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
