//! From the structure that a database has to the one that a model needs, in steps that every engine can take.
//!
//! [`diff`] finds the [`Step`]s between a [`Structure`](super::Structure) and a [`Target`]; a [`Folder`] keeps them
//! as reviewed, numbered files; [`route`] decides which of them a database has yet to take. All of this is pure, but
//! for reading and writing the folder: what touches a database is behind the port
//! [`Migrator`](crate::ports::migrator::Migrator).
//!
//! Invariants: replaying the steps of a difference on the structure before gives the structure after; a step that
//! could lose data says so ([`Step::destroys`]); a rename is honoured where the old name is still there, and is
//! otherwise without effect.

mod convert;
mod diff;
mod file;
mod fill;
mod folder;
mod judge;
mod replay;
mod route;
mod step;
mod target;

pub use convert::Conversion;
pub use diff::diff;
pub use file::Migration;
pub use fill::{Fill, Literal};
pub use folder::{FileId, Folder, FolderError, MigrationFile};
pub use replay::Misfit;
pub use route::{Found, Leg, Mode, NoRoute, route};
pub use step::Step;
pub use target::{MappedTable, Target};
