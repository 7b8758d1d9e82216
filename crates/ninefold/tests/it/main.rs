//! Black-box tests: the real application, over HTTP or as the real binary.

#![expect(clippy::unwrap_used, reason = "what can't be set up or sent is a failed test")]

mod access;
mod accounts;
mod app;
mod binary;
mod cli;
mod dev;
// Its disk is a library that is loaded before all others, which is not everywhere done in the same way.
#[cfg(target_os = "linux")]
mod durability;
mod explain;
#[cfg(target_os = "linux")]
mod hostile;
mod import;
mod openapi;
mod rest;
mod seed;
mod sse;
mod stop;
mod tour;
