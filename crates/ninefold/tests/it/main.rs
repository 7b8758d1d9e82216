//! Black-box tests: the real application, over HTTP or as the real binary.

#![expect(clippy::unwrap_used, reason = "what can't be set up or sent is a failed test")]

mod access;
mod accounts;
mod app;
mod backup;
mod bank;
mod binary;
mod cli;
mod database;
mod dev;
// Its disk is a library that is loaded before all others, which is not everywhere done in the same way.
#[cfg(target_os = "linux")]
mod durability;
mod existing;
mod explain;
mod fuzz;
#[cfg(target_os = "linux")]
mod hostile;
mod import;
mod mongodb;
mod mysql;
mod nodes;
mod openapi;
mod outages;
mod postgres;
mod relocation;
mod replicas;
mod rest;
mod seed;
mod sse;
mod stop;
mod tour;
