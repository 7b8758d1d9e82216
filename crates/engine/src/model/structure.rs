//! The physical part of a [`Model`]: what a database must look like to hold its data.
//!
//! [`Structure::of`] derives it; stores build it, keep it as JSON beside the data, and migrate from one to the next
//! ([`super::migration`]). It is neutral: a document store reads the same collections, fields and indexes as an SQL
//! one. Names are the schema's, with what the database calls them beside; nothing here refers by position, so that the
//! order of fields has no meaning but for the first creation of a table.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Collection, Field, FieldId, FieldKind, Index, Model, ValueType};

mod stored_type;
#[cfg(test)]
mod tests;

pub use stored_type::StoredType;

/// Everything that a database holds for an application.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Structure {
    pub collections: Vec<StoredCollection>,
}

/// One table or document collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredCollection {
    /// The type's name: `OrderLine`.
    pub name: String,
    /// What the database calls it: `order_line`.
    pub table: String,
    /// Names of the fields that identify a record.
    pub key: Vec<String>,
    pub fields: Vec<StoredField>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<StoredLinks>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<StoredIndex>,
}

/// A field with a column of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredField {
    pub name: String,
    pub column: String,
    #[serde(rename = "type")]
    pub kind: StoredType,
    /// Never null.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// The type whose key this holds; `kind` is then that key's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refers: Option<String>,
}

/// A to-many field: pairs of a source's and a target's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredLinks {
    pub name: String,
    pub target: String,
    pub table: String,
    pub source_column: String,
    pub target_column: String,
}

/// An index that the schema asks for, or that relations need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredIndex {
    /// What the database calls it; unique in the whole structure.
    pub name: String,
    /// Names of fields.
    pub fields: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unique: bool,
    /// Covers only the records for which this CEL condition holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
}

impl Structure {
    /// What `model` needs of what is Ninefold's to make: tables of others are not in it, and nothing in it refers to them.
    pub fn of(model: &Model) -> Self {
        let mut structure = Self {
            collections: model
                .collections
                .iter()
                .filter(|collection| collection.managed)
                .map(|collection| stored_collection(model, collection))
                .collect(),
        };
        structure.tell_indexes_apart();
        structure
    }

    pub fn collection(&self, name: &str) -> Option<&StoredCollection> {
        self.collections.iter().find(|collection| collection.name == name)
    }

    pub fn collection_mut(&mut self, name: &str) -> Option<&mut StoredCollection> {
        self.collections.iter_mut().find(|collection| collection.name == name)
    }

    /// The type of the one key field of the collection `name`, as references to it hold it.
    pub fn key_type(&self, name: &str) -> Option<&StoredType> {
        let collection = self.collection(name)?;
        match collection.key.as_slice() {
            [field] => collection.field(field).map(|field| &field.kind),
            _ => None,
        }
    }

    /// Whether it holds together: every relation leads somewhere, and no two things have one name.
    ///
    /// # Errors
    /// The first thing that is wrong, in words.
    pub fn check(&self) -> Result<(), String> {
        let mut tables = HashSet::new();
        for collection in &self.collections {
            for table in std::iter::once(&collection.table).chain(collection.links.iter().map(|links| &links.table)) {
                if !tables.insert(table) {
                    return Err(format!("two things have the table {table}"));
                }
            }
            let references = collection
                .fields
                .iter()
                .filter_map(|field| Some((&field.name, field.refers.as_ref()?)));
            let links = collection.links.iter().map(|links| (&links.name, &links.target));
            for (field, target) in references.chain(links) {
                if self.collection(target).is_none() {
                    return Err(format!(
                        "{}.{field} refers to {target}, which is not there",
                        collection.name
                    ));
                }
            }
        }
        Ok(())
    }

    /// Whether a database built for one serves the other.
    pub fn same_as(&self, other: &Self) -> bool {
        self.clone().sorted() == other.clone().sorted()
    }

    fn sorted(mut self) -> Self {
        self.collections.sort_by(|a, b| a.name.cmp(&b.name));
        for collection in &mut self.collections {
            collection.fields.sort_by(|a, b| a.name.cmp(&b.name));
            collection.links.sort_by(|a, b| a.name.cmp(&b.name));
            collection.indexes.sort_by(|a, b| a.name.cmp(&b.name));
        }
        self
    }

    /// Index names share one room in most databases, and generated ones may meet: `a_b` + `c`, `a` + `b_c`.
    fn tell_indexes_apart(&mut self) {
        let mut taken = HashSet::new();
        for index in self
            .collections
            .iter_mut()
            .flat_map(|collection| &mut collection.indexes)
        {
            let base = index.name.clone();
            let mut number = 2;
            while !taken.insert(index.name.clone()) {
                index.name = format!("{base}_{number}");
                number += 1;
            }
        }
    }
}

impl StoredCollection {
    pub fn field(&self, name: &str) -> Option<&StoredField> {
        self.fields.iter().find(|field| field.name == name)
    }

    pub fn field_mut(&mut self, name: &str) -> Option<&mut StoredField> {
        self.fields.iter_mut().find(|field| field.name == name)
    }

    pub fn links_named(&self, name: &str) -> Option<&StoredLinks> {
        self.links.iter().find(|links| links.name == name)
    }

    pub fn index(&self, name: &str) -> Option<&StoredIndex> {
        self.indexes.iter().find(|index| index.name == name)
    }

    /// What the database calls the fields `names`, in their order; unknown ones are left out.
    pub fn columns<'a>(&'a self, names: &'a [String]) -> impl Iterator<Item = &'a str> {
        names
            .iter()
            .filter_map(|name| self.field(name))
            .map(|field| field.column.as_str())
    }
}

fn stored_collection(model: &Model, collection: &Collection) -> StoredCollection {
    let names = |ids: &[FieldId]| {
        ids.iter()
            .map(|id| collection.field(*id).name.clone())
            .collect::<Vec<_>>()
    };
    let links = collection.fields.iter().filter_map(|field| match &field.kind {
        FieldKind::Links {
            target,
            table,
            source_column,
            target_column,
        } => Some(StoredLinks {
            name: field.name.clone(),
            target: model.collection(*target).name.clone(),
            table: table.clone(),
            source_column: source_column.clone(),
            target_column: target_column.clone(),
        }),
        FieldKind::Value(_) | FieldKind::Reference { .. } | FieldKind::Inverse { .. } => None,
    });
    StoredCollection {
        name: collection.name.clone(),
        table: collection.table.clone(),
        key: names(&collection.key),
        fields: collection.stored().map(|field| stored_field(model, field)).collect(),
        links: links.collect(),
        indexes: indexes(collection, &names),
    }
}

fn stored_field(model: &Model, field: &Field) -> StoredField {
    let (kind, refers) = match &field.kind {
        FieldKind::Value(value_type) => (StoredType::of(model, value_type), None),
        FieldKind::Reference { target, .. } => {
            let target = model.collection(*target);
            (key_type(model, target), target.managed.then(|| target.name.clone()))
        }
        FieldKind::Links { .. } | FieldKind::Inverse { .. } => {
            unreachable!("a stored field is a value or a reference (`Field::is_stored`)")
        }
    };
    StoredField {
        name: field.name.clone(),
        column: field.column.clone(),
        kind,
        required: field.required,
        refers,
    }
}

/// What a reference to `target` holds; follows keys that are references themselves.
fn key_type(model: &Model, target: &Collection) -> StoredType {
    let key = target.key.first().expect("every collection has a key");
    match &target.field(*key).kind {
        FieldKind::Value(value_type) => StoredType::of(model, value_type),
        FieldKind::Reference { target: next, .. } if *next != target.id => key_type(model, model.collection(*next)),
        FieldKind::Reference { .. } | FieldKind::Links { .. } | FieldKind::Inverse { .. } => {
            StoredType::of(model, &ValueType::Scalar(super::Scalar::Id))
        }
    }
}

/// The schema's own indexes, one for each `@unique`, and one for each reference that no other index starts with:
/// cascades and inverse relations look records up by it.
fn indexes(collection: &Collection, names: &impl Fn(&[FieldId]) -> Vec<String>) -> Vec<StoredIndex> {
    let mut indexes: Vec<StoredIndex> = collection.indexes.iter().map(|index| declared(index, names)).collect();
    for field in collection.stored() {
        let alone = vec![field.name.clone()];
        let has_unique = |index: &StoredIndex| index.unique && index.only.is_none() && index.fields == alone;
        let is_key = collection.key == [field.id];
        if field.unique && !is_key && !indexes.iter().any(has_unique) {
            indexes.push(StoredIndex {
                name: index_name("ux", collection, field),
                fields: alone,
                unique: true,
                only: None,
            });
        }
    }
    for field in collection.stored() {
        let starts = |index: &StoredIndex| index.only.is_none() && index.fields.first() == Some(&field.name);
        let starts_key = collection.key.first() == Some(&field.id);
        if field.target().is_some() && !starts_key && !indexes.iter().any(starts) {
            indexes.push(StoredIndex {
                name: index_name("ix", collection, field),
                fields: vec![field.name.clone()],
                unique: false,
                only: None,
            });
        }
    }
    indexes
}

/// Cut to what every database takes; what is cut off still tells names apart.
fn index_name(prefix: &str, collection: &Collection, field: &Field) -> String {
    const BYTES_MAX: usize = 63;
    let mut name = format!("{prefix}_{}_{}", collection.table, field.column);
    if name.len() > BYTES_MAX {
        let hash = Sha256::digest(&name);
        name.truncate(name.floor_char_boundary(BYTES_MAX - 9));
        name.push_str(&format!(
            "_{:02x}{:02x}{:02x}{:02x}",
            hash[0], hash[1], hash[2], hash[3]
        ));
    }
    name
}

fn declared(index: &Index, names: &impl Fn(&[FieldId]) -> Vec<String>) -> StoredIndex {
    StoredIndex {
        name: index.name.clone(),
        fields: names(&index.fields),
        unique: index.unique,
        only: index.only.as_ref().map(|only| only.source().to_owned()),
    }
}
