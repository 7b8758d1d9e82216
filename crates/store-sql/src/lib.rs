//! The store on SQL databases: one compiler of plans, a dialect for each database, and how each is driven.
//!
//! SQLite is here; nothing outside of its dialect, its connections ([`sqlite`]) and its migrations knows its name.

mod accounts;
mod compile;
mod dialect;
mod feed;
#[cfg(test)]
mod fixture;
mod keyed;
pub mod migrate;
mod read;
mod session;
pub mod sqlite;
mod write;

pub use sqlite::{Location, OpenError, SqliteOptions, SqliteStore, Synchronous};
