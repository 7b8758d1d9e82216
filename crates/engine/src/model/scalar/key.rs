//! A record's key as it stands in a path: what `Display` of [`Key`] writes.

use std::borrow::Cow;

use uuid::Uuid;

use crate::model::{Collection, Date, FieldId, FieldKind, Key, Model, Scalar, Timestamp, Value, ValueType};

impl Model {
    /// The key in a path segment; `None` for what no record's key can be. Parts of a key of several are separated by
    /// commas; a comma or percent sign in one of them is percent-encoded.
    pub fn parse_key(&self, collection: &Collection, text: &str) -> Option<Key> {
        if let [part] = collection.key.as_slice() {
            return self.key_part(collection, *part, text).map(|part| Key(vec![part]));
        }
        let parts: Vec<&str> = text.split(',').collect();
        if parts.len() != collection.key.len() {
            return None;
        }
        let values = collection.key.iter().zip(parts).map(|(field, part)| {
            let part = decoded(part)?;
            self.key_part(collection, *field, &part)
        });
        values.collect::<Option<Vec<_>>>().map(Key)
    }

    fn key_part(&self, collection: &Collection, field: FieldId, text: &str) -> Option<Value> {
        match &collection.field(field).kind {
            FieldKind::Value(ValueType::Scalar(scalar)) => key_value(*scalar, text),
            FieldKind::Reference { target, .. } => match self.parse_key(self.collection(*target), text)?.0.as_slice() {
                [value] => Some(value.clone()),
                _ => None,
            },
            _ => None,
        }
    }
}

/// `None` for an escape that `Display` of [`Key`] doesn't write.
fn decoded(part: &str) -> Option<Cow<'_, str>> {
    if !part.contains('%') {
        return Some(Cow::Borrowed(part));
    }
    let mut pieces = part.split('%');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (sign, rest) = match piece.get(..2)? {
            "25" => ('%', &piece[2..]),
            "2C" | "2c" => (',', &piece[2..]),
            _ => return None,
        };
        text.push(sign);
        text.push_str(rest);
    }
    Some(Cow::Owned(text))
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
