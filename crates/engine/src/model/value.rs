//! Values: one closed set, the same on every engine.
//!
//! What a value looks like in JSON is decided by the field's type, in `model/scalar.rs`; how it is stored is
//! decided by each store.

use std::fmt;
use std::sync::Arc;

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

/// RFC 3339 in UTC, always with milliseconds.
impl Timestamp {
    /// As RFC 3339 has it, in UTC and with milliseconds: `2026-01-31T09:05:00.250Z`.
    pub(crate) fn rfc3339(self) -> Rfc3339 {
        const DAY_MS: i64 = 24 * 60 * 60 * 1000;
        let (days, ms) = (self.0.div_euclid(DAY_MS), self.0.rem_euclid(DAY_MS));
        let (year, month, day) = civil(days);
        debug_assert!(
            (0..=9999).contains(&year),
            "no `DateTime` is outside of the years 0000 to 9999"
        );
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let mut put = |place: std::ops::Range<usize>, mut number: i64| {
            for digit in text[place].iter_mut().rev() {
                *digit = b'0' + (number % 10).unsigned_abs() as u8;
                number /= 10;
            }
        };
        put(0..4, year);
        put(5..7, month);
        put(8..10, day);
        put(11..13, ms / 3_600_000);
        put(14..16, ms / 60_000 % 60);
        put(17..19, ms / 1000 % 60);
        put(20..23, ms % 1000);
        Rfc3339(text)
    }
}

/// A moment's text, without a place on the heap.
pub(crate) struct Rfc3339([u8; 24]);

impl std::ops::Deref for Rfc3339 {
    type Target = str;

    fn deref(&self) -> &str {
        std::str::from_utf8(&self.0).expect("digits and separators are ASCII")
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.0.into());
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// Year, month and day of a day counted from 1970-01-01, in the proleptic Gregorian calendar. Years are counted from
/// March, so that the leap day is the last of one.
fn civil(days: i64) -> (i64, i64, i64) {
    const ERA_DAYS: i64 = 146_097;
    let days = days + 719_468;
    let era = days.div_euclid(ERA_DAYS);
    let of_era = days.rem_euclid(ERA_DAYS);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

/// Without the zeros that say nothing: `12.5`, `-0.000001`, `3`.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, size) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        let (whole, fraction) = (size / Self::ONE.unsigned_abs(), size % Self::ONE.unsigned_abs());
        if fraction == 0 {
            return write!(f, "{sign}{whole}");
        }
        let fraction = format!("{fraction:06}");
        write!(f, "{sign}{whole}.{}", fraction.trim_end_matches('0'))
    }
}

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
    /// A related record in an answer's row, in the order of its nested projection. Shared, because the same one may stand at many places.
    Record(Arc<Row>),
    /// In an answer's row: a field that the caller may not read in this record; left out of the answer. In a plan to create:
    /// what is known when the record is written, and not before.
    Hidden,
}

impl Value {
    pub fn text(text: impl Into<Box<str>>) -> Self {
        Self::Text(text.into())
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// What a field holds; `None` of what stands in answers, parameters and expressions only.
    pub fn stored(&self) -> Option<ValueRef<'_>> {
        Some(match self {
            Self::Null => ValueRef::Null,
            Self::Bool(truth) => ValueRef::Bool(*truth),
            Self::Int(number) => ValueRef::Int(*number),
            Self::Float(number) => ValueRef::Float(*number),
            Self::Decimal(number) => ValueRef::Decimal(*number),
            Self::Text(text) => ValueRef::Text(text),
            Self::Bytes(bytes) => ValueRef::Bytes(bytes),
            Self::DateTime(moment) => ValueRef::DateTime(*moment),
            Self::Date(date) => ValueRef::Date(*date),
            Self::Duration(ms) => ValueRef::Duration(*ms),
            Self::Id(id) => ValueRef::Id(*id),
            Self::Json(text) => ValueRef::Json(text),
            Self::List(_) | Self::Record(_) | Self::Hidden => return None,
        })
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

/// A value that is borrowed from wherever it was read, before anything of it is kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ValueRef<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Decimal(Decimal),
    Text(&'a str),
    Bytes(&'a [u8]),
    DateTime(Timestamp),
    Date(Date),
    Duration(i64),
    Id(Uuid),
    Json(&'a str),
}

impl From<ValueRef<'_>> for Value {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Bool(truth) => Self::Bool(truth),
            ValueRef::Int(number) => Self::Int(number),
            ValueRef::Float(number) => Self::Float(number),
            ValueRef::Decimal(number) => Self::Decimal(number),
            ValueRef::Text(text) => Self::Text(text.into()),
            ValueRef::Bytes(bytes) => Self::Bytes(bytes.into()),
            ValueRef::DateTime(moment) => Self::DateTime(moment),
            ValueRef::Date(date) => Self::Date(date),
            ValueRef::Duration(ms) => Self::Duration(ms),
            ValueRef::Id(id) => Self::Id(id),
            ValueRef::Json(text) => Self::Json(text.into()),
        }
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

/// As it stands in a path: the parts' text joined with commas. Where there are several, a comma or percent sign in one
/// is percent-encoded.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match part {
                Value::Id(id) => write!(f, "{id}")?,
                Value::Text(text) if self.0.len() > 1 && text.contains([',', '%']) => {
                    f.write_str(&text.replace('%', "%25").replace(',', "%2C"))?;
                }
                Value::Text(text) => f.write_str(text)?,
                Value::Int(int) => write!(f, "{int}")?,
                Value::DateTime(moment) => write!(f, "{moment}")?,
                Value::Date(day) => write!(f, "{day}")?,
                other => write!(f, "{other:?}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_days_are_written_as_rfc_3339_has_them() {
        let check = |ms: i64, expected: &str| assert_eq!(Timestamp(ms).to_string(), expected);
        check(0, "1970-01-01T00:00:00.000Z");
        check(-1, "1969-12-31T23:59:59.999Z");
        check(951_782_400_000, "2000-02-29T00:00:00.000Z");
        check(1_709_210_096_789, "2024-02-29T12:34:56.789Z");
        check(-62_135_596_800_000, "0001-01-01T00:00:00.000Z");
        check(253_402_300_799_999, "9999-12-31T23:59:59.999Z");
        assert_eq!(Date(-719_162).to_string(), "0001-01-01");
        assert_eq!(Date(2_932_896).to_string(), "9999-12-31");
        for day in (-719_162..=2_932_896).step_by(97) {
            let expected = jiff::civil::date(1970, 1, 1).saturating_add(jiff::Span::new().days(day));
            assert_eq!(
                civil(day.into()),
                (expected.year().into(), expected.month().into(), expected.day().into())
            );
        }
    }

    #[test]
    fn decimals_are_written_exactly() {
        let check = |scaled: i64, expected: &str| assert_eq!(Decimal(scaled).to_string(), expected);
        check(0, "0");
        check(12_500_000, "12.5");
        check(-1, "-0.000001");
        check(3_000_000, "3");
        check(i64::MIN, "-9223372036854.775808");
    }
}
