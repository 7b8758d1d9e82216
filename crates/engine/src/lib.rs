//! The heart of Ninefold: what an application is, what may be asked of it, and who may ask.
//!
//! No HTTP, no SQL, no driver and no clock of its own live here. Surfaces call [`Engine`]; adapters implement
//! the traits of [`ports`]. Data is reached through a [`access::Permit`] alone, which only this crate can make.

/// Whether a defence is taken out by a test; never, but in the tests' own build.
macro_rules! mutant {
    ($name:ident) => {{
        #[cfg(feature = "mutants")]
        let active = $crate::access::mutants::is_active($crate::access::mutants::Mutant::$name);
        #[cfg(not(feature = "mutants"))]
        let active = false;
        active
    }};
}

/// The same for a limit.
macro_rules! unlimited {
    ($name:ident) => {{
        #[cfg(feature = "mutants")]
        let lifted = $crate::mutants::limits::is_active($crate::mutants::limits::Mutant::$name);
        #[cfg(not(feature = "mutants"))]
        let lifted = false;
        lifted
    }};
}

pub mod access;
pub mod error;
pub mod expr;
pub mod introspect;
pub mod live;
pub mod model;
#[cfg(feature = "mutants")]
pub mod mutants;
pub mod operations;
mod pipeline;
pub mod ports;
pub mod query;

pub use error::{Error, ErrorCode, FieldError};
pub use model::Model;
pub use pipeline::{Engine, Limits, Parts};
