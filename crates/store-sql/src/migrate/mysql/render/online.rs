//! What a step keeps those who read and write waiting for.

use engine::model::migration::Step;
use engine::model::{StoredCollection, Structure};
use engine::ports::migrator::{Held, Hold, Lasts};

use super::super::ddl::{IndexParts, Reference};
use super::Renderer;
use super::change::is_converted;
use crate::dialect::Server;
use crate::migrate::holds;

impl Renderer<'_> {
    /// What others wait for, a statement at a time. A foreign key is made by a copy of the table that it is in.
    pub(super) fn holds(&self, index: usize) -> Option<Vec<Hold>> {
        use Held::{Everything, Writes};
        use Lasts::{Moment, Writing};
        if self.idle.contains(&index) {
            return Some(Vec::new());
        }
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
            Step::ChangeField { field, .. } => {
                let from = owner.and_then(|owner| owner.field(&field.name));
                match from.is_some_and(|from| is_converted(from, field)) {
                    true => held.extend(owner.into_iter().flat_map(|owner| self.alone_with(there, owner))),
                    false => held.extend(of_owner(Writes, Writing)),
                }
            }
            Step::ChangeKey { .. } => held.extend(of_owner(Writes, Writing)),
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

    /// `LOCK TABLES` keeps others out, and from writing to what the table refers to; on MySQL also to what refers to it.
    fn alone_with(&self, there: &Structure, owner: &StoredCollection) -> Vec<Hold> {
        use Lasts::Writing;
        let mut held = vec![Hold::new(&owner.table, Held::Everything, Writing)];
        for reference in Reference::all(there) {
            let related = if reference.table == owner.table {
                &reference.target
            } else if reference.target == owner.table && self.dialect.0 == Server::MySql {
                &reference.table
            } else {
                continue;
            };
            if *related != owner.table {
                held.push(Hold::new(related, Held::Writes, Writing).while_of(&owner.table));
            }
        }
        held
    }
}
