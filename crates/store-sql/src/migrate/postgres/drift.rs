//! Where a database is not as migrations left it.
//!
//! Somebody's own tables, indexes, triggers and views are no drift, and neither are columns of theirs in our tables,
//! unless a record could not be written without them. A type that holds the same values in another way is none either:
//! existing tables have them.

use engine::model::migration::MappedTable;
use engine::model::{StoredCollection, StoredField, StoredIndex, StoredLinks, Structure};
use tokio_postgres::{Client, Error};

use super::catalog::{Column, Table};
use super::ddl;
use crate::mapped::missing;

/// Each difference in words; none when the database is what `structure` says.
pub(super) async fn drift(client: &Client, structure: &Structure) -> Result<Vec<String>, Error> {
    let mut differences = Vec::new();
    for collection in &structure.collections {
        match Table::read(client, &collection.table).await? {
            Some(table) => differences.extend(of_collection(structure, collection, &table)),
            None => differences.push(format!("the table {} is gone", collection.table)),
        }
        for links in &collection.links {
            match Table::read(client, &links.table).await? {
                Some(table) => differences.extend(of_links(structure, collection, links, &table)),
                None => differences.push(format!("the table {} is gone", links.table)),
            }
        }
    }
    Ok(differences)
}

/// The part of `target` that a database has which Ninefold never built, and where what it has differs.
pub(super) async fn existing(client: &Client, target: &Structure) -> Result<(Structure, Vec<String>), Error> {
    let mut existing = Structure::default();
    let mut differences = Vec::new();
    for collection in &target.collections {
        let Some(table) = Table::read(client, &collection.table).await? else {
            continue;
        };
        let mut there = collection.clone();
        there.fields.retain(|field| table.column(&field.column).is_some());
        there.indexes.retain(|index| table.index(&index.name).is_some());
        there.links.clear();
        for links in &collection.links {
            if let Some(table) = Table::read(client, &links.table).await? {
                differences.extend(of_links(target, collection, links, &table));
                there.links.push(links.clone());
            }
        }
        differences.extend(of_collection(target, &there, &table));
        existing.collections.push(there);
    }
    Ok((existing, differences))
}

/// Where tables that others made are not as the schema takes them to be.
pub(super) async fn mapped(client: &Client, tables: &[MappedTable]) -> Result<Vec<String>, Error> {
    let sql = "SELECT a.attname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
               WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = $1 AND a.attnum > 0 AND NOT a.attisdropped";
    let mut differences = Vec::new();
    for mapped in tables {
        let rows = client.query(sql, &[&mapped.table]).await?;
        let columns: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        differences.extend(missing(mapped, &columns, |left, right| left == right));
    }
    Ok(differences)
}

/// Compares one table; its links are tables of their own.
fn of_collection(structure: &Structure, collection: &StoredCollection, table: &Table) -> Vec<String> {
    let name = &collection.table;
    let mut differences = Vec::new();
    for field in &collection.fields {
        differences.extend(of_field(structure, name, field, table));
    }
    for column in &table.columns {
        let ours = collection.fields.iter().any(|field| field.column == column.name);
        if !ours && column.required && !column.has_default {
            differences.push(format!(
                "{name} has a column {} that is not the schema's, and that may not be left empty",
                column.name
            ));
        }
    }
    let key: Vec<&str> = collection.columns(&collection.key).collect();
    differences.extend(of_key(name, &key, table));
    for index in &collection.indexes {
        differences.extend(of_index(collection, index, table));
    }
    differences
}

fn of_links(structure: &Structure, source: &StoredCollection, links: &StoredLinks, table: &Table) -> Vec<String> {
    let mut differences = Vec::new();
    let ends = [
        (&links.source_column, &source.name),
        (&links.target_column, &links.target),
    ];
    for (column, collection) in ends {
        let end = StoredField {
            name: column.clone(),
            column: column.clone(),
            kind: structure.key_type(collection).cloned().unwrap_or(ddl::ID),
            required: true,
            refers: Some(collection.clone()),
        };
        differences.extend(of_field(structure, &links.table, &end, table));
    }
    let key = [links.source_column.as_str(), &links.target_column];
    differences.extend(of_key(&links.table, &key, table));
    let name = ddl::links_index_name(links);
    if table.index(&name).is_none() {
        differences.push(format!("the index {name} on {} is gone", links.table));
    }
    differences
}

fn of_field(structure: &Structure, name: &str, field: &StoredField, table: &Table) -> Vec<String> {
    let Some(column) = table.column(&field.column) else {
        return vec![format!("{name} has no column {}", field.column)];
    };
    let mut differences = Vec::new();
    let wanted = ddl::column_type(&field.kind);
    if !holds(column, wanted) {
        differences.push(format!(
            "{name}.{} is {} and should be {wanted}",
            column.name, column.kind
        ));
    } else if !column.is_plain {
        differences.push(format!("{name}.{} should have the collation \"C\"", column.name));
    }
    if field.required && !column.required {
        differences.push(format!("{name}.{} may be null and should not", column.name));
    }
    if !field.required && column.required {
        differences.push(format!("{name}.{} may not be null and should", column.name));
    }
    let target = field.refers.as_deref().and_then(|target| structure.collection(target));
    if let Some(target) = target {
        let mut keys = table.foreign_keys.iter();
        if !keys.any(|key| key.column == column.name && key.table == target.table) {
            differences.push(format!("{name}.{} has no foreign key to {}", column.name, target.table));
        }
    }
    differences
}

/// Whether the column takes and gives all values of the type.
fn holds(column: &Column, wanted: &str) -> bool {
    let kind = column.kind.as_str();
    match wanted {
        "text" => kind == "text" || kind == "character varying" || kind.starts_with("character varying("),
        "json" => matches!(kind, "json" | "jsonb"),
        "timestamp with time zone" => kind == wanted || kind == "timestamp without time zone",
        "numeric(19,6)" => kind == wanted || kind == "numeric",
        "bigint" => matches!(kind, "bigint" | "integer"),
        wanted => kind == wanted,
    }
}

fn of_key(name: &str, wanted: &[&str], table: &Table) -> Option<String> {
    (table.key != wanted).then(|| {
        format!(
            "the primary key of {name} is ({}) and should be ({})",
            table.key.join(", "),
            wanted.join(", ")
        )
    })
}

fn of_index(collection: &StoredCollection, wanted: &StoredIndex, table: &Table) -> Option<String> {
    let name = &wanted.name;
    let Some(found) = table.index(name) else {
        return Some(format!("the index {name} on {} is gone", collection.table));
    };
    let columns = collection.columns(&wanted.fields).map(Some);
    let same = found.columns.iter().map(Option::as_deref).eq(columns)
        && found.unique == wanted.unique
        && found.partial == wanted.only.is_some();
    (!same).then(|| {
        format!(
            "the index {name} on {} is another one than the schema's",
            collection.table
        )
    })
}
