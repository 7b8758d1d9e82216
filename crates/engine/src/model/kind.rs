//! How a value is stored, and so how it is read back.

use crate::Model;
use crate::model::{Collection, Field, FieldKind, Scalar, StoredType, Value, ValueType};
use crate::query::Function;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing but null.
    Null,
    Bool,
    Int,
    Float,
    Decimal,
    Text,
    Bytes,
    DateTime,
    Date,
    Duration,
    Id,
    Json,
}

impl Kind {
    /// Of a stored field; a reference holds its target's key.
    pub fn of_field(model: &Model, field: &Field) -> Self {
        match &field.kind {
            FieldKind::Value(ty) => Self::of_type(ty),
            FieldKind::Reference { target, .. }
            | FieldKind::Links { target, .. }
            | FieldKind::Inverse { target, .. } => Self::of_key(model, model.collection(*target)),
        }
    }

    /// Of the one key field of a collection that others refer to.
    pub fn of_key(model: &Model, collection: &Collection) -> Self {
        Self::of_field(model, key_field(collection))
    }

    pub fn of_type(ty: &ValueType) -> Self {
        match ty {
            ValueType::Scalar(scalar) => Self::of_scalar(*scalar),
            ValueType::Enum(_) => Self::Text,
            ValueType::Document(_) | ValueType::List { .. } => Self::Json,
        }
    }

    /// As a structure says it.
    pub fn of_stored(ty: &StoredType) -> Self {
        match ty {
            StoredType::Scalar(scalar) => Self::of_scalar(*scalar),
            StoredType::Enum(_) => Self::Text,
            StoredType::Document | StoredType::List(_) => Self::Json,
        }
    }

    pub fn of_scalar(scalar: Scalar) -> Self {
        match scalar {
            Scalar::Id => Self::Id,
            Scalar::String | Scalar::Email | Scalar::Url | Scalar::File => Self::Text,
            Scalar::Int | Scalar::Long => Self::Int,
            Scalar::Float => Self::Float,
            Scalar::Decimal => Self::Decimal,
            Scalar::Boolean => Self::Bool,
            Scalar::DateTime => Self::DateTime,
            Scalar::Date => Self::Date,
            Scalar::Bytes => Self::Bytes,
            Scalar::Json => Self::Json,
        }
    }

    pub fn of_value(value: &Value) -> Self {
        match value {
            Value::Null | Value::List(_) | Value::Record(_) | Value::Hidden => Self::Null,
            Value::Bool(_) => Self::Bool,
            Value::Int(_) => Self::Int,
            Value::Float(_) => Self::Float,
            Value::Decimal(_) => Self::Decimal,
            Value::Text(_) => Self::Text,
            Value::Bytes(_) => Self::Bytes,
            Value::DateTime(_) => Self::DateTime,
            Value::Date(_) => Self::Date,
            Value::Duration(_) => Self::Duration,
            Value::Id(_) => Self::Id,
            Value::Json(_) => Self::Json,
        }
    }

    pub fn of_call(function: Function) -> Self {
        match function {
            Function::TextLength
            | Function::BytesLength
            | Function::ListLength
            | Function::Year
            | Function::Month
            | Function::DayOfMonth
            | Function::DayOfWeek
            | Function::DayOfYear
            | Function::Hours
            | Function::Minutes
            | Function::Seconds
            | Function::Milliseconds
            | Function::FloatToInt
            | Function::DecimalToInt => Self::Int,
            Function::LowerAscii
            | Function::UpperAscii
            | Function::Concat
            | Function::Trim
            | Function::IdToText
            | Function::IntToText
            | Function::BoolToText => Self::Text,
            Function::DateToTimestamp => Self::DateTime,
            Function::TimestampToDate => Self::Date,
            Function::IntToFloat | Function::DecimalToFloat => Self::Float,
            Function::IntToDecimal => Self::Decimal,
        }
    }

    /// How the items of a stored list are read when they are compared with a value of this kind.
    pub fn scalar(self) -> Scalar {
        match self {
            Self::Bool => Scalar::Boolean,
            Self::Int | Self::Duration => Scalar::Long,
            Self::Float => Scalar::Float,
            Self::Decimal => Scalar::Decimal,
            Self::Null | Self::Text => Scalar::String,
            Self::Bytes => Scalar::Bytes,
            Self::DateTime => Scalar::DateTime,
            Self::Date => Scalar::Date,
            Self::Id => Scalar::Id,
            Self::Json => Scalar::Json,
        }
    }
}

/// The field that references to a collection hold. The schema allows references to a key of one part only.
///
/// # Panics
/// It has no key, which no model allows.
pub fn key_field(collection: &Collection) -> &Field {
    let id = collection.key.first().expect("every collection has a key");
    collection.field(*id)
}
