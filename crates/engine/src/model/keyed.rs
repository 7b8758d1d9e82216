//! Keys of records as keys of maps.

use std::hash::{Hash, Hasher};

use crate::model::Value;

/// Of the values that identify a record; two floats are the same when their bits are.
#[derive(Debug, Clone)]
pub struct Keyed(pub Value);

impl PartialEq for Keyed {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Value::Float(left), Value::Float(right)) => left.to_bits() == right.to_bits(),
            (left, right) => left == right,
        }
    }
}

impl Eq for Keyed {}

impl Hash for Keyed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(&self.0).hash(state);
        match &self.0 {
            Value::Bool(truth) => truth.hash(state),
            Value::Int(number) | Value::Duration(number) => number.hash(state),
            Value::Float(number) => number.to_bits().hash(state),
            Value::Decimal(number) => number.hash(state),
            Value::Text(text) | Value::Json(text) => text.hash(state),
            Value::Bytes(bytes) => bytes.hash(state),
            Value::DateTime(moment) => moment.hash(state),
            Value::Date(date) => date.hash(state),
            Value::Id(id) => id.hash(state),
            Value::Null | Value::List(_) | Value::Record(_) | Value::Hidden => {}
        }
    }
}

/// Without duplicates, in the order of first appearance.
pub fn distinct<'a>(values: impl IntoIterator<Item = &'a Value>) -> Vec<Value> {
    let mut seen = std::collections::HashSet::new();
    let mut kept = Vec::new();
    for value in values {
        if seen.insert(Keyed(value.clone())) {
            kept.push(value.clone());
        }
    }
    kept
}
