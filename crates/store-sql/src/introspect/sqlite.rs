//! A SQLite file, by its pragmas. SQLite holds to a declared type loosely, so the data that there is has its say.

use std::collections::BTreeSet;
use std::path::Path;

use engine::introspect::{Column, ColumnDefault, Database, ForeignKey, Index, Kind, Note, Table};
use engine::model::{OnDelete, Scalar};
use rusqlite::{Connection, OpenFlags, Row};

use super::checks::Checks;
use super::view;
use crate::dialect::{Dialect, Sqlite};

/// Rows of a table whose values are looked at.
const ROWS_MAX: u32 = 100_000;

pub(super) fn read(path: &Path) -> rusqlite::Result<Database> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    let mut database = Database::default();
    for entry in entries(&connection)? {
        match entry.kind.as_str() {
            "table" | "view" => match table(&connection, &entry, &mut database.notes) {
                Ok(table) => database.tables.push(table),
                // A view over what is gone, or that calls functions of a program's own.
                Err(error) => {
                    let what = format!("{} {}", entry.kind, entry.name);
                    database.notes.push(Note::new(what, format!("left out: {error}")));
                }
            },
            "virtual" => {
                let what = format!("table {}", entry.name);
                database.notes.push(Note::new(what, "left out: it is virtual"));
            }
            _ => {}
        }
    }
    Ok(database)
}

struct Entry {
    name: String,
    kind: String,
    definition: String,
}

fn entries(connection: &Connection) -> rusqlite::Result<Vec<Entry>> {
    let mut statement = connection.prepare(
        "SELECT list.name, list.type, coalesce(schema.sql, '') FROM pragma_table_list AS list
         LEFT JOIN sqlite_schema AS schema ON schema.name = list.name AND schema.type IN ('table', 'view')
         WHERE list.schema = 'main' AND list.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND list.name NOT LIKE '\\_ninefold%' ESCAPE '\\'
         ORDER BY list.name",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(Entry {
            name: row.get(0)?,
            kind: row.get(1)?,
            definition: row.get(2)?,
        })
    })?;
    rows.collect()
}

fn table(connection: &Connection, entry: &Entry, notes: &mut Vec<Note>) -> rusqlite::Result<Table> {
    let is_view = entry.kind == "view";
    let checks = if is_view {
        Checks::default()
    } else {
        Checks::of(&entry.definition)
    };
    for condition in &checks.others {
        let what = format!("table {}", entry.name);
        notes.push(Note::new(
            what,
            format!("the database alone holds to CHECK ({condition})"),
        ));
    }
    let mut declared = declared_columns(connection, &entry.name)?;
    if !is_view && let Some(number) = numbered(connection, &entry.name, &mut declared)? {
        number.is_serial = true;
    }
    let mut key: Vec<&Declared> = declared.iter().filter(|column| column.key_place > 0).collect();
    key.sort_by_key(|column| column.key_place);
    let key = key.iter().map(|column| column.name.clone()).collect();
    let mut columns = Vec::new();
    for column in &declared {
        columns.push(self::column(connection, &entry.name, column, &checks)?);
    }
    let mut table = Table {
        name: entry.name.clone(),
        comment: None,
        is_view,
        columns,
        key,
        foreign_keys: foreign_keys(connection, &entry.name)?,
        indexes: indexes(connection, &entry.name)?,
    };
    if is_view {
        for candidate in view::candidates(&table) {
            let sql = view::is_unique(&Sqlite, &table.name, &candidate, ROWS_MAX);
            if connection.query_row(&sql, [], |row| row.get(0))? {
                table.key = candidate;
                break;
            }
        }
    }
    Ok(table)
}

/// A column as its table declares it.
struct Declared {
    name: String,
    ty: String,
    required: bool,
    default: Option<String>,
    key_place: u32,
    is_generated: bool,
    is_serial: bool,
}

fn declared_columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Declared>> {
    let sql = "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?1) WHERE hidden <> 1";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([table], |row: &Row<'_>| {
        Ok(Declared {
            name: row.get(0)?,
            ty: row.get(1)?,
            required: row.get(2)?,
            default: row.get(3)?,
            key_place: row.get(4)?,
            is_generated: row.get::<_, u32>(5)? > 1,
            is_serial: false,
        })
    })?;
    rows.collect()
}

/// The one column that is another name of the rowid: a key that is no index of its own.
fn numbered<'d>(
    connection: &Connection,
    table: &str,
    declared: &'d mut [Declared],
) -> rusqlite::Result<Option<&'d mut Declared>> {
    let sql = "SELECT EXISTS (SELECT 1 FROM pragma_index_list(?1) WHERE origin = 'pk')";
    let has_index: bool = connection.query_row(sql, [table], |row| row.get(0))?;
    let mut key = declared.iter_mut().filter(|column| column.key_place > 0);
    let first = key.next().filter(|column| is_same(&column.ty, "INTEGER") && !has_index);
    Ok(if key.next().is_none() { first } else { None })
}

fn column(connection: &Connection, table: &str, declared: &Declared, checks: &Checks) -> rusqlite::Result<Column> {
    let found = storage_classes(connection, table, &declared.name)?;
    let kind = match kind(&declared.ty, &found) {
        Kind::Scalar(Scalar::String) => {
            match checks.values.iter().find(|(column, _)| is_same(column, &declared.name)) {
                Some((_, values)) => Kind::Values(values.clone()),
                None => Kind::Scalar(Scalar::String),
            }
        }
        other => other,
    };
    Ok(Column {
        name: declared.name.clone(),
        comment: None,
        kind,
        required: declared.required,
        length: length(&declared.ty),
        range: None,
        default: if declared.is_serial {
            Some(ColumnDefault::Serial)
        } else {
            declared.default.as_deref().and_then(default)
        },
        is_computed: declared.is_generated,
    })
}

/// How the column's values are stored, as far as there are any.
fn storage_classes(connection: &Connection, table: &str, column: &str) -> rusqlite::Result<BTreeSet<String>> {
    let (table, column) = (quoted(table), quoted(column));
    let sql = format!("SELECT DISTINCT typeof(value) FROM (SELECT {column} AS value FROM {table} LIMIT {ROWS_MAX})");
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    let mut found: BTreeSet<String> = rows.collect::<Result<_, _>>()?;
    found.remove("null");
    Ok(found)
}

/// The type that reads all that there is: the declared one if it can.
fn kind(declared: &str, found: &BTreeSet<String>) -> Kind {
    let scalar = by_declaration(declared);
    let reads = |scalar: Scalar| {
        let classes: &[&str] = match scalar {
            Scalar::Boolean | Scalar::Long => &["integer"],
            Scalar::Float => &["integer", "real"],
            Scalar::Bytes => &["blob"],
            _ => &["text"],
        };
        found.iter().all(|class| classes.contains(&class.as_str()))
    };
    let others = [Scalar::Long, Scalar::Float, Scalar::String, Scalar::Bytes];
    match std::iter::once(scalar).chain(others).find(|scalar| reads(*scalar)) {
        Some(scalar) => Kind::Scalar(scalar),
        None => {
            let classes: Vec<&str> = found.iter().map(String::as_str).collect();
            Kind::Unfit(format!("it holds values of several types ({})", classes.join(", ")))
        }
    }
}

/// As SQLite itself takes a declaration, and what programs mean by it: `DECIMAL` is kept as a floating point number, and a
/// date as a text unless the data says otherwise.
fn by_declaration(declared: &str) -> Scalar {
    let declared = declared.to_ascii_uppercase();
    let has = |part: &str| declared.contains(part);
    if has("BOOL") {
        Scalar::Boolean
    } else if has("INT") && !has("POINT") {
        Scalar::Long
    } else if has("BLOB") || has("BINARY") {
        Scalar::Bytes
    } else if ["REAL", "FLOA", "DOUB", "NUMERIC", "DECIMAL", "MONEY", "NUMBER"]
        .iter()
        .any(|part| has(part))
    {
        Scalar::Float
    } else {
        Scalar::String
    }
}

/// Of `VARCHAR(80)`.
fn length(declared: &str) -> Option<u32> {
    let upper = declared.to_ascii_uppercase();
    let (name, rest) = upper.split_once('(')?;
    let number = rest.split_once(')')?.0.trim().parse().ok()?;
    (name.contains("CHAR") && number > 0).then_some(number)
}

fn default(sql: &str) -> Option<ColumnDefault> {
    let sql = sql.trim();
    let upper = sql.to_ascii_uppercase();
    if upper == "NULL" {
        return None;
    }
    let text = sql.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    Some(match (text, upper.as_str()) {
        (Some(text), _) if !text.replace("''", "").contains('\'') => ColumnDefault::Text(text.replace("''", "'")),
        (_, "TRUE") => ColumnDefault::Boolean(true),
        (_, "FALSE") => ColumnDefault::Boolean(false),
        (_, "CURRENT_TIMESTAMP") => ColumnDefault::Now,
        _ if is_number(sql) => ColumnDefault::Number(sql.trim_start_matches('+').to_owned()),
        _ => ColumnDefault::Other(sql.to_owned()),
    })
}

fn is_number(sql: &str) -> bool {
    let digits = sql.trim_start_matches(['-', '+']);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let are_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    are_digits(whole) && are_digits(fraction) && (whole == "0" || !whole.starts_with('0'))
}

fn foreign_keys(connection: &Connection, table: &str) -> rusqlite::Result<Vec<ForeignKey>> {
    let sql =
        "SELECT id, \"table\", \"from\", \"to\", on_delete FROM pragma_foreign_key_list(?1) ORDER BY id DESC, seq";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([table])?;
    let mut keys: Vec<(i64, ForeignKey)> = Vec::new();
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        if keys.last().is_none_or(|(last, _)| *last != id) {
            let action: String = row.get(4)?;
            let key = ForeignKey {
                columns: Vec::new(),
                table: row.get(1)?,
                targets: Vec::new(),
                on_delete: match action.as_str() {
                    "CASCADE" => OnDelete::Cascade,
                    "SET NULL" => OnDelete::SetNull,
                    _ => OnDelete::Restrict,
                },
            };
            keys.push((id, key));
        }
        if let Some((_, key)) = keys.last_mut() {
            key.columns.push(row.get(2)?);
            key.targets.extend(row.get::<_, Option<String>>(3)?);
        }
    }
    let names = declared_columns(connection, table)?;
    let mut keys: Vec<ForeignKey> = keys.into_iter().map(|(_, key)| key).collect();
    // A key may spell a column in another case than its table does.
    for column in keys.iter_mut().flat_map(|key| &mut key.columns) {
        if let Some(declared) = names.iter().find(|declared| is_same(&declared.name, column)) {
            column.clone_from(&declared.name);
        }
    }
    Ok(keys)
}

fn indexes(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Index>> {
    let sql =
        "SELECT name, \"unique\", partial, origin FROM pragma_index_list(?1) WHERE origin <> 'pk' ORDER BY seq DESC";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([table], |row| {
        let name: String = row.get(0)?;
        let is_named = row.get::<_, String>(3)? == "c";
        let index = Index {
            name: is_named.then(|| name.clone()),
            columns: Vec::new(),
            unique: row.get(1)?,
            partial: row.get(2)?,
        };
        Ok((name, index))
    })?;
    let found: Vec<(String, Index)> = rows.collect::<Result<_, _>>()?;
    let mut statement = connection.prepare("SELECT name FROM pragma_index_info(?1) ORDER BY seqno")?;
    let mut indexes = Vec::new();
    for (name, mut index) in found {
        let columns = statement.query_map([&name], |row| row.get(0))?;
        index.columns = columns.collect::<Result<_, _>>()?;
        indexes.push(index);
    }
    Ok(indexes)
}

fn is_same(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right)
}

fn quoted(name: &str) -> String {
    let mut sql = String::new();
    Sqlite.identifier(&mut sql, name);
    sql
}
