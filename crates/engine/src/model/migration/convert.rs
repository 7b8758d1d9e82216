//! Values of one type as values of another, with nothing lost.
//!
//! A conversion either keeps what a value says, exactly, or refuses it: `12.5` is no `Int`, and a moment that isn't
//! midnight is no `Date`. Through text, values pass in the notation of the API.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value as Json;
use uuid::Uuid;

use crate::model::skeleton;
use crate::model::{Date, Decimal, Scalar, StoredType, Timestamp, Value};

#[cfg(test)]
mod tests;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// Whole numbers up to here are exact as 64-bit floats.
const FLOAT_EXACT_MAX: i64 = 1 << 53;

/// The way from one type to another.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversion {
    from: StoredType,
    to: StoredType,
}

impl Conversion {
    /// `None` where no value could make sense as the other type.
    pub fn between(from: &StoredType, to: &StoredType) -> Option<Self> {
        is_possible(from, to).then(|| Self {
            from: from.clone(),
            to: to.clone(),
        })
    }

    /// Whether each value of the one type is a value of the other as it stands, so that there is nothing to look at.
    pub fn is_free(&self) -> bool {
        match (&self.from, &self.to) {
            (from, to) if from == to => true,
            (StoredType::Enum(from), StoredType::Enum(to)) => from.iter().all(|value| to.contains(value)),
            (from, StoredType::Scalar(Scalar::String)) => is_text(from),
            (StoredType::Scalar(Scalar::Int), StoredType::Scalar(Scalar::Long)) => true,
            (from, StoredType::Scalar(Scalar::Json)) => is_json(from),
            _ => false,
        }
    }

    /// Whether a value that passes stays the same [`Value`].
    pub fn keeps_values(&self) -> bool {
        let both = |test: fn(&StoredType) -> bool| test(&self.from) && test(&self.to);
        // These are kept in one form of several that say the same.
        let has_one_form = match &self.to {
            StoredType::Scalar(scalar) => matches!(scalar, Scalar::Email | Scalar::Url | Scalar::File),
            StoredType::List(_) => true,
            StoredType::Enum(_) | StoredType::Document => false,
        };
        self.is_free() || (!has_one_form && (both(is_text) || both(is_json) || both(is_whole)))
    }

    /// `None` when the value says something that the other type can't.
    pub fn apply(&self, value: &Value) -> Option<Value> {
        if self.is_free() {
            return Some(value.clone());
        }
        match &self.to {
            StoredType::Scalar(Scalar::Json) => json_of(value).map(|json| Value::Json(json.to_string().into())),
            to => match value {
                Value::Json(text) => from_json(&serde_json::from_str(text).ok()?, to),
                Value::Text(text) => from_text(text, to),
                other => between_scalars(other, to),
            },
        }
    }
}

fn is_text(kind: &StoredType) -> bool {
    match kind {
        StoredType::Scalar(scalar) => scalar.is_text(),
        StoredType::Enum(_) => true,
        StoredType::Document | StoredType::List(_) => false,
    }
}

fn is_json(kind: &StoredType) -> bool {
    matches!(
        kind,
        StoredType::Scalar(Scalar::Json) | StoredType::Document | StoredType::List(_)
    )
}

fn is_whole(kind: &StoredType) -> bool {
    matches!(kind, StoredType::Scalar(Scalar::Int | Scalar::Long))
}

fn is_number(kind: &StoredType) -> bool {
    matches!(kind, StoredType::Scalar(scalar) if scalar.is_number())
}

fn is_possible(from: &StoredType, to: &StoredType) -> bool {
    let json = StoredType::Scalar(Scalar::Json);
    match (from, to) {
        (from, to) if from == to || *from == json || *to == json => true,
        (StoredType::List(from), StoredType::List(to)) => is_possible(from, to),
        (from, to) if is_json(from) || is_json(to) => false,
        (from, to) if is_text(from) || is_text(to) => is_text(from) || !matches!(to, StoredType::Enum(_)),
        (from, to) if is_number(from) && is_number(to) => true,
        (StoredType::Scalar(from), StoredType::Scalar(to)) => matches!(
            (from, to),
            (Scalar::Boolean, Scalar::Int | Scalar::Long)
                | (Scalar::Int | Scalar::Long, Scalar::Boolean)
                | (Scalar::Date, Scalar::DateTime)
                | (Scalar::DateTime, Scalar::Date)
        ),
        _ => false,
    }
}

fn between_scalars(value: &Value, to: &StoredType) -> Option<Value> {
    if is_text(to) {
        return from_text(&text_of(value)?, to);
    }
    let StoredType::Scalar(to) = to else { return None };
    match (value, to) {
        (Value::Int(int), Scalar::Int) => i32::try_from(*int).ok().map(|int| Value::Int(int.into())),
        (Value::Int(int), Scalar::Long) => Some(Value::Int(*int)),
        (Value::Int(int), Scalar::Float) => (-FLOAT_EXACT_MAX..=FLOAT_EXACT_MAX)
            .contains(int)
            .then_some(Value::Float(*int as f64)),
        (Value::Int(int), Scalar::Decimal) => int
            .checked_mul(Decimal::ONE)
            .map(|scaled| Value::Decimal(Decimal(scaled))),
        (Value::Int(int @ (0 | 1)), Scalar::Boolean) => Some(Value::Bool(*int == 1)),
        (Value::Bool(truth), Scalar::Int | Scalar::Long) => Some(Value::Int((*truth).into())),
        (Value::Float(float), Scalar::Int | Scalar::Long | Scalar::Decimal) => {
            from_text(&plain_float(*float)?, &StoredType::Scalar(*to))
        }
        (Value::Decimal(decimal), Scalar::Int | Scalar::Long) => {
            let whole = (decimal.0 % Decimal::ONE == 0).then_some(Value::Int(decimal.0 / Decimal::ONE))?;
            between_scalars(&whole, &StoredType::Scalar(*to))
        }
        (Value::Decimal(decimal), Scalar::Float) => {
            let float: f64 = decimal.to_string().parse().ok()?;
            let back = plain_float(float).and_then(|text| Decimal::parse(&text).ok());
            (back == Some(*decimal)).then_some(Value::Float(float))
        }
        (Value::Date(day), Scalar::DateTime) => Some(Value::DateTime(Timestamp(i64::from(day.0) * DAY_MS))),
        (Value::DateTime(moment), Scalar::Date) => {
            let day = i32::try_from(moment.0.div_euclid(DAY_MS)).ok()?;
            (moment.0.rem_euclid(DAY_MS) == 0).then_some(Value::Date(Date(day)))
        }
        _ => None,
    }
}

/// All digits and no exponent; whole numbers without a decimal place.
fn plain_float(float: f64) -> Option<String> {
    float.is_finite().then(|| format!("{float}"))
}

/// In the API's notation.
pub(super) fn text_of(value: &Value) -> Option<String> {
    Some(match value {
        Value::Bool(truth) => truth.to_string(),
        Value::Int(int) => int.to_string(),
        Value::Float(float) => plain_float(*float)?,
        Value::Decimal(decimal) => decimal.to_string(),
        Value::Text(text) | Value::Json(text) => text.to_string(),
        Value::Bytes(bytes) => BASE64_STANDARD.encode(bytes),
        Value::DateTime(moment) => moment.to_string(),
        Value::Date(day) => day.to_string(),
        Value::Id(id) => id.hyphenated().to_string(),
        Value::Null | Value::Duration(_) | Value::List(_) | Value::Record(_) | Value::Hidden => return None,
    })
}

/// The inverse of [`text_of`], for a known type.
pub(super) fn from_text(text: &str, to: &StoredType) -> Option<Value> {
    let scalar = match to {
        StoredType::Enum(values) => return values.iter().any(|value| value == text).then(|| Value::text(text)),
        StoredType::Document | StoredType::List(_) => return from_json(&serde_json::from_str(text).ok()?, to),
        StoredType::Scalar(scalar) => *scalar,
    };
    match scalar {
        Scalar::String => Some(Value::text(text)),
        Scalar::Email | Scalar::Url | Scalar::File => skeleton::accept(to, &Json::from(text)),
        Scalar::Int => text.parse::<i32>().ok().map(|int| Value::Int(int.into())),
        Scalar::Long => text.parse().ok().map(Value::Int),
        Scalar::Float => text
            .parse()
            .ok()
            .filter(|float: &f64| float.is_finite())
            .map(Value::Float),
        Scalar::Decimal => Decimal::parse(text).ok().map(Value::Decimal),
        Scalar::Boolean => text.parse().ok().map(Value::Bool),
        Scalar::DateTime => Timestamp::parse(text).map(Value::DateTime),
        Scalar::Date => Date::parse(text).map(Value::Date),
        Scalar::Bytes => BASE64_STANDARD
            .decode(text)
            .ok()
            .map(|bytes| Value::Bytes(bytes.into())),
        Scalar::Id => Uuid::try_parse(text).ok().map(Value::Id),
        Scalar::Json => serde_json::from_str::<Json>(text)
            .ok()
            .map(|json| Value::Json(json.to_string().into())),
    }
}

/// As the API writes it.
fn json_of(value: &Value) -> Option<Json> {
    Some(match value {
        Value::Bool(truth) => Json::Bool(*truth),
        Value::Int(int) => Json::from(*int),
        Value::Float(float) => Json::from(*float),
        Value::Json(text) => serde_json::from_str(text).ok()?,
        other => Json::String(text_of(other)?),
    })
}

fn from_json(json: &Json, to: &StoredType) -> Option<Value> {
    match (json, to) {
        (Json::Object(_), StoredType::Document) => Some(Value::Json(json.to_string().into())),
        (Json::Array(items), StoredType::List(item)) => {
            let item = |json: &Json| match json {
                Json::Null => Some(Json::Null),
                json => json_of(&from_json(json, item)?),
            };
            let items: Option<Vec<Json>> = items.iter().map(item).collect();
            skeleton::accept(to, &Json::Array(items?))
        }
        (Json::String(text), to) => from_text(text, to),
        (Json::Bool(truth), to) => from_text(&truth.to_string(), to),
        (Json::Number(number), to) => from_text(&number.to_string(), to),
        _ => None,
    }
}
