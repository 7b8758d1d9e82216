//! Migrations on MongoDB: from the structure that a database has to the one that the model needs.
//!
//! What is to be done is decided in `engine::model::migration`, in neutral steps. MongoDB changes collections outside of
//! transactions; so a leg is first held against the data, as a whole ([`check`]), then written down, and then run step by step
//! ([`run`]). Whoever comes after an interruption finishes it first. A document is held as a lock meanwhile, and other nodes
//! wait.

mod build;
mod check;
mod condition;
mod known;
mod migrator;
mod run;

pub(crate) use build::index as index_model;
pub(crate) use condition::filter as index_filter;
pub(crate) use migrator::{LOCK, PATIENCE};

use engine::ports::migrator::{MigrateError, Refusal};

use crate::error::told;

/// Why a migration stops.
#[derive(Debug)]
enum Failed {
    Refused(Refusal),
    Unavailable(String),
    Other(String),
}

impl From<mongodb::error::Error> for Failed {
    fn from(error: mongodb::error::Error) -> Self {
        match told(&error) {
            Some((_, message)) => Self::Other(message),
            None => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<Failed> for MigrateError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Refused(refusal) => Self::Refused(refusal),
            Failed::Unavailable(reason) => Self::Unavailable(reason),
            Failed::Other(reason) => Self::Failed(reason),
        }
    }
}
