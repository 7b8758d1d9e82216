//! Who asks, and what they are allowed: the only place that grants.
//!
//! `Grants` turns the model's rules into predicates for one caller; [`Permit`] is the proof that a plan went
//! through it. Nothing outside this crate can make one.

mod grants;
#[cfg(feature = "mutants")]
pub mod mutants;
mod permit;
mod principal;

pub(crate) use grants::{Grants, Operation};
pub use permit::Permit;
pub use principal::Principal;
