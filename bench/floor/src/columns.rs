//! The columns of each answer, in their order, and how those that need some doing are written.

use std::ops::Range;

use uuid::Uuid;

/// What stands before the value, and what the column holds.
pub type Column = (&'static str, Kind);

#[derive(Clone, Copy)]
pub enum Kind {
    Id,
    Int,
    Bool,
    Text,
    Json,
    /// Milliseconds since 1970.
    Time,
}

pub const POST: &[Column] = &[
    ("{\"id\":", Kind::Id),
    (",\"created\":", Kind::Time),
    (",\"updated\":", Kind::Time),
    (",\"version\":", Kind::Int),
    (",\"title\":", Kind::Text),
    (",\"category\":", Kind::Text),
    (",\"score\":", Kind::Int),
    (",\"published\":", Kind::Time),
    (",\"body\":", Kind::Text),
];
pub const ARTICLE: &[Column] = &[
    POST[0],
    POST[1],
    POST[2],
    POST[3],
    (",\"team\":", Kind::Id),
    (",\"author\":", Kind::Id),
    POST[4],
    POST[5],
    POST[6],
    POST[7],
    POST[8],
];
pub const AUTHOR: usize = 5;
pub const USER: &[Column] = &[
    POST[0],
    POST[1],
    POST[2],
    POST[3],
    (",\"email\":", Kind::Text),
    (",\"verified\":", Kind::Bool),
    (",\"roles\":", Kind::Json),
    (",\"name\":", Kind::Text),
];
/// Email, verified and roles, which only their owner sees: whether that is who asks stands in the column [`IS_OWN`].
pub const OWN: Range<usize> = 4..7;
pub const IS_OWN: usize = 8;

pub fn write_id(body: &mut Vec<u8>, id: Uuid) {
    let mut buffer = Uuid::encode_buffer();
    let text = id.hyphenated().encode_lower(&mut buffer);
    body.push(b'"');
    body.extend_from_slice(text.as_bytes());
    body.push(b'"');
}

/// `"2026-01-02T03:04:05.000Z"`
pub fn write_time(body: &mut Vec<u8>, ms: i64) {
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
