//! Records as files: CSV, JSON (a list of objects), NDJSON (an object per line).
//!
//! [`read::start`] parses on a thread of its own, [`write`] renders; both hold a bounded part of the file in memory. What
//! is written can be read again, and says the same.

mod cells;
pub(crate) mod progress;
pub(crate) mod read;
pub(crate) mod write;

use std::fmt;
use std::path::Path;

use clap::ValueEnum;

pub(crate) use cells::Notation;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A header, then a row per record
    Csv,
    /// A list of objects
    Json,
    /// An object per line
    Ndjson,
}

impl Format {
    /// By a file's extension.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "csv" => Some(Self::Csv),
            "json" => Some(Self::Json),
            "ndjson" | "jsonl" => Some(Self::Ndjson),
            _ => None,
        }
    }

    /// Where a record stands: JSON has no lines that mean anything.
    pub(crate) fn place(self, place: u64) -> Place {
        Place { format: self, place }
    }
}

/// `line 12`, `record 3`.
pub(crate) struct Place {
    format: Format,
    place: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.format {
            Format::Csv | Format::Ndjson => "line",
            Format::Json => "record",
        };
        write!(f, "{unit} {}", self.place)
    }
}
