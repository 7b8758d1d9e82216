//! Cells of a CSV file: how each type of field is written as text.

use engine::model::{Collection, Field, FieldKind, Scalar, ValueType};
use serde_json::Value as Json;

/// How the cells of a column are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notation {
    Text,
    Boolean,
    /// Numbers too.
    Json,
    /// A JSON list, or items between semicolons.
    List,
}

impl Notation {
    pub(crate) fn of(field: &Field) -> Self {
        match &field.kind {
            FieldKind::Value(ValueType::Scalar(scalar)) => match scalar {
                Scalar::Boolean => Self::Boolean,
                Scalar::Int | Scalar::Float | Scalar::Json => Self::Json,
                // As text these lose nothing.
                Scalar::Long | Scalar::Decimal => Self::Text,
                Scalar::Id
                | Scalar::String
                | Scalar::DateTime
                | Scalar::Date
                | Scalar::Bytes
                | Scalar::Email
                | Scalar::Url
                | Scalar::File => Self::Text,
            },
            FieldKind::Value(ValueType::Enum(_)) | FieldKind::Reference { .. } => Self::Text,
            FieldKind::Value(ValueType::Document(_)) => Self::Json,
            FieldKind::Value(ValueType::List { .. }) | FieldKind::Links { .. } | FieldKind::Inverse { .. } => {
                Self::List
            }
        }
    }

    /// Of a column by its name: `country.code` names a country by its code, and its cells are codes.
    pub(crate) fn of_column(collection: &Collection, name: &str) -> Self {
        match name.split_once('.') {
            None => collection.field_named(name).map_or(Self::Text, Self::of),
            Some((relation, _)) => match collection.field_named(relation).map(|field| &field.kind) {
                Some(FieldKind::Links { .. }) => Self::List,
                _ => Self::Text,
            },
        }
    }

    /// A cell as the type has it in JSON; what doesn't fit stays text, and the engine says what it should be.
    pub(crate) fn read(self, cell: &str) -> Json {
        let parsed = || serde_json::from_str(cell).unwrap_or_else(|_| cell.into());
        match self {
            Self::Text => cell.into(),
            // Spreadsheets write them large.
            Self::Boolean if cell.eq_ignore_ascii_case("true") => true.into(),
            Self::Boolean if cell.eq_ignore_ascii_case("false") => false.into(),
            Self::Boolean => cell.into(),
            Self::Json => parsed(),
            Self::List if cell.starts_with('[') => parsed(),
            Self::List => cell.split(';').map(str::trim).collect(),
        }
    }
}
