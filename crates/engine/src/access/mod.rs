//! Who asks, and what they are allowed: the only place that grants.

mod permit;
mod principal;

pub use permit::Permit;
pub use principal::Principal;
