//! Values from text, as constants and conversions in an expression write them.

use jiff::civil;

use crate::model::{Date, Decimal, Timestamp, Value};

/// The first and the last moment that a `DateTime` can be: years 1 to 9999.
pub(super) const TIMESTAMP_MIN: i64 = -62_135_596_800_000;
pub(super) const TIMESTAMP_MAX: i64 = 253_402_300_799_999;
/// The longest duration of CEL, in milliseconds: 10,000 years.
pub(super) const DURATION_MAX: i64 = 315_576_000_000_000;

/// RFC 3339. What is finer than a millisecond is cut off.
pub(super) fn timestamp(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    // jiff takes more forms than RFC 3339 has.
    let shape = text.as_bytes();
    let well_formed = shape.len() >= 20
        && matches!(shape[10], b'T' | b't')
        && !text.contains(['[', ' '])
        && text[11..].contains(['Z', 'z', '+', '-']);
    if !well_formed {
        return None;
    }
    let moment: jiff::Timestamp = text.parse().ok()?;
    checked_timestamp(moment.as_nanosecond().div_euclid(1_000_000))
}

pub(super) fn checked_timestamp(ms: i128) -> Option<Timestamp> {
    let ms = i64::try_from(ms).ok()?;
    (TIMESTAMP_MIN..=TIMESTAMP_MAX).contains(&ms).then_some(Timestamp(ms))
}

/// `2024-05-01`.
pub(super) fn date(text: &str) -> Option<Date> {
    if text.len() != 10 {
        return None;
    }
    let day: civil::Date = text.parse().ok()?;
    if day.year() < 1 {
        return None;
    }
    let epoch = civil::date(1970, 1, 1);
    let days = day.since((jiff::Unit::Day, epoch)).ok()?.get_days();
    Some(Date(days))
}

/// Digits with at most six behind the point.
pub(super) fn decimal(text: &str) -> Option<Decimal> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let scale = Decimal::SCALE as usize;
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || digits.ends_with('.') {
        return None;
    }
    let significant = fraction.trim_end_matches('0');
    if significant.len() > scale {
        return None;
    }
    let scaled: i128 = format!("{whole}{significant:0<scale$}").parse().ok()?;
    let scaled = if negative { -scaled } else { scaled };
    i64::try_from(scaled).ok().map(Decimal)
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
