//! Equality, order and JSON of values.

use std::cmp::Ordering;

use serde_json::Value as Json;

use super::super::typed::Call;
use super::super::types::Type;
use super::{Val, compare};
use crate::model::{Scalar, Value, ValueType};
use crate::query::functions::json_scalar;
use crate::query::json::write_value;

pub(super) fn constant<'a>(value: &Value) -> Val<'a> {
    match value {
        Value::List(items) => Val::List(items.iter().map(constant).collect()),
        other => Val::Plain(other.clone()),
    }
}

/// A part of a document as a value of the type that the schema gives it; null where it has another.
pub(super) fn from_json<'a>(json: &Json, ty: &Type) -> Val<'a> {
    let scalar = match ty {
        Type::List(item) => {
            return match json {
                Json::Array(items) => Val::List(items.iter().map(|inner| from_json(inner, item)).collect()),
                _ => Val::Plain(Value::Null),
            };
        }
        Type::Bool => Scalar::Boolean,
        Type::Int => Scalar::Long,
        Type::Float => Scalar::Float,
        Type::Decimal => Scalar::Decimal,
        Type::Id => Scalar::Id,
        Type::Text | Type::Enum(_) => Scalar::String,
        Type::Bytes => Scalar::Bytes,
        Type::DateTime => Scalar::DateTime,
        Type::Date => Scalar::Date,
        _ if json.is_null() => return Val::Plain(Value::Null),
        _ => return Val::Json(json.clone()),
    };
    Val::Plain(json_scalar(json, scalar))
}

/// Null equals null alone; numbers of JSON equal numbers by their double.
pub(super) fn equal(left: &Val<'_>, right: &Val<'_>) -> bool {
    match (left, right) {
        (Val::Plain(Value::Null), Val::Plain(Value::Null)) => true,
        (Val::Json(left), Val::Json(right)) => json_equal(left, right),
        _ => order(left, right) == Some(Ordering::Equal),
    }
}

fn json_equal(left: &Json, right: &Json) -> bool {
    match (left, right) {
        (Json::Number(left), Json::Number(right)) => left.as_f64() == right.as_f64(),
        (Json::Array(left), Json::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| json_equal(left, right))
        }
        (Json::Object(left), Json::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(name, value)| right.get(name).is_some_and(|other| json_equal(value, other)))
        }
        (left, right) => left == right,
    }
}

pub(super) fn order(left: &Val<'_>, right: &Val<'_>) -> Option<Ordering> {
    match (left, right) {
        (Val::Json(json), other) => compare(&json_beside(json, &plain(other)?), &doubled(&plain(other)?)),
        (other, Val::Json(json)) => compare(&doubled(&plain(other)?), &json_beside(json, &plain(other)?)),
        _ => compare(&plain(left)?, &plain(right)?),
    }
}

fn plain(value: &Val<'_>) -> Option<Value> {
    match value {
        Val::Plain(value) => Some(value.clone()),
        Val::Record(record) => Some(record.key.clone()),
        Val::Json(_) | Val::List(_) | Val::Caller => None,
    }
}

/// JSON as a value to compare with another.
fn json_beside(json: &Json, other: &Value) -> Value {
    let scalar = match other {
        Value::Bool(_) => Scalar::Boolean,
        Value::Int(_) | Value::Float(_) => Scalar::Float,
        Value::Id(_) => Scalar::Id,
        Value::Text(_) => Scalar::String,
        _ => return Value::Null,
    };
    json_scalar(json, scalar)
}

/// Beside JSON an integer is compared as a double.
fn doubled(value: &Value) -> Value {
    match value {
        Value::Int(_) => crate::query::functions::call(crate::query::Function::IntToFloat, std::slice::from_ref(value)),
        other => other.clone(),
    }
}

/// What a conversion finds in a claim.
pub(super) fn json_argument(json: &Json, call: Call) -> Value {
    match (call, json) {
        (Call::ToInt, Json::Number(number)) => number
            .as_i64()
            .map(Value::Int)
            .or_else(|| number.as_f64().map(Value::Float))
            .unwrap_or(Value::Null),
        (Call::ToInt, Json::String(text)) => text.parse().map_or(Value::Null, Value::Int),
        (Call::ToFloat, Json::Number(number)) => number.as_f64().map_or(Value::Null, Value::Float),
        (Call::ToFloat, Json::String(text)) => match text.parse::<f64>() {
            Ok(float) if float.is_finite() => Value::Float(float),
            _ => Value::Null,
        },
        (Call::ToText, Json::String(text)) => Value::text(text.as_str()),
        (Call::ToText, Json::Bool(truth)) => Value::Bool(*truth),
        (Call::ToText, Json::Number(number)) => number.as_i64().map_or(Value::Null, Value::Int),
        _ => Value::Null,
    }
}

/// In the notation in which fields keep it.
pub(super) fn to_json(value: &Value) -> Json {
    let mut out = Vec::new();
    write_value(&mut out, &ValueType::Scalar(Scalar::Long), value);
    serde_json::from_slice(&out).unwrap_or(Json::Null)
}
