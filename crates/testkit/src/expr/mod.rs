//! Random records and random, well-typed expressions over one rich schema, for comparing the back ends of expressions.
//!
//! The evaluator is the reference. The engine's interpreter of predicates is compared with it here; each store compares
//! itself through [`conditions`] and [`worlds`] in its own tests.

mod before;
mod generate;
mod plain;
#[cfg(test)]
mod tests;
mod values;
mod world;

use std::sync::{Arc, LazyLock};

use engine::Model;

pub use before::before_conditions;
pub use generate::conditions;
pub use plain::{PlainCase, plain_cases};
pub use values::NOW;
pub use world::{Link, World, callers, worlds};

/// The schema, whose `Task` has a field of every type and relation.
pub const SCHEMA: &str = include_str!("schema.graphql");

/// The schema, read.
pub fn model() -> Arc<Model> {
    static MODEL: LazyLock<Arc<Model>> = LazyLock::new(|| match Model::read(SCHEMA, "schema.graphql") {
        Ok(model) => Arc::new(model),
        Err(diagnostics) => panic!("{diagnostics}"),
    });
    MODEL.clone()
}
