//! Black-box tests: the real application, over HTTP or as the real binary.

mod access;
mod accounts;
mod app;
mod binary;
mod cli;
mod dev;
mod seed;
mod stop;
