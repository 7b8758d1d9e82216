//! A record's key as it stands in a path: what `Display` of [`Key`] writes.

use uuid::Uuid;

use crate::model::{Collection, Date, FieldKind, Key, Scalar, Timestamp, Value, ValueType};

impl Collection {
    /// The key in a path segment; `None` for what no record's key can be.
    pub fn parse_key(&self, text: &str) -> Option<Key> {
        if let [_] = self.key.as_slice() {
            return self.key_part(0, text).map(|part| Key(vec![part]));
        }
        let parts: Vec<&str> = text.split(',').collect();
        if parts.len() != self.key.len() {
            return None;
        }
        let values = parts.iter().enumerate().map(|(index, part)| self.key_part(index, part));
        values.collect::<Option<Vec<_>>>().map(Key)
    }

    fn key_part(&self, index: usize, text: &str) -> Option<Value> {
        match &self.field(self.key[index]).kind {
            FieldKind::Value(ValueType::Scalar(scalar)) => key_value(*scalar, text),
            FieldKind::Reference { .. } => key_value(Scalar::Id, text),
            _ => None,
        }
    }
}

fn key_value(scalar: Scalar, text: &str) -> Option<Value> {
    match scalar {
        Scalar::Id => parse_id(text).map(Value::Id),
        Scalar::Int => text.parse::<i32>().ok().map(|int| Value::Int(i64::from(int))),
        Scalar::Long => text.parse().ok().map(Value::Int),
        Scalar::String | Scalar::Email | Scalar::Url | Scalar::File => {
            (!text.is_empty() && !text.contains('\0')).then(|| Value::text(text))
        }
        Scalar::DateTime => Timestamp::parse(text).map(Value::DateTime),
        Scalar::Date => Date::parse(text).map(Value::Date),
        Scalar::Float | Scalar::Decimal | Scalar::Boolean | Scalar::Bytes | Scalar::Json => None,
    }
}

/// A UUID in its usual form, in any case.
pub(super) fn parse_id(text: &str) -> Option<Uuid> {
    Some(text)
        .filter(|text| text.len() == 36)
        .and_then(|text| Uuid::try_parse(text).ok())
}
