//! The store on SQL databases: one compiler of plans, a dialect for each database, and how each is driven.
//!
//! SQLite, PostgreSQL and MySQL are here; nothing outside of its dialect, its connections ([`sqlite`], [`postgres`],
//! [`mysql`]) and its migrations knows the name of any.

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
mod change_log;
mod compile;
mod dialect;
mod files;
#[cfg(test)]
mod fixture;
mod insistent;
pub mod introspect;
mod mapped;
pub mod migrate;
#[cfg(feature = "mutants")]
pub mod mutants;
pub mod mysql;
mod nodes;
mod order;
mod pool;
pub mod postgres;
mod read;
mod relocation;
mod replicas;
mod server_backup;
mod session;
pub mod sqlite;
mod staging;
mod write;

pub use mysql::{MySqlOpenError, MySqlOptions, MySqlStore};
pub use postgres::{PostgresOpenError, PostgresOptions, PostgresStore};
pub use server_backup::{ServerBackupError, ServerRestored};
pub use sqlite::{
    ArchiveProblem, Archiving, BackupError, Copied, Location, OpenError, RestoredTo, SqliteOptions, SqliteStore,
    Synchronous, back_up, restore, restore_at,
};
