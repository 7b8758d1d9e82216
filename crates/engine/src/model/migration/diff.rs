//! The steps from the structure that is to the one that a model needs.
//!
//! Each step is replayed as it is found, so a later one sees the earlier, and the end is the target by construction.
//! The order: renames first, so that what only changed its name keeps its data; indexes that must go; what is new and
//! what changes; what is gone; new indexes. What is new comes before what is gone, so that a reviewer can move data
//! from one to the other in between.

use super::step::Step;
use super::target::Target;
use crate::model::{StoredCollection, StoredField, StoredIndex, StoredLinks, Structure};

mod fields;
mod links;
mod tables;
#[cfg(test)]
mod tests;

/// What brings `before` to `target`; nothing when it is there already.
pub fn diff(before: &Structure, target: &Target) -> Vec<Step> {
    let mut draft = Draft {
        current: before.clone(),
        target,
        steps: Vec::new(),
    };
    draft.rename_collections();
    for wanted in &target.structure.collections {
        draft.rename_fields(wanted);
        draft.rename_links(wanted);
    }
    draft.remove_indexes();
    draft.add_collections();
    for wanted in &target.structure.collections {
        draft.remove_what_stands_in_the_way(wanted);
        draft.add_and_change_fields(wanted);
        draft.remove_fields(wanted);
    }
    draft.add_and_remove_links();
    draft.remove_collections();
    draft.add_indexes();
    draft.remove_renamed_indexes();
    debug_assert!(draft.current.same_as(&target.structure), "the steps lead to the target");
    draft.steps
}

struct Draft<'a> {
    /// As it is after `steps`.
    current: Structure,
    target: &'a Target,
    steps: Vec<Step>,
}

impl Draft<'_> {
    fn push(&mut self, step: Step) {
        step.replay(&mut self.current)
            .expect("a step of a difference fits what it was found in");
        self.steps.push(step);
    }

    /// The current form of a collection of the target, if it has one.
    fn current_of(&self, wanted: &StoredCollection) -> Option<&StoredCollection> {
        self.current.collection(&wanted.name)
    }

    fn remove_indexes(&mut self) {
        let mut gone = Vec::new();
        for wanted in &self.target.structure.collections {
            let Some(current) = self.current_of(wanted) else {
                continue;
            };
            let retyped = changes_types(current, wanted);
            let stays = |index: &StoredIndex| wanted.indexes.contains(index) && !(retyped && index.only.is_some());
            let names = current
                .indexes
                .iter()
                .filter(|index| !stays(index) && (!is_renamed(index, wanted) || (retyped && index.only.is_some())))
                .map(|index| index.name.clone());
            gone.extend(names.map(|index| (wanted.name.clone(), index)));
        }
        for (collection, index) in gone {
            self.push(Step::RemoveIndex { collection, index });
        }
    }

    /// Those that go by another name now, which is there already: what is unique is so all the time.
    fn remove_renamed_indexes(&mut self) {
        let mut gone = Vec::new();
        for wanted in &self.target.structure.collections {
            let current = self.current_of(wanted).into_iter().flat_map(|current| &current.indexes);
            let unwanted = current.filter(|index| wanted.index(&index.name).is_none());
            gone.extend(unwanted.map(|index| (wanted.name.clone(), index.name.clone())));
        }
        for (collection, index) in gone {
            self.push(Step::RemoveIndex { collection, index });
        }
    }

    fn add_indexes(&mut self) {
        for wanted in &self.target.structure.collections {
            for index in &wanted.indexes {
                let there = self
                    .current_of(wanted)
                    .is_some_and(|current| current.index(&index.name).is_some());
                if !there {
                    self.push(Step::AddIndex {
                        collection: wanted.name.clone(),
                        index: index.clone(),
                    });
                }
            }
        }
    }
}

/// A partial index has its condition written for the types that its fields had.
fn changes_types(current: &StoredCollection, wanted: &StoredCollection) -> bool {
    let changed = |field: &StoredField| {
        wanted
            .field(&field.name)
            .is_some_and(|wanted| wanted.kind != field.kind)
    };
    current.fields.iter().any(changed)
}

/// Whether what the index makes unique is so by another name in `wanted`, and its own name is free.
fn is_renamed(index: &StoredIndex, wanted: &StoredCollection) -> bool {
    let is_same = |other: &StoredIndex| other.unique && other.fields == index.fields && other.only == index.only;
    index.unique && wanted.index(&index.name).is_none() && wanted.indexes.iter().any(is_same)
}

/// `name_old`, or the first `name_old2` … that is not taken.
fn set_aside(name: &str, taken: impl Fn(&str) -> bool) -> String {
    let first = format!("{name}_old");
    let numbered = (2..).map(|number| format!("{name}_old{number}"));
    std::iter::once(first)
        .chain(numbered)
        .find(|candidate| !taken(candidate))
        .expect("one of endless names is free")
}
