//! Ninefold: the whole backend in one binary, and the library that the binary is made of.
//!
//! A program that embeds it reads a [`Config`](config::Config), opens an [`Application`], and serves it on a listener.

mod application;
pub mod cli;
pub mod config;
mod failure;
mod mail;
mod memory;
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
