//! Ninefold: the whole backend in one binary, and the library that the binary is made of.

pub mod cli;
pub mod config;
mod failure;
mod mail_log;
mod pages;
mod server;
mod suggest;
mod telemetry;

pub use failure::{Blame, Failure};
