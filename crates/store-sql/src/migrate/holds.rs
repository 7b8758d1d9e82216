//! What steps lock, as far as all databases say it alike.

use std::collections::{BTreeMap, BTreeSet};

use engine::model::migration::Step;
use engine::model::{StoredCollection, Structure};
use engine::ports::migrator::{Hold, RenderedPlan};

/// Every table for whose records a lock lasts.
pub(crate) fn tables(plan: &RenderedPlan) -> BTreeSet<String> {
    let steps = plan.legs.iter().flat_map(|leg| &leg.steps);
    let holds = steps.filter_map(|step| step.holds.as_ref()).flatten();
    holds.map(|hold| hold.of.clone()).collect()
}

pub(crate) fn with_sizes(mut plan: RenderedPlan, sizes: &BTreeMap<String, u64>) -> RenderedPlan {
    let steps = plan.legs.iter_mut().flat_map(|leg| &mut leg.steps);
    for hold in steps.filter_map(|step| step.holds.as_mut()).flatten() {
        hold.records = sizes.get(&hold.of).copied();
    }
    plan
}

/// Tables that were there before and that the collection's own refer to.
pub(crate) fn referred<'a>(collection: &'a StoredCollection, there: &'a Structure) -> impl Iterator<Item = &'a str> {
    let fields = collection.fields.iter().filter_map(|field| field.refers.as_deref());
    let targets: BTreeSet<&str> = fields
        .chain(collection.links.iter().map(|links| links.target.as_str()))
        .collect();
    let table = |target| there.collection(target).map(|found| found.table.as_str());
    targets.into_iter().filter_map(table)
}

/// The name of the one collection that a step is about; none of a file's own statements.
pub(crate) fn subject(step: &Step) -> Option<&str> {
    match step {
        Step::AddCollection(collection) => Some(&collection.name),
        Step::RenameCollection { from, .. } => Some(from),
        Step::RemoveCollection { collection }
        | Step::ChangeKey { collection, .. }
        | Step::AddField { collection, .. }
        | Step::RemoveField { collection, .. }
        | Step::RenameField { collection, .. }
        | Step::ChangeField { collection, .. }
        | Step::AddLinks { collection, .. }
        | Step::RemoveLinks { collection, .. }
        | Step::RenameLinks { collection, .. }
        | Step::AddIndex { collection, .. }
        | Step::RemoveIndex { collection, .. } => Some(collection),
        Step::Run(_) => None,
    }
}

/// Without what is said twice: of each table and kind of lock, the longest.
pub(crate) fn longest(holds: Vec<Hold>) -> Vec<Hold> {
    let mut longest: Vec<Hold> = Vec::new();
    for hold in holds {
        match longest
            .iter_mut()
            .find(|other| other.table == hold.table && other.held == hold.held)
        {
            Some(other) => other.lasts = other.lasts.max(hold.lasts),
            None => longest.push(hold),
        }
    }
    longest
}
