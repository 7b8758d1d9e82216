//! Passwords: which are good enough, and how they are hashed.

mod hasher;
mod policy;

pub(crate) use hasher::{Hasher, Verification, parameters};
pub(crate) use policy::check;
