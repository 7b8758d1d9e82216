//! Definitions of tables and indexes, as SQLite reads them.

use std::fmt::Write as _;

use engine::model::{Scalar, StoredCollection, StoredField, StoredIndex, StoredLinks, StoredType, Structure};

/// What a reference to a collection that isn't known would hold.
pub(super) const ID: StoredType = StoredType::Scalar(Scalar::Id);

/// A name as SQL: in double quotes.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Names as SQL, with commas.
pub(super) fn quoted_list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(quoted).collect::<Vec<_>>().join(", ")
}

/// How a type is stored; the only types that a STRICT table knows.
pub(super) fn column_type(kind: &StoredType) -> &'static str {
    match kind {
        StoredType::Scalar(scalar) => match scalar {
            Scalar::Id | Scalar::Bytes => "BLOB",
            Scalar::String | Scalar::Json | Scalar::Email | Scalar::Url | Scalar::File => "TEXT",
            Scalar::Int | Scalar::Long | Scalar::Decimal | Scalar::Boolean | Scalar::DateTime | Scalar::Date => {
                "INTEGER"
            }
            Scalar::Float => "REAL",
        },
        StoredType::Enum(_) | StoredType::Document | StoredType::List(_) => "TEXT",
    }
}

/// One column, as in a table's definition or `ADD COLUMN`.
pub(super) fn column(structure: &Structure, field: &StoredField) -> String {
    let mut sql = format!("{} {}", quoted(&field.column), column_type(&field.kind));
    if field.required {
        sql.push_str(" NOT NULL");
    }
    if let Some(target) = field.refers.as_deref().and_then(|name| structure.collection(name)) {
        sql.push_str(&references(target));
    }
    sql
}

/// No action on delete: the engine plans cascades itself, and every check waits for the commit.
fn references(target: &StoredCollection) -> String {
    format!(
        " REFERENCES {} ({}) DEFERRABLE INITIALLY DEFERRED",
        quoted(&target.table),
        quoted_list(target.columns(&target.key))
    )
}

/// The table of `collection` under the name `table`; a rebuilt one has another name for a while.
pub(super) fn create_table(structure: &Structure, collection: &StoredCollection, table: &str) -> String {
    let mut sql = format!("CREATE TABLE {} (\n", quoted(table));
    for field in &collection.fields {
        let _ = writeln!(sql, "  {},", column(structure, field));
    }
    let _ = write!(
        sql,
        "  PRIMARY KEY ({})\n) STRICT",
        quoted_list(collection.columns(&collection.key))
    );
    sql
}

/// The join table of a to-many field.
pub(super) fn create_links(structure: &Structure, source: &StoredCollection, links: &StoredLinks) -> String {
    let end = |column: &str, collection: Option<&StoredCollection>| {
        let kind = collection.and_then(|collection| structure.key_type(&collection.name));
        let references = collection.map(references).unwrap_or_default();
        format!(
            "  {} {} NOT NULL{references},\n",
            quoted(column),
            column_type(kind.unwrap_or(&ID))
        )
    };
    format!(
        "CREATE TABLE {} (\n{}{}  PRIMARY KEY ({})\n) STRICT, WITHOUT ROWID",
        quoted(&links.table),
        end(&links.source_column, Some(source)),
        end(&links.target_column, structure.collection(&links.target)),
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
    format!("{}_inverse", links.table)
}

/// `condition` is that of a partial index.
pub(super) fn create_index(collection: &StoredCollection, index: &StoredIndex, condition: Option<&str>) -> String {
    format!(
        "CREATE {}INDEX {} ON {} ({}){}",
        if index.unique { "UNIQUE " } else { "" },
        quoted(&index.name),
        quoted(&collection.table),
        quoted_list(collection.columns(&index.fields)),
        condition
            .map(|condition| format!(" WHERE {condition}"))
            .unwrap_or_default(),
    )
}
