//! What a step does beside readers and writers, and what it keeps them waiting for.

use engine::model::migration::Step;
use engine::model::{StoredCollection, StoredField};
use engine::ports::migrator::{Held, Hold, Lasts};

use super::super::ahead::{self, Ahead, Index, Required};
use super::super::ddl::{self, Reference, quoted};
use super::{Action, Renderer, offenders};
use crate::migrate::check::Complaint;
use crate::migrate::holds;

impl Renderer<'_> {
    /// What the step can do before the transaction, while others go on. What it is about must then be as it was before
    /// the leg, and what is filled in stays so; that is for legs of which nothing else can be refused.
    pub(super) fn ahead(&self, index: usize) -> Result<Option<Ahead>, String> {
        match &self.steps[index] {
            Step::AddIndex {
                collection,
                index: added,
            } => {
                let covered = match added.only {
                    Some(_) => self
                        .before(index, collection)
                        .fields
                        .iter()
                        .map(|field| &field.name)
                        .collect(),
                    None => added.fields.iter().collect::<Vec<_>>(),
                };
                if !self.is_untouched(index, collection, &covered) {
                    return Ok(None);
                }
                if self.structures[0]
                    .collection(collection)
                    .is_some_and(|found| found.index(&added.name).is_some())
                {
                    return Ok(None);
                }
                let (Action::Run(create), check) = (
                    self.create_index(index + 1, collection, added)?,
                    self.duplicates(index, collection, added)?,
                ) else {
                    return Ok(None);
                };
                Ok(Some(Ahead::Index(Index {
                    name: added.name.clone(),
                    create: create.replacen("INDEX", "INDEX CONCURRENTLY", 1),
                    check,
                })))
            }
            Step::ChangeField {
                collection,
                field,
                fill,
            } if self.is_untouched(index, collection, &[&field.name]) => {
                let owner = self.before(index, collection);
                let from = owner.field(&field.name).expect("a replayed step names what is there");
                let only_required = StoredField {
                    required: false,
                    ..field.clone()
                } == *from;
                if !only_required || owner.key.contains(&field.name) || (fill.is_some() && !self.is_alone(index)) {
                    return Ok(None);
                }
                let fill = match fill {
                    Some(fill) => Some(ddl::literal(&fill.value(&field.kind, self.now)?)),
                    None => None,
                };
                let place = format!("{}.{}", owner.name, field.name);
                let complaint = Complaint::Null { place };
                let nulls = format!("{} IS NULL", quoted(&field.column));
                Ok(Some(Ahead::Required(Required {
                    table: owner.table.clone(),
                    column: field.column.clone(),
                    constraint: ahead::constraint(index),
                    check: fill.is_none().then(|| offenders(owner, &nulls, complaint)),
                    fill,
                })))
            }
            _ => Ok(None),
        }
    }

    /// Whether the step finds the fields as they are before the leg.
    fn is_untouched(&self, index: usize, name: &str, fields: &[&String]) -> bool {
        let ends = (
            self.structures[0].collection(name),
            self.structures[index].collection(name),
        );
        let (Some(before), Some(now)) = ends else {
            return false;
        };
        let is_same = |name: &&String| before.field(name).is_some() && before.field(name) == now.field(name);
        let is_own = |step: &Step| matches!(step, Step::Run(_));
        before.table == now.table && fields.iter().all(is_same) && !self.steps[..index].iter().any(is_own)
    }

    /// Whether no other step of the leg can be refused.
    fn is_alone(&self, index: usize) -> bool {
        let is_certain = |step: &Step| matches!(step, Step::AddIndex { index, .. } if !index.unique);
        let mut others = self.steps.iter().enumerate().filter(|(other, _)| *other != index);
        others.all(|(_, step)| is_certain(step))
    }

    /// What others wait for until the commit. `is_ahead`: all but taking note of it is done before.
    pub(super) fn holds(&self, index: usize, is_ahead: bool) -> Option<Vec<Hold>> {
        use Held::{Everything, Writes};
        use Lasts::{Moment, Reading, Writing};
        let step = &self.steps[index];
        let there = &self.structures[index];
        let owner = there.collection(holds::subject(step)?);
        let of_owner = |held, lasts| owner.map(|owner| Hold::new(&owner.table, held, lasts));
        let of_targets = |collection: &StoredCollection| -> Vec<Hold> {
            let tables = holds::referred(collection, &self.structures[0]);
            tables.map(|table| Hold::new(table, Writes, Moment)).collect()
        };
        let mut held: Vec<Hold> = Vec::new();
        match step {
            Step::AddCollection(collection) => held.extend(of_targets(collection)),
            Step::AddLinks { links, .. } => {
                held.extend(of_owner(Writes, Moment));
                let target = there.collection(&links.target);
                held.extend(target.map(|target| Hold::new(&target.table, Writes, Moment)));
            }
            Step::AddField { field, .. } => {
                held.extend(of_owner(Everything, Moment));
                let target = field.refers.as_deref().and_then(|target| there.collection(target));
                held.extend(target.map(|target| Hold::new(&target.table, Writes, Moment)));
            }
            Step::RemoveLinks { field, .. } | Step::RenameLinks { from: field, .. } => {
                held.extend(of_owner(Everything, Moment));
                let links = owner.and_then(|owner| owner.links_named(field));
                held.extend(links.map(|links| Hold::new(&links.table, Everything, Moment)));
                let target = links.and_then(|links| there.collection(&links.target));
                held.extend(target.map(|target| Hold::new(&target.table, Everything, Moment)));
            }
            Step::RemoveCollection { .. } => {
                held.extend(of_owner(Everything, Moment));
                if let Some(owner) = owner {
                    held.extend(
                        owner
                            .links
                            .iter()
                            .map(|links| Hold::new(&links.table, Everything, Moment)),
                    );
                    held.extend(holds::referred(owner, there).map(|table| Hold::new(table, Everything, Moment)));
                    held.extend(
                        self.referring(index, owner)
                            .map(|table| Hold::new(&table, Everything, Moment)),
                    );
                }
            }
            Step::RemoveField { field, .. } => {
                held.extend(of_owner(Everything, Moment));
                let field = owner.and_then(|owner| owner.field(field));
                let target = field.and_then(|field| there.collection(field.refers.as_deref()?));
                held.extend(target.map(|target| Hold::new(&target.table, Everything, Moment)));
            }
            Step::AddIndex { .. } if is_ahead => {}
            Step::AddIndex { .. } => held.extend(of_owner(Writes, Reading)),
            Step::ChangeKey { .. } => {
                held.extend(of_owner(Everything, Reading));
                if let Some(owner) = owner {
                    held.extend(
                        self.referring(index, owner)
                            .map(|table| Hold::new(&table, Everything, Reading)),
                    );
                }
            }
            Step::ChangeField { .. } if is_ahead => held.extend(of_owner(Everything, Moment)),
            Step::ChangeField { field, fill, .. } => {
                let from = owner.and_then(|owner| owner.field(&field.name));
                let is_converted = from.is_some_and(|from| from.kind != field.kind);
                let lasts = if is_converted || fill.is_some() {
                    Writing
                } else {
                    Reading
                };
                held.extend(of_owner(Everything, lasts));
                let former = from.and_then(|from| there.collection(from.refers.as_deref()?));
                held.extend(former.map(|former| Hold::new(&former.table, Everything, Moment)));
                let target = field.refers.as_deref().and_then(|target| there.collection(target));
                held.extend(target.map(|target| Hold::new(&target.table, Writes, Reading)));
                if let Some(owner) = owner.filter(|owner| owner.key.contains(&field.name)) {
                    held.extend(
                        self.referring(index, owner)
                            .map(|table| Hold::new(&table, Everything, Reading)),
                    );
                }
            }
            Step::RenameCollection { .. } | Step::RenameField { .. } | Step::RemoveIndex { .. } => {
                held.extend(of_owner(Everything, Moment))
            }
            Step::Run(_) => return None,
        }
        Some(holds::longest(held))
    }

    /// The tables whose columns hold the collection's keys.
    fn referring(&self, index: usize, to: &StoredCollection) -> impl Iterator<Item = String> {
        let references = Reference::all(&self.structures[index]).into_iter();
        let to = to.table.clone();
        references
            .filter(move |reference| reference.target == to && reference.table != to)
            .map(|reference| reference.table)
    }
}
