//! Texts that may be a rule, held against the same records by both back ends.

use std::sync::LazyLock;

use engine::access::Principal;
use engine::expr::{Aliases, Before, Expects, Expression, Facts, Input, Lowering, RequestFacts, Scope};
use engine::model::Value;
use engine::query::interpret::{Interpreter, Relations};
use engine::query::{Alias, Bindings};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::expr::{NOW, World, callers, rich, worlds};

/// Some worlds and callers, the same in every run.
static CASES: LazyLock<Vec<(World, Principal)>> = LazyLock::new(|| {
    let mut runner = TestRunner::deterministic();
    let schema = rich();
    let (worlds, callers) = (worlds(&schema), callers(&schema.model));
    let made = (0..4).map(|_| {
        let world = worlds.new_tree(&mut runner).expect("a world").current();
        (world, callers.new_tree(&mut runner).expect("a caller").current())
    });
    made.collect()
});

/// An expression is refused with places inside of it, or means the same in memory as where a store is asked.
///
/// # Panics
/// Where it doesn't.
pub fn expression(input: &[u8]) {
    let Ok(source) = std::str::from_utf8(input) else { return };
    let schema = rich();
    let (model, root) = (&*schema.model, schema.root().id);
    let scope = Scope {
        record: Some(root),
        before: true,
        bare_fields: false,
    };
    let compiled = match Expression::compile(source, scope, Expects::Condition, model) {
        Ok(compiled) => compiled,
        Err(errors) => {
            assert!(!errors.is_empty(), "a refusal says why");
            for error in errors {
                assert!(
                    error.span.start <= error.span.end && error.span.end <= source.len(),
                    "{error:?}"
                );
            }
            return;
        }
    };
    for (world, principal) in CASES.iter() {
        let facts = Facts {
            principal,
            now: NOW,
            request: RequestFacts {
                operation: "update",
                address: None,
            },
        };
        let mut aliases = Aliases::default();
        let mut lowering = Lowering {
            model,
            facts,
            root: Alias::ROOT,
            aliases: &mut aliases,
            visibility: None,
            before: Before::Record,
        };
        // What would grow too large is refused.
        let Ok(predicate) = compiled.predicate(&mut lowering) else {
            continue;
        };
        let roles = principal.roles().iter().map(|role| Value::Text(role.clone()));
        let bindings = Bindings {
            auth_id: principal.user_id().map_or(Value::Null, Value::Id),
            auth_roles: Value::List(roles.collect()),
            now: NOW,
        };
        let interpreter = Interpreter::new(model, world, &bindings);
        for record in &world.records[usize::from(root.0)] {
            let related = Relations { model, records: world };
            let input = Input {
                model,
                facts,
                record: Some(record),
                before: Some(record),
                related: Some(&related),
            };
            assert_eq!(
                interpreter.holds(&predicate, root, record),
                compiled.holds(input),
                "{source}"
            );
        }
    }
}
