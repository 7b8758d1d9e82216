//! Values: one closed set, the same on every engine.
//!
//! What a value looks like in JSON is decided by the field's type, in `model/scalar.rs`; how it is stored is
//! decided by each store.

use std::fmt;

use uuid::Uuid;

/// A moment: milliseconds since 1970-01-01T00:00:00Z, between the years 1 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// A day of the proleptic Gregorian calendar: days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(pub i32);

/// A fixed-point number with six decimal places, exact on every engine: the number times 1,000,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(pub i64);

impl Decimal {
    pub const SCALE: u32 = 6;
    pub const ONE: i64 = 1_000_000;
}

/// One value of a field, a parameter or an expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    /// `Int` (32 bits) and `Long` (64 bits).
    Int(i64),
    Float(f64),
    Decimal(Decimal),
    /// `String`, `Email`, `URL`, `File` and the names of enum values.
    Text(Box<str>),
    Bytes(Box<[u8]>),
    DateTime(Timestamp),
    Date(Date),
    /// Milliseconds; in expressions only, never stored.
    Duration(i64),
    Id(Uuid),
    /// Valid JSON text: what a `JSON`, embedded or list-of-scalars field holds, as it is stored and answered.
    Json(Box<str>),
    /// In expressions and parameters (`auth.roles`), and for the related ids or records in an answer's row.
    List(Vec<Value>),
    /// A related record in an answer's row, in the order of its nested projection.
    Record(Box<Row>),
    /// In an answer's row only: a field that the caller may not read in this record. Left out of the answer.
    Hidden,
}

impl Value {
    pub fn text(text: impl Into<Box<str>>) -> Self {
        Self::Text(text.into())
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    pub fn as_id(&self) -> Option<Uuid> {
        if let Self::Id(id) = self { Some(*id) } else { None }
    }

    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub fn as_int(&self) -> Option<i64> {
        if let Self::Int(int) = self { Some(*int) } else { None }
    }
}

/// Positional values, in the order of the projection that asked for them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Row(pub Vec<Value>);

/// What identifies a record: the values of the collection's key fields, in their order. Usually one `Id`.
#[derive(Clone, PartialEq)]
pub struct Key(pub Vec<Value>);

impl Key {
    pub fn id(id: Uuid) -> Self {
        Self(vec![Value::Id(id)])
    }

    /// The one value of a key that has one part, as references hold it.
    pub fn single(&self) -> Option<&Value> {
        match self.0.as_slice() {
            [value] => Some(value),
            _ => None,
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// As it stands in a path: the parts' text joined with commas.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match part {
                Value::Id(id) => write!(f, "{id}")?,
                Value::Text(text) => f.write_str(text)?,
                Value::Int(int) => write!(f, "{int}")?,
                other => write!(f, "{other:?}")?,
            }
        }
        Ok(())
    }
}
