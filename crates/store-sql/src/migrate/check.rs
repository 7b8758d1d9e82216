//! Questions to the data whose answer can stop a step.

use std::fmt;

use engine::model::StoredType;

/// Stops the step when `count` is not zero.
#[derive(Debug, Clone)]
pub(crate) struct Check {
    /// Selects one number.
    pub(crate) count: String,
    /// Selects some of the offenders, a column for each type of `shows`.
    pub(crate) examples: Option<String>,
    pub(crate) shows: Vec<StoredType>,
    pub(crate) complaint: Complaint,
}

#[derive(Debug, Clone)]
pub(crate) enum Complaint {
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
    pub(crate) fn reason(&self, count: u64, examples: &[String]) -> String {
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
