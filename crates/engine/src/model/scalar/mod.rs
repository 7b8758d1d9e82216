//! The scalars: their names, and the way of values between JSON and the engine.

mod accept;
mod check;
mod key;
mod number;
#[cfg(test)]
mod tests;

use super::Scalar;

pub use check::parse_email;

impl Scalar {
    pub const ALL: [Scalar; 14] = [
        Self::Id,
        Self::String,
        Self::Int,
        Self::Long,
        Self::Float,
        Self::Decimal,
        Self::Boolean,
        Self::DateTime,
        Self::Date,
        Self::Bytes,
        Self::Json,
        Self::Email,
        Self::Url,
        Self::File,
    ];

    /// As the schema writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Id => "ID",
            Self::String => "String",
            Self::Int => "Int",
            Self::Long => "Long",
            Self::Float => "Float",
            Self::Decimal => "Decimal",
            Self::Boolean => "Boolean",
            Self::DateTime => "DateTime",
            Self::Date => "Date",
            Self::Bytes => "Bytes",
            Self::Json => "JSON",
            Self::Email => "Email",
            Self::Url => "URL",
            Self::File => "File",
        }
    }

    /// Held as [`Value::Text`](super::Value::Text).
    pub fn is_text(self) -> bool {
        matches!(self, Self::String | Self::Email | Self::Url | Self::File)
    }

    pub fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Long | Self::Float | Self::Decimal)
    }
}
