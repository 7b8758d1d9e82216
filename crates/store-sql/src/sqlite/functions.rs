//! Functions that SQLite lacks, or whose own version means something slightly else: as `engine::query::functions` has
//! them. Registered on every connection.
//!
//! All are deterministic and, as there, null where an argument is null or of another type.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use engine::model::{Decimal, Scalar, Timestamp, Value};
use engine::query::functions::{arithmetic, call, json_part, text_test};
use engine::query::{Arithmetic, Function, TextTest};
use regex::{Regex, RegexBuilder};
use rusqlite::functions::{Context, FunctionFlags, SqlFnOutput};
use rusqlite::types::{FromSqlError, ToSql, ToSqlOutput, Value as Stored, ValueRef};
use rusqlite::{Connection, Result};
use serde::de::IgnoredAny;
use uuid::Uuid;

use super::session::Bound;

/// Memory that one compiled pattern may take.
const PATTERN_BYTES_MAX: usize = 1 << 20;
const PATTERNS_KEPT_MAX: usize = 256;

pub(super) fn register(connection: &Connection) -> Result<()> {
    for (name, test) in [
        ("ninefold_starts_with", TextTest::StartsWith),
        ("ninefold_ends_with", TextTest::EndsWith),
        ("ninefold_contains", TextTest::Contains),
    ] {
        on_texts(connection, name, move |text, other| Ok(text_test(test, text, other)))?;
    }
    on_texts(connection, "ninefold_matches", |text, pattern| {
        Ok(pattern_for(pattern)?.is_match(text))
    })?;
    for (name, function, argument) in CALLS {
        scalar(connection, name, 1, move |args| {
            let argument = argument(args.get_raw(0)).unwrap_or(Value::Null);
            stored(&call(function, &[argument]))
        })?;
    }
    for (name, operator) in [
        ("ninefold_decimal_multiply", Arithmetic::Multiply),
        ("ninefold_decimal_divide", Arithmetic::Divide),
    ] {
        scalar(connection, name, 2, move |args| {
            let (Some(left), Some(right)) = (as_decimal(args.get_raw(0)), as_decimal(args.get_raw(1))) else {
                return Ok(Stored::Null);
            };
            stored(&arithmetic(operator, &left, &right).unwrap_or(Value::Null))
        })?;
    }
    for (name, scalar) in JSON_PARTS {
        part(connection, name, scalar)?;
    }
    scalar(connection, "ninefold_json_array", 1, |args| {
        let array = text(args, 0).filter(|text| serde_json::from_str::<Vec<IgnoredAny>>(text).is_ok());
        Ok(array.map(str::to_owned))
    })
}

/// How an argument becomes the value that a function takes.
type Argument = fn(ValueRef<'_>) -> Option<Value>;

const CALLS: [(&str, Function, Argument); 12] = [
    ("ninefold_trim", Function::Trim, as_text),
    ("ninefold_id_text", Function::IdToText, as_id),
    ("ninefold_date", Function::TimestampToDate, as_moment),
    ("ninefold_year", Function::Year, as_moment),
    ("ninefold_month", Function::Month, as_moment),
    ("ninefold_day_of_month", Function::DayOfMonth, as_moment),
    ("ninefold_day_of_week", Function::DayOfWeek, as_moment),
    ("ninefold_day_of_year", Function::DayOfYear, as_moment),
    ("ninefold_hours", Function::Hours, as_moment),
    ("ninefold_minutes", Function::Minutes, as_moment),
    ("ninefold_seconds", Function::Seconds, as_moment),
    ("ninefold_milliseconds", Function::Milliseconds, as_moment),
];

const JSON_PARTS: [(&str, Scalar); 11] = [
    ("ninefold_json_text", Scalar::String),
    ("ninefold_json_int", Scalar::Int),
    ("ninefold_json_long", Scalar::Long),
    ("ninefold_json_decimal", Scalar::Decimal),
    ("ninefold_json_moment", Scalar::DateTime),
    ("ninefold_json_date", Scalar::Date),
    ("ninefold_json_bytes", Scalar::Bytes),
    ("ninefold_json_float", Scalar::Float),
    ("ninefold_json_bool", Scalar::Boolean),
    ("ninefold_json_id", Scalar::Id),
    ("ninefold_json", Scalar::Json),
];

fn as_text(value: ValueRef<'_>) -> Option<Value> {
    value.as_str().ok().map(Value::text)
}

fn as_id(value: ValueRef<'_>) -> Option<Value> {
    Uuid::from_slice(value.as_blob().ok()?).ok().map(Value::Id)
}

fn as_moment(value: ValueRef<'_>) -> Option<Value> {
    value.as_i64().ok().map(|ms| Value::DateTime(Timestamp(ms)))
}

fn as_decimal(value: ValueRef<'_>) -> Option<Value> {
    value.as_i64().ok().map(|number| Value::Decimal(Decimal(number)))
}

/// A result as it would be stored.
fn stored(value: &Value) -> Result<Stored> {
    let bound = Bound(value);
    match ToSql::to_sql(&bound)? {
        ToSqlOutput::Borrowed(borrowed) => borrowed.try_into().map_err(|error: FromSqlError| user_error(error)),
        _ => Ok(Stored::Null),
    }
}

fn user_error(error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::UserFunctionError(Box::new(error))
}

fn scalar<T: SqlFnOutput>(
    connection: &Connection,
    name: &str,
    arguments: i32,
    function: impl Fn(&Context<'_>) -> Result<T> + Send + 'static,
) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function(name, arguments, flags, function)
}

fn on_texts(
    connection: &Connection,
    name: &str,
    test: impl Fn(&str, &str) -> Result<bool> + Send + 'static,
) -> Result<()> {
    scalar(connection, name, 2, move |args| match (text(args, 0), text(args, 1)) {
        (Some(text), Some(other)) => test(text, other).map(Some),
        _ => Ok(None),
    })
}

/// Of a document and a path: a JSON array of names.
fn part(connection: &Connection, name: &str, ty: Scalar) -> Result<()> {
    scalar(connection, name, 2, move |args| {
        let path = args.get_or_create_aux(1, |path| -> Result<Vec<Box<str>>> {
            serde_json::from_str(path.as_str().map_err(user_error)?).map_err(user_error)
        })?;
        stored(&text(args, 0).map_or(Value::Null, |document| json_part(document, &path, ty)))
    })
}

fn text<'a>(args: &'a Context<'_>, index: usize) -> Option<&'a str> {
    args.get_raw(index).as_str().ok()
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
        .map_err(user_error)?;
    if kept.len() >= PATTERNS_KEPT_MAX {
        kept.clear();
    }
    kept.insert(source.into(), pattern.clone());
    Ok(pattern)
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
    fn parts_of_a_moment_hold_before_1970() {
        check("ninefold_year(-1)", 1969);
        check("ninefold_day_of_year(1735603200000)", 365);
        check("ninefold_hours(-1)", 23);
        check("ninefold_date(-1)", -1);
        check("ninefold_year(NULL)", None::<i64>);
    }

    #[test]
    fn decimals_multiply_and_divide_beyond_64_bits() {
        check(
            "ninefold_decimal_multiply(9000000000000, 3000000)",
            27_000_000_000_000_i64,
        );
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

    #[test]
    fn parts_of_json_have_one_type_or_none() {
        let document = r#"'{"a": {"b\"c": [1]}, "n": 1, "x": 1.5, "t": true, "s": "1", "z": null}'"#;
        check(&format!(r#"ninefold_json_int({document}, '["n"]')"#), 1);
        check(&format!(r#"ninefold_json_int({document}, '["s"]')"#), None::<i64>);
        check(&format!(r#"ninefold_json_float({document}, '["n"]')"#), 1.0);
        check(&format!(r#"ninefold_json_bool({document}, '["t"]')"#), true);
        check(&format!(r#"ninefold_json_text({document}, '["t"]')"#), None::<String>);
        check(
            &format!(r#"ninefold_json({document}, '["a", "b\"c"]')"#),
            "[1]".to_owned(),
        );
        check(&format!(r#"ninefold_json({document}, '["z"]')"#), None::<String>);
        check("ninefold_json('not json', '[]')", None::<String>);
        check("ninefold_json_array(' [1, 2]')", " [1, 2]".to_owned());
        check("ninefold_json_array('{}')", None::<String>);
    }
}
