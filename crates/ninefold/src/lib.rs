//! Ninefold: the whole backend in one binary, and the library that the binary is made of.

pub mod config;
mod suggest;
