//! Conditions on a change: `before` is the stored record, `record` what it becomes.

use engine::model::{FieldKind, Scalar, ValueType};
use proptest::prelude::*;

use super::Schema;
use super::generate::{Names, level};
use super::vocabulary::Vocabulary;

/// Conditions on `record` and `before`, joined as the language allows: the relations of `before` in conditions of their own.
pub fn before_conditions(schema: &Schema) -> BoxedStrategy<String> {
    let root = schema.root();
    // A record of the root that is reached over others may be the one that changes.
    let vocabulary = Vocabulary::of(&schema.model).avoiding(root.id);
    let names = |record: &str| Names::of(vocabulary.clone(), record, root.id);
    let columns: Vec<String> = columns(schema).map(str::to_owned).collect();
    let unchanged = (prop::sample::select(columns), prop::sample::select(&["==", "!="][..]))
        .prop_map(|(column, operator)| format!("(before.{column} {operator} record.{column})"));
    let part = prop_oneof![
        2 => level(2, &names("record")).condition,
        3 => level(2, &names("before")).condition,
        1 => unchanged,
    ];
    let joined = part.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            (inner.clone(), prop::sample::select(&["&&", "||"][..]), inner.clone())
                .prop_map(|(left, operator, right)| format!("({left} {operator} {right})")),
            inner.clone().prop_map(|inner| format!("!({inner})")),
            (inner.clone(), inner.clone(), inner)
                .prop_map(|(condition, then, otherwise)| format!("({condition} ? {then} : {otherwise})")),
        ]
    });
    joined.boxed()
}

/// Columns of the root that can be compared with what they were.
fn columns(schema: &Schema) -> impl Iterator<Item = &str> {
    let compared = schema.root().stored().filter(|field| match &field.kind {
        FieldKind::Value(ValueType::Scalar(scalar)) => !matches!(scalar, Scalar::Json | Scalar::Bytes | Scalar::File),
        FieldKind::Value(ValueType::Enum(_)) | FieldKind::Reference { .. } => true,
        _ => false,
    });
    compared.map(|field| field.name.as_str())
}
