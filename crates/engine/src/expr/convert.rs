//! Values from text, as constants and conversions in an expression write them.

use crate::model::{Timestamp, Value};

/// The longest duration of CEL, in milliseconds: 10,000 years.
pub(super) const DURATION_MAX: i64 = 315_576_000_000_000;

/// Within the years 1 to 9999.
pub(super) fn checked_timestamp(ms: i128) -> Option<Timestamp> {
    let moment = Timestamp(i64::try_from(ms).ok()?);
    (Timestamp::MIN..=Timestamp::MAX).contains(&moment).then_some(moment)
}

/// CEL's `duration('1h30m')`: numbers with the units `h m s ms us ns`, in milliseconds.
pub(super) fn duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut nanoseconds: i128 = 0;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(number_end);
        let unit_end = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_end);
        let scale: i128 = match unit {
            "h" => 3_600_000_000_000,
            "m" => 60_000_000_000,
            "s" => 1_000_000_000,
            "ms" => 1_000_000,
            "us" | "µs" => 1_000,
            "ns" => 1,
            _ => return None,
        };
        nanoseconds = nanoseconds.checked_add(scaled(number, scale)?)?;
        rest = next;
    }
    let milliseconds = i64::try_from(nanoseconds / 1_000_000).ok()?;
    let milliseconds = if negative { -milliseconds } else { milliseconds };
    (-DURATION_MAX..=DURATION_MAX)
        .contains(&milliseconds)
        .then_some(milliseconds)
}

/// `1.5` times a scale.
fn scaled(number: &str, scale: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || whole.len() > 18 || fraction.len() > 18 {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut sum = whole.checked_mul(scale)?;
    if !fraction.is_empty() {
        let digits: i128 = fraction.parse().ok()?;
        sum = sum.checked_add(digits.checked_mul(scale)? / 10i128.pow(u32::try_from(fraction.len()).ok()?))?;
    }
    Some(sum)
}

pub(super) fn id(text: &str) -> Option<Value> {
    (text.len() == 36)
        .then(|| uuid::Uuid::parse_str(text).ok())
        .flatten()
        .map(Value::Id)
}
