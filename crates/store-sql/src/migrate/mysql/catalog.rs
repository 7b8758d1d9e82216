//! What a MySQL database really holds, as its own catalog says.

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Error};

/// A table, whoever made it.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) columns: Vec<Column>,
    /// Columns of the primary key, in its order.
    pub(super) key: Vec<String>,
    pub(super) foreign_keys: Vec<ForeignKey>,
    pub(super) indexes: Vec<Index>,
}

#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: String,
    /// With its length, as in `varchar(80)`.
    pub(super) kind: String,
    pub(super) required: bool,
    /// Or is filled in by the server otherwise.
    pub(super) has_default: bool,
    /// Of texts.
    pub(super) collation: Option<String>,
}

#[derive(Debug)]
pub(super) struct ForeignKey {
    pub(super) name: String,
    pub(super) column: String,
    pub(super) table: String,
}

#[derive(Debug)]
pub(super) struct Index {
    pub(super) name: String,
    pub(super) unique: bool,
    /// `None` for an expression.
    pub(super) columns: Vec<Option<String>>,
}

const COLUMNS: &str = "
    SELECT column_name, column_type, is_nullable = 'NO', column_default IS NOT NULL OR extra <> '', collation_name
    FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = ?
    ORDER BY ordinal_position";

const INDEXES: &str = "
    SELECT index_name, non_unique = 0, column_name
    FROM information_schema.statistics
    WHERE table_schema = DATABASE() AND table_name = ?
    ORDER BY index_name, seq_in_index";

const FOREIGN_KEYS: &str = "
    SELECT constraint_name, column_name, referenced_table_name
    FROM information_schema.key_column_usage
    WHERE table_schema = DATABASE() AND table_name = ? AND referenced_table_name IS NOT NULL";

pub(super) async fn exists(conn: &mut Conn, name: &str) -> Result<bool, Error> {
    let sql = "SELECT 1 FROM information_schema.tables \
               WHERE table_schema = DATABASE() AND table_name = ? AND table_type = 'BASE TABLE'";
    let found: Option<i64> = conn.exec_first(sql, (name,)).await?;
    Ok(found.is_some())
}

impl Table {
    pub(super) async fn read(conn: &mut Conn, name: &str) -> Result<Option<Self>, Error> {
        if !exists(conn, name).await? {
            return Ok(None);
        }
        let mut table = Self::default();
        let columns: Vec<(String, String, bool, bool, Option<String>)> = conn.exec(COLUMNS, (name,)).await?;
        for (name, kind, required, has_default, collation) in columns {
            table.columns.push(Column {
                name,
                kind,
                required,
                has_default,
                collation,
            });
        }
        let indexes: Vec<(String, bool, Option<String>)> = conn.exec(INDEXES, (name,)).await?;
        for (name, unique, column) in indexes {
            if name == "PRIMARY" {
                table.key.extend(column);
                continue;
            }
            match table.indexes.last_mut() {
                Some(index) if index.name == name => index.columns.push(column),
                _ => table.indexes.push(Index {
                    name,
                    unique,
                    columns: vec![column],
                }),
            }
        }
        let foreign_keys: Vec<(String, String, String)> = conn.exec(FOREIGN_KEYS, (name,)).await?;
        for (name, column, table_name) in foreign_keys {
            table.foreign_keys.push(ForeignKey {
                name,
                column,
                table: table_name,
            });
        }
        Ok(Some(table))
    }

    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    pub(super) fn index(&self, name: &str) -> Option<&Index> {
        self.indexes.iter().find(|index| index.name == name)
    }
}
