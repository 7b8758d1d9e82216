//! The store on SQL databases: one compiler of plans, a dialect for each database, and how each is driven.
//!
//! SQLite is here; nothing outside of its dialect, its connections ([`sqlite`]) and its migrations knows its name.

pub mod migrate;
pub mod sqlite;

pub use sqlite::{Location, OpenError, SqliteOptions, SqliteStore, Synchronous};
