//! Functions that SQLite lacks, or whose own version means something slightly else. Registered on every connection.
//!
//! All are deterministic and, as in SQL, null where an argument is null or of another type.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use regex::{Regex, RegexBuilder};
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result};
use uuid::Uuid;

const MS_PER_DAY: i64 = 86_400_000;

/// Memory that one compiled pattern may take.
const PATTERN_BYTES_MAX: usize = 1 << 20;
const PATTERNS_KEPT_MAX: usize = 256;

pub(super) fn register(connection: &Connection) -> Result<()> {
    text_test(connection, "ninefold_starts_with", |text, start| {
        Ok(text.starts_with(start))
    })?;
    text_test(connection, "ninefold_ends_with", |text, end| Ok(text.ends_with(end)))?;
    text_test(connection, "ninefold_contains", |text, part| Ok(text.contains(part)))?;
    text_test(connection, "ninefold_matches", |text, pattern| {
        Ok(pattern_for(pattern)?.is_match(text))
    })?;
    scalar(connection, "ninefold_trim", 1, |args| {
        Ok(text(args, 0).map(|text| text.trim().to_owned()))
    })?;
    scalar(connection, "ninefold_id_text", 1, |args| {
        Ok(args
            .get_raw(0)
            .as_blob()
            .ok()
            .and_then(|bytes| Uuid::from_slice(bytes).ok())
            .map(|id| id.hyphenated().to_string()))
    })?;
    calendar(connection)?;
    decimals(connection)
}

fn scalar<T: rusqlite::functions::SqlFnOutput>(
    connection: &Connection,
    name: &str,
    arguments: i32,
    function: impl Fn(&Context<'_>) -> Result<T> + Send + 'static,
) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function(name, arguments, flags, function)
}

fn text_test(
    connection: &Connection,
    name: &str,
    test: impl Fn(&str, &str) -> Result<bool> + Send + 'static,
) -> Result<()> {
    scalar(connection, name, 2, move |args| match (text(args, 0), text(args, 1)) {
        (Some(text), Some(other)) => test(text, other).map(Some),
        _ => Ok(None),
    })
}

fn text<'a>(args: &'a Context<'_>, index: usize) -> Option<&'a str> {
    args.get_raw(index).as_str().ok()
}

fn integer(args: &Context<'_>, index: usize) -> Option<i64> {
    match args.get_raw(index) {
        ValueRef::Integer(value) => Some(value),
        _ => None,
    }
}

/// Patterns come from schemas and filters, few and again and again; compiling one costs a thousand times its use.
fn pattern_for(source: &str) -> Result<Regex> {
    static KEPT: LazyLock<Mutex<HashMap<Box<str>, Regex>>> = LazyLock::new(Mutex::default);
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pattern) = kept.get(source) {
        return Ok(pattern.clone());
    }
    let pattern = RegexBuilder::new(source)
        .size_limit(PATTERN_BYTES_MAX)
        .build()
        .map_err(|error| rusqlite::Error::UserFunctionError(Box::new(error)))?;
    if kept.len() >= PATTERNS_KEPT_MAX {
        kept.clear();
    }
    kept.insert(source.into(), pattern.clone());
    Ok(pattern)
}

/// A part of a moment in milliseconds, in UTC, counted as CEL does.
fn calendar(connection: &Connection) -> Result<()> {
    let parts: [(&str, fn(i64) -> i64); 10] = [
        ("ninefold_year", |ms| Day::of(ms).year),
        ("ninefold_month", |ms| Day::of(ms).month - 1),
        ("ninefold_day_of_month", |ms| Day::of(ms).day - 1),
        ("ninefold_day_of_week", |ms| (days(ms) + 4).rem_euclid(7)),
        ("ninefold_day_of_year", |ms| Day::of(ms).of_year()),
        ("ninefold_hours", |ms| ms.rem_euclid(MS_PER_DAY) / 3_600_000),
        ("ninefold_minutes", |ms| ms.rem_euclid(3_600_000) / 60_000),
        ("ninefold_seconds", |ms| ms.rem_euclid(60_000) / 1000),
        ("ninefold_milliseconds", |ms| ms.rem_euclid(1000)),
        ("ninefold_date", days),
    ];
    for (name, part) in parts {
        scalar(connection, name, 1, move |args| Ok(integer(args, 0).map(part)))?;
    }
    Ok(())
}

fn days(ms: i64) -> i64 {
    ms.div_euclid(MS_PER_DAY)
}

/// A day of the proleptic Gregorian calendar; months and days from 1.
struct Day {
    year: i64,
    month: i64,
    day: i64,
}

impl Day {
    /// Howard Hinnant's `civil_from_days`: years begin in March, so that the leap day is their last.
    fn of(ms: i64) -> Self {
        let shifted = days(ms) + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        Self {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day,
        }
    }

    /// From 0.
    fn of_year(&self) -> i64 {
        let leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
        let before = usize::try_from(self.month - 1)
            .ok()
            .and_then(|month| BEFORE.get(month))
            .expect("a month is between 1 and 12");
        before + self.day - 1 + i64::from(leap && self.month > 2)
    }
}

/// Fixed-point numbers are stored times a million; products and quotients need more than 64 bits on the way.
fn decimals(connection: &Connection) -> Result<()> {
    let one = i128::from(engine::model::Decimal::ONE);
    let operation = |name, compute: fn(i128, i128, i128) -> Option<i128>| {
        scalar(connection, name, 2, move |args| {
            let (Some(left), Some(right)) = (integer(args, 0), integer(args, 1)) else {
                return Ok(None);
            };
            Ok(compute(i128::from(left), i128::from(right), one).and_then(|result| i64::try_from(result).ok()))
        })
    };
    operation("ninefold_decimal_multiply", |left, right, one| Some(left * right / one))?;
    operation("ninefold_decimal_divide", |left, right, one| {
        (left * one).checked_div(right)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &str, expected: impl rusqlite::types::FromSql + PartialEq + std::fmt::Debug) {
        let connection = Connection::open_in_memory().unwrap();
        register(&connection).unwrap();
        let got = connection.query_row(&format!("SELECT {sql}"), [], |row| row.get(0));
        assert_eq!(got, Ok(expected), "{sql}");
    }

    #[test]
    fn text_tests_are_by_code_point_and_null_for_null() {
        check("ninefold_starts_with('añb', 'añ')", true);
        check("ninefold_starts_with('b', '')", true);
        check("ninefold_ends_with('b', 'ab')", false);
        check("ninefold_ends_with('ab', '')", true);
        check("ninefold_contains('a%b', '%')", true);
        check("ninefold_contains('ab', '_')", false);
        check("ninefold_matches('hello', '^h.*o$')", true);
        check("ninefold_matches('say hello', 'h.l')", true);
        check("ninefold_matches(NULL, 'a')", None::<bool>);
    }

    #[test]
    fn parts_of_a_moment_hold_before_1970_and_in_leap_years() {
        for (ms, year, month, day, of_week, of_year) in [
            (0_i64, 1970, 0, 0, 4, 0),
            (-1, 1969, 11, 30, 3, 364),
            (951_782_400_000, 2000, 1, 28, 2, 59),
            (1_735_603_200_000, 2024, 11, 30, 2, 365),
            (-62_135_596_800_000, 1, 0, 0, 1, 0),
            (253_402_300_799_999, 9999, 11, 30, 5, 364),
        ] {
            check(&format!("ninefold_year({ms})"), year);
            check(&format!("ninefold_month({ms})"), month);
            check(&format!("ninefold_day_of_month({ms})"), day);
            check(&format!("ninefold_day_of_week({ms})"), of_week);
            check(&format!("ninefold_day_of_year({ms})"), of_year);
        }
        check("ninefold_hours(-1)", 23);
        check("ninefold_milliseconds(-1)", 999);
        check("ninefold_date(-1)", -1);
    }

    #[test]
    fn decimals_multiply_and_divide_beyond_64_bits() {
        check(
            "ninefold_decimal_multiply(9000000000000, 3000000)",
            27_000_000_000_000_i64,
        );
        check("ninefold_decimal_multiply(-1500000, 500000)", -750_000);
        check("ninefold_decimal_divide(1000000, 3000000)", 333_333);
        check(
            "ninefold_decimal_divide(9000000000000000, 2000000)",
            4_500_000_000_000_000_i64,
        );
        check("ninefold_decimal_divide(1, 0)", None::<i64>);
    }

    #[test]
    fn trims_unicode_space_and_writes_ids() {
        check("ninefold_trim(char(8195) || ' a b ' || char(160))", "a b".to_owned());
        check(
            "ninefold_id_text(x'0190a8f47c3a7d2eb1c5d6e7f8091a2b')",
            "0190a8f4-7c3a-7d2e-b1c5-d6e7f8091a2b".to_owned(),
        );
    }
}
