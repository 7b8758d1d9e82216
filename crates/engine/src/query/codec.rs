//! A compact binary form of values, for cursors and for what an idempotency key keeps. Private to Ninefold; the
//! first byte of a message is its format.

use std::sync::Arc;

use uuid::Uuid;

use crate::model::{Date, Decimal, Row, Timestamp, Value};

/// Nesting of lists and records that is read back.
const DEPTH_MAX: u8 = 16;

/// The bytes are not what [`write`] wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

pub(crate) fn write(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.push(0),
        Value::Bool(truth) => out.extend([1, u8::from(*truth)]),
        Value::Int(int) => tagged(out, 2, &int.to_le_bytes()),
        Value::Float(float) => tagged(out, 3, &float.to_le_bytes()),
        Value::Decimal(Decimal(micro)) => tagged(out, 4, &micro.to_le_bytes()),
        Value::Text(text) => sized(out, 5, text.as_bytes()),
        Value::Bytes(bytes) => sized(out, 6, bytes),
        Value::DateTime(Timestamp(ms)) => tagged(out, 7, &ms.to_le_bytes()),
        Value::Date(Date(days)) => tagged(out, 8, &days.to_le_bytes()),
        Value::Duration(ms) => tagged(out, 9, &ms.to_le_bytes()),
        Value::Id(id) => tagged(out, 10, id.as_bytes()),
        Value::Json(text) => sized(out, 11, text.as_bytes()),
        Value::List(items) => write_all(out, 12, items),
        Value::Record(row) => write_all(out, 13, &row.0),
        Value::Hidden => out.push(14),
    }
}

pub(crate) fn write_length(out: &mut Vec<u8>, length: usize) {
    out.extend(u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

fn tagged(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    out.extend(bytes);
}

fn sized(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    write_length(out, bytes.len());
    out.extend(bytes);
}

fn write_all(out: &mut Vec<u8>, tag: u8, values: &[Value]) {
    out.push(tag);
    write_length(out, values.len());
    values.iter().for_each(|value| write(out, value));
}

/// Reads what [`write`] wrote; never panics, never allocates more than the input is long.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.bytes(N)?.try_into().map_err(|_| Malformed)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    /// A length of something that takes at least one byte each.
    pub(crate) fn length(&mut self) -> Result<usize, Malformed> {
        let length = usize::try_from(u32::from_le_bytes(self.array()?)).map_err(|_| Malformed)?;
        if length > self.0.len() {
            Err(Malformed)
        } else {
            Ok(length)
        }
    }

    fn text(&mut self) -> Result<Box<str>, Malformed> {
        let length = self.length()?;
        std::str::from_utf8(self.bytes(length)?)
            .map(Into::into)
            .map_err(|_| Malformed)
    }

    pub(crate) fn value(&mut self) -> Result<Value, Malformed> {
        self.nested(0)
    }

    fn nested(&mut self, depth: u8) -> Result<Value, Malformed> {
        Ok(match self.byte()? {
            0 => Value::Null,
            1 => Value::Bool(self.byte()? != 0),
            2 => Value::Int(i64::from_le_bytes(self.array()?)),
            3 => Value::Float(f64::from_le_bytes(self.array()?)),
            4 => Value::Decimal(Decimal(i64::from_le_bytes(self.array()?))),
            5 => Value::Text(self.text()?),
            6 => {
                let length = self.length()?;
                Value::Bytes(self.bytes(length)?.into())
            }
            7 => Value::DateTime(Timestamp(i64::from_le_bytes(self.array()?))),
            8 => Value::Date(Date(i32::from_le_bytes(self.array()?))),
            9 => Value::Duration(i64::from_le_bytes(self.array()?)),
            10 => Value::Id(Uuid::from_bytes(self.array()?)),
            11 => Value::Json(self.text()?),
            12 => Value::List(self.values(depth)?),
            13 => Value::Record(Arc::new(Row(self.values(depth)?))),
            14 => Value::Hidden,
            _ => return Err(Malformed),
        })
    }

    fn values(&mut self, depth: u8) -> Result<Vec<Value>, Malformed> {
        if depth >= DEPTH_MAX && !unlimited!(CursorDepth) {
            return Err(Malformed);
        }
        let length = self.length()?;
        (0..length).map(|_| self.nested(depth.saturating_add(1))).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            Just(Value::Hidden),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            (-1e9..1e9f64).prop_map(Value::Float),
            any::<i64>().prop_map(|ms| Value::DateTime(Timestamp(ms))),
            any::<i32>().prop_map(|days| Value::Date(Date(days))),
            any::<u128>().prop_map(|id| Value::Id(Uuid::from_u128(id))),
            ".{0,12}".prop_map(Value::text),
            proptest::collection::vec(any::<u8>(), 0..9).prop_map(|bytes| Value::Bytes(bytes.into())),
        ];
        leaf.prop_recursive(3, 20, 5, |inner| {
            proptest::collection::vec(inner, 0..5).prop_map(Value::List)
        })
    }

    proptest! {
        #[test]
        fn reads_back_what_it_wrote(value in values()) {
            let mut bytes = Vec::new();
            write(&mut bytes, &value);
            let mut reader = Reader(&bytes);
            prop_assert_eq!(reader.value(), Ok(value));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn never_panics_on_anything(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Reader(&bytes).value();
        }
    }
}
