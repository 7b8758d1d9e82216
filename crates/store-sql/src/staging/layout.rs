//! The tables that an import is about, as SQL that its steps are made of.
//!
//! A staged table has the columns of the live one, and the record's place in the file.

use engine::Model;
use engine::model::{CollectionId, Field, FieldId, FieldKind, Structure, Value};
use serde::{Deserialize, Serialize};

use super::server::{Done, Range, Server, plain, truth, value};
use super::{Demand, Kind};
use crate::compile::{self, DialectRef, key_field};
use crate::migrate::condition;

/// The staged records, and the column with their places.
pub(crate) const STAGED: &str = "_ninefold_import";
pub(crate) const PLACE: &str = "_ninefold_place";
/// Under this key `_ninefold_meta` has an import that is incomplete.
const UNDER_WAY: &str = "import";

/// A name as SQL.
fn quoted(dialect: DialectRef, name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 2);
    dialect.identifier(&mut text, name);
    text
}

/// The staged records `s` of a range of turns.
pub(crate) fn records_of((from, to): Range) -> String {
    format!("{STAGED}_turn u JOIN {STAGED} s ON s.{PLACE} = u.place WHERE u.turn BETWEEN {from} AND {to}")
}

/// What has to be known to take an import back. All names are SQL.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Layout {
    pub(crate) table: String,
    pub(crate) key: String,
    pub(super) columns: Vec<String>,
    pub(super) links: Vec<Links>,
    /// Columns that may be null and refer to records of the collection itself.
    #[serde(default)]
    pub(crate) loose: Vec<String>,
}

/// A to-many field.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Links {
    pub(super) field: u16,
    pub(crate) table: String,
    pub(crate) staged: String,
    pub(crate) source: String,
    pub(super) target: String,
    /// Its targets are of the collection itself.
    pub(super) own: bool,
}

/// What the database knows of an import of which a part is in: so many records had their turn.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Incomplete {
    pub(super) layout: Layout,
    pub(super) done: u64,
}

impl Incomplete {
    pub(super) async fn read<S: Server>(server: &mut S) -> Done<Option<Self>> {
        if !truth(server, S::HAS_META).await? {
            return Ok(None);
        }
        let key = quoted(server.dialect(), "key");
        let sql = format!("SELECT value FROM _ninefold_meta WHERE {key} = '{UNDER_WAY}'");
        let json = value(server, sql, compile::Kind::Text).await?;
        Ok(json.and_then(|json| serde_json::from_str(json.as_text()?).ok()))
    }
}

impl Layout {
    pub(super) fn of(model: &Model, id: CollectionId, dialect: DialectRef) -> Self {
        let quoted = |name: &str| quoted(dialect, name);
        let collection = model.collection(id);
        let links = collection.fields.iter().filter_map(|field| match &field.kind {
            FieldKind::Links {
                target,
                table,
                source_column,
                target_column,
            } => Some(Links {
                field: field.id.0,
                table: quoted(table),
                staged: format!("{STAGED}_links_{}", field.id.0),
                source: quoted(source_column),
                target: quoted(target_column),
                own: *target == id,
            }),
            FieldKind::Value(_) | FieldKind::Reference { .. } | FieldKind::Inverse { .. } => None,
        });
        let loose = own(model, id).filter(|field| !field.required);
        Self {
            table: quoted(&collection.table),
            key: quoted(&key_field(collection).column),
            columns: collection.stored().map(|field| quoted(&field.column)).collect(),
            links: links.collect(),
            loose: loose.map(|field| quoted(&field.column)).collect(),
        }
    }

    /// All that is made for the import.
    pub(super) fn staged_tables(&self) -> Vec<String> {
        let mut tables: Vec<String> = self.links.iter().map(|links| links.staged.clone()).collect();
        tables.extend(["", "_problem", "_turn"].map(|part| format!("{STAGED}{part}")));
        tables
    }

    pub(super) async fn drop_tables(&self, server: &mut impl Server) -> Done<()> {
        let tables = self.staged_tables().join(", ");
        server.command(&format!("DROP TABLE IF EXISTS {tables}")).await
    }

    /// In a transaction that leaves the import incomplete.
    pub(super) async fn mark(&self, server: &mut impl Server, done: u64) -> Done<()> {
        self.unmark(server).await?;
        let incomplete = Incomplete {
            layout: self.clone(),
            done,
        };
        let json = serde_json::to_string(&incomplete).expect("a layout is plain data");
        let dialect = server.dialect();
        let mut sql = format!(
            "INSERT INTO _ninefold_meta ({}, value) VALUES ('{UNDER_WAY}', ",
            quoted(dialect, "key")
        );
        dialect.literal(&mut sql, &Value::text(&*json));
        sql.push(')');
        server.command(&sql).await
    }

    /// Nothing is incomplete any more.
    pub(super) async fn unmark(&self, server: &mut impl Server) -> Done<()> {
        let key = quoted(server.dialect(), "key");
        let sql = format!("DELETE FROM _ninefold_meta WHERE {key} = '{UNDER_WAY}'");
        server.execute(plain(sql, &[])).await?;
        Ok(())
    }
}

/// What the structure was kept as that the database has now.
pub(super) async fn structure<S: Server>(server: &mut S) -> Done<Option<Value>> {
    let key = quoted(server.dialect(), "key");
    let sql = format!("SELECT {} FROM _ninefold_meta WHERE {key} = 'structure'", S::HASH);
    value(server, sql, compile::Kind::Text).await
}

/// Keys and unique indexes of a collection: their fields, and the condition of a partial one.
///
/// # Errors
/// In words, when the condition of a partial index can't be read.
pub(super) fn unique(model: &Model, id: CollectionId, dialect: DialectRef) -> Result<Vec<Unique>, String> {
    let structure = Structure::of(model);
    let stored = structure
        .collection(&model.collection(id).name)
        .expect("a model's structure has its collections");
    let unique = |fields: &[String], condition| Unique {
        fields: fields.to_vec(),
        columns: stored.columns(fields).map(|column| quoted(dialect, column)).collect(),
        condition,
    };
    let mut all = vec![unique(&stored.key, None)];
    for index in stored.indexes.iter().filter(|index| index.unique) {
        let condition = condition::condition(dialect, &structure, stored, index)?;
        all.push(unique(&index.fields, condition));
    }
    Ok(all)
}

pub(crate) struct Unique {
    pub(super) fields: Vec<String>,
    pub(crate) columns: Vec<String>,
    pub(crate) condition: Option<String>,
}

/// Keys and unique indexes against the live data, and what relations name.
pub(super) fn demands(
    model: &Model,
    id: CollectionId,
    layout: &Layout,
    unique: &[Unique],
    dialect: DialectRef,
) -> Vec<Demand> {
    let table = &layout.table;
    let taken = |unique: &Unique| {
        let same = unique.columns.iter().map(|column| format!("m.{column} = s.{column}"));
        let mut fails = same.collect::<Vec<_>>().join(" AND ");
        let mut covered = String::new();
        if let Some(condition) = &unique.condition {
            fails.push_str(&format!(" AND ({condition})"));
            covered = format!(" AND (SELECT ({condition}) FROM {STAGED} x WHERE x.{PLACE} = s.{PLACE})");
        }
        Demand {
            kind: Kind::Taken,
            what: unique.fields.join(","),
            fails: format!("EXISTS (SELECT 1 FROM {table} m WHERE {fails}){covered}"),
        }
    };
    let mut demands: Vec<Demand> = unique.iter().map(taken).collect();
    let collection = model.collection(id);
    for field in collection.stored() {
        let FieldKind::Reference { target, .. } = field.kind else {
            continue;
        };
        let column = format!("s.{}", quoted(dialect, &field.column));
        let there = there(model, target, &column, target == id, dialect);
        demands.push(Demand {
            kind: Kind::NoTarget,
            what: field.id.0.to_string(),
            fails: format!("{column} IS NOT NULL AND NOT ({there})"),
        });
    }
    for links in &layout.links {
        let Some(target) = collection.field(FieldId(links.field)).target() else {
            continue;
        };
        let there = there(model, target, &format!("l.{}", links.target), target == id, dialect);
        let (staged, source, key) = (&links.staged, &links.source, &layout.key);
        demands.push(Demand {
            kind: Kind::NoTarget,
            what: links.field.to_string(),
            fails: format!("EXISTS (SELECT 1 FROM {staged} l WHERE l.{source} = s.{key} AND NOT ({there}))"),
        });
    }
    demands
}

/// Whether a record is in the data, or staged.
fn there(model: &Model, target: CollectionId, value: &str, own: bool, dialect: DialectRef) -> String {
    let target = model.collection(target);
    let (table, key) = (
        quoted(dialect, &target.table),
        quoted(dialect, &key_field(target).column),
    );
    let mut there = format!("EXISTS (SELECT 1 FROM {table} t WHERE t.{key} = {value})");
    if own {
        there.push_str(&format!(
            " OR EXISTS (SELECT 1 FROM {STAGED} t WHERE t.{key} = {value})"
        ));
    }
    there
}

/// The relations of a collection's records to others of it: ids of fields and their columns as SQL.
pub(super) fn own_references(model: &Model, id: CollectionId, dialect: DialectRef) -> Vec<(u16, String)> {
    own(model, id)
        .map(|field| (field.id.0, quoted(dialect, &field.column)))
        .collect()
}

fn own(model: &Model, id: CollectionId) -> impl Iterator<Item = &Field> {
    let own = move |field: &&Field| matches!(field.kind, FieldKind::Reference { target, .. } if target == id);
    model.collection(id).stored().filter(own)
}
