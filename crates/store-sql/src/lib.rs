//! The store on SQL databases: one compiler of plans, a dialect for each database, and how each is driven.
//!
//! SQLite is here; nothing outside of its dialect, its connections ([`sqlite`]) and its migrations knows its name.

/// Whether a defence is taken out by a test; never, but in the tests' own build.
macro_rules! mutant {
    ($name:ident) => {{
        #[cfg(feature = "mutants")]
        let active = $crate::mutants::is_active($crate::mutants::Mutant::$name);
        #[cfg(not(feature = "mutants"))]
        let active = false;
        active
    }};
}

mod accounts;
mod compile;
mod dialect;
mod feed;
#[cfg(test)]
mod fixture;
mod keyed;
pub mod migrate;
#[cfg(feature = "mutants")]
pub mod mutants;
mod read;
mod session;
pub mod sqlite;
mod write;

pub use sqlite::{Location, OpenError, SqliteOptions, SqliteStore, Synchronous};
