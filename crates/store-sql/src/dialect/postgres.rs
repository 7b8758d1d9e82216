//! PostgreSQL's way. The functions called `_ninefold_…` are made in the database with Ninefold's own tables
//! (`migrate/postgres/functions.sql`).

use engine::model::{Scalar, Value};
use engine::query::{Arithmetic, Function, TextTest};

use super::{Dialect, Operand, quote, write_to};
use crate::compile::Kind;

pub(crate) struct Postgres;

impl Dialect for Postgres {
    fn identifier(&self, out: &mut String, name: &str) {
        quote(out, name, '"');
    }

    fn placeholder(&self, out: &mut String, number: usize, kind: Option<Kind>) {
        write_to(out, &format_args!("${number}"));
        if let Some(name) = kind.and_then(type_name) {
            write_to(out, &format_args!("::{name}"));
        }
        if kind == Some(Kind::Text) {
            out.push_str(BY_CODE_POINT);
        }
    }

    /// One text for all lengths, which so is prepared once.
    fn any(&self, out: &mut String, number: usize, item: Kind) -> bool {
        let Some(name) = type_name(item) else {
            return false;
        };
        let collation = if item == Kind::Text { BY_CODE_POINT } else { "" };
        write_to(out, &format_args!(" = ANY(${number}::{name}[]{collation})"));
        true
    }

    /// A text may have any collation, or be one of an enum's; a moment may be finer than what is answered.
    fn of_others(&self, kind: Kind) -> Option<(&'static str, &'static str)> {
        match kind {
            Kind::Text => Some(("(", "::text COLLATE \"C\")")),
            Kind::DateTime => Some(("date_trunc('milliseconds', ", ")")),
            _ => None,
        }
    }

    fn literal(&self, out: &mut String, value: &Value) {
        match value {
            Value::Null | Value::Record(_) | Value::Hidden => out.push_str("NULL"),
            Value::List(items) => {
                for (place, item) in items.iter().enumerate() {
                    out.push_str(if place == 0 { "ARRAY[" } else { ", " });
                    self.literal(out, item);
                }
                out.push_str(if items.is_empty() { "'{}'" } else { "]" });
            }
            Value::Bool(truth) => out.push_str(if *truth { "TRUE" } else { "FALSE" }),
            Value::Int(number) | Value::Duration(number) => write_to(out, &format_args!("'{number}'::bigint")),
            Value::Decimal(number) => write_to(out, &format_args!("'{number}'::numeric")),
            Value::DateTime(moment) => write_to(out, &format_args!("'{moment}'::timestamptz")),
            Value::Date(date) => write_to(out, &format_args!("'{date}'::date")),
            Value::Float(number) => write_to(out, &format_args!("'{number:e}'::double precision")),
            Value::Text(text) => quote_text(out, text),
            Value::Json(text) => {
                quote_text(out, text);
                out.push_str("::json");
            }
            Value::Bytes(bytes) => {
                out.push_str("'\\x");
                for byte in bytes {
                    write_to(out, &format_args!("{byte:02x}"));
                }
                out.push_str("'::bytea");
            }
            Value::Id(id) => write_to(out, &format_args!("'{id}'::uuid")),
        }
    }

    fn same(&self) -> &'static str {
        " IS NOT DISTINCT FROM "
    }

    fn text_test(&self, test: TextTest) -> &'static str {
        match test {
            TextTest::StartsWith => "starts_with({0}, {1})",
            TextTest::EndsWith => "(right({0}, length({1})) = {1})",
            TextTest::Contains => "(strpos({0}, {1}) > 0)",
            TextTest::Matches => "({0} ~ {1})",
        }
    }

    /// What is called `.` elsewhere is anything but a line's end; here it is anything.
    fn pattern(&self, source: &str) -> String {
        let mut pattern = String::with_capacity(source.len());
        let mut characters = source.chars();
        let mut in_class = false;
        while let Some(character) = characters.next() {
            match character {
                '\\' => {
                    pattern.push('\\');
                    pattern.extend(characters.next());
                    continue;
                }
                '[' => in_class = true,
                ']' => in_class = false,
                '.' if !in_class => {
                    pattern.push_str("[^\\n]");
                    continue;
                }
                _ => {}
            }
            pattern.push(character);
        }
        pattern
    }

    fn function(&self, function: Function) -> &'static str {
        match function {
            Function::TextLength | Function::BytesLength => "length({0})::bigint",
            Function::ListLength => "json_array_length(_ninefold_json_array(({0})::json))::bigint",
            Function::LowerAscii => "lower({0} COLLATE \"C\")",
            Function::UpperAscii => "upper({0} COLLATE \"C\")",
            Function::Concat => "(({0} || {1}) COLLATE \"C\")",
            Function::Trim => {
                "btrim({0}, E'\\t\\n\\u000b\\f\\r \\u0085\\u00a0\\u1680\\u2000\\u2001\\u2002\\u2003\\u2004\\u2005\\u2006\\u2007\\u2008\\u2009\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000')"
            }
            Function::Year => "extract(year FROM {0} AT TIME ZONE 'UTC')::bigint",
            Function::Month => "(extract(month FROM {0} AT TIME ZONE 'UTC')::bigint - 1)",
            Function::DayOfMonth => "(extract(day FROM {0} AT TIME ZONE 'UTC')::bigint - 1)",
            Function::DayOfWeek => "extract(dow FROM {0} AT TIME ZONE 'UTC')::bigint",
            Function::DayOfYear => "(extract(doy FROM {0} AT TIME ZONE 'UTC')::bigint - 1)",
            Function::Hours => "extract(hour FROM {0} AT TIME ZONE 'UTC')::bigint",
            Function::Minutes => "extract(minute FROM {0} AT TIME ZONE 'UTC')::bigint",
            Function::Seconds => "trunc(extract(second FROM {0} AT TIME ZONE 'UTC'))::bigint",
            Function::Milliseconds => "(trunc(extract(milliseconds FROM {0} AT TIME ZONE 'UTC'))::bigint % 1000)",
            Function::DateToTimestamp => "({0}::timestamp AT TIME ZONE 'UTC')",
            Function::TimestampToDate => "({0} AT TIME ZONE 'UTC')::date",
            Function::IntToFloat => "{0}::double precision",
            Function::IntToDecimal => "{0}::numeric",
            // By way of the whole number that it is kept as elsewhere, so that it is rounded at the same place.
            Function::DecimalToFloat => "(({0} * 1000000)::double precision / 1000000)",
            Function::FloatToInt | Function::DecimalToInt => "trunc({0})::bigint",
            Function::IdToText | Function::IntToText => "({0}::text COLLATE \"C\")",
            Function::BoolToText => "((CASE {0} WHEN TRUE THEN 'true' WHEN FALSE THEN 'false' END) COLLATE \"C\")",
        }
    }

    fn arithmetic(&self, operation: Arithmetic, scalar: Scalar) -> &'static str {
        match (operation, scalar) {
            (Arithmetic::Add, Scalar::DateTime) => "_ninefold_later({0}, {1})",
            (Arithmetic::Subtract, Scalar::DateTime) => "_ninefold_between({0}, {1})",
            (Arithmetic::Multiply, Scalar::Decimal) => "_ninefold_decimal({0} * {1})",
            // The quotient itself would be rounded, and not behind the sixth digit.
            (Arithmetic::Divide, Scalar::Decimal) => "_ninefold_decimal(div({0} * 1000000, nullif({1}, 0)) * 0.000001)",
            (Arithmetic::Add, _) => "({0} + {1})",
            (Arithmetic::Subtract, _) => "({0} - {1})",
            (Arithmetic::Multiply, _) => "({0} * {1})",
            (Arithmetic::Divide, _) => "({0} / {1})",
            (Arithmetic::Remainder, _) => "({0} % {1})",
        }
    }

    fn json_part(&self, scalar: Scalar, _of: Operand) -> &'static str {
        match scalar {
            Scalar::String | Scalar::Email | Scalar::Url | Scalar::File => {
                "(_ninefold_json_text(({0})::json, ({1})::text[]) COLLATE \"C\")"
            }
            Scalar::Int => "_ninefold_json_int(({0})::json, ({1})::text[])",
            Scalar::Long => "_ninefold_json_long(({0})::json, ({1})::text[])",
            Scalar::Float => "_ninefold_json_float(({0})::json, ({1})::text[])",
            Scalar::Boolean => "_ninefold_json_bool(({0})::json, ({1})::text[])",
            Scalar::Id => "_ninefold_json_id(({0})::json, ({1})::text[])",
            Scalar::Decimal => "_ninefold_json_decimal(({0})::json, ({1})::text[])",
            Scalar::DateTime => "_ninefold_json_moment(({0})::json, ({1})::text[])",
            Scalar::Date => "_ninefold_json_date(({0})::json, ({1})::text[])",
            Scalar::Bytes => "_ninefold_json_bytes(({0})::json, ({1})::text[])",
            Scalar::Json => "_ninefold_json(({0})::json, ({1})::text[])",
        }
    }

    /// As an array is written.
    fn json_path(&self, path: &[Box<str>]) -> String {
        let quoted = |name: &str| format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""));
        let names: Vec<String> = path.iter().map(|name| quoted(name)).collect();
        format!("{{{}}}", names.join(","))
    }

    fn json_items(&self, _of: Operand) -> &'static str {
        "json_array_elements(_ninefold_json_array(({0})::json))"
    }

    fn json_item(&self, scalar: Scalar) -> &'static str {
        match scalar {
            Scalar::String | Scalar::Email | Scalar::Url | Scalar::File => {
                "(_ninefold_json_text({0}.value) COLLATE \"C\")"
            }
            Scalar::Int => "_ninefold_json_int({0}.value)",
            Scalar::Long => "_ninefold_json_long({0}.value)",
            Scalar::Float => "_ninefold_json_float({0}.value)",
            Scalar::Boolean => "_ninefold_json_bool({0}.value)",
            Scalar::Id => "_ninefold_json_id({0}.value)",
            Scalar::Decimal => "_ninefold_json_decimal({0}.value)",
            Scalar::DateTime => "_ninefold_json_moment({0}.value)",
            Scalar::Date => "_ninefold_json_date({0}.value)",
            Scalar::Bytes => "_ninefold_json_bytes({0}.value)",
            Scalar::Json => "_ninefold_json({0}.value)",
        }
    }

    fn states_limit(&self) -> bool {
        true
    }

    /// What holds no nulls is sorted as its index is by itself.
    fn order(&self, descending: bool, nullable: bool) -> &'static str {
        match (descending, nullable) {
            (false, false) => "",
            (false, true) => " NULLS FIRST",
            (true, false) => " DESC",
            (true, true) => " DESC NULLS LAST",
        }
    }

    /// Others may refer to the row meanwhile.
    fn for_update(&self) -> &'static str {
        " FOR NO KEY UPDATE"
    }

    fn keys_max(&self) -> usize {
        512
    }
}

const BY_CODE_POINT: &str = " COLLATE \"C\"";

fn type_name(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Null => return None,
        Kind::Bool => "boolean",
        Kind::Int | Kind::Duration => "bigint",
        Kind::Float => "double precision",
        Kind::Decimal => "numeric",
        Kind::Text => "text",
        Kind::Bytes => "bytea",
        Kind::DateTime => "timestamptz",
        Kind::Date => "date",
        Kind::Id => "uuid",
        Kind::Json => "json",
    })
}

/// A backslash means itself: `standard_conforming_strings` is on in each of our sessions.
fn quote_text(out: &mut String, text: &str) {
    write_to(out, &format_args!("'{}'", text.replace('\'', "''")));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_values_and_paths_cannot_break_out_of_their_quotes() {
        let mut out = String::new();
        Postgres.identifier(&mut out, "a\"; DROP TABLE b; --");
        assert_eq!(out, "\"a\"\"; DROP TABLE b; --\"");
        out.clear();
        Postgres.literal(&mut out, &Value::text("it's \\"));
        assert_eq!(out, "'it''s \\'");
        let path = ["a".into(), "b\"c\\".into()];
        assert_eq!(Postgres.json_path(&path), r#"{"a","b\"c\\"}"#);
    }

    #[test]
    fn a_dot_ends_at_the_line_and_only_outside_of_classes() {
        assert_eq!(Postgres.pattern(r"a.\.[.\]].$"), r"a[^\n]\.[.\]][^\n]$");
    }
}
