//! What records that exist get in a field that is new, or newly required.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::convert::{from_text, text_of};
use crate::model::{Scalar, StoredType, Timestamp, Value};

/// In a file: `fill = "now"`, `fill = { value = "draft" }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fill {
    /// The moment of the migration.
    Now,
    /// The same for all.
    Value(Literal),
}

/// A value in the notation of the API; lists, documents and `JSON` as JSON text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Literal {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

impl Fill {
    /// `None` for what can't be written down, such as null.
    pub(super) fn constant(value: &Value) -> Option<Self> {
        let literal = match value {
            Value::Bool(truth) => Literal::Bool(*truth),
            Value::Int(int) => Literal::Int(*int),
            Value::Float(float) if float.is_finite() => Literal::Float(*float),
            other => Literal::Text(text_of(other)?),
        };
        Some(Self::Value(literal))
    }

    /// As a value of the type.
    ///
    /// # Errors
    /// In words, when it isn't one.
    pub fn value(&self, kind: &StoredType, now: Timestamp) -> Result<Value, String> {
        let value = match (self, kind) {
            (Self::Now, StoredType::Scalar(Scalar::DateTime)) => Some(Value::DateTime(now)),
            (Self::Now, _) => None,
            (Self::Value(literal), kind) => from_text(&literal.to_string(), kind),
        };
        value.ok_or_else(|| format!("{self} is no {kind}"))
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
            Self::Text(value) => f.write_str(value),
        }
    }
}

impl fmt::Display for Fill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now => f.write_str("the moment of the migration"),
            Self::Value(Literal::Text(text)) => write!(f, "{text:?}"),
            Self::Value(literal) => write!(f, "{literal}"),
        }
    }
}
