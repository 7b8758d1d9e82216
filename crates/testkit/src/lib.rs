//! The suites that every adapter must pass, and what they are made of.

pub mod accounts;
pub mod conformance;
pub mod expr;
pub mod fakes;
pub mod fuzz;
