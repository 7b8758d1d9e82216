//! What rows come to, and how they compare, on whichever database they are.

use std::cmp::Ordering;

use sha2::{Digest, Sha256};

use crate::model::Value;
use crate::query::codec;

/// What a part comes to, in whatever order it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    pub(super) rows: u64,
    /// The sum of the rows' hashes.
    sum: [u64; 4],
}

impl Tally {
    pub(super) fn add(&mut self, row: &[Value]) {
        let hash = Sha256::digest(encoded(row));
        for (sum, part) in self.sum.iter_mut().zip(hash.chunks_exact(8)) {
            let part = part.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
            *sum = sum.wrapping_add(part);
        }
        self.rows += 1;
    }
}

/// The same for two rows that hold the same.
pub(super) fn encoded(row: &[Value]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    for value in row {
        match value {
            // Not every database keeps how a number was spelled.
            Value::Json(text) => codec::write(&mut bytes, &Value::Json(canonical(text).into())),
            value => codec::write(&mut bytes, value),
        }
    }
    bytes
}

/// In which order every database reads keys.
pub(super) fn by_key(left: &[Value], right: &[Value]) -> Ordering {
    let of = |(left, right): (&Value, &Value)| match (left, right) {
        (Value::Id(left), Value::Id(right)) => left.cmp(right),
        (Value::Int(left), Value::Int(right)) => left.cmp(right),
        (Value::Text(left), Value::Text(right)) => left.cmp(right),
        (Value::Bytes(left), Value::Bytes(right)) => left.cmp(right),
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::Decimal(left), Value::Decimal(right)) => left.0.cmp(&right.0),
        (Value::DateTime(left), Value::DateTime(right)) => left.0.cmp(&right.0),
        (Value::Date(left), Value::Date(right)) => left.0.cmp(&right.0),
        _ => Ordering::Equal,
    };
    let parts = left.iter().zip(right).map(of);
    parts.fold(Ordering::Equal, Ordering::then)
}

fn canonical(json: &str) -> String {
    let parsed: Result<serde_json::Value, _> = serde_json::from_str(json);
    parsed.map_or_else(|_| json.to_owned(), |parsed| parsed.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_in_order() {
        let id = |number| Value::Id(uuid::Uuid::from_u128(number));
        assert_eq!(by_key(&[id(1), id(9)], &[id(2), id(0)]), Ordering::Less);
        assert_eq!(by_key(&[id(1), id(9)], &[id(1), id(0)]), Ordering::Greater);
        assert_eq!(by_key(&[Value::text("é")], &[Value::text("\u{1F980}")]), Ordering::Less);
        assert_eq!(by_key(&[Value::Int(-1)], &[Value::Int(-1)]), Ordering::Equal);
    }

    #[test]
    fn numbers_may_be_spelled_as_a_database_likes() {
        let tally = |text: &str| {
            let mut tally = Tally::default();
            tally.add(&[Value::Json(text.into())]);
            tally
        };
        assert_eq!(tally(r#"{"b":1.50,"a":[1e2]}"#), tally(r#"{"b":1.5,"a":[100.0]}"#));
        assert_ne!(tally(r#"{"b":1.5}"#), tally(r#"{"b":1.25}"#));
        assert_ne!(tally(r#"{"a":1,"b":2}"#), tally(r#"{"b":2,"a":1}"#));
    }

    #[test]
    fn a_tally_knows_no_order_but_every_value() {
        let tally = |rows: &[[i64; 2]]| {
            let mut tally = Tally::default();
            for row in rows {
                tally.add(&row.map(Value::Int));
            }
            tally
        };
        assert_eq!(tally(&[[1, 2], [3, 4]]), tally(&[[3, 4], [1, 2]]));
        assert_ne!(tally(&[[1, 2], [3, 4]]), tally(&[[1, 4], [3, 2]]));
        assert_ne!(tally(&[[1, 2], [1, 2]]), tally(&[[3, 4], [3, 4]]));
        assert_ne!(tally(&[[1, 2]]), tally(&[]));
    }
}
