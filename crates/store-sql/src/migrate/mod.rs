//! Migrations on SQL databases: from the structure that a database has to the one that the model needs.
//!
//! What is to be done is decided in `engine::model::migration`, in neutral steps; here they become statements and are
//! carried out. One room per database: `sqlite`, `postgres`, `mysql`.

mod check;
pub(crate) mod condition;
mod holds;
pub(crate) mod mysql;
pub(crate) mod postgres;
#[cfg(test)]
mod random;
pub mod sqlite;

pub use sqlite::{apply, create, plan, prepare, status};
