//! A PostgreSQL schema (the first of the search path), by the server's catalogs, in one read-only transaction.

use std::sync::LazyLock;

use engine::introspect::{Column, ColumnDefault, Database, Enum, ForeignKey, Index, Kind, Note, Table};
use engine::model::{OnDelete, Scalar};
use regex::Regex;
use tokio_postgres::{Client, Error, Row};

use super::view;
use crate::dialect::{Dialect, Postgres};

/// Rows of a table whose values are looked at.
const ROWS_MAX: u32 = 100_000;

pub(super) async fn read(client: &Client) -> Result<Database, Error> {
    client
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        .await?;
    let mut database = Database {
        enums: enums(client).await?,
        ..Database::default()
    };
    for row in client.query(TABLES, &[]).await? {
        let entry = Entry {
            oid: row.get("oid"),
            name: row.get("name"),
            kind: row.get("kind"),
            comment: row.get("comment"),
        };
        let table = table(client, entry, &mut database.notes).await?;
        database.tables.push(table);
    }
    client.batch_execute("COMMIT").await?;
    Ok(database)
}

/// But for what extensions brought along, and for parts of tables.
const TABLES: &str = "
SELECT c.oid, c.relname::text AS name, c.relkind::text AS kind, obj_description(c.oid, 'pg_class') AS comment FROM pg_class c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
  AND NOT starts_with(c.relname, '_ninefold')
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY c.relname COLLATE \"C\"";

const ENUMS: &str = "
SELECT t.typname::text, obj_description(t.oid, 'pg_type'),
  ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder)
FROM pg_type t WHERE t.typtype = 'e' AND t.typnamespace = current_schema()::regnamespace ORDER BY t.typname COLLATE \"C\"";

/// A domain is what it is made of.
const COLUMNS: &str = "
SELECT a.attname::text AS name, col_description(a.attrelid, a.attnum) AS comment,
  CASE t.typtype WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod) ELSE format_type(a.atttypid, a.atttypmod) END AS type,
  CASE t.typtype WHEN 'e' THEN t.typname::text END AS enum,
  a.attnotnull OR t.typnotnull AS required, a.attgenerated <> '' OR a.attidentity = 'a' AS computed, a.attidentity <> '' AS numbered,
  pg_get_expr(d.adbin, d.adrelid) AS preset
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

const INDEXES: &str = "
SELECT c.relname::text AS name, x.indisprimary AS key, x.indisunique AS unique, x.indpred IS NOT NULL AS partial, m.amname::text AS method,
  EXISTS (SELECT FROM pg_constraint n WHERE n.conindid = x.indexrelid AND n.contype = 'u') AS of_constraint,
  ARRAY(SELECT a.attname::text FROM unnest(x.indkey) WITH ORDINALITY AS k (number, place)
    LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.number WHERE k.place <= x.indnkeyatts ORDER BY k.place) AS columns
FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid JOIN pg_am m ON m.oid = c.relam
WHERE x.indrelid = $1 AND x.indisvalid ORDER BY c.relname COLLATE \"C\"";

const FOREIGN_KEYS: &str = "
SELECT CASE WHEN c.relnamespace = current_schema()::regnamespace THEN c.relname::text ELSE c.oid::regclass::text END AS target,
  n.confdeltype::text AS action,
  ARRAY(SELECT a.attname::text FROM unnest(n.conkey) WITH ORDINALITY AS k (number, place)
    JOIN pg_attribute a ON a.attrelid = n.conrelid AND a.attnum = k.number ORDER BY k.place) AS columns,
  ARRAY(SELECT a.attname::text FROM unnest(n.confkey) WITH ORDINALITY AS k (number, place)
    JOIN pg_attribute a ON a.attrelid = n.confrelid AND a.attnum = k.number ORDER BY k.place) AS targets
FROM pg_constraint n JOIN pg_class c ON c.oid = n.confrelid WHERE n.conrelid = $1 AND n.contype = 'f' ORDER BY n.conname COLLATE \"C\"";

const CHECKS: &str = "
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = $1 AND contype = 'c' ORDER BY conname COLLATE \"C\"";

struct Entry {
    oid: u32,
    name: String,
    kind: String,
    comment: Option<String>,
}

async fn enums(client: &Client) -> Result<Vec<Enum>, Error> {
    let rows = client.query(ENUMS, &[]).await?;
    let values = rows.iter().map(|row| Enum {
        name: row.get(0),
        comment: row.get(1),
        values: row.get(2),
    });
    Ok(values.collect())
}

async fn table(client: &Client, entry: Entry, notes: &mut Vec<Note>) -> Result<Table, Error> {
    let mut restricted = Vec::new();
    for row in client.query(CHECKS, &[&entry.oid]).await? {
        let definition: String = row.get(0);
        match one_of(&definition) {
            Some(found) => restricted.push(found),
            None => {
                let what = format!("table {}", entry.name);
                notes.push(Note::new(what, format!("the database alone holds to {definition}")));
            }
        }
    }
    let mut columns = Vec::new();
    for row in client.query(COLUMNS, &[&entry.oid]).await? {
        columns.push(column(client, &entry.name, &row, &restricted).await?);
    }
    let mut table = Table {
        name: entry.name,
        comment: entry.comment,
        is_view: matches!(entry.kind.as_str(), "v" | "m"),
        columns,
        ..Table::default()
    };
    for row in client.query(INDEXES, &[&entry.oid]).await? {
        index(&row, &mut table, notes);
    }
    for row in client.query(FOREIGN_KEYS, &[&entry.oid]).await? {
        table.foreign_keys.push(foreign_key(&row));
    }
    if table.is_view {
        for candidate in view::candidates(&table) {
            let sql = view::is_unique(&Postgres, &table.name, &candidate, ROWS_MAX);
            if client.query_one(&sql, &[]).await?.get(0) {
                table.key = candidate;
                break;
            }
        }
    }
    Ok(table)
}

async fn column(
    client: &Client,
    table: &str,
    row: &Row,
    restricted: &[(String, Vec<String>)],
) -> Result<Column, Error> {
    let (name, ty): (String, String) = (row.get("name"), row.get("type"));
    let values: Option<String> = row.get("enum");
    let kind = if let Some(values) = values {
        Kind::Enum(values)
    } else {
        match kind(&ty) {
            Kind::Scalar(Scalar::String) => match restricted.iter().find(|(column, _)| *column == name) {
                Some((_, values)) => Kind::Values(values.clone()),
                None => Kind::Scalar(Scalar::String),
            },
            Kind::Scalar(Scalar::Decimal) if !fits_decimal(&ty) && !holds_decimals(client, table, &name).await? => {
                Kind::Unfit(format!(
                    "it holds numbers beyond the six decimal places of a Decimal ({ty})"
                ))
            }
            kind => kind,
        }
    };
    Ok(Column {
        comment: row.get("comment"),
        kind,
        required: row.get("required"),
        length: length(&ty),
        range: (ty == "smallint").then_some((i16::MIN.into(), i16::MAX.into())),
        default: if row.get("numbered") {
            Some(ColumnDefault::Serial)
        } else {
            row.get::<_, Option<&str>>("preset").and_then(default)
        },
        is_computed: row.get("computed"),
        name,
    })
}

/// By the server's own name of a type.
fn kind(ty: &str) -> Kind {
    let name = ty.split_once('(').map_or(ty, |(name, _)| name);
    Kind::Scalar(match name {
        "smallint" | "integer" => Scalar::Int,
        "bigint" => Scalar::Long,
        "real" | "double precision" => Scalar::Float,
        "numeric" => Scalar::Decimal,
        "boolean" => Scalar::Boolean,
        "text" | "character varying" | "character" | "name" => Scalar::String,
        "uuid" => Scalar::Id,
        "date" => Scalar::Date,
        "timestamp with time zone" | "timestamp without time zone" => Scalar::DateTime,
        "bytea" => Scalar::Bytes,
        "json" | "jsonb" => Scalar::Json,
        _ if ty.starts_with("timestamp") => Scalar::DateTime,
        _ => return Kind::Unfit(format!("the schema has no type for its {ty}")),
    })
}

/// Whether whatever the column may hold is a `Decimal`.
fn fits_decimal(ty: &str) -> bool {
    let digits = ty.strip_prefix("numeric(").and_then(|rest| rest.strip_suffix(')'));
    let Some((precision, scale)) = digits.and_then(|digits| digits.split_once(',')) else {
        return false;
    };
    match (precision.parse::<i32>(), scale.parse::<i32>()) {
        (Ok(precision), Ok(scale)) => (0..=6).contains(&scale) && precision - scale <= 12,
        _ => false,
    }
}

/// Whether all that it holds is.
async fn holds_decimals(client: &Client, table: &str, column: &str) -> Result<bool, Error> {
    let (table, column) = (quoted(table), quoted(column));
    let sql = format!(
        "SELECT NOT EXISTS (SELECT FROM (SELECT {column} AS value FROM {table} LIMIT {ROWS_MAX}) AS seen
         WHERE value = 'NaN' OR abs(value) >= 9e12 OR value <> round(value, 6))"
    );
    Ok(client.query_one(&sql, &[]).await?.get(0))
}

/// Of `character varying(80)`.
fn length(ty: &str) -> Option<u32> {
    let rest = ty
        .strip_prefix("character varying(")
        .or_else(|| ty.strip_prefix("character("))?;
    rest.strip_suffix(')')?.parse().ok()
}

static TEXT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^'((?:[^']|'')*)'(?:::[\w .\x22()]+)?$").expect("the pattern is well formed"));
static NUMBER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^\(?'?(-?\d+(?:\.\d+)?)'?\)?(?:::[\w .()]+)?$").expect("the pattern is well formed"));
static ANY: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"^CHECK \(\(\(?(\w+|\x22[^\x22]+\x22)\)?(?:::\w+)? = ANY \(\(?ARRAY\[(.*?)\]\)?(?:::[\w \[\]]+)?\)\)\)$",
    )
    .expect("the pattern is well formed")
});
static ITEM: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"'((?:[^']|'')*)'(?:::[\w ]+)?(?:, |$)").expect("the pattern is well formed"));

fn default(sql: &str) -> Option<ColumnDefault> {
    let upper = sql.to_ascii_uppercase();
    if upper.starts_with("NULL") {
        return None;
    }
    Some(match upper.as_str() {
        "TRUE" => ColumnDefault::Boolean(true),
        "FALSE" => ColumnDefault::Boolean(false),
        "NOW()" | "CURRENT_TIMESTAMP" => ColumnDefault::Now,
        _ if upper.starts_with("NEXTVAL(") => ColumnDefault::Serial,
        _ => {
            let of_number = sql.ends_with("::numeric") || !sql.starts_with('\'');
            match (NUMBER.captures(sql).filter(|_| of_number), TEXT.captures(sql)) {
                (Some(number), _) => ColumnDefault::Number(number[1].to_owned()),
                (None, Some(text)) => ColumnDefault::Text(text[1].replace("''", "'")),
                (None, None) => ColumnDefault::Other(sql.to_owned()),
            }
        }
    })
}

/// What the server makes of `column IN ('a', 'b')`.
fn one_of(definition: &str) -> Option<(String, Vec<String>)> {
    let found = ANY.captures(definition)?;
    let (column, items) = (found[1].trim_matches('"').to_owned(), &found[2]);
    let values: Vec<String> = ITEM
        .captures_iter(items)
        .map(|item| item[1].replace("''", "'"))
        .collect();
    let length: usize = ITEM.find_iter(items).map(|item| item.len()).sum();
    (length == items.len() && !values.is_empty()).then_some((column, values))
}

fn index(row: &Row, table: &mut Table, notes: &mut Vec<Note>) {
    let (name, method): (String, String) = (row.get("name"), row.get("method"));
    let columns: Vec<Option<String>> = row.get("columns");
    if row.get("key") {
        table.key = columns.into_iter().flatten().collect();
    } else if method != "btree" {
        let what = format!("index {name} of table {}", table.name);
        notes.push(Note::new(
            what,
            format!("not in the schema: it is of the kind {method}"),
        ));
    } else {
        table.indexes.push(Index {
            name: Some(name).filter(|_| !row.get::<_, bool>("of_constraint")),
            columns,
            unique: row.get("unique"),
            partial: row.get("partial"),
        });
    }
}

fn foreign_key(row: &Row) -> ForeignKey {
    let action: &str = row.get("action");
    ForeignKey {
        columns: row.get("columns"),
        table: row.get("target"),
        targets: row.get("targets"),
        on_delete: match action {
            "c" => OnDelete::Cascade,
            "n" => OnDelete::SetNull,
            _ => OnDelete::Restrict,
        },
    }
}

fn quoted(name: &str) -> String {
    let mut sql = String::new();
    Postgres.identifier(&mut sql, name);
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_read_as_the_server_writes_them() {
        let check = |sql: &str, expected: Option<ColumnDefault>| assert_eq!(default(sql), expected, "{sql}");
        check("0", Some(ColumnDefault::Number("0".to_owned())));
        check("'-1.50'::numeric", Some(ColumnDefault::Number("-1.50".to_owned())));
        check("(0)::numeric", Some(ColumnDefault::Number("0".to_owned())));
        check("'0'::text", Some(ColumnDefault::Text("0".to_owned())));
        check(
            "'it''s'::character varying(10)",
            Some(ColumnDefault::Text("it's".to_owned())),
        );
        check("'G'::mpaa_rating", Some(ColumnDefault::Text("G".to_owned())));
        check("true", Some(ColumnDefault::Boolean(true)));
        check("now()", Some(ColumnDefault::Now));
        check("NULL::character varying", None);
        let serial = "nextval('actor_actor_id_seq'::regclass)";
        check(serial, Some(ColumnDefault::Serial));
        check(
            "gen_random_uuid()",
            Some(ColumnDefault::Other("gen_random_uuid()".to_owned())),
        );
    }

    #[test]
    fn lists_of_values_are_found_in_what_the_server_makes_of_them() {
        let check = |sql: &str, expected: Option<(&str, &[&str])>| {
            let expected = expected.map(|(column, values)| {
                let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
                (column.to_owned(), values)
            });
            assert_eq!(one_of(sql), expected, "{sql}");
        };
        check(
            "CHECK ((kind = ANY (ARRAY['new'::text, 'it''s'::text])))",
            Some(("kind", &["new", "it's"])),
        );
        check(
            "CHECK (((\"Kind of\")::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[])))",
            Some(("Kind of", &["a", "b"])),
        );
        check("CHECK ((price > (0)::numeric))", None);
        check("CHECK ((n = ANY (ARRAY[1, 2])))", None);
    }
}
