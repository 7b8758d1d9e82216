//! What a PostgreSQL database really holds, as its own catalog says. Tables are those of the current schema.

use tokio_postgres::{Client, Error};

/// A table, whoever made it.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) columns: Vec<Column>,
    /// Columns of the primary key, in its order.
    pub(super) key: Vec<String>,
    /// The name of the constraint.
    pub(super) key_name: Option<String>,
    pub(super) foreign_keys: Vec<ForeignKey>,
    pub(super) indexes: Vec<Index>,
}

#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: String,
    /// As `format_type` has it.
    pub(super) kind: String,
    pub(super) required: bool,
    pub(super) has_default: bool,
    /// Whether texts are ordered by code point; true of what is no text.
    pub(super) is_plain: bool,
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
    pub(super) partial: bool,
    /// `None` for an expression.
    pub(super) columns: Vec<Option<String>>,
}

const COLUMNS: &str = "
    SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull,
           a.atthasdef OR a.attidentity <> '' OR a.attgenerated <> '',
           a.attcollation = 0 OR c.collname IN ('C', 'POSIX', 'ucs_basic')
    FROM pg_attribute a LEFT JOIN pg_collation c ON c.oid = a.attcollation
    WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum";

const KEY: &str = "
    SELECT c.conname::text, a.attname::text
    FROM pg_constraint c
    CROSS JOIN LATERAL unnest(c.conkey) WITH ORDINALITY AS k (attnum, place)
    JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum
    WHERE c.conrelid = $1 AND c.contype = 'p'
    ORDER BY k.place";

const FOREIGN_KEYS: &str = "
    SELECT c.conname::text, a.attname::text, t.relname::text
    FROM pg_constraint c
    JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
    JOIN pg_class t ON t.oid = c.confrelid
    WHERE c.conrelid = $1 AND c.contype = 'f' AND cardinality(c.conkey) = 1";

const INDEXES: &str = "
    SELECT c.relname::text, i.indisunique, i.indpred IS NOT NULL,
           ARRAY(SELECT a.attname::text
                 FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
                 LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
                 WHERE k.place <= i.indnkeyatts
                 ORDER BY k.place)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE i.indrelid = $1 AND i.indisvalid";

/// The table's number, if it is there.
async fn oid(client: &Client, name: &str) -> Result<Option<u32>, Error> {
    let sql = "SELECT oid FROM pg_class \
               WHERE relname = $1 AND relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')";
    let found = client.query_opt(sql, &[&name]).await?;
    found.map(|row| row.try_get(0)).transpose()
}

pub(super) async fn exists(client: &Client, name: &str) -> Result<bool, Error> {
    Ok(oid(client, name).await?.is_some())
}

impl Table {
    pub(super) async fn read(client: &Client, name: &str) -> Result<Option<Self>, Error> {
        let Some(oid) = oid(client, name).await? else {
            return Ok(None);
        };
        let mut table = Self {
            columns: Vec::new(),
            key: Vec::new(),
            key_name: None,
            foreign_keys: Vec::new(),
            indexes: Vec::new(),
        };
        for row in client.query(COLUMNS, &[&oid]).await? {
            table.columns.push(Column {
                name: row.try_get(0)?,
                kind: row.try_get(1)?,
                required: row.try_get(2)?,
                has_default: row.try_get(3)?,
                is_plain: row.try_get(4)?,
            });
        }
        for row in client.query(KEY, &[&oid]).await? {
            table.key_name = Some(row.try_get(0)?);
            table.key.push(row.try_get(1)?);
        }
        for row in client.query(FOREIGN_KEYS, &[&oid]).await? {
            table.foreign_keys.push(ForeignKey {
                name: row.try_get(0)?,
                column: row.try_get(1)?,
                table: row.try_get(2)?,
            });
        }
        for row in client.query(INDEXES, &[&oid]).await? {
            table.indexes.push(Index {
                name: row.try_get(0)?,
                unique: row.try_get(1)?,
                partial: row.try_get(2)?,
                columns: row.try_get(3)?,
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
