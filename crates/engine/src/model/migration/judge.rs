//! What can be said of a step before it meets any data.

use super::convert::Conversion;
use super::fill::Fill;
use super::step::Step;
use crate::model::{StoredField, Structure};

impl Step {
    /// What records that exist must satisfy for it to run; checked when it does.
    pub fn needs(&self, before: &Structure) -> Option<String> {
        match self {
            Self::AddField {
                collection,
                field,
                fill: None,
            } if field.required => Some(format!(
                "{collection} to have no records, or a value for them: give {} a constant @default, or its step a `fill`",
                field.name
            )),
            Self::ChangeField {
                collection,
                field,
                fill,
            } => change_needs(
                collection,
                before.collection(collection)?.field(&field.name)?,
                field,
                fill.as_ref(),
            ),
            Self::AddIndex { collection, index } if index.unique => Some(format!(
                "no two records of {collection} to have the same {}",
                index.fields.join(", ")
            )),
            Self::ChangeKey { collection, key } => Some(format!(
                "no two records of {collection} to have the same {}",
                key.join(", ")
            )),
            _ => None,
        }
    }

    /// Why it can't run on any data.
    pub fn impossible(&self, before: &Structure) -> Option<String> {
        let Self::ChangeField { collection, field, .. } = self else {
            return None;
        };
        let owner = before.collection(collection)?;
        let current = owner.field(&field.name)?;
        let (name, from, to) = (&field.name, &current.kind, &field.kind);
        if Conversion::between(from, to).is_none() {
            return Some(format!(
                "a {from} can't become a {to}: give the field another name, or remove it in a migration of its own first"
            ));
        }
        let is_linked =
            |links: &crate::model::StoredLinks, source: &str| source == collection || links.target == *collection;
        let linked = before.collections.iter().find_map(|source| {
            let links = source.links.iter().find(|links| is_linked(links, &source.name))?;
            Some(format!("{}.{}", source.name, links.name))
        });
        match linked {
            Some(relation) if from != to && owner.key.contains(name) => Some(format!(
                "{name} is what {relation} knows {collection} by: remove the relation in a migration of its own first"
            )),
            _ => None,
        }
    }
}

fn change_needs(collection: &str, from: &StoredField, to: &StoredField, fill: Option<&Fill>) -> Option<String> {
    let name = &to.name;
    let mut needs = Vec::new();
    if Conversion::between(&from.kind, &to.kind).is_some_and(|conversion| !conversion.is_free()) {
        needs.push(format!("every {collection}.{name} to be a {}", to.kind));
    }
    if to.required && !from.required && fill.is_none() {
        needs.push(format!("no {collection}.{name} to be null"));
    }
    if let (Some(target), true) = (&to.refers, to.refers != from.refers) {
        needs.push(format!("every {collection}.{name} to be a {target} that exists"));
    }
    (!needs.is_empty()).then(|| needs.join(", and "))
}
