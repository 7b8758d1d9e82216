//! What a SQLite database really holds, as its own catalog says.

use rusqlite::Connection;

/// A table, whoever made it.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) columns: Vec<Column>,
    pub(super) foreign_keys: Vec<ForeignKey>,
    pub(super) indexes: Vec<Index>,
}

#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: String,
    /// As it was declared.
    pub(super) declared: String,
    pub(super) required: bool,
    pub(super) has_default: bool,
    /// Place in the primary key, from 1; 0 outside of it.
    pub(super) key_place: u32,
}

#[derive(Debug, PartialEq)]
pub(super) struct ForeignKey {
    pub(super) column: String,
    pub(super) table: String,
    /// `None`: the target's primary key.
    pub(super) target: Option<String>,
}

#[derive(Debug)]
pub(super) struct Index {
    pub(super) name: String,
    pub(super) unique: bool,
    pub(super) partial: bool,
    /// `None` for an expression.
    pub(super) columns: Vec<Option<String>>,
}

impl Table {
    pub(super) fn read(connection: &Connection, name: &str) -> rusqlite::Result<Option<Self>> {
        let columns = read_columns(connection, name)?;
        if columns.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            columns,
            foreign_keys: read_foreign_keys(connection, name)?,
            indexes: read_indexes(connection, name)?,
        }))
    }

    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        self.columns
            .iter()
            .find(|column| column.name.eq_ignore_ascii_case(name))
    }

    pub(super) fn index(&self, name: &str) -> Option<&Index> {
        self.indexes.iter().find(|index| index.name.eq_ignore_ascii_case(name))
    }

    /// Columns of the primary key, in its order.
    pub(super) fn key(&self) -> Vec<&str> {
        let mut key: Vec<&Column> = self.columns.iter().filter(|column| column.key_place > 0).collect();
        key.sort_by_key(|column| column.key_place);
        key.into_iter().map(|column| column.name.as_str()).collect()
    }
}

impl Column {
    /// The storage that SQLite makes of a declared type (its documentation, "Determination Of Column Affinity").
    pub(super) fn affinity(&self) -> &'static str {
        let declared = self.declared.to_ascii_uppercase();
        let has = |part: &str| declared.contains(part);
        if has("INT") {
            "INTEGER"
        } else if has("CHAR") || has("CLOB") || has("TEXT") {
            "TEXT"
        } else if has("BLOB") || declared.is_empty() {
            "BLOB"
        } else if has("REAL") || has("FLOA") || has("DOUB") {
            "REAL"
        } else {
            "NUMERIC"
        }
    }
}

fn read_columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Column>> {
    let mut statement = connection.prepare(
        "SELECT name, type, \"notnull\", dflt_value IS NOT NULL, pk FROM pragma_table_xinfo(?1)
         WHERE EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE)",
    )?;
    let rows = statement.query_map([table], |row| {
        Ok(Column {
            name: row.get(0)?,
            declared: row.get(1)?,
            required: row.get(2)?,
            has_default: row.get(3)?,
            key_place: row.get(4)?,
        })
    })?;
    rows.collect()
}

fn read_foreign_keys(connection: &Connection, table: &str) -> rusqlite::Result<Vec<ForeignKey>> {
    let mut statement = connection.prepare("SELECT \"from\", \"table\", \"to\" FROM pragma_foreign_key_list(?1)")?;
    let rows = statement.query_map([table], |row| {
        Ok(ForeignKey {
            column: row.get(0)?,
            table: row.get(1)?,
            target: row.get(2)?,
        })
    })?;
    rows.collect()
}

fn read_indexes(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Index>> {
    let mut statement =
        connection.prepare("SELECT name, \"unique\", partial FROM pragma_index_list(?1) WHERE origin = 'c'")?;
    let rows = statement.query_map([table], |row| {
        Ok(Index {
            name: row.get(0)?,
            unique: row.get(1)?,
            partial: row.get(2)?,
            columns: Vec::new(),
        })
    })?;
    let mut indexes: Vec<Index> = rows.collect::<Result<_, _>>()?;
    let mut statement = connection.prepare("SELECT name FROM pragma_index_info(?1) ORDER BY seqno")?;
    for index in &mut indexes {
        let columns = statement.query_map([&index.name], |row| row.get(0))?;
        index.columns = columns.collect::<Result<_, _>>()?;
    }
    Ok(indexes)
}
