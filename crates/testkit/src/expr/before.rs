//! Conditions on a change: `before` is the stored record, `record` what it becomes.

use proptest::prelude::*;

use super::generate::{Names, level};

/// Columns of `Task` that are compared with what they were.
const COLUMNS: &[&str] = &[
    "title", "note", "priority", "effort", "done", "flag", "owner", "team", "due", "status",
];

/// Conditions on `record` and `before`, joined as the language allows: the relations of `before` in conditions of their own.
pub fn before_conditions() -> impl Strategy<Value = String> {
    let names = |record: &str| Names {
        tasks: vec![record.into()],
        // Tasks reached over other records may be the one that changes.
        tasks_reached: false,
        auth: true,
        ..Names::default()
    };
    let unchanged = (prop::sample::select(COLUMNS), prop::sample::select(&["==", "!="][..]))
        .prop_map(|(column, operator)| format!("(before.{column} {operator} record.{column})"));
    let part = prop_oneof![
        2 => level(2, &names("record")).condition,
        3 => level(2, &names("before")).condition,
        1 => unchanged,
    ];
    part.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            (inner.clone(), prop::sample::select(&["&&", "||"][..]), inner.clone())
                .prop_map(|(left, operator, right)| format!("({left} {operator} {right})")),
            inner.clone().prop_map(|inner| format!("!({inner})")),
            (inner.clone(), inner.clone(), inner)
                .prop_map(|(condition, then, otherwise)| format!("({condition} ? {then} : {otherwise})")),
        ]
    })
}
