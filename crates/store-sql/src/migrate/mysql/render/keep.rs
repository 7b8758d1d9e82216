//! Unique indexes of some records that stay although their condition is written for the types that its fields had.
//!
//! The steps of a leg take such an index away before a type changes, and make it again afterwards. Elsewhere nobody sees what is in between; here each step is
//! committed. So both come to nothing, and the step that changes the type exchanges the index along with the column.

use std::collections::BTreeSet;

use engine::model::migration::{Leg, Step};
use engine::model::{StoredCollection, StoredIndex, Structure};

use super::change::is_converted;
use super::replayed;
use crate::dialect::MySql;
use crate::migrate::condition::condition;

/// Those steps, and the structures without them.
pub(super) fn idle(
    dialect: &'static MySql,
    leg: &Leg,
    structures: Vec<Structure>,
) -> (BTreeSet<usize>, Vec<Structure>) {
    let (mut idle, mut structures) = (BTreeSet::new(), structures);
    for (removal, addition, collection, index) in pairs(leg, &structures) {
        let with_them = idle.iter().copied().chain([removal, addition]).collect();
        let Ok(kept) = replayed(leg, &with_them) else {
            continue;
        };
        let ends_the_same = kept.last().is_some_and(|last| last.same_as(&leg.after));
        let is_known =
            |step: usize| is_known_after(dialect, &leg.steps[step], &kept[step..=step + 1], &collection, &index);
        if ends_the_same && (removal + 1..addition).all(is_known) {
            (idle, structures) = (with_them, kept);
        }
    }
    (idle, structures)
}

/// Removals and additions of the same index.
fn pairs(leg: &Leg, structures: &[Structure]) -> Vec<(usize, usize, String, StoredIndex)> {
    let mut pairs = Vec::new();
    for (removal, step) in leg.steps.iter().enumerate() {
        let Step::RemoveIndex { collection, index } = step else {
            continue;
        };
        let owner = structures[removal].collection(collection);
        let Some(gone) = owner.and_then(|owner| owner.index(index)) else {
            continue;
        };
        let is_addition =
            |step: &Step| matches!(step, Step::AddIndex { collection: to, index } if to == collection && index == gone);
        let addition = leg.steps.iter().skip(removal).position(is_addition);
        if let (Some(behind), true) = (addition, gone.unique && gone.only.is_some()) {
            pairs.push((removal, removal + behind, collection.clone(), gone.clone()));
        }
    }
    pairs
}

/// Whether the condition can be written before and after the step, and is the same unless the step makes the index anew.
fn is_known_after(
    dialect: &'static MySql,
    step: &Step,
    around: &[Structure],
    collection: &str,
    index: &StoredIndex,
) -> bool {
    let written = |structure: &Structure| {
        let owner = structure.collection(collection)?;
        condition(dialect, structure, owner, owner.index(&index.name)?).ok()
    };
    let (Some(before), Some(after)) = (written(&around[0]), written(&around[1])) else {
        return false;
    };
    before == after || makes_it_anew(step, around[0].collection(collection))
}

fn makes_it_anew(step: &Step, owner: Option<&StoredCollection>) -> bool {
    let Step::ChangeField { collection, field, .. } = step else {
        return false;
    };
    let from = owner
        .filter(|owner| owner.name == *collection)
        .and_then(|owner| owner.field(&field.name));
    from.is_some_and(|from| is_converted(from, field))
}
