//! Migrations on SQL databases: from the structure that a database has to the one that the model needs.
//!
//! What is to be done is decided in `engine::model::migration`, in neutral steps; here they become statements and are
//! carried out. One room per database: [`sqlite`].

pub(crate) mod condition;
pub mod sqlite;

pub use sqlite::{apply, create, plan, prepare, status};
