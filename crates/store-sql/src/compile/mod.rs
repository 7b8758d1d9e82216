//! Plans as SQL, for whichever dialect.
//!
//! A [`Statement`] is text of this crate alone; everything that comes from a caller or a record is bound. It is
//! written anew for each request, which costs about as much as finding it in a cache would: databases keep their prepared
//! statements by the text, and equal plans have equal texts.

mod claims;
mod join;
mod links;
mod log;
mod page;
mod part;
mod predicate;
mod read;
mod related;
mod sql;
mod term;
mod walk;
mod write;

pub(crate) use claims::{claimed, forget_claim, keep_claim, purge_claims};
pub(crate) use engine::model::kind::{Kind, key_field};
pub(crate) use join::{PAGE_END, RECORDS_MAX, is_one_statement};
pub(crate) use links::Links;
pub(crate) use log::{LOG, LogTable, NOTE, exchange, meta, take};
pub(crate) use part::PartTable;
pub(crate) use predicate::Frame;
pub(crate) use read::{Layout, count, get, list};
pub(crate) use related::{many, one};
pub(crate) use sql::Statement;
pub(crate) use walk::{is_by_key, reads_others};
pub(crate) use write::*;

use crate::dialect::Dialect;

/// Who writes statements in which dialect.
pub(crate) type DialectRef = &'static dyn Dialect;

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod tests;
