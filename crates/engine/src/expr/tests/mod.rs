mod docs;
mod evaluation;
mod lowering;
mod typing;

use std::sync::{Arc, LazyLock};

use uuid::Uuid;

use super::*;
use crate::access::Principal;

static MODEL: LazyLock<Model> = LazyLock::new(|| {
    let schema = include_str!("../../../../testkit/src/expr/schema.graphql");
    match Model::read(schema, "schema.graphql") {
        Ok(model) => model,
        Err(diagnostics) => panic!("{diagnostics}"),
    }
});

const ANN: Uuid = Uuid::from_u128(0xa1);
const TEAM: Uuid = Uuid::from_u128(0x7e);
const NOW: i64 = 1_714_564_800_000;

fn task() -> CollectionId {
    MODEL.by_name("Task").unwrap().id
}

/// A rule of `Task`.
fn rule_scope() -> Scope {
    Scope {
        record: Some(task()),
        before: true,
        bare_fields: false,
    }
}

fn compile(source: &str) -> Expression {
    match Expression::compile(source, rule_scope(), Expects::Condition, &MODEL) {
        Ok(expression) => expression,
        Err(errors) => panic!("{source}: {errors:?}"),
    }
}

fn compile_value(source: &str, kind: &FieldKind) -> Expression {
    let scope = rule_scope();
    match Expression::compile(source, scope, Expects::ValueOf(kind), &MODEL) {
        Ok(expression) => expression,
        Err(errors) => panic!("{source}: {errors:?}"),
    }
}

fn ann() -> Principal {
    let claims =
        serde_json::json!({"tenant": "acme", "level": 3, "groups": ["a", "b"], "vip": true, "deep": {"x": null}});
    let serde_json::Value::Object(claims) = claims else {
        unreachable!("it is written as an object");
    };
    Principal::User {
        id: ANN,
        roles: Arc::from(["editor".into(), "staff".into()]),
        claims: Arc::new(claims),
    }
}

fn facts(principal: &Principal) -> Facts<'_> {
    Facts {
        principal,
        now: Timestamp(NOW),
        request: RequestFacts {
            operation: "update",
            address: None,
        },
    }
}
