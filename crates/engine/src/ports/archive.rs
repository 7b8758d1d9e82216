//! A place elsewhere that keeps what a database must not be lost with: files under names.
//!
//! Contract:
//! - Calls take as long as they take, under a time-out of the archive's own, so they are made on threads of their own.
//! - [`Archive::put`] keeps the whole file or none of it, durably when it answers. It replaces what has the name.
//! - Names are of letters, digits, `-`, `.` and `/`, at most [`NAME_BYTES_MAX`] long, and no part of one is `.` or `..`.

use std::fs::File;
use std::io::Read;

pub const NAME_BYTES_MAX: usize = 200;

/// Why it can't be asked. Holds no password.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ArchiveError(pub String);

pub trait Archive: Send + Sync {
    /// For people, without a password.
    fn name(&self) -> String;

    /// Keeps what is in `file` from its beginning.
    fn put(&self, name: &str, file: &File) -> Result<(), ArchiveError>;

    fn get(&self, name: &str) -> Result<Option<Box<dyn Read>>, ArchiveError>;

    /// All names that begin so, in order.
    fn list(&self, prefix: &str) -> Result<Vec<String>, ArchiveError>;

    /// What isn't there is removed already.
    fn remove(&self, name: &str) -> Result<(), ArchiveError>;
}
