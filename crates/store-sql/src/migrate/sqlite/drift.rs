//! Where a database is not as migrations left it.
//!
//! Somebody's own tables, indexes, triggers and views are no drift, and neither are columns of theirs in our tables,
//! unless a record could not be written without them.

use engine::model::migration::MappedTable;
use engine::model::{StoredCollection, StoredField, StoredIndex, StoredLinks, Structure};
use rusqlite::Connection;

use super::catalog::Table;
use super::ddl;
use crate::mapped::missing;

/// Each difference in words; none when the database is what `structure` says.
pub(super) fn drift(connection: &Connection, structure: &Structure) -> rusqlite::Result<Vec<String>> {
    let mut differences = Vec::new();
    for collection in &structure.collections {
        match Table::read(connection, &collection.table)? {
            Some(table) => differences.extend(of_collection(structure, collection, &table)),
            None => differences.push(format!("the table {} is gone", collection.table)),
        }
        for links in &collection.links {
            match Table::read(connection, &links.table)? {
                Some(table) => differences.extend(of_links(structure, collection, links, &table)),
                None => differences.push(format!("the table {} is gone", links.table)),
            }
        }
    }
    Ok(differences)
}

/// The part of `target` that a database has which Ninefold never built, and where what it has differs.
pub(super) fn existing(connection: &Connection, target: &Structure) -> rusqlite::Result<(Structure, Vec<String>)> {
    let mut existing = Structure::default();
    let mut differences = Vec::new();
    for collection in &target.collections {
        let Some(table) = Table::read(connection, &collection.table)? else {
            continue;
        };
        let mut there = collection.clone();
        there.fields.retain(|field| table.column(&field.column).is_some());
        there.indexes.retain(|index| table.index(&index.name).is_some());
        there.links.clear();
        for links in &collection.links {
            if let Some(table) = Table::read(connection, &links.table)? {
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
pub(super) fn mapped(connection: &Connection, tables: &[MappedTable]) -> rusqlite::Result<Vec<String>> {
    let mut differences = Vec::new();
    let mut statement = connection.prepare("SELECT name FROM pragma_table_xinfo(?1)")?;
    for mapped in tables {
        let columns = statement.query_map([&mapped.table], |row| row.get(0))?;
        let columns: Vec<String> = columns.collect::<Result<_, _>>()?;
        differences.extend(missing(mapped, &columns, str::eq_ignore_ascii_case));
    }
    Ok(differences)
}

/// Compares one table; its links are tables of their own.
pub(super) fn of_collection(structure: &Structure, collection: &StoredCollection, table: &Table) -> Vec<String> {
    let name = &collection.table;
    let mut differences = Vec::new();
    for field in &collection.fields {
        differences.extend(of_field(structure, name, field, table));
    }
    let is_key = |column: &str| {
        collection
            .columns(&collection.key)
            .any(|key| key.eq_ignore_ascii_case(column))
    };
    for column in &table.columns {
        let ours = collection
            .fields
            .iter()
            .any(|field| field.column.eq_ignore_ascii_case(&column.name));
        if !ours && column.required && !column.has_default && !is_key(&column.name) {
            differences.push(format!(
                "{name} has a column {} that is not the schema's, and that may not be left empty",
                column.name
            ));
        }
    }
    differences.extend(of_key(
        name,
        &collection.columns(&collection.key).collect::<Vec<_>>(),
        table,
    ));
    for index in &collection.indexes {
        differences.extend(of_index(collection, index, table));
    }
    differences
}

pub(super) fn of_links(
    structure: &Structure,
    source: &StoredCollection,
    links: &StoredLinks,
    table: &Table,
) -> Vec<String> {
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
    differences.extend(of_key(
        &links.table,
        &[&links.source_column, &links.target_column],
        table,
    ));
    let name = ddl::links_index_name(links);
    if table.index(&name).is_none() {
        differences.push(format!("the index {name} on {} is gone", links.table));
    }
    differences
}

pub(super) fn of_field(structure: &Structure, name: &str, field: &StoredField, table: &Table) -> Vec<String> {
    let Some(column) = table.column(&field.column) else {
        return vec![format!("{name} has no column {}", field.column)];
    };
    let mut differences = Vec::new();
    let wanted = ddl::column_type(&field.kind);
    if column.affinity() != wanted {
        differences.push(format!(
            "{name}.{} is {} and should be {wanted}",
            column.name, column.declared
        ));
    }
    if field.required && !column.required && column.key_place == 0 {
        differences.push(format!("{name}.{} may be null and should not", column.name));
    }
    if !field.required && column.required {
        differences.push(format!("{name}.{} may not be null and should", column.name));
    }
    let target = field.refers.as_deref().and_then(|target| structure.collection(target));
    if let Some(target) = target {
        let refers = table
            .foreign_keys
            .iter()
            .any(|key| key.column.eq_ignore_ascii_case(&column.name) && key.table.eq_ignore_ascii_case(&target.table));
        if !refers {
            differences.push(format!("{name}.{} has no foreign key to {}", column.name, target.table));
        }
    }
    differences
}

fn of_key(name: &str, wanted: &[&str], table: &Table) -> Option<String> {
    let found = table.key();
    let same = found.len() == wanted.len() && found.iter().zip(wanted).all(|(a, b)| a.eq_ignore_ascii_case(b));
    (!same).then(|| {
        format!(
            "the primary key of {name} is ({}) and should be ({})",
            found.join(", "),
            wanted.join(", ")
        )
    })
}

pub(super) fn of_index(collection: &StoredCollection, wanted: &StoredIndex, table: &Table) -> Option<String> {
    let name = &wanted.name;
    let Some(found) = table.index(name) else {
        return Some(format!("the index {name} on {} is gone", collection.table));
    };
    let columns: Vec<&str> = collection.columns(&wanted.fields).collect();
    let same_columns = found.columns.len() == columns.len()
        && found
            .columns
            .iter()
            .zip(&columns)
            .all(|(found, wanted)| found.as_deref().is_some_and(|found| found.eq_ignore_ascii_case(wanted)));
    let same = same_columns && found.unique == wanted.unique && found.partial == wanted.only.is_some();
    (!same).then(|| {
        format!(
            "the index {name} on {} is another one than the schema's",
            collection.table
        )
    })
}
