//! Values in the driver's terms, which are those of the binary protocol.

use engine::model::{Date, Decimal, Timestamp, Value, ValueRef};
use mysql_async::Value as Wire;
use uuid::Uuid;

use crate::compile::Kind;

/// A value as it is bound. Decimals go as text.
pub(crate) fn bound(value: &Value) -> Wire {
    match value {
        Value::Null | Value::List(_) | Value::Record(_) | Value::Hidden => Wire::NULL,
        Value::Bool(truth) => Wire::Int(i64::from(*truth)),
        Value::Int(number) | Value::Duration(number) => Wire::Int(*number),
        Value::Float(number) => Wire::Double(*number),
        Value::Decimal(number) => Wire::Bytes(number.to_string().into_bytes()),
        Value::Text(text) | Value::Json(text) => Wire::Bytes(text.as_bytes().to_vec()),
        Value::Bytes(bytes) => Wire::Bytes(bytes.to_vec()),
        Value::Id(id) => Wire::Bytes(id.as_bytes().to_vec()),
        Value::DateTime(moment) => date_time(*moment),
        Value::Date(date) => {
            let [year, month, day, ..] = numbers(&date.to_string());
            Wire::Date(year, small(month), small(day), 0, 0, 0, 0)
        }
    }
}

fn date_time(moment: Timestamp) -> Wire {
    let [year, month, day, hour, minute, second, ms] = numbers(&moment.to_string());
    let micros = u32::from(ms) * 1000;
    Wire::Date(
        year,
        small(month),
        small(day),
        small(hour),
        small(minute),
        small(second),
        micros,
    )
}

/// Those of a text of RFC 3339.
fn numbers(text: &str) -> [u16; 7] {
    let mut found = [0; 7];
    let parts = text.split(|character: char| !character.is_ascii_digit());
    for (place, part) in found.iter_mut().zip(parts) {
        *place = part.parse().unwrap_or(0);
    }
    found
}

fn small(number: u16) -> u8 {
    u8::try_from(number).expect("no part of a day has more than two digits")
}

/// A column of a result. `None`: it holds what no value of its kind is stored as.
pub(crate) fn read(wire: &Wire, kind: Kind) -> Option<ValueRef<'_>> {
    Some(match (kind, wire) {
        (_, Wire::NULL) | (Kind::Null, _) => ValueRef::Null,
        (Kind::Bool, _) => ValueRef::Bool(int(wire)? != 0),
        (Kind::Int, _) => ValueRef::Int(int(wire)?),
        (Kind::Duration, _) => ValueRef::Duration(int(wire)?),
        (Kind::Float, Wire::Double(number)) => ValueRef::Float(*number),
        (Kind::Float, Wire::Float(number)) => ValueRef::Float((*number).into()),
        (Kind::Float, Wire::Bytes(_)) => ValueRef::Float(text(wire)?.parse().ok()?),
        (Kind::Decimal, Wire::Int(_) | Wire::UInt(_)) => {
            ValueRef::Decimal(Decimal(int(wire)?.checked_mul(Decimal::ONE)?))
        }
        (Kind::Decimal, _) => ValueRef::Decimal(decimal(text(wire)?)?),
        (Kind::Text, _) => ValueRef::Text(text(wire)?),
        (Kind::Json, _) => ValueRef::Json(text(wire)?),
        (Kind::Bytes, Wire::Bytes(bytes)) => ValueRef::Bytes(bytes),
        (Kind::Id, Wire::Bytes(bytes)) => ValueRef::Id(Uuid::from_slice(bytes).ok()?),
        (Kind::DateTime, Wire::Date(year, month, day, hour, minute, second, micros)) => {
            let text = format!(
                "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z",
                micros / 1000
            );
            ValueRef::DateTime(Timestamp::parse(&text)?)
        }
        (Kind::Date, Wire::Date(year, month, day, ..)) => {
            ValueRef::Date(Date::parse(&format!("{year:04}-{month:02}-{day:02}"))?)
        }
        _ => return None,
    })
}

fn int(wire: &Wire) -> Option<i64> {
    match wire {
        Wire::Int(number) => Some(*number),
        Wire::UInt(number) => i64::try_from(*number).ok(),
        // A whole number of more digits than the server thought it would have.
        Wire::Bytes(_) => text(wire)?.parse().ok(),
        _ => None,
    }
}

fn text(wire: &Wire) -> Option<&str> {
    match wire {
        Wire::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}

/// Cut off behind the sixth digit; `None` beyond 64 bits of millionths.
fn decimal(text: &str) -> Option<Decimal> {
    let end = text.find('.').map_or(text.len(), |point| text.len().min(point + 7));
    Decimal::parse(&text[..end]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_cut_off() {
        assert_eq!(decimal("12.3456789"), Some(Decimal(12_345_678)));
        assert_eq!(decimal("-0.000001"), Some(Decimal(-1)));
        assert_eq!(decimal("7"), Some(Decimal(7_000_000)));
        assert_eq!(decimal("9223372036854.775808"), None);
    }

    #[test]
    fn moments_and_days_are_written_and_read() {
        for ms in [0, -1, 1_750_000_000_123, -62_135_596_800_000, 253_402_300_799_999] {
            let moment = Value::DateTime(Timestamp(ms));
            assert_eq!(read(&bound(&moment), Kind::DateTime).map(Value::from), Some(moment));
            let day = Value::Date(Date(i32::try_from(ms.div_euclid(86_400_000)).unwrap()));
            assert_eq!(read(&bound(&day), Kind::Date).map(Value::from), Some(day));
        }
    }
}
