//! The way of MySQL and of MariaDB, which is much the same. What neither has a function for is written out: making
//! functions is a right that few users of such a server have.
//!
//! Sessions are as `mysql/pool.rs` sets them: strings know backslashes, quotients have thirty decimals.

use engine::model::{Scalar, Value};
use engine::query::{Arithmetic, Function, TextTest};

use super::{Dialect, Listing, Operand, quote, write_to};
use crate::compile::Kind;

/// Which of the two servers it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    MySql,
    MariaDb,
}

pub(crate) struct MySql(pub(crate) Server);

/// A text with the collation's name between its parts, as the server calls it.
macro_rules! collated {
    ($server:expr, $($part:expr),+; $end:expr) => {
        match $server {
            Server::MySql => concat!($($part, "utf8mb4_0900_bin"),+, $end),
            Server::MariaDb => concat!($($part, "utf8mb4_nopad_bin"),+, $end),
        }
    };
}

/// A text about the type of a document or a part of it, between `$before` and `$after`. MySQL gives the type's name a collation of its own,
/// which goes with that of no text of ours.
macro_rules! of_type {
    ($server:expr, $before:expr, $part:literal, $after:expr) => {
        match $server {
            Server::MySql => concat!($before, "JSON_TYPE(", $part, ") COLLATE utf8mb4_0900_bin", $after),
            Server::MariaDb => concat!($before, "JSON_TYPE(", $part, ")", $after),
        }
    };
}

/// `case` about `m.k`, the type of a part of a document, and `m.v`, its text. Templates have no braces but for operands, so patterns here
/// repeat what they count. `$from` is a table that the part is of, with a comma, or nothing; otherwise the part is evaluated twice.
macro_rules! of_part {
    ($server:expr, $from:literal, $part:literal, $case:expr) => {
        collated!(
            $server,
            concat!(
                "(SELECT ",
                $case,
                " FROM ",
                $from,
                "JSON_TABLE(JSON_ARRAY(JSON_TYPE(",
                $part,
                "), JSON_UNQUOTE(",
                $part,
                ")), '$' COLUMNS (k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE "
            ),
            " PATH '$[0]', v LONGTEXT CHARACTER SET utf8mb4 COLLATE ";
            " PATH '$[1]')) AS m)"
        )
    };
}

/// `$whole` as a value of a type; `$from` and `$part` are how a subquery has it.
macro_rules! part {
    ($server:expr, $scalar:expr, $whole:literal, $from:literal, $part:literal) => {
        match $scalar {
            Scalar::String | Scalar::Email | Scalar::Url | Scalar::File => match $server {
                Server::MySql => concat!(
                    "(CASE WHEN JSON_TYPE(", $whole, ") COLLATE utf8mb4_0900_bin = 'STRING' THEN JSON_UNQUOTE(", $whole,
                    ") COLLATE utf8mb4_0900_bin END)"
                ),
                Server::MariaDb => concat!(
                    "(CASE JSON_TYPE(", $whole, ") WHEN 'STRING' THEN JSON_UNQUOTE(", $whole, ") COLLATE utf8mb4_nopad_bin END)"
                ),
            },
            Scalar::Boolean => of_part!($server, $from, $part, "CASE m.k WHEN 'BOOLEAN' THEN m.v = 'true' END"),
            Scalar::Json => of_type!($server, "(CASE WHEN ", $whole, concat!(" <> 'NULL' THEN ", $whole, " END)")),
            Scalar::Int => of_part!($server, $from, $part, int_case!()),
            Scalar::Long => of_part!($server, $from, $part, long_case!()),
            Scalar::Float => of_part!($server, $from, $part,
                "CASE WHEN m.k IN ('INTEGER', 'UNSIGNED INTEGER', 'DOUBLE', 'DECIMAL') THEN CAST(m.v AS DOUBLE) END"
            ),
            Scalar::Decimal => of_part!($server, $from, $part, decimal_case!()),
            Scalar::Id => of_part!($server, $from, $part,
                "CASE WHEN m.k = 'STRING' AND m.v LIKE '________-____-____-____-____________' \
                 AND LENGTH(REPLACE(m.v, '-', '')) = 32 AND REPLACE(m.v, '-', '') REGEXP '^[0-9A-Fa-f]+\\\\z' \
                 THEN UNHEX(REPLACE(m.v, '-', '')) END"
            ),
            // With padding, and without bits to spare.
            Scalar::Bytes => of_part!($server, $from, $part,
                "CASE WHEN m.k = 'STRING' AND m.v REGEXP \
                 '^([A-Za-z0-9+/][A-Za-z0-9+/][A-Za-z0-9+/][A-Za-z0-9+/])*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/][A-Za-z0-9+/][AEIMQUYcgkosw048]=)?\\\\z' \
                 THEN FROM_BASE64(m.v) END"
            ),
            Scalar::Date => of_part!($server, $from, $part,
                concat!(
                    "CASE WHEN m.k = 'STRING' AND m.v REGEXP '^[0-9][0-9][0-9][0-9]-(0[1-9]|1[0-2])-[0-9][0-9]\\\\z' AND ",
                    is_day!(),
                    " THEN CAST(m.v AS DATE) END"
                )
            ),
            Scalar::DateTime => of_part!($server, $from, $part, moment_case!()),
        }
    };
}

macro_rules! int_case {
    () => {
        "CASE WHEN m.k IN ('INTEGER', 'UNSIGNED INTEGER') AND m.v REGEXP '^(0|-?[1-9][0-9]*)\\\\z' \
         AND CAST(m.v AS DECIMAL(65)) BETWEEN -9223372036854775808 AND 9223372036854775807 \
         THEN CAST(m.v AS SIGNED) END"
    };
}

/// Beyond 2^53 a text.
macro_rules! long_case {
    () => {
        "CASE WHEN ((m.k IN ('INTEGER', 'UNSIGNED INTEGER') AND m.v REGEXP '^(0|-?[1-9][0-9]*)\\\\z') \
         OR (m.k = 'STRING' AND m.v REGEXP '^[+-]?[0-9]+\\\\z')) \
         AND CAST(m.v AS DECIMAL(65)) BETWEEN -9223372036854775808 AND 9223372036854775807 \
         THEN CAST(CAST(m.v AS DECIMAL(65)) AS SIGNED) END"
    };
}

macro_rules! decimal_case {
    () => {
        "CASE WHEN m.k = 'STRING' AND m.v REGEXP '^-?[0-9]+([.][0-9][0-9]?[0-9]?[0-9]?[0-9]?[0-9]?0*)?\\\\z' \
         AND CAST(m.v AS DECIMAL(65, 6)) BETWEEN -9223372036854.775808 AND 9223372036854.775807 \
         THEN CAST(m.v AS DECIMAL(19, 6)) END"
    };
}

/// What begins with `YYYY-MM-DD` has such a day.
macro_rules! is_day {
    () => {
        "LEFT(m.v, 4) > '0000' AND CAST(SUBSTR(m.v, 9, 2) AS SIGNED) \
         BETWEEN 1 AND DAY(LAST_DAY(CAST(CONCAT(LEFT(m.v, 7), '-01') AS DATE)))"
    };
}

/// RFC 3339; a leap second is the last one of its minute, and what is finer than a millisecond is cut off. An offset `+`
/// means earlier.
macro_rules! moment_case {
    () => {
        concat!(
            "CASE WHEN m.k = 'STRING' AND m.v REGEXP \
             '^[0-9][0-9][0-9][0-9]-(0[1-9]|1[0-2])-[0-9][0-9][Tt ]([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)([.][0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])\\\\z' AND ",
            is_day!(),
            " THEN CAST(CONCAT(LEFT(m.v, 10), ' ', SUBSTR(m.v, 12, 6), \
             CASE SUBSTR(m.v, 18, 2) WHEN '60' THEN '59' ELSE SUBSTR(m.v, 18, 2) END, \
             '.', LEFT(CONCAT(COALESCE(SUBSTR(REGEXP_SUBSTR(m.v, '[.][0-9]+'), 2), ''), '000'), 3)) AS DATETIME(3)) \
             + INTERVAL (CASE LEFT(RIGHT(m.v, 6), 1) WHEN '+' THEN -1 WHEN '-' THEN 1 ELSE 0 END \
             * (60 * CAST(SUBSTR(RIGHT(m.v, 6), 2, 2) AS SIGNED) + CAST(RIGHT(m.v, 2) AS SIGNED))) MINUTE END"
        )
    };
}

impl MySql {
    /// For as long as the program runs.
    pub(crate) fn of(server: Server) -> &'static Self {
        match server {
            Server::MySql => &Self(Server::MySql),
            Server::MariaDb => &Self(Server::MariaDb),
        }
    }

    /// By code point, and without padding: spaces at the end count.
    pub(crate) fn collation(&self) -> &'static str {
        collated!(self.0, ""; "")
    }
}

impl Dialect for MySql {
    fn identifier(&self, out: &mut String, name: &str) {
        quote(out, name, '`');
    }

    /// The driver sends decimals as text, and moments and days alike.
    fn placeholder(&self, out: &mut String, _number: usize, kind: Option<Kind>) {
        out.push_str(match kind {
            Some(Kind::Decimal) => "CAST(? AS DECIMAL(19, 6))",
            Some(Kind::DateTime) => "CAST(? AS DATETIME(3))",
            Some(Kind::Date) => "CAST(? AS DATE)",
            Some(Kind::Bytes | Kind::Id) => "CAST(? AS BINARY)",
            _ => "?",
        });
    }

    fn returns(&self) -> bool {
        self.0 == Server::MariaDb
    }

    fn of_defaults(&self) -> &'static str {
        " () VALUES ()"
    }

    /// A text may have any character set and collation, or be one of an enum's; a moment may be finer than what is
    /// answered.
    fn of_others(&self, kind: Kind) -> Option<(&'static str, &'static str)> {
        match kind {
            Kind::Text => Some(("(CONVERT(", collated!(self.0, " USING utf8mb4) COLLATE "; ")"))),
            Kind::DateTime => Some(("CAST(", " AS DATETIME(3))")),
            _ => None,
        }
    }

    fn literal(&self, out: &mut String, value: &Value) {
        match value {
            Value::Null | Value::List(_) | Value::Record(_) | Value::Hidden => out.push_str("NULL"),
            Value::Bool(truth) => out.push_str(if *truth { "TRUE" } else { "FALSE" }),
            Value::Int(number) | Value::Duration(number) => write_to(out, number),
            Value::Decimal(number) => write_to(out, number),
            Value::DateTime(moment) => {
                let text = moment.to_string().replace('T', " ");
                write_to(out, &format_args!("TIMESTAMP'{}'", text.trim_end_matches('Z')));
            }
            Value::Date(date) => write_to(out, &format_args!("DATE'{date}'")),
            Value::Float(number) => write_to(out, &format_args!("{number:e}")),
            Value::Text(text) | Value::Json(text) => quote_text(out, text),
            Value::Bytes(bytes) => blob(out, bytes),
            Value::Id(id) => blob(out, id.as_bytes()),
        }
    }

    fn same(&self) -> &'static str {
        " <=> "
    }

    fn text_test(&self, test: TextTest) -> &'static str {
        match test {
            TextTest::StartsWith => "(LEFT({0}, CHAR_LENGTH({1})) = {1})",
            TextTest::EndsWith => "(RIGHT({0}, CHAR_LENGTH({1})) = {1})",
            TextTest::Contains => "(LOCATE({1}, {0}) > 0)",
            TextTest::Matches => "({0} REGEXP {1})",
        }
    }

    /// The two servers have different ideas of a line's end, and of `$` before one.
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
                '$' if !in_class => {
                    pattern.push_str("\\z");
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
            Function::TextLength => "CHAR_LENGTH({0})",
            Function::BytesLength => "LENGTH({0})",
            Function::ListLength => of_type!(self.0, "JSON_LENGTH(CASE ", "{0}", " WHEN 'ARRAY' THEN {0} END)"),
            // In this character set only the letters of ASCII have a case, and every byte is a character.
            Function::LowerAscii => {
                collated!(self.0, "(CONVERT(CAST(LOWER(CONVERT(CAST({0} AS BINARY) USING hebrew)) AS BINARY) USING utf8mb4) COLLATE "; ")")
            }
            Function::UpperAscii => {
                collated!(self.0, "(CONVERT(CAST(UPPER(CONVERT(CAST({0} AS BINARY) USING hebrew)) AS BINARY) USING utf8mb4) COLLATE "; ")")
            }
            Function::Concat => "CONCAT({0}, {1})",
            Function::Trim => {
                "REGEXP_REPLACE({0}, '^[\t\n\u{b}\u{c}\r \u{85}\u{a0}\u{1680}\u{2000}-\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}]+|[\t\n\u{b}\u{c}\r \u{85}\u{a0}\u{1680}\u{2000}-\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}]+\\\\z', '')"
            }
            Function::Year => "YEAR({0})",
            Function::Month => "(MONTH({0}) - 1)",
            Function::DayOfMonth => "(DAYOFMONTH({0}) - 1)",
            Function::DayOfWeek => "(DAYOFWEEK({0}) - 1)",
            Function::DayOfYear => "(DAYOFYEAR({0}) - 1)",
            Function::Hours => "HOUR({0})",
            Function::Minutes => "MINUTE({0})",
            Function::Seconds => "SECOND({0})",
            Function::Milliseconds => "(MICROSECOND({0}) DIV 1000)",
            Function::DateToTimestamp => "CAST({0} AS DATETIME(3))",
            Function::TimestampToDate => "CAST({0} AS DATE)",
            Function::IntToFloat => "CAST({0} AS DOUBLE)",
            Function::IntToDecimal => "CAST({0} AS DECIMAL(25, 6))",
            // By way of the whole number that it is kept as elsewhere, so that it is rounded at the same place.
            Function::DecimalToFloat => "(CAST({0} * 1000000 AS DOUBLE) / 1e6)",
            Function::FloatToInt | Function::DecimalToInt => "CAST(TRUNCATE({0}, 0) AS SIGNED)",
            Function::IdToText => {
                "LOWER(INSERT(INSERT(INSERT(INSERT(HEX({0}), 9, 0, '-'), 14, 0, '-'), 19, 0, '-'), 24, 0, '-'))"
            }
            Function::IntToText => "CAST({0} AS CHAR)",
            Function::BoolToText => "(CASE {0} WHEN TRUE THEN 'true' WHEN FALSE THEN 'false' END)",
        }
    }

    fn arithmetic(&self, operation: Arithmetic, scalar: Scalar) -> &'static str {
        match (operation, scalar) {
            (Arithmetic::Add, Scalar::DateTime) => "({0} + INTERVAL ({1} * 1000) MICROSECOND)",
            (Arithmetic::Subtract, Scalar::DateTime) => "(TIMESTAMPDIFF(MICROSECOND, {1}, {0}) DIV 1000)",
            // Cut off behind the sixth digit; null beyond 64 bits of millionths.
            (Arithmetic::Multiply, Scalar::Decimal) => {
                "(CASE WHEN TRUNCATE({0} * {1}, 6) BETWEEN -9223372036854.775808 AND 9223372036854.775807 \
                 THEN CAST(TRUNCATE({0} * {1}, 6) AS DECIMAL(19, 6)) END)"
            }
            // Thirty digits more than both have: rounding the last never carries to the sixth.
            (Arithmetic::Divide, Scalar::Decimal) => {
                "(CASE WHEN TRUNCATE({0} / {1}, 6) BETWEEN -9223372036854.775808 AND 9223372036854.775807 \
                 THEN CAST(TRUNCATE({0} / {1}, 6) AS DECIMAL(19, 6)) END)"
            }
            // The quotient of the smallest number by 1 is beyond a bigint to MySQL, unless it is none on the way.
            (Arithmetic::Divide, Scalar::Int | Scalar::Long) => match self.0 {
                Server::MySql => "(CAST({0} AS DECIMAL(20)) DIV {1})",
                Server::MariaDb => "({0} DIV {1})",
            },
            (Arithmetic::Add, _) => "({0} + {1})",
            (Arithmetic::Subtract, _) => "({0} - {1})",
            (Arithmetic::Multiply, _) => "({0} * {1})",
            (Arithmetic::Divide, _) => "({0} / {1})",
            (Arithmetic::Remainder, _) => "({0} % {1})",
        }
    }

    fn json_part(&self, scalar: Scalar, of: Operand) -> &'static str {
        match (self.0, of) {
            (Server::MySql, Operand::Any) => part!(
                self.0,
                scalar,
                "JSON_EXTRACT({0}, {1})",
                "(SELECT JSON_EXTRACT({0}, {1}) AS p) AS n, ",
                "n.p"
            ),
            _ => part!(self.0, scalar, "JSON_EXTRACT({0}, {1})", "", "JSON_EXTRACT({0}, {1})"),
        }
    }

    fn json_path(&self, path: &[Box<str>]) -> String {
        let mut text = "$".to_owned();
        for name in path {
            write_to(
                &mut text,
                &format_args!(".\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")),
            );
        }
        text
    }

    /// A subquery in what `JSON_TABLE` is of sees nothing on MySQL of what is around; in a table beside it, it does.
    fn json_items(&self, of: Operand) -> &'static str {
        match (self.0, of) {
            (Server::MySql, Operand::Any) => of_type!(
                self.0,
                "(SELECT {0} AS p) AS n, JSON_TABLE(CASE ",
                "n.p",
                " WHEN 'ARRAY' THEN n.p END, '$[*]' COLUMNS (value JSON PATH '$'))"
            ),
            _ => of_type!(
                self.0,
                "JSON_TABLE(CASE ",
                "{0}",
                " WHEN 'ARRAY' THEN {0} END, '$[*]' COLUMNS (value JSON PATH '$'))"
            ),
        }
    }

    fn json_item(&self, scalar: Scalar) -> &'static str {
        part!(self.0, scalar, "{0}.value", "", "{0}.value")
    }

    fn listing(&self) -> Listing {
        Listing {
            begin: "(",
            row: ("SELECT ", " AS column1"),
            between: " UNION ALL ",
            column: "column1",
        }
    }

    /// Nulls are less than everything.
    fn order(&self, descending: bool, _nullable: bool) -> &'static str {
        if descending { " DESC" } else { "" }
    }

    /// MySQL looks at every row for them.
    fn seeks_rows(&self) -> bool {
        false
    }

    /// What is there is set to what it is, which counts as no change. `INSERT IGNORE` would ignore much more.
    fn unless_there(&self, out: &mut String, column: &str) {
        out.push_str(" ON DUPLICATE KEY UPDATE ");
        self.identifier(out, column);
        out.push_str(" = ");
        self.identifier(out, column);
    }

    fn for_update(&self) -> &'static str {
        " FOR UPDATE"
    }

    fn locks_in_passing(&self) -> bool {
        true
    }

    fn deletes_in_order(&self) -> bool {
        true
    }

    fn keys_max(&self) -> usize {
        512
    }
}

/// Our sessions know backslashes in strings.
fn quote_text(out: &mut String, text: &str) {
    let text = text.replace('\\', "\\\\").replace('\'', "''");
    write_to(out, &format_args!("'{text}'"));
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
    fn names_values_and_paths_cannot_break_out_of_their_quotes() {
        let dialect = MySql::of(Server::MySql);
        let mut out = String::new();
        dialect.identifier(&mut out, "a`; DROP TABLE b; --");
        assert_eq!(out, "`a``; DROP TABLE b; --`");
        out.clear();
        dialect.literal(&mut out, &Value::text("it's \\"));
        assert_eq!(out, "'it''s \\\\'");
        let path = ["a".into(), "b\"c\\".into()];
        assert_eq!(dialect.json_path(&path), r#"$."a"."b\"c\\""#);
    }

    #[test]
    fn a_dot_ends_at_the_line_and_a_dollar_at_the_end_and_only_outside_of_classes() {
        let dialect = MySql::of(Server::MariaDb);
        assert_eq!(dialect.pattern(r"a.\.[.$\]].\$$"), r"a[^\n]\.[.$\]][^\n]\$\z");
    }
}
