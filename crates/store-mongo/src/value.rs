//! Values as BSON, and back.
//!
//! A record is a document with a value for every stored field, null where there is none. What BSON has a type for is of
//! that type; ids and `Bytes` are text, as JSON has them: no version of MongoDB before 8 could otherwise compare them with
//! what stands in a document, or make text of them. `JSON`, embedded documents and lists are documents and arrays in the
//! notation of the API.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use engine::model::kind::Kind;
use engine::model::{Date, Decimal, Timestamp, Value};
use engine::ports::store::StoreError;
use mongodb::bson::{Bson, DateTime, Decimal128, Document};
use serde_json::Value as Json;
use uuid::Uuid;

pub(crate) const DAY_MS: i64 = 86_400_000;

pub(crate) fn encode(value: &Value) -> Bson {
    match value {
        Value::Null | Value::Record(_) | Value::Hidden => Bson::Null,
        Value::Bool(truth) => Bson::Boolean(*truth),
        Value::Int(int) | Value::Duration(int) => Bson::Int64(*int),
        Value::Float(float) => Bson::Double(*float),
        Value::Decimal(decimal) => decimal128(&decimal.to_string()),
        Value::Text(text) => Bson::String(text.to_string()),
        Value::Bytes(bytes) => Bson::String(BASE64_STANDARD.encode(bytes)),
        Value::DateTime(moment) => Bson::DateTime(DateTime::from_millis(moment.0)),
        Value::Date(day) => Bson::DateTime(DateTime::from_millis(i64::from(day.0) * DAY_MS)),
        Value::Id(id) => Bson::String(id.hyphenated().to_string()),
        Value::Json(text) => serde_json::from_str(text).map_or(Bson::Null, from_json),
        Value::List(items) => Bson::Array(items.iter().map(encode).collect()),
    }
}

pub(crate) fn decimal128(text: &str) -> Bson {
    let decimal: Decimal128 = text.parse().expect("a decimal number of 34 digits at most");
    Bson::Decimal128(decimal)
}

/// # Errors
/// When it isn't what [`encode`] makes of a value of that kind.
pub(crate) fn decode(stored: Option<&Bson>, kind: Kind) -> Result<Value, StoreError> {
    let Some(stored) = stored.filter(|stored| !matches!(stored, Bson::Null | Bson::Undefined)) else {
        return Ok(Value::Null);
    };
    let value = match (kind, stored) {
        (Kind::Null, _) => Some(Value::Null),
        (Kind::Bool, Bson::Boolean(truth)) => Some(Value::Bool(*truth)),
        (Kind::Int, stored) => int(stored).map(Value::Int),
        (Kind::Duration, stored) => int(stored).map(Value::Duration),
        (Kind::Float, Bson::Double(float)) => Some(Value::Float(*float)),
        (Kind::Float, Bson::Int32(int)) => Some(Value::Float(f64::from(*int))),
        (Kind::Decimal, Bson::Decimal128(decimal)) => micros(&decimal.to_string()).map(Decimal).map(Value::Decimal),
        (Kind::Text, Bson::String(text)) => Some(Value::text(text.as_str())),
        (Kind::Bytes, Bson::String(text)) => {
            let bytes = BASE64_STANDARD.decode(text).ok();
            bytes.map(|bytes| Value::Bytes(bytes.into()))
        }
        (Kind::DateTime, Bson::DateTime(moment)) => Some(Value::DateTime(Timestamp(moment.timestamp_millis()))),
        (Kind::Date, Bson::DateTime(moment)) => {
            let days = moment.timestamp_millis().div_euclid(DAY_MS);
            i32::try_from(days).ok().map(Date).map(Value::Date)
        }
        (Kind::Id, Bson::String(text)) => Uuid::parse_str(text).ok().map(Value::Id),
        (Kind::Json, stored) => to_json(stored).map(|json| Value::Json(json.to_string().into())),
        _ => None,
    };
    value.ok_or_else(|| StoreError::Failed(format!("{stored} is stored where a {kind:?} should be")))
}

fn int(stored: &Bson) -> Option<i64> {
    match stored {
        Bson::Int64(int) => Some(*int),
        Bson::Int32(int) => Some(i64::from(*int)),
        _ => None,
    }
}

/// A decimal number, in whatever notation, times a million; digits behind the sixth are cut off.
fn micros(text: &str) -> Option<i64> {
    let (mantissa, exponent) = match text.split_once(['E', 'e']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (sign, digits) = match mantissa.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, mantissa.trim_start_matches('+')),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut scaled: i128 = format!("{whole}{fraction}").parse().ok()?;
    let mut shift = exponent - i32::try_from(fraction.len()).ok()? + Decimal::SCALE.cast_signed();
    while shift > 0 && scaled != 0 {
        scaled = scaled.checked_mul(10)?;
        shift -= 1;
    }
    while shift < 0 && scaled != 0 {
        scaled /= 10;
        shift += 1;
    }
    i64::try_from(sign * scaled).ok()
}

fn from_json(json: Json) -> Bson {
    match json {
        Json::Null => Bson::Null,
        Json::Bool(truth) => Bson::Boolean(truth),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(int), ..) => Bson::Int64(int),
            // Beyond 64 bits with a sign: exact all the same.
            (None, Some(int), _) => decimal128(&int.to_string()),
            (None, None, float) => Bson::Double(float.unwrap_or_default()),
        },
        Json::String(text) => Bson::String(text),
        Json::Array(items) => Bson::Array(items.into_iter().map(from_json).collect()),
        Json::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (name, from_json(value)));
            Bson::Document(fields.collect::<Document>())
        }
    }
}

fn to_json(stored: &Bson) -> Option<Json> {
    Some(match stored {
        Bson::Null => Json::Null,
        Bson::Boolean(truth) => Json::Bool(*truth),
        Bson::Int64(int) => Json::from(*int),
        Bson::Int32(int) => Json::from(*int),
        Bson::Double(float) => Json::from(*float),
        Bson::Decimal128(decimal) => Json::from(decimal.to_string().parse::<u64>().ok()?),
        Bson::String(text) => Json::from(text.as_str()),
        Bson::Array(items) => Json::Array(items.iter().map(to_json).collect::<Option<_>>()?),
        Bson::Document(fields) => {
            let fields = fields.iter().map(|(name, value)| Some((name.clone(), to_json(value)?)));
            Json::Object(fields.collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_in_any_notation() {
        let check = |text: &str, expected: Option<i64>| assert_eq!(micros(text), expected, "{text}");
        check("1.5", Some(1_500_000));
        check("-0.000001", Some(-1));
        check("1E-6", Some(1));
        check("1.2E+3", Some(1_200_000_000));
        check("0E+300", Some(0));
        check("0.0000019", Some(1));
        check("9223372036854.775807", Some(i64::MAX));
        check("9223372036854.775808", None);
        check("NaN", None);
    }

    #[test]
    fn json_comes_back_as_it_was() {
        let check = |text: &str| {
            let stored = encode(&Value::Json(text.into()));
            assert_eq!(decode(Some(&stored), Kind::Json).unwrap(), Value::Json(text.into()));
        };
        check(r#"{"b":1,"a":[null,true,1.0,"x"],"$c.d":{"":-9223372036854775808}}"#);
        check("18446744073709551615");
        check("[1e+300,0.1]");
    }
}
