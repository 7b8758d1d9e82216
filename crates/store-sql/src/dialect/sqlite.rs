//! SQLite's way. The functions called `ninefold_…` are registered by the store on each of its connections.

use engine::model::{Scalar, Value};
use engine::query::{Arithmetic, Function, TextTest};

use super::{Dialect, Operand, quote, write_to};
use crate::compile::Kind;

pub(crate) struct Sqlite;

impl Dialect for Sqlite {
    fn identifier(&self, out: &mut String, name: &str) {
        quote(out, name, '"');
    }

    fn placeholder(&self, out: &mut String, _number: usize, _kind: Option<Kind>) {
        out.push('?');
    }

    fn literal(&self, out: &mut String, value: &Value) {
        match value {
            Value::Null | Value::List(_) | Value::Record(_) | Value::Hidden => out.push_str("NULL"),
            Value::Bool(truth) => out.push(if *truth { '1' } else { '0' }),
            Value::Int(number) | Value::Duration(number) => write_to(out, number),
            Value::Decimal(number) => write_to(out, &number.0),
            Value::DateTime(moment) => write_to(out, &moment.0),
            Value::Date(date) => write_to(out, &date.0),
            Value::Float(number) => write_to(out, &format_args!("{number:e}")),
            Value::Text(text) | Value::Json(text) => write_to(out, &format_args!("'{}'", text.replace('\'', "''"))),
            Value::Bytes(bytes) => blob(out, bytes),
            Value::Id(id) => blob(out, id.as_bytes()),
        }
    }

    fn same(&self) -> &'static str {
        " IS "
    }

    fn text_test(&self, test: TextTest) -> &'static str {
        match test {
            TextTest::StartsWith => "ninefold_starts_with({0}, {1})",
            TextTest::EndsWith => "ninefold_ends_with({0}, {1})",
            TextTest::Contains => "ninefold_contains({0}, {1})",
            TextTest::Matches => "ninefold_matches({0}, {1})",
        }
    }

    fn pattern(&self, source: &str) -> String {
        source.to_owned()
    }

    fn function(&self, function: Function) -> &'static str {
        match function {
            Function::TextLength | Function::BytesLength => "length({0})",
            Function::ListLength => "json_array_length(ninefold_json_array({0}))",
            Function::LowerAscii => "lower({0})",
            Function::UpperAscii => "upper({0})",
            Function::Concat => "({0} || {1})",
            Function::Trim => "ninefold_trim({0})",
            Function::Year => "ninefold_year({0})",
            Function::Month => "ninefold_month({0})",
            Function::DayOfMonth => "ninefold_day_of_month({0})",
            Function::DayOfWeek => "ninefold_day_of_week({0})",
            Function::DayOfYear => "ninefold_day_of_year({0})",
            Function::Hours => "ninefold_hours({0})",
            Function::Minutes => "ninefold_minutes({0})",
            Function::Seconds => "ninefold_seconds({0})",
            Function::Milliseconds => "ninefold_milliseconds({0})",
            Function::DateToTimestamp => "({0} * 86400000)",
            Function::TimestampToDate => "ninefold_date({0})",
            Function::IntToFloat => "CAST({0} AS REAL)",
            Function::IntToDecimal => "({0} * 1000000)",
            Function::DecimalToFloat => "({0} / 1000000.0)",
            Function::FloatToInt => "CAST({0} AS INTEGER)",
            Function::DecimalToInt => "({0} / 1000000)",
            Function::IdToText => "ninefold_id_text({0})",
            Function::IntToText => "CAST({0} AS TEXT)",
            Function::BoolToText => "(CASE {0} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END)",
        }
    }

    fn arithmetic(&self, operation: Arithmetic, scalar: Scalar) -> &'static str {
        match (operation, scalar) {
            // The product of two numbers that are kept times a million needs more than 64 bits on the way.
            (Arithmetic::Multiply, Scalar::Decimal) => "ninefold_decimal_multiply({0}, {1})",
            (Arithmetic::Divide, Scalar::Decimal) => "ninefold_decimal_divide({0}, {1})",
            (Arithmetic::Add, _) => "({0} + {1})",
            (Arithmetic::Subtract, _) => "({0} - {1})",
            (Arithmetic::Multiply, _) => "({0} * {1})",
            (Arithmetic::Divide, _) => "({0} / {1})",
            (Arithmetic::Remainder, _) => "({0} % {1})",
        }
    }

    fn json_part(&self, scalar: Scalar, _of: Operand) -> &'static str {
        match scalar {
            Scalar::String | Scalar::Email | Scalar::Url | Scalar::File => "ninefold_json_text({0}, {1})",
            Scalar::Int => "ninefold_json_int({0}, {1})",
            Scalar::Long => "ninefold_json_long({0}, {1})",
            Scalar::Float => "ninefold_json_float({0}, {1})",
            Scalar::Boolean => "ninefold_json_bool({0}, {1})",
            Scalar::Id => "ninefold_json_id({0}, {1})",
            Scalar::Decimal => "ninefold_json_decimal({0}, {1})",
            Scalar::DateTime => "ninefold_json_moment({0}, {1})",
            Scalar::Date => "ninefold_json_date({0}, {1})",
            Scalar::Bytes => "ninefold_json_bytes({0}, {1})",
            Scalar::Json => "ninefold_json({0}, {1})",
        }
    }

    fn json_path(&self, path: &[Box<str>]) -> String {
        serde_json::Value::from(path.iter().map(|name| &**name).collect::<Vec<_>>()).to_string()
    }

    fn json_items(&self, _of: Operand) -> &'static str {
        "json_each(ninefold_json_array({0}))"
    }

    fn json_item(&self, scalar: Scalar) -> &'static str {
        match scalar {
            Scalar::String | Scalar::Email | Scalar::Url | Scalar::File => {
                "(CASE {0}.type WHEN 'text' THEN {0}.value END)"
            }
            Scalar::Int => "(CASE {0}.type WHEN 'integer' THEN ninefold_json_int(json_quote({0}.value), '[]') END)",
            Scalar::Long => {
                "(CASE WHEN {0}.type IN ('integer', 'text') THEN ninefold_json_long(json_quote({0}.value), '[]') END)"
            }
            Scalar::Float => "(CASE WHEN {0}.type IN ('integer', 'real') THEN CAST({0}.value AS REAL) END)",
            Scalar::Boolean => "(CASE {0}.type WHEN 'true' THEN 1 WHEN 'false' THEN 0 END)",
            Scalar::Id => "(CASE {0}.type WHEN 'text' THEN ninefold_json_id(json_quote({0}.value), '[]') END)",
            Scalar::Decimal => {
                "(CASE {0}.type WHEN 'text' THEN ninefold_json_decimal(json_quote({0}.value), '[]') END)"
            }
            Scalar::DateTime => {
                "(CASE {0}.type WHEN 'text' THEN ninefold_json_moment(json_quote({0}.value), '[]') END)"
            }
            Scalar::Date => "(CASE {0}.type WHEN 'text' THEN ninefold_json_date(json_quote({0}.value), '[]') END)",
            Scalar::Bytes => "(CASE {0}.type WHEN 'text' THEN ninefold_json_bytes(json_quote({0}.value), '[]') END)",
            Scalar::Json => {
                "(CASE {0}.type WHEN 'null' THEN NULL WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE json_quote({0}.value) END)"
            }
        }
    }

    fn order(&self, descending: bool, _nullable: bool) -> &'static str {
        if descending { " DESC" } else { "" }
    }

    /// The store writes on one thread; there is nobody to hold off.
    fn for_update(&self) -> &'static str {
        ""
    }

    fn keys_max(&self) -> usize {
        512
    }
}

fn blob(out: &mut String, bytes: &[u8]) {
    out.push_str("x'");
    for byte in bytes {
        write_to(out, &format_args!("{byte:02x}"));
    }
    out.push('\'');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_cannot_break_out_of_their_quotes() {
        let mut out = String::new();
        Sqlite.identifier(&mut out, "a\"; DROP TABLE b; --");
        assert_eq!(out, "\"a\"\"; DROP TABLE b; --\"");
        out.clear();
        Sqlite.literal(&mut out, &Value::text("it's"));
        assert_eq!(out, "'it''s'");
    }
}
