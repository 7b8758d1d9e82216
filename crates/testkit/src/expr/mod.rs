//! Random schemas, records, and well-typed expressions over them, for comparing the back ends of expressions.
//!
//! The evaluator is the reference. The engine's interpreter of predicates is compared with it here; each store compares
//! itself through [`cases`] and [`change_cases`] in its own tests.

mod before;
mod case;
mod generate;
mod plain;
mod schemas;
#[cfg(test)]
mod tests;
mod values;
mod vocabulary;
mod world;

use std::sync::Arc;

use engine::Model;

pub use before::before_conditions;
pub use case::{Case, ChangeCase, cases, change_cases};
pub use generate::conditions;
pub use plain::{PlainCase, plain_cases};
pub use schemas::{Schema, rich, schemas};
pub use values::NOW;
pub use world::{Link, World, callers, worlds};

/// The rich schema, read.
pub fn model() -> Arc<Model> {
    rich().model.clone()
}
