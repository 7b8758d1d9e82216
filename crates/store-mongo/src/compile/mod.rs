//! Plans as aggregation pipelines.
//!
//! A [`Statement`] is made of what the model names and of values; nothing that comes from a caller or a record is ever read as an
//! operator or a path.

mod json;
mod links;
pub(crate) mod path;
mod predicate;
mod read;
mod related;
mod scope;
mod term;
mod walk;
mod write;

use mongodb::bson::Document;

pub(crate) use links::Links;
pub(crate) use predicate::Frame;
pub(crate) use read::{Layout, count, get, list};
pub(crate) use related::{many, one};
pub(crate) use write::*;

use crate::value::encode;
use engine::model::kind::Kind;

/// What is asked of one collection.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    /// As the database calls it.
    pub(crate) collection: String,
    pub(crate) pipeline: Vec<Document>,
    /// How the fields of a result, which are called as [`column`] has it, are read.
    pub(crate) columns: Vec<Kind>,
}

pub(crate) fn column(place: usize) -> String {
    format!("c{place}")
}

#[cfg(test)]
mod agreement;
