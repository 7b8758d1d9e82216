//! The type of a stored field, in a notation that people can read and write in migration files.
//!
//! `String`, `Int` … as in the schema; `enum(OPEN, CLOSED)`; `document` for an embedded one; `[String]` for a list.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::{Model, Scalar, ValueType};

/// What a stored field holds, resolved: no ids, so that it outlives the model that it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum StoredType {
    Scalar(Scalar),
    /// The names of the values; a record must hold one of them.
    Enum(Vec<String>),
    Document,
    List(Box<StoredType>),
}

impl StoredType {
    pub(crate) fn of(model: &Model, value_type: &ValueType) -> Self {
        match value_type {
            ValueType::Scalar(scalar) => Self::Scalar(*scalar),
            ValueType::Enum(id) => Self::Enum(
                model
                    .enumeration(*id)
                    .values
                    .iter()
                    .map(|value| value.name.clone())
                    .collect(),
            ),
            ValueType::Document(_) => Self::Document,
            ValueType::List { item, .. } => Self::List(Box::new(Self::of(model, item))),
        }
    }
}

impl fmt::Display for StoredType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scalar(scalar) => f.write_str(scalar.name()),
            Self::Enum(values) => write!(f, "enum({})", values.join(", ")),
            Self::Document => f.write_str("document"),
            Self::List(item) => write!(f, "[{item}]"),
        }
    }
}

impl FromStr for StoredType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if let Some(scalar) = Scalar::ALL.into_iter().find(|scalar| scalar.name() == text) {
            return Ok(Self::Scalar(scalar));
        }
        if text == "document" {
            return Ok(Self::Document);
        }
        if let Some(values) = text.strip_prefix("enum(").and_then(|rest| rest.strip_suffix(')')) {
            let values = values.split(',').map(|value| value.trim().to_owned());
            return Ok(Self::Enum(values.filter(|value| !value.is_empty()).collect()));
        }
        if let Some(item) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return item.parse().map(|item| Self::List(Box::new(item)));
        }
        Err(format!(
            "`{text}` is not a type: write a scalar such as `String`, `enum(A, B)`, `document` or a list such as `[Int]`"
        ))
    }
}

impl TryFrom<String> for StoredType {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<StoredType> for String {
    fn from(stored: StoredType) -> Self {
        stored.to_string()
    }
}
