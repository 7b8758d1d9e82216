//! What a step needs of those who write, and what it keeps them waiting for.

use engine::model::StoredCollection;
use engine::model::migration::Step;
use engine::ports::migrator::{Held, Hold, Lasts};

use super::super::ddl::IndexParts;
use super::Renderer;
use crate::migrate::holds;

impl Renderer<'_> {
    /// Values are converted beside their column, which then takes their place.
    pub(super) fn needs(&self, index: usize) -> Option<String> {
        let step = &self.steps[index];
        let Step::ChangeField { collection, field, .. } = step else {
            return step.needs(&self.structures[index]);
        };
        let from = self.before(index, collection).field(&field.name);
        let alone = "that nobody writes to it meanwhile: such writes are lost";
        let is_converted = from.is_some_and(|from| from.kind != field.kind);
        match (step.needs(&self.structures[index]), is_converted) {
            (needs, false) => needs,
            (None, true) => Some(alone.to_owned()),
            (Some(needs), true) => Some(format!("{needs}; and {alone}")),
        }
    }

    /// What others wait for, a statement at a time. A foreign key is made by a copy of the table that it is in.
    pub(super) fn holds(&self, index: usize) -> Option<Vec<Hold>> {
        use Held::{Everything, Writes};
        use Lasts::{Moment, Writing};
        let step = &self.steps[index];
        let there = &self.structures[index];
        let owner = there.collection(holds::subject(step)?);
        let of_owner = |held, lasts| owner.map(|owner| Hold::new(&owner.table, held, lasts));
        let mut held: Vec<Hold> = Vec::new();
        match step {
            Step::AddCollection(collection) => {
                let tables = holds::referred(collection, &self.structures[0]);
                held.extend(tables.map(|table| Hold::new(table, Everything, Moment)));
            }
            Step::AddLinks { links, .. } => {
                held.extend(of_owner(Everything, Moment));
                let target = there.collection(&links.target);
                held.extend(target.map(|target| Hold::new(&target.table, Everything, Moment)));
            }
            Step::AddField { field, .. } => {
                let is_copied = field.refers.is_some() || field.required;
                held.extend(of_owner(Everything, Moment));
                held.extend(is_copied.then(|| of_owner(Writes, Writing)).flatten());
            }
            Step::ChangeField { .. } | Step::ChangeKey { .. } => held.extend(of_owner(Writes, Writing)),
            Step::AddIndex { index: added, .. } => {
                let is_copied = owner.is_some_and(|owner| {
                    let mut covered = added.fields.iter().filter_map(|name| owner.field(name));
                    IndexParts::of(owner, added).is_hashed() || covered.any(|field| self.bound(owner, field).is_some())
                });
                held.extend(of_owner(Everything, Moment));
                held.extend(is_copied.then(|| of_owner(Writes, Writing)).flatten());
            }
            Step::RemoveIndex { .. } => {
                let is_referring = owner.is_some_and(|owner| owner.fields.iter().any(|field| field.refers.is_some()));
                held.extend(of_owner(Everything, Moment));
                held.extend(is_referring.then(|| of_owner(Writes, Writing)).flatten());
            }
            Step::RenameField { .. } => {
                let is_hashed = |owner: &StoredCollection| {
                    let mut indexes = owner.indexes.iter();
                    indexes.any(|found| IndexParts::of(owner, found).is_hashed())
                };
                held.extend(of_owner(Everything, Moment));
                held.extend(
                    owner
                        .is_some_and(is_hashed)
                        .then(|| of_owner(Writes, Writing))
                        .flatten(),
                );
            }
            Step::RemoveCollection { .. }
            | Step::RenameCollection { .. }
            | Step::RemoveField { .. }
            | Step::RemoveLinks { .. }
            | Step::RenameLinks { .. } => held.extend(of_owner(Everything, Moment)),
            Step::Run(_) => return None,
        }
        Some(holds::longest(held))
    }
}
