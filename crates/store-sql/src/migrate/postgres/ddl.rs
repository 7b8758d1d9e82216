//! Definitions of tables and indexes, as PostgreSQL reads them.

use std::fmt::Write as _;

use engine::model::{Scalar, StoredCollection, StoredField, StoredIndex, StoredLinks, StoredType, Structure, Value};

use crate::dialect::{Dialect, Postgres};

/// What a reference to a collection that isn't known would hold.
pub(super) const ID: StoredType = StoredType::Scalar(Scalar::Id);
/// The server cuts longer names off.
const NAME_BYTES_MAX: usize = 63;

/// A name as SQL: in double quotes.
pub(super) fn quoted(name: &str) -> String {
    let mut sql = String::new();
    Postgres.identifier(&mut sql, name);
    sql
}

/// Names as SQL, with commas.
pub(super) fn quoted_list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(quoted).collect::<Vec<_>>().join(", ")
}

/// For definitions, which know no parameters.
pub(super) fn literal(value: &Value) -> String {
    let mut sql = String::new();
    Postgres.literal(&mut sql, value);
    sql
}

/// How a type is stored, as the catalog spells it.
///
/// A document is `json` and not `jsonb`, which would forget the order of names and how numbers were written: then an
/// answer would depend on the database.
pub(super) fn column_type(kind: &StoredType) -> &'static str {
    match kind {
        StoredType::Scalar(scalar) => match scalar {
            Scalar::Id => "uuid",
            Scalar::Bytes => "bytea",
            Scalar::String | Scalar::Email | Scalar::Url | Scalar::File => "text",
            Scalar::Json => "json",
            Scalar::Int | Scalar::Long => "bigint",
            Scalar::Decimal => "numeric(19,6)",
            Scalar::Boolean => "boolean",
            Scalar::DateTime => "timestamp with time zone",
            Scalar::Date => "date",
            Scalar::Float => "double precision",
        },
        StoredType::Enum(_) => "text",
        StoredType::Document | StoredType::List(_) => "json",
    }
}

/// With the order of texts that all engines have.
pub(super) fn full_type(kind: &StoredType) -> String {
    match column_type(kind) {
        "text" => "text COLLATE \"C\"".to_owned(),
        other => other.to_owned(),
    }
}

/// One column, as in a table's definition or `ADD COLUMN`.
pub(super) fn column(field: &StoredField) -> String {
    let required = if field.required { " NOT NULL" } else { "" };
    format!("{} {}{required}", quoted(&field.column), full_type(&field.kind))
}

/// Without foreign keys: what they lead to may come later. See [`Reference`].
pub(super) fn create_table(collection: &StoredCollection) -> String {
    let mut sql = format!("CREATE TABLE {} (\n", quoted(&collection.table));
    for field in &collection.fields {
        let _ = writeln!(sql, "  {},", column(field));
    }
    let _ = write!(
        sql,
        "  PRIMARY KEY ({})\n)",
        quoted_list(collection.columns(&collection.key))
    );
    sql
}

/// The join table of a to-many field.
pub(super) fn create_links(structure: &Structure, source: &StoredCollection, links: &StoredLinks) -> String {
    let end = |column: &str, collection: &str| {
        let kind = structure.key_type(collection).unwrap_or(&ID);
        format!("  {} {} NOT NULL,\n", quoted(column), full_type(kind))
    };
    format!(
        "CREATE TABLE {} (\n{}{}  PRIMARY KEY ({})\n)",
        quoted(&links.table),
        end(&links.source_column, &source.name),
        end(&links.target_column, &links.target),
        quoted_list([links.source_column.as_str(), &links.target_column]),
    )
}

/// What finds the sources of a target.
pub(super) fn create_links_index(links: &StoredLinks) -> String {
    format!(
        "CREATE INDEX {} ON {} ({})",
        quoted(&links_index_name(links)),
        quoted(&links.table),
        quoted_list([links.target_column.as_str(), &links.source_column]),
    )
}

pub(super) fn links_index_name(links: &StoredLinks) -> String {
    let mut name = format!("{}_inverse", links.table);
    let end = name.floor_char_boundary(NAME_BYTES_MAX);
    name.truncate(end);
    name
}

/// Nulls stand where a list has them, so that it can be read off the index. `condition` is that of a partial index.
pub(super) fn create_index(collection: &StoredCollection, index: &StoredIndex, condition: Option<&str>) -> String {
    let fields = index.fields.iter().filter_map(|name| collection.field(name));
    let columns = fields.map(|field| {
        let nullable = !field.required && !collection.key.contains(&field.name);
        format!("{}{}", quoted(&field.column), Postgres.order(false, nullable))
    });
    format!(
        "CREATE {}INDEX {} ON {} ({}){}",
        if index.unique { "UNIQUE " } else { "" },
        quoted(&index.name),
        quoted(&collection.table),
        columns.collect::<Vec<_>>().join(", "),
        condition
            .map(|condition| format!(" WHERE {condition}"))
            .unwrap_or_default(),
    )
}

/// A column that holds keys of another table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) table: String,
    pub(super) column: String,
    pub(super) target: String,
    pub(super) key: String,
}

impl Reference {
    /// All that a structure has.
    pub(super) fn all(structure: &Structure) -> Vec<Self> {
        let mut all = Vec::new();
        let mut add = |table: &str, column: &str, target: &str| {
            let target = structure.collection(target);
            let key = target.and_then(|target| target.columns(&target.key).next());
            if let (Some(target), Some(key)) = (target, key) {
                all.push(Self {
                    table: table.to_owned(),
                    column: column.to_owned(),
                    target: target.table.clone(),
                    key: key.to_owned(),
                });
            }
        };
        for collection in &structure.collections {
            for field in &collection.fields {
                if let Some(target) = &field.refers {
                    add(&collection.table, &field.column, target);
                }
            }
            for links in &collection.links {
                add(&links.table, &links.source_column, &collection.name);
                add(&links.table, &links.target_column, &links.target);
            }
        }
        all
    }

    /// No action on delete: the engine plans cascades itself, and every check waits for the commit.
    pub(super) fn create(&self) -> String {
        format!(
            "ALTER TABLE {} ADD FOREIGN KEY ({}) REFERENCES {} ({}) DEFERRABLE INITIALLY DEFERRED",
            quoted(&self.table),
            quoted(&self.column),
            quoted(&self.target),
            quoted(&self.key),
        )
    }

    /// Without a look at the values that are there.
    pub(super) fn create_unproven(&self) -> String {
        format!("{} NOT VALID", self.create())
    }
}
