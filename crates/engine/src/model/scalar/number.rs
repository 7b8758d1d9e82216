//! Numbers in JSON: exact, or refused.

use serde_json::{Number, Value as Json};

use super::accept::{Fault, fault};
use crate::model::{Decimal, DecimalError};

/// Decimal digits that survive a binary float: a JSON number with more may not be what was sent.
const FLOAT_DIGITS_EXACT: usize = 15;
/// Whole numbers up to here are exact in a binary float.
const FLOAT_INT_MAX: f64 = 9_007_199_254_740_992.0;

pub(super) fn int(json: &Json) -> Result<i64, Fault> {
    let Json::Number(number) = json else {
        return fault("wrong_type", "must be a whole number");
    };
    let Some(int) = whole(number) else {
        return fault("wrong_type", "must be a whole number of 32 bits");
    };
    if i32::try_from(int).is_err() && !unlimited!(IntRange) {
        return fault("out_of_range", format!("must be between {} and {}", i32::MIN, i32::MAX));
    }
    Ok(int)
}

/// `5` and `5.0` are the same number (JSON Schema has it so).
fn whole(number: &Number) -> Option<i64> {
    let from_float = |float: f64| {
        let exact = float.fract() == 0.0 && float.abs() <= FLOAT_INT_MAX;
        #[expect(clippy::cast_possible_truncation, reason = "a whole number within 2^53")]
        exact.then_some(float as i64)
    };
    number.as_i64().or_else(|| number.as_f64().and_then(from_float))
}

pub(super) fn long(json: &Json) -> Result<i64, Fault> {
    let int = match json {
        Json::Number(number) if number.is_u64() && !number.is_i64() => None,
        Json::Number(number) => match whole(number) {
            Some(int) => Some(int),
            None => return fault("wrong_type", "must be a whole number; beyond 2^53 in a string"),
        },
        Json::String(text) if is_whole(text) => text.parse().ok(),
        _ => return fault("wrong_type", "must be a whole number, or one in a string"),
    };
    int.map_or_else(
        || fault("out_of_range", format!("must be between {} and {}", i64::MIN, i64::MAX)),
        Ok,
    )
}

fn is_whole(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

pub(super) fn float(json: &Json) -> Result<f64, Fault> {
    match json.as_f64().filter(|float| float.is_finite()) {
        // Negative zero is zero, on every engine.
        Some(float) => Ok(float + 0.0),
        None => fault("wrong_type", "must be a number"),
    }
}

pub(super) fn decimal(json: &Json) -> Result<Decimal, Fault> {
    let text = match json {
        Json::String(text) => text.clone(),
        Json::Number(number) if number.is_f64() => {
            // `Display` of a float writes no exponent.
            let text = number.as_f64().unwrap_or_default().to_string();
            if text.bytes().filter(u8::is_ascii_digit).count() > FLOAT_DIGITS_EXACT {
                return fault(
                    "too_precise",
                    "has more digits than a JSON number keeps; send it in a string",
                );
            }
            text
        }
        Json::Number(number) => number.to_string(),
        _ => return fault("wrong_type", "must be a number, or one in a string"),
    };
    Decimal::parse(&text).or_else(|error| match error {
        DecimalError::Malformed => fault("wrong_type", "must be a decimal number such as 12.50"),
        DecimalError::TooPrecise => fault("too_precise", "must have at most six decimal places"),
        DecimalError::OutOfRange => fault("out_of_range", "must be within ±9223372036854.775807"),
    })
}
