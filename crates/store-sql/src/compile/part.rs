//! Parts of a database as they are stored: see [`engine::ports::relocation`].

use std::borrow::Cow;

use engine::Model;
use engine::model::kind::Kind;
use engine::model::{FieldId, Scalar, Value};
use engine::ports::relocation::{Part, Reserved};

use super::DialectRef;
use super::links::Links;
use super::sql::{Sql, Statement};

/// Rows that one statement inserts: few texts serve all portions.
const ROWS_PER_INSERT: usize = 100;
const KEYS_PER_FIND: usize = 100;

/// Where a part is.
pub(crate) struct PartTable<'a> {
    name: &'a str,
    columns: Vec<(&'a str, Kind)>,
    key: Vec<&'a str>,
}

impl<'a> PartTable<'a> {
    pub(crate) fn of(model: &'a Model, part: Part) -> Self {
        match part {
            Part::Records(collection) => {
                let collection = model.collection(collection);
                let columns = collection
                    .stored()
                    .map(|field| (&*field.column, Kind::of_field(model, field)));
                let column = |field: &FieldId| &*collection.field(*field).column;
                Self {
                    name: &collection.table,
                    columns: columns.collect(),
                    key: collection.key.iter().map(column).collect(),
                }
            }
            Part::Links(collection, field) => {
                let collection = model.collection(collection);
                let links = Links::of(collection, field);
                let target = model.collection(links.target);
                Self {
                    name: links.table,
                    columns: vec![
                        (links.source_column, Kind::of_key(model, collection)),
                        (links.target_column, Kind::of_key(model, target)),
                    ],
                    key: vec![links.source_column, links.target_column],
                }
            }
            Part::Reserved(reserved) => {
                let fields = reserved.fields();
                let key = fields[..reserved.key_fields()].iter().map(|(name, _)| *name);
                Self {
                    name: table(reserved),
                    columns: fields.iter().map(|(name, scalar)| (*name, kind(*scalar))).collect(),
                    key: key.collect(),
                }
            }
        }
    }

    pub(super) fn name(&self) -> &'a str {
        self.name
    }

    /// Columns of the key, and what they hold.
    pub(super) fn key(&self) -> Vec<(&'a str, Kind)> {
        let kind = |column: &&'a str| {
            let found = self.columns.iter().find(|(name, _)| name == column);
            found.copied().expect("a key is made of columns")
        };
        self.key.iter().map(kind).collect()
    }

    pub(crate) fn count(&self, dialect: DialectRef) -> Statement<'static> {
        let mut sql = Sql::new(dialect);
        sql.column(Kind::Int);
        sql.push("SELECT count(*) FROM ").name(self.name);
        sql.finish()
    }

    /// In the order of keys, behind the key `after`.
    pub(crate) fn select(&self, dialect: DialectRef, after: Option<&'a [Value]>, limit: u32) -> Statement<'a> {
        let mut sql = self.rows(dialect);
        if let Some(after) = after {
            sql.push(" WHERE (");
            names(&mut sql, self.key.iter().copied());
            sql.push(") > (");
            for (index, value) in after.iter().enumerate() {
                sql.push(if index > 0 { ", " } else { "" }).bind(Cow::Borrowed(value));
            }
            sql.push(")");
        }
        sql.push(" ORDER BY ");
        names(&mut sql, self.key.iter().copied());
        sql.push(" LIMIT ").number(limit.into());
        sql.finish()
    }

    fn rows<'s>(&self, dialect: DialectRef) -> Sql<'s> {
        let mut sql = Sql::new(dialect);
        sql.push("SELECT ");
        for (index, (column, kind)) in self.columns.iter().enumerate() {
            sql.column(*kind);
            sql.push(if index > 0 { ", " } else { "" }).name(column);
        }
        sql.push(" FROM ").name(self.name);
        sql
    }

    /// The rows with some of these keys. More of them than one statement takes are for the next.
    pub(crate) fn find<'k>(&self, dialect: DialectRef, keys: &'k [Vec<Value>]) -> (Statement<'k>, &'k [Vec<Value>]) {
        let (keys, rest) = keys.split_at(keys.len().min(KEYS_PER_FIND));
        let mut sql = self.rows(dialect);
        sql.push(" WHERE ");
        for (place, key) in keys.iter().enumerate() {
            sql.push(if place > 0 { " OR (" } else { "(" });
            self.is(&mut sql, key);
            sql.push(")");
        }
        (sql.finish(), rest)
    }

    /// Of the row with that key.
    pub(crate) fn delete<'r>(&self, dialect: DialectRef, key: &'r [Value]) -> Statement<'r> {
        let mut sql = Sql::new(dialect);
        sql.push("DELETE FROM ").name(self.name).push(" WHERE ");
        self.is(&mut sql, key);
        sql.finish()
    }

    fn is<'r>(&self, sql: &mut Sql<'r>, key: &'r [Value]) {
        for (index, (column, value)) in self.key.iter().zip(key).enumerate() {
            sql.push(if index > 0 { " AND " } else { "" }).name(column);
            sql.push(" = ").bind(Cow::Borrowed(value));
        }
    }

    pub(crate) fn inserts<'r>(
        &self,
        dialect: DialectRef,
        rows: &'r [Vec<Value>],
    ) -> impl Iterator<Item = Statement<'r>> {
        let rows_max = ROWS_PER_INSERT.min(dialect.keys_max() / self.columns.len()).max(1);
        rows.chunks(rows_max).map(move |rows| self.insert(dialect, rows))
    }

    fn insert<'r>(&self, dialect: DialectRef, rows: &'r [Vec<Value>]) -> Statement<'r> {
        let mut sql = Sql::new(dialect);
        sql.push("INSERT INTO ").name(self.name).push(" (");
        names(&mut sql, self.columns.iter().map(|(column, _)| *column));
        sql.push(") VALUES ");
        for (place, row) in rows.iter().enumerate() {
            sql.push(if place > 0 { ", (" } else { "(" });
            for (index, value) in row.iter().enumerate() {
                sql.push(if index > 0 { ", " } else { "" }).assign(Cow::Borrowed(value));
            }
            sql.push(")");
        }
        sql.finish()
    }
}

fn names<'n>(sql: &mut Sql<'_>, names: impl Iterator<Item = &'n str>) {
    for (index, name) in names.enumerate() {
        sql.push(if index > 0 { ", " } else { "" }).name(name);
    }
}

fn table(reserved: Reserved) -> &'static str {
    match reserved {
        Reserved::Credentials => "_ninefold_credential",
        Reserved::Sessions => "_ninefold_session",
        Reserved::OneTimeTokens => "_ninefold_one_time_token",
        Reserved::Administrators => "_ninefold_administrator",
        Reserved::SigningKeys => "_ninefold_signing_key",
        Reserved::Secrets => "_ninefold_secret",
    }
}

fn kind(scalar: Scalar) -> Kind {
    Kind::of_type(&engine::model::ValueType::Scalar(scalar))
}
