//! Reading moments, days and decimals; their `Display` writes them.
//!
//! Each has one canonical text: `2026-11-22T10:00:00.000Z`, `2026-11-22`, `12.5`. Within the years 1 to 9999 the
//! first two sort as text as they do as values.

use super::value::{Date, Decimal, Timestamp};

const DAY_MS: i64 = 86_400_000;

impl Timestamp {
    /// 0001-01-01T00:00:00.000Z.
    pub const MIN: Timestamp = Timestamp(Date::MIN.0 as i64 * DAY_MS);
    /// 9999-12-31T23:59:59.999Z.
    pub const MAX: Timestamp = Timestamp((Date::MAX.0 as i64 + 1) * DAY_MS - 1);

    /// RFC 3339 with any offset; what is finer than a millisecond is cut off.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() < 20 || !matches!(bytes[10], b'T' | b't' | b' ') || bytes[13] != b':' || bytes[16] != b':' {
            return None;
        }
        let date = Date::parse(text.get(..10)?)?;
        let hours = digits(&bytes[11..13]).filter(|hours| *hours < 24)?;
        let minutes = digits(&bytes[14..16]).filter(|minutes| *minutes < 60)?;
        // A leap second is the last one of its minute.
        let seconds = digits(&bytes[17..19]).filter(|seconds| *seconds <= 60)?.min(59);
        let (fraction_ms, zone) = fraction(&bytes[19..])?;
        let offset = offset_minutes(zone)?;
        let moment =
            i64::from(date.0) * DAY_MS + (hours * 3_600 + (minutes - offset) * 60 + seconds) * 1_000 + fraction_ms;
        Some(Self(moment)).filter(|moment| (Self::MIN..=Self::MAX).contains(moment))
    }
}

/// The milliseconds of `.123456`, and what follows.
fn fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let Some(after) = rest.strip_prefix(b".") else {
        return Some((0, rest));
    };
    let length = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 {
        return None;
    }
    let ms = after[..length]
        .iter()
        .chain(b"00")
        .take(3)
        .fold(0, |ms, digit| ms * 10 + i64::from(digit - b'0'));
    Some((ms, &after[length..]))
}

/// Of `Z` or `+05:30`.
fn offset_minutes(zone: &[u8]) -> Option<i64> {
    match zone {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let hours = digits(&[*h1, *h2]).filter(|hours| *hours < 24)?;
            let minutes = digits(&[*m1, *m2]).filter(|minutes| *minutes < 60)?;
            let offset = hours * 60 + minutes;
            Some(if *sign == b'-' { -offset } else { offset })
        }
        _ => None,
    }
}

impl Date {
    /// 0001-01-01.
    pub const MIN: Date = Date(-719_162);
    /// 9999-12-31.
    pub const MAX: Date = Date(2_932_896);

    /// `YYYY-MM-DD`.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
            return None;
        }
        let (year, month, day) = (digits(&bytes[..4])?, digits(&bytes[5..7])?, digits(&bytes[8..])?);
        let exists = year >= 1 && (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
        exists.then(|| Self(i32::try_from(days_from_civil(year, month, day)).expect("within 9999 years")))
    }
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar, by eras of 400 years that begin in March.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0'))
    })
}

/// Why a text is no [`Decimal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecimalError {
    Malformed,
    /// More than six decimal places.
    TooPrecise,
    /// Beyond ±9,223,372,036,854.775807.
    OutOfRange,
}

impl Decimal {
    /// `-12.50`: digits, then at most six decimal places that aren't zero. No exponent.
    ///
    /// # Errors
    /// When it can't be held exactly.
    pub fn parse(text: &str) -> Result<Self, DecimalError> {
        let (negative, magnitude) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = magnitude.split_once('.').unwrap_or((magnitude, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) {
            return Err(DecimalError::Malformed);
        }
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > Self::SCALE as usize {
            return Err(DecimalError::TooPrecise);
        }
        let padded = format!("{}{fraction:0<6}", whole.trim_start_matches('0'));
        let scaled: i128 = padded.parse().map_err(|_| DecimalError::OutOfRange)?;
        let signed = if negative { -scaled } else { scaled };
        i64::try_from(signed).map(Self).map_err(|_| DecimalError::OutOfRange)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn timestamps() {
        let check = |text: &str, expected: Option<&str>| {
            let parsed = Timestamp::parse(text).map(|moment| moment.to_string());
            assert_eq!(parsed.as_deref(), expected, "{text}");
        };
        check("2026-11-22T10:00:00Z", Some("2026-11-22T10:00:00.000Z"));
        check("2026-11-22T10:00:00.1Z", Some("2026-11-22T10:00:00.100Z"));
        check("2026-11-22T10:00:00.123987+02:00", Some("2026-11-22T08:00:00.123Z"));
        check("2026-11-22 23:30:00-01:00", Some("2026-11-23T00:30:00.000Z"));
        check("2016-12-31T23:59:60Z", Some("2016-12-31T23:59:59.000Z"));
        check("0001-01-01T00:00:00Z", Some("0001-01-01T00:00:00.000Z"));
        check("9999-12-31T23:59:59.999Z", Some("9999-12-31T23:59:59.999Z"));
        check("9999-12-31T23:59:59.999-00:01", None);
        check("0001-01-01T00:00:00+00:01", None);
        for wrong in [
            "2026-11-22T10:00:00",
            "2026-11-22",
            "2026-02-30T10:00:00Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22T10:60:00Z",
            "2026-11-22T10:00:00.Z",
            "2026-11-22T10:00:00+0200",
            "2026-11-22T10:00:00Z ",
            "",
            "2026-11-22T10:00:0éZ",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn dates() {
        assert_eq!(Date::parse("1970-01-01"), Some(Date(0)));
        assert_eq!(Date::parse("0001-01-01"), Some(Date::MIN));
        assert_eq!(Date::parse("9999-12-31"), Some(Date::MAX));
        assert!(Date::parse("2024-02-29").is_some());
        for wrong in [
            "2023-02-29",
            "1900-02-29",
            "0000-01-01",
            "2024-13-01",
            "2024-00-10",
            "2024-1-01",
            "+024-01-01",
        ] {
            assert_eq!(Date::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn decimals() {
        let check = |text: &str, expected: Result<&str, DecimalError>| {
            assert_eq!(
                Decimal::parse(text).map(|decimal| decimal.to_string()).as_deref(),
                expected.as_ref().map(|text| *text),
                "{text}"
            );
        };
        check("12.50", Ok("12.5"));
        check("0012", Ok("12"));
        check("-0.000001", Ok("-0.000001"));
        check("-0", Ok("0"));
        check("1.10000000000", Ok("1.1"));
        check("9223372036854.775807", Ok("9223372036854.775807"));
        check("-9223372036854.775808", Ok("-9223372036854.775808"));
        check("9223372036854.775808", Err(DecimalError::OutOfRange));
        check(&"9".repeat(60), Err(DecimalError::OutOfRange));
        check("0.0000001", Err(DecimalError::TooPrecise));
        for wrong in ["", "-", ".5", "5.", "1e3", "+1", "1,5", " 1", "1.2.3", "--1"] {
            check(wrong, Err(DecimalError::Malformed));
        }
    }

    proptest! {
        #[test]
        fn timestamps_come_back(ms in Timestamp::MIN.0..=Timestamp::MAX.0) {
            prop_assert_eq!(Timestamp::parse(&Timestamp(ms).to_string()), Some(Timestamp(ms)));
        }

        /// jiff's timestamps end a day earlier than ours.
        #[test]
        fn timestamps_agree_with_jiff(ms in Timestamp::MIN.0..Timestamp::MAX.0 - 2 * DAY_MS) {
            let theirs = jiff::Timestamp::from_millisecond(ms).expect("in range");
            prop_assert_eq!(format!("{theirs:.3}"), Timestamp(ms).to_string());
        }

        #[test]
        fn dates_come_back(days in Date::MIN.0..=Date::MAX.0) {
            prop_assert_eq!(Date::parse(&Date(days).to_string()), Some(Date(days)));
        }

        #[test]
        fn decimals_come_back(scaled in any::<i64>()) {
            prop_assert_eq!(Decimal::parse(&Decimal(scaled).to_string()), Ok(Decimal(scaled)));
        }
    }
}
