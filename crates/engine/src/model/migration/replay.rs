//! What a step does to a structure, without a database.

use super::step::Step;
use crate::model::{StoredCollection, StoredField, StoredLinks, Structure};

/// A step that doesn't fit the structure before it; in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Misfit(pub String);

/// What the statements of a `run` can be for; the schemes of database URLs.
const ENGINES: [&str; 4] = ["sqlite", "postgres", "mysql", "mongodb"];

type Fits<T = ()> = Result<T, Misfit>;

impl Step {
    /// Brings `structure` to what it is after the step.
    ///
    /// # Errors
    /// The step names what isn't there, or adds what is; `structure` may then be half changed.
    pub fn replay(&self, structure: &mut Structure) -> Fits {
        match self {
            Self::AddCollection(collection) => add_collection(structure, collection),
            Self::RemoveCollection { collection } => {
                known(structure, collection)?;
                structure.collections.retain(|kept| kept.name != *collection);
                Ok(())
            }
            Self::RenameCollection { from, to, table } => rename_collection(structure, from, to, table),
            Self::ChangeKey { collection, key } => {
                let collection = known(structure, collection)?;
                for name in key {
                    known_field(collection, name)?;
                }
                collection.key.clone_from(key);
                Ok(())
            }
            Self::AddField { collection, field, .. } => add_field(known(structure, collection)?, field),
            Self::RemoveField { collection, field } => remove_field(known(structure, collection)?, field),
            Self::RenameField {
                collection,
                from,
                to,
                column,
            } => rename_field(known(structure, collection)?, from, to, column),
            Self::ChangeField { collection, field, .. } => change_field(known(structure, collection)?, field),
            Self::AddLinks { collection, links } => {
                let collection = known(structure, collection)?;
                free(collection, &links.name)?;
                collection.links.push(links.clone());
                Ok(())
            }
            Self::RemoveLinks { collection, field } => {
                let collection = known(structure, collection)?;
                known_links(collection, field)?;
                collection.links.retain(|links| links.name != *field);
                Ok(())
            }
            Self::RenameLinks {
                collection,
                from,
                links,
            } => rename_links(known(structure, collection)?, from, links),
            Self::AddIndex { collection, index } => {
                let collection = known(structure, collection)?;
                if collection.index(&index.name).is_some() {
                    return misfit(format!("the index {} is there already", index.name));
                }
                for name in &index.fields {
                    known_field(collection, name)?;
                }
                collection.indexes.push(index.clone());
                Ok(())
            }
            Self::RemoveIndex { collection, index } => {
                let collection = known(structure, collection)?;
                if collection.index(index).is_none() {
                    return misfit(format!("there is no index {index}"));
                }
                collection.indexes.retain(|kept| kept.name != *index);
                Ok(())
            }
            Self::Run(statements) => match statements.keys().find(|engine| !ENGINES.contains(&engine.as_str())) {
                Some(unknown) => misfit(format!("`{unknown}` is no engine: there are {}", ENGINES.join(", "))),
                None => Ok(()),
            },
        }
    }
}

fn misfit<T>(message: String) -> Fits<T> {
    Err(Misfit(message))
}

fn known<'a>(structure: &'a mut Structure, name: &str) -> Fits<&'a mut StoredCollection> {
    structure
        .collection_mut(name)
        .ok_or_else(|| Misfit(format!("there is no collection {name}")))
}

fn known_field<'a>(collection: &'a mut StoredCollection, name: &str) -> Fits<&'a mut StoredField> {
    let missing = Misfit(format!("{} has no field {name}", collection.name));
    collection.field_mut(name).ok_or(missing)
}

fn known_links<'a>(collection: &'a mut StoredCollection, name: &str) -> Fits<&'a mut StoredLinks> {
    let missing = Misfit(format!("{} has no to-many relation {name}", collection.name));
    collection
        .links
        .iter_mut()
        .find(|links| links.name == name)
        .ok_or(missing)
}

fn free(collection: &StoredCollection, name: &str) -> Fits {
    if collection.field(name).is_some() || collection.links_named(name).is_some() {
        return misfit(format!("{}.{name} is there already", collection.name));
    }
    Ok(())
}

fn add_collection(structure: &mut Structure, collection: &StoredCollection) -> Fits {
    if structure.collection(&collection.name).is_some() {
        return misfit(format!("the collection {} is there already", collection.name));
    }
    if collection.key.is_empty() {
        return misfit(format!("{} has no key", collection.name));
    }
    let mut checked = collection.clone();
    let indexed = collection.indexes.iter().flat_map(|index| &index.fields);
    for name in collection.key.iter().chain(indexed) {
        known_field(&mut checked, name)?;
    }
    structure.collections.push(checked);
    Ok(())
}

fn rename_collection(structure: &mut Structure, from: &str, to: &str, table: &str) -> Fits {
    if from != to && structure.collection(to).is_some() {
        return misfit(format!("the collection {to} is there already"));
    }
    let collection = known(structure, from)?;
    to.clone_into(&mut collection.name);
    table.clone_into(&mut collection.table);
    for other in &mut structure.collections {
        let references = other.fields.iter_mut().filter_map(|field| field.refers.as_mut());
        let links = other.links.iter_mut().map(|links| &mut links.target);
        for target in references.chain(links).filter(|target| *target == from) {
            to.clone_into(target);
        }
    }
    Ok(())
}

fn add_field(collection: &mut StoredCollection, field: &StoredField) -> Fits {
    free(collection, &field.name)?;
    if let Some(other) = collection.fields.iter().find(|other| other.column == field.column) {
        return misfit(format!(
            "{}.{} has the column {} already",
            collection.name, other.name, field.column
        ));
    }
    collection.fields.push(field.clone());
    Ok(())
}

fn remove_field(collection: &mut StoredCollection, name: &str) -> Fits {
    known_field(collection, name)?;
    if collection.key.iter().any(|key| key == name) {
        return misfit(format!("{}.{name} is part of the key", collection.name));
    }
    if let Some(index) = collection
        .indexes
        .iter()
        .find(|index| index.fields.iter().any(|field| field == name))
    {
        return misfit(format!(
            "{}.{name} is part of the index {}; remove that first",
            collection.name, index.name
        ));
    }
    collection.fields.retain(|field| field.name != name);
    Ok(())
}

fn rename_field(collection: &mut StoredCollection, from: &str, to: &str, column: &str) -> Fits {
    if from != to {
        free(collection, to)?;
    }
    if collection
        .fields
        .iter()
        .any(|field| field.column == column && field.name != from)
    {
        return misfit(format!("{} has a column {column} already", collection.name));
    }
    let field = known_field(collection, from)?;
    to.clone_into(&mut field.name);
    column.clone_into(&mut field.column);
    let indexed = collection.indexes.iter_mut().flat_map(|index| &mut index.fields);
    for name in collection.key.iter_mut().chain(indexed).filter(|name| *name == from) {
        to.clone_into(name);
    }
    Ok(())
}

fn change_field(collection: &mut StoredCollection, changed: &StoredField) -> Fits {
    let owner = collection.name.clone();
    let field = known_field(collection, &changed.name)?;
    if field.column != changed.column {
        return misfit(format!(
            "{owner}.{} is in column {}; rename it first",
            field.name, field.column
        ));
    }
    field.clone_from(changed);
    Ok(())
}

fn rename_links(collection: &mut StoredCollection, from: &str, changed: &StoredLinks) -> Fits {
    if from != changed.name {
        free(collection, &changed.name)?;
    }
    let owner = collection.name.clone();
    let links = known_links(collection, from)?;
    if links.target != changed.target {
        return misfit(format!(
            "{owner}.{from} refers to {}; a rename can't change that",
            links.target
        ));
    }
    links.clone_from(changed);
    Ok(())
}
