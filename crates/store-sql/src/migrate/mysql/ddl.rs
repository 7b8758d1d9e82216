//! Definitions of tables and indexes, as MySQL reads them.
//!
//! An index takes 3072 bytes. A column of texts that some index covers has the 752 characters that a schema may index,
//! so that there is room for some numbers beside it. Where columns together are longer, an index has the beginnings of the texts; a unique one has a hash of its columns
//! instead, in a column of its own that the server computes. So has one of some records only, which this server doesn't
//! know otherwise: the hash is null for all others.

use std::fmt::Write as _;

use engine::model::{Scalar, StoredCollection, StoredField, StoredIndex, StoredLinks, StoredType, Structure, Value};

use crate::dialect::{Dialect, MySql};

/// What a reference to a collection that isn't known would hold.
pub(super) const ID: StoredType = StoredType::Scalar(Scalar::Id);
/// The server takes no longer names.
const NAME_BYTES_MAX: usize = 64;
const INDEX_BYTES_MAX: usize = 3072;
/// Of a text's columns in an index.
const CHARACTER_BYTES: usize = 4;
const BOUNDED_MAX: usize = 752;

/// A name as SQL: in backticks.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// Names as SQL, with commas.
pub(super) fn quoted_list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(quoted).collect::<Vec<_>>().join(", ")
}

/// Changes of a table that happen all at once or not at all.
pub(super) fn alter(table: &str, changes: &[String]) -> String {
    format!("ALTER TABLE {} {}", quoted(table), changes.join(", "))
}

/// For definitions, which know no parameters.
pub(super) fn literal(dialect: &MySql, value: &Value) -> String {
    let mut sql = String::new();
    dialect.literal(&mut sql, value);
    sql
}

/// How a type is stored. `bounded`: in an index.
///
/// A document is a text and not MySQL's `json`, which would forget the order of names and how numbers were written: then
/// an answer would depend on the database.
pub(super) fn column_type(kind: &StoredType, bounded: bool) -> &'static str {
    match kind {
        StoredType::Scalar(scalar) => match scalar {
            Scalar::Id => "binary(16)",
            Scalar::Bytes if bounded => "varbinary(752)",
            Scalar::Bytes => "longblob",
            Scalar::String | Scalar::Email | Scalar::Url | Scalar::File if bounded => "varchar(752)",
            Scalar::String | Scalar::Email | Scalar::Url | Scalar::File | Scalar::Json => "longtext",
            Scalar::Int | Scalar::Long => "bigint",
            Scalar::Decimal => "decimal(19,6)",
            Scalar::Boolean => "tinyint(1)",
            Scalar::DateTime => "datetime(3)",
            Scalar::Date => "date",
            Scalar::Float => "double",
        },
        StoredType::Enum(_) if bounded => "varchar(752)",
        StoredType::Enum(_) | StoredType::Document | StoredType::List(_) => "longtext",
    }
}

pub(super) fn is_text(kind: &str) -> bool {
    kind == "longtext" || kind.starts_with("varchar")
}

/// With the order of texts that all engines have.
pub(super) fn full_type(dialect: &MySql, kind: &StoredType, bounded: bool) -> String {
    let plain = column_type(kind, bounded);
    if is_text(plain) {
        format!("{plain} CHARACTER SET utf8mb4 COLLATE {}", dialect.collation())
    } else {
        plain.to_owned()
    }
}

/// Whether an index covers the field.
pub(super) fn is_bounded(collection: &StoredCollection, field: &StoredField) -> bool {
    field.refers.is_some()
        || collection.key.contains(&field.name)
        || collection
            .indexes
            .iter()
            .any(|index| index.fields.contains(&field.name))
}

/// One column, as in a table's definition or `ADD COLUMN`.
pub(super) fn column(dialect: &MySql, field: &StoredField, bounded: bool) -> String {
    let required = if field.required { " NOT NULL" } else { " NULL" };
    format!(
        "{} {}{required}",
        quoted(&field.column),
        full_type(dialect, &field.kind, bounded)
    )
}

/// Without foreign keys: what they lead to may come later. See [`Reference`].
pub(super) fn create_table(dialect: &MySql, collection: &StoredCollection) -> String {
    let mut sql = format!("CREATE TABLE {} (\n", quoted(&collection.table));
    for field in &collection.fields {
        let _ = writeln!(sql, "  {},", column(dialect, field, is_bounded(collection, field)));
    }
    let key = quoted_list(collection.columns(&collection.key));
    let _ = write!(sql, "  PRIMARY KEY ({key})\n){}", options(dialect));
    sql
}

fn options(dialect: &MySql) -> String {
    let collation = dialect.collation();
    format!(" ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}")
}

/// The join table of a to-many field.
pub(super) fn create_links(
    dialect: &MySql,
    structure: &Structure,
    source: &StoredCollection,
    links: &StoredLinks,
) -> String {
    let end = |column: &str, collection: &str| {
        let kind = structure.key_type(collection).unwrap_or(&ID);
        format!("  {} {} NOT NULL,\n", quoted(column), full_type(dialect, kind, true))
    };
    format!(
        "CREATE TABLE {} (\n{}{}  PRIMARY KEY ({key}),\n  INDEX {} ({})\n){}",
        quoted(&links.table),
        end(&links.source_column, &source.name),
        end(&links.target_column, &links.target),
        quoted(&links_index_name(links)),
        quoted_list([links.target_column.as_str(), &links.source_column]),
        options(dialect),
        key = quoted_list([links.source_column.as_str(), &links.target_column]),
    )
}

/// Of what finds the sources of a target.
pub(super) fn links_index_name(links: &StoredLinks) -> String {
    cut(&links.table, "_inverse")
}

/// A name with an ending, cut to what the server takes.
fn cut(name: &str, ending: &str) -> String {
    let end = name.floor_char_boundary(NAME_BYTES_MAX - ending.len());
    format!("{}{ending}", &name[..end])
}

/// How an index is made.
pub(super) struct IndexParts<'a> {
    collection: &'a StoredCollection,
    index: &'a StoredIndex,
}

impl<'a> IndexParts<'a> {
    pub(super) fn of(collection: &'a StoredCollection, index: &'a StoredIndex) -> Self {
        Self { collection, index }
    }

    fn fields(&self) -> impl Iterator<Item = &'a StoredField> {
        let collection = self.collection;
        self.index.fields.iter().filter_map(|name| collection.field(name))
    }

    /// Characters that it has of each text, where it can't have all.
    fn prefix(&self) -> Option<usize> {
        let (mut texts, mut rest) = (0, 0);
        for field in self.fields() {
            match column_type(&field.kind, true) {
                kind if is_text(kind) => texts += 1,
                "varbinary(752)" => rest += BOUNDED_MAX,
                _ => rest += 16,
            }
        }
        let all = texts * BOUNDED_MAX * CHARACTER_BYTES + rest;
        (texts > 0 && all > INDEX_BYTES_MAX).then(|| INDEX_BYTES_MAX.saturating_sub(rest) / CHARACTER_BYTES / texts)
    }

    /// Whether what is unique is a hash.
    pub(super) fn is_hashed(&self) -> bool {
        self.index.unique && (self.index.only.is_some() || self.prefix().is_some())
    }

    /// The columns that the index of this name has.
    pub(super) fn columns(&self) -> Vec<String> {
        if self.is_hashed() {
            vec![self.index.name.clone()]
        } else {
            self.fields().map(|field| field.column.clone()).collect()
        }
    }

    /// Of the index that finds records by the columns themselves, where the one of its name has a hash.
    fn plain_name(&self) -> String {
        cut(&self.index.name, "_plain")
    }

    pub(super) fn create(&self, condition: Option<&str>) -> String {
        alter(&self.collection.table, &[self.addition(condition)])
    }

    /// As a change of its table; `condition` is that of a partial index.
    pub(super) fn addition(&self, condition: Option<&str>) -> String {
        let prefix = self.prefix();
        let columns = self.fields().map(|field| {
            let column = quoted(&field.column);
            match prefix {
                Some(characters) if is_text(column_type(&field.kind, true)) => format!("{column}({characters})"),
                _ => column,
            }
        });
        let columns = columns.collect::<Vec<_>>().join(", ");
        let name = quoted(&self.index.name);
        if !self.is_hashed() {
            let unique = if self.index.unique { "UNIQUE " } else { "" };
            return format!("ADD {unique}INDEX {name} ({columns})");
        }
        format!(
            "ADD COLUMN {name} binary(32) GENERATED ALWAYS AS ({}) VIRTUAL, \
             ADD UNIQUE INDEX {name} ({name}), ADD INDEX {} ({columns})",
            self.hash(condition),
            quoted(&self.plain_name()),
        )
    }

    /// Null unless all columns have a value.
    fn hash(&self, condition: Option<&str>) -> String {
        let fields: Vec<_> = self.fields().collect();
        let mut conditions: Vec<_> = fields
            .iter()
            .map(|field| format!("{} IS NOT NULL", quoted(&field.column)))
            .collect();
        conditions.extend(condition.map(|condition| format!("({condition})")));
        let parts = fields.iter().map(|field| {
            let column = quoted(&field.column);
            match column_type(&field.kind, true) {
                kind if is_text(kind) || kind.contains("binary") => format!("HEX({column})"),
                _ => format!("HEX(CAST({column} AS CHAR))"),
            }
        });
        format!(
            "CASE WHEN {} THEN UNHEX(SHA2(CONCAT_WS('/', {}), 256)) END",
            conditions.join(" AND "),
            parts.collect::<Vec<_>>().join(", ")
        )
    }

    pub(super) fn drop(&self) -> String {
        alter(&self.collection.table, &[self.removal()])
    }

    /// As a change of its table.
    pub(super) fn removal(&self) -> String {
        let name = quoted(&self.index.name);
        if self.is_hashed() {
            let plain = quoted(&self.plain_name());
            format!("DROP INDEX {plain}, DROP INDEX {name}, DROP COLUMN {name}")
        } else {
            format!("DROP INDEX {name}")
        }
    }
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

    /// Nothing happens by itself on delete: the engine plans cascades.
    pub(super) fn create(&self) -> String {
        format!(
            "ALTER TABLE {} ADD FOREIGN KEY ({}) REFERENCES {} ({})",
            quoted(&self.table),
            quoted(&self.column),
            quoted(&self.target),
            quoted(&self.key),
        )
    }
}
