//! A database of MySQL or MariaDB, by `information_schema`, in one read-only transaction.

use std::sync::LazyLock;

use engine::introspect::{Column, ColumnDefault, Database, ForeignKey, Index, Kind, Note, Table};
use engine::model::{OnDelete, Scalar};
use mysql_async::prelude::{FromRow, Queryable as _};
use mysql_async::{Error, FromRowError, Row};
use regex::Regex;

use super::checks::Checks;
use super::view;
use crate::dialect::{Dialect as _, Server};
use crate::mysql::Connection;

/// Rows of a table whose values are looked at.
const ROWS_MAX: u32 = 100_000;

pub(super) async fn read(connection: &mut Connection) -> Result<Database, Error> {
    let begin = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION READ ONLY";
    connection.conn.query_drop(begin).await?;
    let mut database = Database::default();
    let entries: Vec<Entry> = connection.conn.query(TABLES).await?;
    for entry in entries {
        let table = table(connection, entry, &mut database.notes).await?;
        database.tables.push(table);
    }
    connection.conn.query_drop("COMMIT").await?;
    Ok(database)
}

/// A view's comment is `VIEW`.
const TABLES: &str = "
SELECT table_name AS name, table_type = 'VIEW' AS is_view, engine AS engine,
  CASE WHEN table_type <> 'VIEW' THEN NULLIF(table_comment, '') END AS comment
FROM information_schema.tables
WHERE table_schema = DATABASE() AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED', 'VIEW') AND LEFT(table_name, 9) <> '_ninefold'
ORDER BY table_name";

const COLUMNS: &str = "
SELECT column_name AS name, data_type AS data_type, column_type AS column_type, is_nullable = 'NO' AS required,
  CAST(character_maximum_length AS SIGNED) AS length, CAST(numeric_precision AS SIGNED) AS digits, CAST(numeric_scale AS SIGNED) AS scale,
  column_default AS preset, extra AS extra, COALESCE(generation_expression, '') <> '' AS computed, NULLIF(column_comment, '') AS comment
FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ? ORDER BY ordinal_position";

/// An index of the beginnings of texts is one of expressions.
const INDEXES: &str = "
SELECT index_name AS name, non_unique = 0 AS is_unique, index_type AS method, CASE WHEN sub_part IS NULL THEN column_name END AS column_name
FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = ? ORDER BY index_name, seq_in_index";

const FOREIGN_KEYS: &str = "
SELECT k.constraint_name AS name, k.column_name AS column_name, k.referenced_column_name AS target_column, r.delete_rule AS action,
  CASE k.referenced_table_schema WHEN DATABASE() THEN k.referenced_table_name
    ELSE CONCAT(k.referenced_table_schema, '.', k.referenced_table_name) END AS target
FROM information_schema.key_column_usage k JOIN information_schema.referential_constraints r
  ON r.constraint_schema = k.constraint_schema AND r.constraint_name = k.constraint_name AND r.table_name = k.table_name
WHERE k.table_schema = DATABASE() AND k.table_name = ? AND k.referenced_table_name IS NOT NULL
ORDER BY k.constraint_name, k.ordinal_position";

/// MySQL's names of conditions are unique in a database, MariaDB's in a table.
const CHECKS_MYSQL: &str = "
SELECT c.check_clause FROM information_schema.check_constraints c JOIN information_schema.table_constraints t
  ON t.constraint_schema = c.constraint_schema AND t.constraint_name = c.constraint_name AND t.constraint_type = 'CHECK'
WHERE t.table_schema = DATABASE() AND t.table_name = ? ORDER BY c.constraint_name";
const CHECKS_MARIADB: &str = "
SELECT check_clause FROM information_schema.check_constraints
WHERE constraint_schema = DATABASE() AND table_name = ? ORDER BY constraint_name";

/// A row of [`TABLES`].
struct Entry {
    name: String,
    is_view: bool,
    engine: Option<String>,
    comment: Option<String>,
}

impl FromRow for Entry {
    fn from_row_opt(mut row: Row) -> Result<Self, FromRowError> {
        match (take(&mut row, "name"), take(&mut row, "is_view")) {
            (Some(name), Some(is_view)) => Ok(Self {
                name,
                is_view,
                engine: take(&mut row, "engine"),
                comment: take(&mut row, "comment"),
            }),
            _ => Err(FromRowError(row)),
        }
    }
}

/// A column's value; `None` for null.
fn take<T: mysql_async::prelude::FromValue>(row: &mut Row, name: &str) -> Option<T> {
    row.take_opt::<Option<T>, _>(name)?.ok().flatten()
}

/// What a table's own conditions say of its columns.
#[derive(Default)]
struct Conditions {
    values: Vec<(String, Vec<String>)>,
    /// Texts that are JSON.
    json: Vec<String>,
}

async fn table(connection: &mut Connection, entry: Entry, notes: &mut Vec<Note>) -> Result<Table, Error> {
    let what = format!("table {}", entry.name);
    if let Some(engine) = entry.engine.filter(|engine| !engine.eq_ignore_ascii_case("InnoDB")) {
        let reason = format!("its engine {engine} may know no transactions: what fails halfway stays so");
        notes.push(Note::new(&what, reason));
    }
    let conditions = conditions(connection, &entry.name, &what, notes).await?;
    let mut table = Table {
        name: entry.name,
        comment: entry.comment,
        is_view: entry.is_view,
        ..Table::default()
    };
    let rows: Vec<Row> = connection.conn.exec(COLUMNS, (&table.name,)).await?;
    for row in rows {
        let mut column = column(connection, &table.name, row, &conditions, notes).await?;
        if table.is_view {
            // Those of the columns that it shows, of which some are the server's own.
            column.default = None;
        }
        table.columns.push(column);
    }
    let rows: Vec<Row> = connection.conn.exec(INDEXES, (&table.name,)).await?;
    indexes(rows, &mut table, notes);
    let rows: Vec<Row> = connection.conn.exec(FOREIGN_KEYS, (&table.name,)).await?;
    foreign_keys(rows, &mut table);
    if table.is_view {
        for candidate in view::candidates(&table) {
            let sql = view::is_unique(connection.dialect, &table.name, &candidate, ROWS_MAX);
            if connection.conn.query_first(sql).await? == Some(true) {
                table.key = candidate;
                break;
            }
        }
    }
    Ok(table)
}

static IS_JSON: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^\(*json_valid\(`((?:[^`]|``)+)`\)\)*$").expect("the pattern is well formed"));

async fn conditions(
    connection: &mut Connection,
    table: &str,
    what: &str,
    notes: &mut Vec<Note>,
) -> Result<Conditions, Error> {
    let sql = match connection.dialect.0 {
        Server::MySql => CHECKS_MYSQL,
        Server::MariaDb => CHECKS_MARIADB,
    };
    let mut found = Conditions::default();
    let clauses: Vec<String> = connection.conn.exec(sql, (table,)).await?;
    for clause in clauses {
        if let Some(column) = IS_JSON.captures(&clause) {
            found.json.push(column[1].replace("``", "`"));
            continue;
        }
        let mut checks = Checks::of(&format!("CHECK ({})", plain(&clause)));
        found.values.append(&mut checks.values);
        let notes_of = |condition| Note::new(what, format!("the database alone holds to CHECK ({condition})"));
        notes.extend(checks.others.into_iter().map(notes_of));
    }
    Ok(found)
}

static INTRODUCER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"_(?:utf8mb[34]|latin1|ascii|binary)(\\?')").expect("the pattern is well formed"));

/// As it was written: MySQL says the character set of each text, quotes with a backslash, and puts brackets around all.
fn plain(clause: &str) -> String {
    let text = INTRODUCER.replace_all(clause, "$1").replace("\\'", "'");
    let inner = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    match inner {
        // The brackets belong to each other.
        Some(inner) if is_balanced(inner) => inner.to_owned(),
        _ => text,
    }
}

fn is_balanced(sql: &str) -> bool {
    let mut depth = 0_i32;
    sql.chars().all(|character| {
        depth += match character {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        depth >= 0
    })
}

/// What `information_schema` says of a column.
struct Declared {
    data_type: String,
    column_type: String,
    digits: i64,
    scale: i64,
}

async fn column(
    connection: &mut Connection,
    table: &str,
    mut row: Row,
    conditions: &Conditions,
    notes: &mut Vec<Note>,
) -> Result<Column, Error> {
    let mut text = |name| take::<String>(&mut row, name).unwrap_or_default();
    let (name, extra) = (text("name"), text("extra").to_ascii_lowercase());
    let declared = Declared {
        data_type: text("data_type").to_ascii_lowercase(),
        column_type: text("column_type"),
        digits: take(&mut row, "digits").unwrap_or_default(),
        scale: take(&mut row, "scale").unwrap_or_default(),
    };
    let is_computed = take(&mut row, "computed") == Some(true);
    let kind = if conditions.json.contains(&name) {
        Kind::Scalar(Scalar::Json)
    } else {
        let kind = kind(connection, table, &name, &declared).await?;
        match conditions.values.iter().find(|(column, _)| *column == name) {
            Some((_, values)) if kind == Kind::Scalar(Scalar::String) => Kind::Values(values.clone()),
            _ => kind,
        }
    };
    if extra.contains("on update") {
        let reason = "the database sets it to the time of each change that doesn't say it";
        notes.push(Note::new(format!("{table}.{name}"), reason));
    }
    let preset: Option<String> = take(&mut row, "preset");
    let default = if extra.contains("auto_increment") {
        Some(ColumnDefault::Serial)
    } else {
        preset.and_then(|preset| default(connection.dialect.0, &preset, &extra, &kind))
    };
    let is_bounded = matches!(declared.data_type.as_str(), "char" | "varchar");
    let length = take::<i64>(&mut row, "length").and_then(|length| u32::try_from(length).ok());
    Ok(Column {
        comment: take(&mut row, "comment"),
        range: range(&declared).filter(|_| kind == Kind::Scalar(Scalar::Int)),
        length: length.filter(|length| is_bounded && *length > 0),
        required: take(&mut row, "required").unwrap_or_default(),
        default,
        is_computed,
        kind,
        name,
    })
}

/// By the declaration, and by what is there where the declaration allows more than the schema's type.
async fn kind(connection: &mut Connection, table: &str, name: &str, declared: &Declared) -> Result<Kind, Error> {
    let is_unsigned = declared.column_type.contains("unsigned");
    let quoted = |name: &str| {
        let mut sql = String::new();
        connection.dialect.identifier(&mut sql, name);
        sql
    };
    let (table, column) = (quoted(table), quoted(name));
    let scalar = match declared.data_type.as_str() {
        "tinyint" if declared.column_type.starts_with("tinyint(1)") => {
            if holds_any(connection, &table, &column, "value NOT IN (0, 1)").await? {
                Scalar::Int
            } else {
                Scalar::Boolean
            }
        }
        "int" if is_unsigned => Scalar::Long,
        "tinyint" | "smallint" | "mediumint" | "int" | "year" => Scalar::Int,
        "bigint" => {
            let beyond = "value > 9223372036854775807";
            if is_unsigned && holds_any(connection, &table, &column, beyond).await? {
                return Ok(Kind::Unfit("it holds numbers beyond those of a Long".to_owned()));
            }
            Scalar::Long
        }
        "float" | "double" => Scalar::Float,
        "decimal" => {
            let fits = declared.scale <= 6 && declared.digits - declared.scale <= 12;
            let beyond = "ABS(value) >= 9e12 OR value <> ROUND(value, 6)";
            if !fits && holds_any(connection, &table, &column, beyond).await? {
                let ty = &declared.column_type;
                return Ok(Kind::Unfit(format!(
                    "it holds numbers beyond the six decimal places of a Decimal ({ty})"
                )));
            }
            Scalar::Decimal
        }
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "set" => Scalar::String,
        "enum" => return Ok(Kind::Values(values(&declared.column_type))),
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => Scalar::Bytes,
        "json" => Scalar::Json,
        "date" | "datetime" | "timestamp" => {
            if holds_any(connection, &table, &column, "MONTH(value) = 0 OR DAY(value) = 0").await? {
                return Ok(Kind::Unfit(
                    "it holds days that there are not, such as 0000-00-00".to_owned(),
                ));
            }
            if declared.data_type == "date" {
                Scalar::Date
            } else {
                Scalar::DateTime
            }
        }
        _ => {
            let ty = &declared.column_type;
            return Ok(Kind::Unfit(format!("the schema has no type for its {ty}")));
        }
    };
    Ok(Kind::Scalar(scalar))
}

/// Whether one of the values that are looked at is so.
async fn holds_any(connection: &mut Connection, table: &str, column: &str, condition: &str) -> Result<bool, Error> {
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM (SELECT {column} AS value FROM {table} LIMIT {ROWS_MAX}) AS seen WHERE {condition})"
    );
    Ok(connection.conn.query_first(sql).await? == Some(true))
}

static VALUE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"'((?:[^']|'')*)'").expect("the pattern is well formed"));

/// Of `enum('a','b')`.
fn values(column_type: &str) -> Vec<String> {
    VALUE
        .captures_iter(column_type)
        .map(|value| value[1].replace("''", "'"))
        .collect()
}

/// Of those numbers that have less room than an `Int`.
fn range(declared: &Declared) -> Option<(i32, i32)> {
    let bits = match declared.data_type.as_str() {
        "tinyint" => 8,
        "smallint" => 16,
        "mediumint" => 24,
        "year" => return Some((1901, 2155)),
        _ => return None,
    };
    Some(if declared.column_type.contains("unsigned") {
        (0, (1 << bits) - 1)
    } else {
        (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    })
}

/// MariaDB writes a default as SQL, MySQL as the value, unless it is an expression.
fn default(server: Server, preset: &str, extra: &str, kind: &Kind) -> Option<ColumnDefault> {
    let lower = preset.to_ascii_lowercase();
    if server == Server::MariaDb && lower == "null" {
        return None;
    }
    if lower.starts_with("current_timestamp") || lower.starts_with("now(") {
        return Some(ColumnDefault::Now);
    }
    let quoted = preset.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    let text = match server {
        Server::MySql if extra.contains("default_generated") => None,
        Server::MySql => Some(preset.to_owned()),
        Server::MariaDb => quoted
            .map(|text| text.replace("''", "'").replace("\\\\", "\\"))
            .or_else(|| is_number(preset).then(|| preset.to_owned())),
    };
    let is_of_numbers = matches!(
        kind,
        Kind::Scalar(Scalar::Int | Scalar::Long | Scalar::Float | Scalar::Decimal | Scalar::Boolean)
    );
    Some(match text {
        Some(number) if is_of_numbers && is_number(&number) => ColumnDefault::Number(number),
        Some(text) => ColumnDefault::Text(text),
        None => ColumnDefault::Other(preset.to_owned()),
    })
}

fn is_number(text: &str) -> bool {
    static NUMBER: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"^-?\d+(?:\.\d+)?$").expect("the pattern is well formed"));
    NUMBER.is_match(text)
}

fn indexes(rows: Vec<Row>, table: &mut Table, notes: &mut Vec<Note>) {
    for mut row in rows {
        let name: String = take(&mut row, "name").unwrap_or_default();
        let column: Option<String> = take(&mut row, "column_name");
        let method: String = take(&mut row, "method").unwrap_or_default();
        if name == "PRIMARY" {
            table.key.extend(column);
        } else if method != "BTREE" {
            let what = format!("index {name} of table {}", table.name);
            let note = Note::new(what, format!("not in the schema: it is of the kind {method}"));
            if notes.last() != Some(&note) {
                notes.push(note);
            }
        } else {
            match table.indexes.last_mut() {
                Some(index) if index.name.as_ref() == Some(&name) => index.columns.push(column),
                _ => table.indexes.push(Index {
                    name: Some(name),
                    columns: vec![column],
                    unique: take(&mut row, "is_unique").unwrap_or_default(),
                    partial: false,
                }),
            }
        }
    }
}

fn foreign_keys(rows: Vec<Row>, table: &mut Table) {
    let mut last = None;
    for mut row in rows {
        let name: Option<String> = take(&mut row, "name");
        let mut text = |name| take::<String>(&mut row, name).unwrap_or_default();
        if name != last {
            let on_delete = match text("action").as_str() {
                "CASCADE" => OnDelete::Cascade,
                "SET NULL" => OnDelete::SetNull,
                _ => OnDelete::Restrict,
            };
            table.foreign_keys.push(ForeignKey {
                columns: Vec::new(),
                table: text("target"),
                targets: Vec::new(),
                on_delete,
            });
            last = name;
        }
        if let Some(key) = table.foreign_keys.last_mut() {
            key.columns.push(text("column_name"));
            key.targets.push(text("target_column"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_read_as_each_server_writes_them() {
        let text = Kind::Scalar(Scalar::String);
        let number = Kind::Scalar(Scalar::Decimal);
        let check = |server, preset: &str, extra: &str, kind: &Kind, expected: Option<ColumnDefault>| {
            assert_eq!(default(server, preset, extra, kind), expected, "{preset}");
        };
        let of_text = |text: &str| Some(ColumnDefault::Text(text.to_owned()));
        let of_number = |number: &str| Some(ColumnDefault::Number(number.to_owned()));
        let other = |sql: &str| Some(ColumnDefault::Other(sql.to_owned()));
        check(Server::MariaDb, "NULL", "", &text, None);
        check(Server::MariaDb, "'it''s'", "", &text, of_text("it's"));
        check(Server::MariaDb, "'NULL'", "", &text, of_text("NULL"));
        check(Server::MariaDb, "4.99", "", &number, of_number("4.99"));
        check(Server::MariaDb, "'7'", "", &text, of_text("7"));
        check(Server::MariaDb, "(1 + 1)", "", &number, other("(1 + 1)"));
        check(
            Server::MariaDb,
            "current_timestamp()",
            "",
            &text,
            Some(ColumnDefault::Now),
        );
        check(Server::MySql, "it's", "", &text, of_text("it's"));
        check(Server::MySql, "NULL", "", &text, of_text("NULL"));
        check(Server::MySql, "4.99", "", &number, of_number("4.99"));
        check(Server::MySql, "uuid()", "default_generated", &text, other("uuid()"));
        check(
            Server::MySql,
            "CURRENT_TIMESTAMP(3)",
            "default_generated",
            &text,
            Some(ColumnDefault::Now),
        );
    }

    #[test]
    fn conditions_are_read_as_each_server_writes_them() {
        let check = |clause: &str, expected: &str| assert_eq!(plain(clause), expected);
        check("`kind` in ('a','b')", "`kind` in ('a','b')");
        check(r"(`kind` in (_utf8mb4\'a\',_utf8mb4\'b\'))", "`kind` in ('a','b')");
        check("((`a` > 1) and (`b` > 1))", "(`a` > 1) and (`b` > 1)");
        check("(`a` > 1) and (`b` > 1)", "(`a` > 1) and (`b` > 1)");
    }

    #[test]
    fn values_of_an_enum_may_hold_quotes_and_commas() {
        assert_eq!(values("enum('G','it''s','a,b')"), ["G", "it's", "a,b"]);
    }
}
