//! Ninefold: the whole backend in one binary, and the library that the binary is made of.
//!
//! A program that embeds it reads a [`Config`](config::Config), opens an [`Application`], and serves it on a listener.

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

mod application;
pub mod cli;
pub mod config;
mod failure;
mod mail;
mod memory;
#[cfg(feature = "mutants")]
pub mod mutants;
mod pages;
mod schema;
mod seed;
mod server;
mod structure;
mod suggest;
mod telemetry;
mod transfer;
mod watched;
mod wiring;

pub use application::{Application, Options, Purpose, bind};
pub use failure::{Blame, Failure};
pub use structure::Structure;
