//! What one comparison is made of, all of one random schema.

use engine::access::Principal;
use engine::query::Image;
use proptest::prelude::*;

use super::world::image;
use super::{World, before_conditions, callers, conditions, schemas, worlds};

/// Conditions, what to hold them against, and who asks.
#[derive(Debug, Clone)]
pub struct Case {
    pub sources: Vec<String>,
    pub world: World,
    pub principal: Principal,
}

/// `conditions` of them in each case.
pub fn cases(conditions: usize) -> impl Strategy<Value = Case> {
    schemas().prop_flat_map(move |schema| {
        let sources = prop::collection::vec(self::conditions(&schema), conditions);
        (sources, worlds(&schema), callers(&schema.model)).prop_map(|(sources, world, principal)| Case {
            sources,
            world,
            principal,
        })
    })
}

/// A condition on a change of the root's first record.
#[derive(Debug, Clone)]
pub struct ChangeCase {
    pub source: String,
    pub world: World,
    pub principal: Principal,
    pub changed: Image,
}

pub fn change_cases() -> impl Strategy<Value = ChangeCase> {
    schemas().prop_flat_map(|schema| {
        let changed = image(&schema.model, schema.root(), 0);
        let parts = (
            before_conditions(&schema),
            worlds(&schema),
            callers(&schema.model),
            changed,
        );
        parts.prop_map(|(source, world, principal, changed)| ChangeCase {
            source,
            world,
            principal,
            changed,
        })
    })
}
