//! What the engine needs from outside, as nouns: one file each.

use std::fmt;

pub mod accounts;
pub mod archive;
pub mod capabilities;
pub mod change_log;
pub mod clock;
pub mod feed;
pub mod mail;
pub mod migrator;
pub mod relocation;
pub mod staging;
pub mod store;

/// Something that must never be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    pub fn new(value: T) -> Self {
        Self(value)
    }

    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
