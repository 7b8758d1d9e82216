//! From columns to JSON, straight into the buffer.

use std::ops::Range;

use anyhow::{Result, bail};
use rusqlite::types::ValueRef;
use uuid::Uuid;

/// What stands before the value, and what the column holds.
pub(crate) type Column = (&'static str, Kind);

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Id,
    Int,
    Bool,
    Text,
    Json,
    /// Milliseconds since 1970.
    Time,
}

/// Some members of an object that the caller closes.
pub(crate) fn write<'v>(
    body: &mut Vec<u8>,
    columns: &[Column],
    range: Range<usize>,
    value: impl Fn(usize) -> Result<ValueRef<'v>>,
) -> Result<()> {
    for index in range {
        let (name, kind) = columns[index];
        body.extend_from_slice(name.as_bytes());
        match (kind, value(index)?) {
            (Kind::Id, ValueRef::Blob(id)) => {
                let mut buffer = Uuid::encode_buffer();
                let text = Uuid::from_slice(id)?.hyphenated().encode_lower(&mut buffer);
                body.push(b'"');
                body.extend_from_slice(text.as_bytes());
                body.push(b'"');
            }
            (Kind::Int, ValueRef::Integer(number)) => body.extend_from_slice(number.to_string().as_bytes()),
            (Kind::Bool, ValueRef::Integer(number)) => {
                body.extend_from_slice(if number == 0 { b"false" } else { b"true" });
            }
            (Kind::Text, ValueRef::Text(text)) => serde_json::to_writer(&mut *body, std::str::from_utf8(text)?)?,
            (Kind::Json, ValueRef::Text(text)) => body.extend_from_slice(text),
            (Kind::Time, ValueRef::Integer(ms)) => write_time(body, ms),
            (_, other) => bail!("column {index} holds {:?}", other.data_type()),
        }
    }
    Ok(())
}

/// `"2026-01-02T03:04:05.000Z"`
fn write_time(body: &mut Vec<u8>, ms: i64) {
    let (days, rest) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    // Howard Hinnant's civil_from_days: years begin in March, eras have 400 years.
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    body.push(b'"');
    for (number, highest, end) in [
        (year, 1000, b'-'),
        (month, 10, b'-'),
        (day, 10, b'T'),
        (rest / 3_600_000, 10, b':'),
        (rest / 60_000 % 60, 10, b':'),
        (rest / 1000 % 60, 10, b'.'),
        (rest % 1000, 100, b'Z'),
    ] {
        let mut unit = highest;
        while unit > 0 {
            body.push(b'0' + u8::try_from(number / unit % 10).unwrap_or(0));
            unit /= 10;
        }
        body.push(end);
    }
    body.push(b'"');
}
