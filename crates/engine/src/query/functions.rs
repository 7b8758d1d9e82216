//! What every function and operator of a predicate means, as plain code: the reference that stores are held to.
//!
//! All are total. What has no answer (a null among the operands, an overflow) is null.

use std::cmp::Ordering;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use uuid::Uuid;

use super::predicate::{Arithmetic, Comparison, Function, TextTest};
use crate::model::{Date, Decimal, Scalar, Timestamp, Value};

const DAY_MS: i64 = 86_400_000;

/// The order of two values of one comparable type; `None` for nulls and for what has none.
pub fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::Int(left), Value::Int(right)) => Some(left.cmp(right)),
        (Value::Float(left), Value::Float(right)) => left.partial_cmp(right),
        (Value::Decimal(left), Value::Decimal(right)) => Some(left.cmp(right)),
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        (Value::Bytes(left), Value::Bytes(right)) => Some(left.cmp(right)),
        (Value::DateTime(left), Value::DateTime(right)) => Some(left.cmp(right)),
        (Value::Date(left), Value::Date(right)) => Some(left.cmp(right)),
        (Value::Duration(left), Value::Duration(right)) => Some(left.cmp(right)),
        (Value::Id(left), Value::Id(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

impl Comparison {
    /// Whether an order is what the comparison asks for.
    pub fn accepts(self, order: Ordering) -> bool {
        match self {
            Self::Eq => order.is_eq(),
            Self::Ne => order.is_ne(),
            Self::Lt => order.is_lt(),
            Self::Le => order.is_le(),
            Self::Gt => order.is_gt(),
            Self::Ge => order.is_ge(),
        }
    }

    /// True exactly where this is false, of two values that are there.
    #[must_use]
    pub fn complement(self) -> Self {
        match self {
            Self::Eq => Self::Ne,
            Self::Ne => Self::Eq,
            Self::Lt => Self::Ge,
            Self::Le => Self::Gt,
            Self::Gt => Self::Le,
            Self::Ge => Self::Lt,
        }
    }

    /// The same comparison with its operands exchanged.
    #[must_use]
    pub fn mirrored(self) -> Self {
        match self {
            Self::Eq | Self::Ne => self,
            Self::Lt => Self::Gt,
            Self::Le => Self::Ge,
            Self::Gt => Self::Lt,
            Self::Ge => Self::Le,
        }
    }
}

/// Of all tests but `Matches`, whose pattern the caller has compiled.
pub fn text_test(test: TextTest, text: &str, needle: &str) -> bool {
    match test {
        TextTest::StartsWith => text.starts_with(needle),
        TextTest::EndsWith => text.ends_with(needle),
        TextTest::Contains => text.contains(needle),
        TextTest::Matches => regex::Regex::new(needle).is_ok_and(|regex| regex.is_match(text)),
    }
}

/// Operands of a floating-point operation are zero or have a magnitude in this range, so that no result is infinite or
/// vanishes, which engines treat differently.
pub const FLOAT_OPERAND_MIN: f64 = 1e-150;
pub const FLOAT_OPERAND_MAX: f64 = 1e150;

/// Whether a number may be an operand of [`Arithmetic`].
pub fn is_float_operand(float: f64) -> bool {
    float == 0.0 || (FLOAT_OPERAND_MIN..=FLOAT_OPERAND_MAX).contains(&float.abs())
}

/// `None` where there is no result: overflow, division by zero, operands that don't belong together.
///
/// A moment and a number of milliseconds make a moment; two moments make a number of milliseconds. Products and
/// quotients of Decimals are cut off behind the sixth digit.
pub fn arithmetic(operator: Arithmetic, left: &Value, right: &Value) -> Option<Value> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => integer(operator, *left, *right).map(Value::Int),
        (Value::Float(left), Value::Float(right)) => float(operator, *left, *right).map(Value::Float),
        (Value::Decimal(left), Value::Decimal(right)) => decimal(operator, *left, *right).map(Value::Decimal),
        (Value::DateTime(left), Value::Int(right)) if operator == Arithmetic::Add => {
            left.0.checked_add(*right).map(Timestamp).map(Value::DateTime)
        }
        (Value::DateTime(left), Value::DateTime(right)) if operator == Arithmetic::Subtract => {
            left.0.checked_sub(right.0).map(Value::Int)
        }
        _ => None,
    }
}

fn integer(operator: Arithmetic, left: i64, right: i64) -> Option<i64> {
    match operator {
        Arithmetic::Add => left.checked_add(right),
        Arithmetic::Subtract => left.checked_sub(right),
        Arithmetic::Multiply => left.checked_mul(right),
        Arithmetic::Divide => left.checked_div(right),
        Arithmetic::Remainder => left.checked_rem(right),
    }
}

fn decimal(operator: Arithmetic, left: Decimal, right: Decimal) -> Option<Decimal> {
    let (one, left, right) = (i128::from(Decimal::ONE), i128::from(left.0), i128::from(right.0));
    let scaled = match operator {
        Arithmetic::Add => left + right,
        Arithmetic::Subtract => left - right,
        Arithmetic::Multiply => left * right / one,
        Arithmetic::Divide => (left * one).checked_div(right)?,
        Arithmetic::Remainder => return None,
    };
    i64::try_from(scaled).ok().map(Decimal)
}

fn float(operator: Arithmetic, left: f64, right: f64) -> Option<f64> {
    if !is_float_operand(left) || !is_float_operand(right) {
        return None;
    }
    match operator {
        Arithmetic::Add => Some(left + right),
        Arithmetic::Subtract => Some(left - right),
        Arithmetic::Multiply => Some(left * right),
        Arithmetic::Divide if right != 0.0 => Some(left / right),
        Arithmetic::Divide | Arithmetic::Remainder => None,
    }
}

pub fn negate(value: &Value) -> Option<Value> {
    match value {
        Value::Int(int) => int.checked_neg().map(Value::Int),
        Value::Float(float) => Some(Value::Float(-float)),
        Value::Decimal(decimal) => decimal.0.checked_neg().map(Decimal).map(Value::Decimal),
        _ => None,
    }
}

/// A function of a null is null.
pub fn call(function: Function, arguments: &[Value]) -> Value {
    apply(function, arguments).unwrap_or(Value::Null)
}

fn apply(function: Function, arguments: &[Value]) -> Option<Value> {
    let first = arguments.first()?;
    Some(match function {
        Function::TextLength => Value::Int(count(text(first)?.chars().count())),
        Function::BytesLength => match first {
            Value::Bytes(bytes) => Value::Int(count(bytes.len())),
            _ => return None,
        },
        Function::ListLength => match first {
            Value::List(items) => Value::Int(count(items.len())),
            Value::Json(json) => Value::Int(count(json_items(json)?.len())),
            _ => return None,
        },
        Function::LowerAscii => Value::text(text(first)?.to_ascii_lowercase()),
        Function::UpperAscii => Value::text(text(first)?.to_ascii_uppercase()),
        Function::Concat => Value::text(format!("{}{}", text(first)?, text(arguments.get(1)?)?)),
        Function::Trim => Value::text(text(first)?.trim()),
        Function::Year
        | Function::Month
        | Function::DayOfMonth
        | Function::DayOfWeek
        | Function::DayOfYear
        | Function::Hours
        | Function::Minutes
        | Function::Seconds
        | Function::Milliseconds => match first {
            Value::DateTime(moment) => Value::Int(time_part(function, *moment)),
            _ => return None,
        },
        Function::DateToTimestamp => match first {
            Value::Date(date) => Value::DateTime(Timestamp(i64::from(date.0) * DAY_MS)),
            _ => return None,
        },
        Function::TimestampToDate => match first {
            Value::DateTime(moment) => Value::Date(Date(i32::try_from(moment.0.div_euclid(DAY_MS)).ok()?)),
            _ => return None,
        },
        Function::IntToFloat => Value::Float(float_of(first.as_int()?)),
        Function::IntToDecimal => Value::Decimal(Decimal(first.as_int()?.checked_mul(Decimal::ONE)?)),
        Function::DecimalToFloat => match first {
            Value::Decimal(decimal) => Value::Float(float_of(decimal.0) / float_of(Decimal::ONE)),
            _ => return None,
        },
        Function::FloatToInt => match first {
            Value::Float(float) => Value::Int(truncated(*float)?),
            _ => return None,
        },
        Function::DecimalToInt => match first {
            Value::Decimal(decimal) => Value::Int(decimal.0 / Decimal::ONE),
            _ => return None,
        },
        Function::IdToText => Value::text(first.as_id()?.hyphenated().to_string()),
        Function::IntToText => Value::text(first.as_int()?.to_string()),
        Function::BoolToText => match first {
            Value::Bool(truth) => Value::text(truth.to_string()),
            _ => return None,
        },
    })
}

fn text(value: &Value) -> Option<&str> {
    value.as_text()
}

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the nearest double is what a conversion to Float means"
)]
fn float_of(int: i64) -> f64 {
    int as f64
}

/// Toward zero; `None` beyond 64 bits.
fn truncated(float: f64) -> Option<i64> {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the bounds are checked, and truncation is meant"
    )]
    (float > -BEYOND && float < BEYOND).then_some(float as i64)
}

fn time_part(function: Function, moment: Timestamp) -> i64 {
    let days = moment.0.div_euclid(DAY_MS);
    let within = moment.0.rem_euclid(DAY_MS);
    let (year, month, day) = civil(days);
    match function {
        Function::Year => year,
        Function::Month => month - 1,
        Function::DayOfMonth => day - 1,
        Function::DayOfWeek => (days + 4).rem_euclid(7),
        Function::DayOfYear => days - days_before(year),
        Function::Hours => within / 3_600_000,
        Function::Minutes => within / 60_000 % 60,
        Function::Seconds => within / 1000 % 60,
        _ => within % 1000,
    }
}

/// Days from 1970-01-01 to the first of January of a year.
fn days_before(year: i64) -> i64 {
    let last = year - 1;
    365 * (year - 1970) + last.div_euclid(4) - last.div_euclid(100) + last.div_euclid(400) - 477
}

/// Year, month 1–12 and day 1–31 of a day of the proleptic Gregorian calendar, after Howard Hinnant's `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// The items of a JSON array; `None` for anything else.
pub fn json_items(json: &str) -> Option<Vec<serde_json::Value>> {
    serde_json::from_str(json).ok()
}

/// What a path leads to in a JSON text, as a value of `ty`; null where it leads nowhere or to something else.
pub fn json_part(json: &str, path: &[Box<str>], ty: Scalar) -> Value {
    let Ok(document) = serde_json::from_str::<serde_json::Value>(json) else {
        return Value::Null;
    };
    let mut at = &document;
    for name in path {
        match at.get(&**name) {
            Some(inner) => at = inner,
            None => return Value::Null,
        }
    }
    json_scalar(at, ty)
}

/// A JSON value as a value of `ty`, from the notation in which values are kept and answered; null for null and for what
/// is something else. A `Float` is any number.
pub fn json_scalar(json: &serde_json::Value, ty: Scalar) -> Value {
    let text = json.as_str();
    let value = match ty {
        Scalar::String | Scalar::Email | Scalar::Url | Scalar::File => text.map(Value::text),
        Scalar::Int => json.as_i64().map(Value::Int),
        // Beyond 2^53 a text.
        Scalar::Long => json.as_i64().or_else(|| text?.parse().ok()).map(Value::Int),
        Scalar::Float => json.as_f64().map(Value::Float),
        Scalar::Boolean => json.as_bool().map(Value::Bool),
        Scalar::Id => text
            .filter(|text| text.len() == 36)
            .and_then(|text| Uuid::parse_str(text).ok())
            .map(Value::Id),
        Scalar::Decimal => text.and_then(|text| Decimal::parse(text).ok()).map(Value::Decimal),
        Scalar::DateTime => text.and_then(Timestamp::parse).map(Value::DateTime),
        Scalar::Date => text.and_then(Date::parse).map(Value::Date),
        Scalar::Bytes => text
            .and_then(|text| BASE64_STANDARD.decode(text).ok())
            .map(|bytes| Value::Bytes(bytes.into())),
        Scalar::Json => (!json.is_null()).then(|| Value::Json(json.to_string().into())),
    };
    value.unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_time_agree_with_a_calendar() {
        let mut at = -62_135_596_800_000_i64;
        while at < 253_402_300_800_000 {
            let moment = jiff::Timestamp::from_millisecond(at)
                .unwrap()
                .to_zoned(jiff::tz::TimeZone::UTC);
            let part = |function| time_part(function, Timestamp(at));
            assert_eq!(part(Function::Year), i64::from(moment.year()), "{moment}");
            assert_eq!(part(Function::Month), i64::from(moment.month()) - 1, "{moment}");
            assert_eq!(part(Function::DayOfMonth), i64::from(moment.day()) - 1, "{moment}");
            assert_eq!(
                part(Function::DayOfYear),
                i64::from(moment.day_of_year()) - 1,
                "{moment}"
            );
            let weekday = moment.weekday().to_sunday_zero_offset();
            assert_eq!(part(Function::DayOfWeek), i64::from(weekday), "{moment}");
            assert_eq!(part(Function::Hours), i64::from(moment.hour()), "{moment}");
            assert_eq!(part(Function::Minutes), i64::from(moment.minute()), "{moment}");
            assert_eq!(part(Function::Seconds), i64::from(moment.second()), "{moment}");
            assert_eq!(
                part(Function::Milliseconds),
                i64::from(moment.millisecond()),
                "{moment}"
            );
            at += 86_400_000 * 97 + 3_723_457;
        }
    }
}
