use serde_json::{Value, json};

use super::{members, violations, wiring};

/// `graph` is `from: [to, ..]`; a dependency for tests only is written with a leading `~`.
fn check(graph: Value, expected: &[&str]) {
    let packages: Vec<Value> = graph
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, dependencies)| {
            let dependencies: Vec<Value> = dependencies.as_array().unwrap().iter().map(dependency).collect();
            json!({ "name": name, "dependencies": dependencies })
        })
        .collect();
    assert_eq!(
        violations(&members(&json!({ "packages": packages })).unwrap()),
        expected
    );
}

fn dependency(name: &Value) -> Value {
    match name.as_str().unwrap().strip_prefix('~') {
        Some(name) => json!({ "name": name, "kind": "dev" }),
        None => json!({ "name": name, "kind": null }),
    }
}

#[test]
fn the_drawn_arrows_are_allowed() {
    check(
        json!({
            "ninefold": ["ninefold-api", "ninefold-engine", "ninefold-identity", "ninefold-store-mongo", "ninefold-store-sql", "axum", "~ninefold-testkit", "~ninefold"],
            "ninefold-api": ["ninefold-engine", "ninefold-identity", "axum", "~ninefold-testkit"],
            "ninefold-identity": ["ninefold-engine", "argon2", "jsonwebtoken", "~ninefold-testkit"],
            "ninefold-store-mongo": ["ninefold-engine", "mongodb", "~ninefold-testkit"],
            "ninefold-store-sql": ["ninefold-engine", "rusqlite", "~ninefold-testkit"],
            "ninefold-engine": ["serde_json", "~rusqlite"],
            "ninefold-testkit": ["ninefold-engine", "ninefold-identity"],
            "xtask": ["anyhow"],
        }),
        &[],
    );
}

#[test]
fn the_engine_depends_on_no_member() {
    check(
        json!({ "ninefold-engine": ["ninefold-store-sql", "~ninefold-testkit"], "ninefold-store-sql": [], "ninefold-testkit": [] }),
        &[
            "ninefold-engine -> ninefold-store-sql",
            "ninefold-engine -> ninefold-testkit (for tests)",
        ],
    );
}

#[test]
fn siblings_never_meet() {
    check(
        json!({
            "ninefold-api": ["ninefold-store-sql"],
            "ninefold-identity": ["ninefold-api"],
            "ninefold-store-sql": ["~ninefold-identity"],
        }),
        &[
            "ninefold-api -> ninefold-store-sql",
            "ninefold-identity -> ninefold-api",
            "ninefold-store-sql -> ninefold-identity (for tests)",
        ],
    );
}

#[test]
fn the_testkit_is_for_tests() {
    check(
        json!({ "ninefold-api": ["ninefold-testkit"], "ninefold-testkit": [] }),
        &["ninefold-api -> ninefold-testkit"],
    );
}

#[test]
fn nothing_depends_on_xtask_and_xtask_on_nothing() {
    check(
        json!({ "ninefold": ["~xtask"], "xtask": ["ninefold-engine"], "ninefold-engine": [] }),
        &["ninefold -> xtask (for tests)", "xtask -> ninefold-engine"],
    );
}

#[test]
fn heavy_dependencies_stay_where_they_belong() {
    check(
        json!({ "ninefold-engine": ["rusqlite", "axum"], "ninefold-api": ["argon2"] }),
        &[
            "ninefold-engine -> rusqlite",
            "ninefold-engine -> axum",
            "ninefold-api -> argon2",
        ],
    );
}

#[test]
fn a_new_crate_must_be_placed() {
    check(
        json!({ "ninefold-novel": [] }),
        &["ninefold-novel is not in the table of xtask/src/arrows.rs: say there what it may depend on"],
    );
}

#[test]
fn only_code_names_an_adapter() {
    let text =
        "//! wires store_sql\nuse store_sql::Sqlite;\n    // store_sql\nlet a = my_store_sql();\nstore_sql::open()\n";
    assert_eq!(
        wiring::mentions(text).collect::<Vec<_>>(),
        [(2, "store_sql"), (5, "store_sql")]
    );
}
