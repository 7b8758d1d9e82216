//! Judging what is staged against the data, and in which order it is published.

use std::collections::{HashMap, HashSet};

use engine::model::keyed::{Keyed, distinct};
use engine::model::kind::{Kind, key_field};
use engine::model::{Collection, CollectionId, FieldId, Value};
use engine::ports::staging::Obstacle;
use engine::ports::store::StoreError;
use mongodb::bson::{Bson, Document, doc};

use super::area::{Area, Unique, key, links};
use crate::compile::path::ID;
use crate::session::{KEYS_MAX, Session};
use crate::value::{decode, encode};

/// Records that are judged at once.
const JUDGED_AT_ONCE: usize = 500;

/// What is there of each collection that records refer to.
type There = HashMap<CollectionId, HashSet<Keyed>>;

impl Area {
    /// Answers the turns: records in the order in which they are published.
    pub(super) async fn check(&mut self, session: &mut Session<'_>) -> Result<Vec<usize>, StoreError> {
        let mut own = HashSet::new();
        for from in (0..self.records.len()).step_by(JUDGED_AT_ONCE) {
            let range: Vec<usize> = (from..self.records.len().min(from + JUDGED_AT_ONCE)).collect();
            for (index, obstacle) in self.taken(session, &range).await? {
                self.refuse(index, obstacle);
            }
            let there = self.there(session, &range).await?;
            for (index, obstacle) in self.missing(&range, &there, true) {
                self.refuse(index, obstacle);
            }
            own.extend(
                there
                    .into_iter()
                    .filter(|(id, _)| *id == self.plan.collection)
                    .flat_map(|(_, keys)| keys),
            );
        }
        loop {
            let turns = self.order(&own);
            let unreached = self.unreached(&turns, &own);
            if unreached.is_empty() {
                return Ok(turns);
            }
            for (index, field) in unreached {
                self.refuse(index, Obstacle::Unreached { field });
            }
        }
    }

    /// Of these records those whose key or unique values are in the data.
    pub(super) async fn taken(
        &self,
        session: &mut Session<'_>,
        range: &[usize],
    ) -> Result<Vec<(usize, Obstacle)>, StoreError> {
        let mut taken = Vec::new();
        for unique in &self.uniques {
            let mut by_value = HashMap::new();
            for index in range {
                if let Some(value) = unique.value(&self.model, &self.records[*index].image) {
                    by_value.insert(value, *index);
                }
            }
            let values: Vec<&Vec<Keyed>> = by_value.keys().collect();
            for values in values.chunks(JUDGED_AT_ONCE) {
                for found in in_data(session, self.collection(), unique, values).await? {
                    if let Some(index) = by_value.get(&found) {
                        let fields = unique.fields.clone();
                        taken.push((*index, Obstacle::Taken { fields }));
                    }
                }
            }
        }
        Ok(taken)
    }

    /// Which of what these records name is in the data.
    pub(super) async fn there(&self, session: &mut Session<'_>, range: &[usize]) -> Result<There, StoreError> {
        let mut named: HashMap<CollectionId, Vec<&Value>> = HashMap::new();
        for index in range {
            for (_, target, value) in self.named(*index) {
                named.entry(target).or_default().push(value);
            }
        }
        let mut there = There::new();
        for (target, values) in named {
            let collection = self.model.collection(target);
            let kind = Kind::of_field(&self.model, key_field(collection));
            let found = there.entry(target).or_default();
            for values in distinct(values).chunks(KEYS_MAX) {
                let keys: Vec<Bson> = values.iter().map(encode).collect();
                let pipeline = vec![
                    doc! { "$match": { ID: { "$in": keys } } },
                    doc! { "$project": { ID: 1 } },
                ];
                for document in session.aggregate(&collection.table, pipeline).await? {
                    found.insert(Keyed(decode(document.get(ID), kind)?));
                }
            }
        }
        Ok(there)
    }

    /// What a record refers to, but for itself.
    fn named(&self, index: usize) -> Vec<(FieldId, CollectionId, &Value)> {
        let record = &self.records[index];
        let own = (self.plan.collection, key(record));
        let references = self.references().into_iter();
        let mut named: Vec<_> = references
            .map(|(field, slot, target)| (field, target.id, &record.image.0[slot]))
            .collect();
        for (field, targets) in links(record) {
            let target = self
                .collection()
                .field(field)
                .target()
                .expect("a to-many field has a target");
            named.extend(targets.iter().map(|value| (field, target, value)));
        }
        let is_itself = |target: CollectionId, value: &Value| target == own.0 && Keyed(value.clone()) == own.1;
        named.retain(|(_, target, value)| !value.is_null() && !is_itself(*target, value));
        named
    }

    /// Of these records those that name what is nowhere. `staged`: what is in the file will do.
    pub(super) fn missing(&self, range: &[usize], there: &There, staged: bool) -> Vec<(usize, Obstacle)> {
        let mut missing = Vec::new();
        for index in range {
            let gone = self.named(*index).into_iter().find(|(field, target, value)| {
                let value = Keyed((*value).clone());
                let is_there = there.get(target).is_some_and(|keys| keys.contains(&value));
                let is_link = self.collection().slot(*field).is_none();
                let is_staged =
                    *target == self.plan.collection && (staged || is_link) && self.known.contains_key(&value);
                !is_there && !is_staged
            });
            if let Some((field, ..)) = gone {
                missing.push((*index, Obstacle::NoTarget { field }));
            }
        }
        missing
    }

    /// Each record after those that it refers to.
    fn order(&self, own: &HashSet<Keyed>) -> Vec<usize> {
        let mut turns = Vec::new();
        let mut has_turn = vec![false; self.records.len()];
        let mut waiting: Vec<usize> = (0..self.records.len())
            .filter(|index| !self.is_refused(*index))
            .collect();
        loop {
            let before = turns.len();
            waiting.retain(|index| {
                let is_ready = self
                    .own_references(*index)
                    .all(|(_, value)| self.is_reached(&value, own, &has_turn));
                if is_ready {
                    has_turn[*index] = true;
                    turns.push(*index);
                }
                !is_ready
            });
            if waiting.is_empty() || turns.len() == before {
                return turns;
            }
        }
    }

    fn is_reached(&self, value: &Keyed, own: &HashSet<Keyed>, has_turn: &[bool]) -> bool {
        own.contains(value) || self.known.get(value).is_some_and(|index| has_turn[*index])
    }

    /// To other records of the collection, by to-one fields.
    fn own_references(&self, index: usize) -> impl Iterator<Item = (FieldId, Keyed)> {
        let named = self.named(index).into_iter();
        let own = named
            .filter(|(field, target, _)| *target == self.plan.collection && self.collection().slot(*field).is_some());
        own.map(|(field, _, value)| (field, Keyed(value.clone())))
    }

    /// Records without a turn though nothing is wrong with them by themselves, or with links to what has none.
    fn unreached(&self, turns: &[usize], own: &HashSet<Keyed>) -> Vec<(usize, FieldId)> {
        let mut has_turn = vec![false; self.records.len()];
        turns.iter().for_each(|index| has_turn[*index] = true);
        let mut unreached = Vec::new();
        for index in (0..self.records.len()).filter(|index| !self.is_refused(*index)) {
            let named = self.named(index).into_iter();
            let mut own_named = named.filter(|(_, target, _)| *target == self.plan.collection);
            let gone = own_named.find(|(_, _, value)| !self.is_reached(&Keyed((*value).clone()), own, &has_turn));
            unreached.extend(gone.map(|(field, ..)| (index, field)));
        }
        unreached
    }
}

/// Which of the values the data has under a unique index.
async fn in_data(
    session: &mut Session<'_>,
    collection: &Collection,
    unique: &Unique,
    values: &[&Vec<Keyed>],
) -> Result<Vec<Vec<Keyed>>, StoreError> {
    // Part by part: what has one part of one value and another of another is sorted out by the caller.
    let parts = unique.paths.iter().enumerate().map(|(place, path)| {
        let parts = distinct(values.iter().map(|value| &value[place].0));
        doc! { path: { "$in": parts.iter().map(encode).collect::<Vec<_>>() } }
    });
    let parts: Vec<Document> = std::iter::once(unique.filter.clone()).chain(parts).collect();
    let mut projected = doc! { ID: 0 };
    for (place, path) in unique.paths.iter().enumerate() {
        projected.insert(crate::compile::column(place), format!("${path}"));
    }
    let pipeline = vec![doc! { "$match": { "$and": parts } }, doc! { "$project": projected }];
    let found = session.aggregate(&collection.table, pipeline).await?;
    let stored: Vec<_> = collection.stored().collect();
    let kinds: Vec<Kind> = unique
        .slots
        .iter()
        .map(|slot| Kind::of_field(session.model(), stored[*slot]))
        .collect();
    let read = |document: Document| {
        let parts = kinds.iter().enumerate();
        parts
            .map(|(place, kind)| decode(document.get(crate::compile::column(place)), *kind).map(Keyed))
            .collect()
    };
    found.into_iter().map(read).collect()
}
