//! The tables that an import is about, as SQL that its steps are made of.
//!
//! The staged tables have the names and the columns of the live ones; on a connection that has both, the live database
//! is `main` and the staged one `import`. A staged record's rowid is its place in the file.

use engine::Model;
use engine::model::{CollectionId, FieldKind, Structure};
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};

use crate::compile::key_field;
use crate::dialect::{Dialect as _, Sqlite};
use crate::migrate::condition;
use crate::staging::{Demand, Kind};

/// A name as SQL.
pub(super) fn quoted(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 2);
    Sqlite.identifier(&mut text, name);
    text
}

/// What has to be known to take an import back: kept with what is staged. All names are SQL.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Layout {
    pub(super) table: String,
    pub(super) key: String,
    pub(super) columns: Vec<String>,
    pub(super) links: Vec<Links>,
    /// Tells this import from others.
    pub(super) token: String,
}

/// A to-many field.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Links {
    pub(super) field: u16,
    pub(super) table: String,
    pub(super) source: String,
    pub(super) target: String,
    /// Its targets are of the collection itself.
    pub(super) own: bool,
}

impl Layout {
    pub(super) fn of(model: &Model, id: CollectionId, token: String) -> Self {
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
                source: quoted(source_column),
                target: quoted(target_column),
                own: *target == id,
            }),
            FieldKind::Value(_) | FieldKind::Reference { .. } | FieldKind::Inverse { .. } => None,
        });
        Self {
            table: quoted(&collection.table),
            key: quoted(&key_field(collection).column),
            columns: collection.stored().map(|field| quoted(&field.column)).collect(),
            links: links.collect(),
            token,
        }
    }

    pub(super) fn kept(connection: &Connection) -> rusqlite::Result<Option<Self>> {
        let json: Option<String> = connection
            .query_row("SELECT layout FROM _ninefold_import", [], |row| row.get(0))
            .optional()?;
        Ok(json.and_then(|json| serde_json::from_str(&json).ok()))
    }
}

/// The definitions of what is staged, as the live database has them: tables, and of their indexes the unique ones.
pub(super) fn definitions(live: &Connection, tables: &[&str]) -> rusqlite::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut statement = live.prepare(
        "SELECT sql FROM sqlite_schema WHERE tbl_name = ? AND sql IS NOT NULL
         AND (type = 'table' OR type = 'index' AND sql LIKE 'CREATE UNIQUE %') ORDER BY type DESC",
    )?;
    for table in tables {
        for sql in statement.query_map([table], |row| row.get(0))? {
            found.push(sql?);
        }
    }
    Ok(found)
}

/// Keys and unique indexes against the live data, and what relations name.
///
/// # Errors
/// In words, when the condition of a partial index can't be read.
pub(super) fn demands(model: &Model, id: CollectionId, layout: &Layout) -> Result<Vec<Demand>, String> {
    let mut demands = unique(model, id, layout)?;
    let collection = model.collection(id);
    for field in collection.stored() {
        let FieldKind::Reference { target, .. } = field.kind else {
            continue;
        };
        let column = format!("s.{}", quoted(&field.column));
        let there = there(model, target, &column, (target == id).then_some(layout));
        demands.push(Demand {
            kind: Kind::NoTarget,
            what: field.id.0.to_string(),
            fails: format!("{column} IS NOT NULL AND NOT ({there})"),
        });
    }
    for links in &layout.links {
        let field = engine::model::FieldId(links.field);
        let Some(target) = collection.field(field).target() else {
            continue;
        };
        let there = there(
            model,
            target,
            &format!("l.{}", links.target),
            (target == id).then_some(layout),
        );
        let (table, source) = (&links.table, &links.source);
        let key = &layout.key;
        demands.push(Demand {
            kind: Kind::NoTarget,
            what: links.field.to_string(),
            fails: format!("EXISTS (SELECT 1 FROM import.{table} l WHERE l.{source} = s.{key} AND NOT ({there}))"),
        });
    }
    Ok(demands)
}

/// Whether a record is in the data, or staged.
fn there(model: &Model, target: CollectionId, value: &str, own: Option<&Layout>) -> String {
    let target = model.collection(target);
    let (table, key) = (quoted(&target.table), quoted(&key_field(target).column));
    let mut there = format!("EXISTS (SELECT 1 FROM main.{table} t WHERE t.{key} = {value})");
    if own.is_some() {
        there.push_str(&format!(
            " OR EXISTS (SELECT 1 FROM import.{table} t WHERE t.{key} = {value})"
        ));
    }
    there
}

fn unique(model: &Model, id: CollectionId, layout: &Layout) -> Result<Vec<Demand>, String> {
    let collection = model.collection(id);
    let structure = Structure::of(model);
    let stored = structure
        .collection(&collection.name)
        .expect("a model's structure has its collections");
    let table = &layout.table;
    let taken = |fields: &[String], condition: Option<String>| {
        let same = stored.columns(fields).map(|column| {
            let column = quoted(column);
            format!("m.{column} = s.{column}")
        });
        let mut fails = same.collect::<Vec<_>>().join(" AND ");
        let mut covered = String::new();
        if let Some(condition) = condition {
            fails.push_str(&format!(" AND ({condition})"));
            covered = format!(" AND (SELECT ({condition}) FROM import.{table} x WHERE x._rowid_ = s._rowid_)");
        }
        Demand {
            kind: Kind::Taken,
            what: fields.join(","),
            fails: format!("EXISTS (SELECT 1 FROM main.{table} m WHERE {fails}){covered}"),
        }
    };
    let mut demands = vec![taken(&stored.key, None)];
    for index in stored.indexes.iter().filter(|index| index.unique) {
        let condition = condition::condition(&Sqlite, &structure, stored, index)?;
        demands.push(taken(&index.fields, condition));
    }
    Ok(demands)
}

/// The relations of a collection's records to others of it: ids of fields and their columns as SQL.
pub(super) fn own_references(model: &Model, id: CollectionId) -> Vec<(u16, String)> {
    let own = |field: &&engine::model::Field| matches!(field.kind, FieldKind::Reference { target, .. } if target == id);
    let collection = model.collection(id);
    let columns = collection
        .stored()
        .filter(own)
        .map(|field| (field.id.0, quoted(&field.column)));
    columns.collect()
}
