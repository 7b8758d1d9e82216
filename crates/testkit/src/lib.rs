//! The suites that every adapter must pass, and what they are made of.

pub mod accounts;
pub mod archive;
pub mod conformance;
pub mod expr;
pub mod fakes;
pub mod fuzz;
pub mod services;
