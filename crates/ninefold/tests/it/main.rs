//! Black-box tests: the real application, over HTTP or as the real binary.

#![expect(clippy::unwrap_used, reason = "what can't be set up or sent is a failed test")]

mod access;
mod accounts;
mod app;
mod binary;
mod cli;
mod dev;
mod durability;
mod openapi;
mod rest;
mod seed;
mod sse;
mod stop;
mod tour;
