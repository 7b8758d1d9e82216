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
        let records = counted(count, "record");
        let values = counted(count, "value");
        match self {
            Self::Destroys { what } => format!(
                "it would destroy {what} ({count}): if that is meant, `ninefold migrate apply --allow-destructive` does \
                 it; if something only has another name now, say so there with `@renamed(from: …)`"
            ),
            Self::NoValue { collection, field } => format!(
                "{collection} has {records} without a value for it: give {field} a constant `@default`, make it \
                 optional, or write a migration file whose step has a `fill`"
            ),
            Self::Null { place } => {
                format!("{place} is null in {records}{some}: set it there first, or give it a constant `@default`")
            }
            Self::NotOfType { place, kind } => {
                format!("{place} has {values} that can't become a {kind}{some}: change the records first")
            }
            Self::NoTarget { place, target } => {
                format!("{place} has {values} that no {target} has for a key{some}: change the records first")
            }
            Self::Duplicates { place } => {
                format!("{place} has {values} more than once{some}: change or remove the records first")
            }
        }
    }
}

/// `1 record`, `2 records`.
fn counted(count: u64, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
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
