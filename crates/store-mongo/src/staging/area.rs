//! What is staged, in this process, and what is known of each record.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use engine::Model;
use engine::access::Principal;
use engine::expr::{Expects, Expression, Facts, Input, RequestFacts, Scope};
use engine::model::keyed::Keyed;
use engine::model::{Collection, FieldId, FieldKind, StoredIndex, Structure, Timestamp, Value};
use engine::ports::staging::{Obstacle, StagePlan, Staged};
use engine::ports::store::StoreError;
use engine::query::{Image, LinkOperation};
use mongodb::bson::Document;

use crate::migrate::index_filter;

/// Records that one import may have; they are held in memory.
const RECORDS_MAX: u32 = 1_000_000;

pub(super) struct Area {
    pub(super) model: Arc<Model>,
    pub(super) plan: StagePlan,
    pub(super) uniques: Vec<Unique>,
    /// By place in this list; a record that another has taken a value from is not among them.
    pub(super) records: Vec<Staged>,
    /// Of the key, in the list.
    pub(super) known: HashMap<Keyed, usize>,
    /// By place in the file.
    pub(super) problems: BTreeMap<u64, Obstacle>,
}

/// A unique index, or the key.
pub(super) struct Unique {
    pub(super) fields: Vec<String>,
    /// In an image.
    pub(super) slots: Vec<usize>,
    pub(super) paths: Vec<String>,
    only: Option<Expression>,
    /// Which documents the index holds.
    pub(super) filter: Document,
    taken: HashSet<Vec<Keyed>>,
}

impl Area {
    pub(super) fn of(model: Arc<Model>, plan: StagePlan) -> Result<Self, StoreError> {
        let uniques = uniques(&model, model.collection(plan.collection)).map_err(StoreError::Failed)?;
        Ok(Self {
            model,
            plan,
            uniques,
            records: Vec::new(),
            known: HashMap::new(),
            problems: BTreeMap::new(),
        })
    }

    pub(super) fn collection(&self) -> &Collection {
        self.model.collection(self.plan.collection)
    }

    pub(super) fn add(&mut self, record: Staged) -> Result<(), StoreError> {
        if self.records.len() >= RECORDS_MAX as usize {
            return Err(StoreError::TooMany { limit: RECORDS_MAX });
        }
        let model = Arc::clone(&self.model);
        let mut values = Vec::with_capacity(self.uniques.len());
        for unique in &self.uniques {
            let value = unique.value(&model, &record.image);
            if value.as_ref().is_some_and(|value| unique.taken.contains(value)) {
                let fields = unique.fields.clone();
                self.problems.insert(record.place, Obstacle::Taken { fields });
                return Ok(());
            }
            values.push(value);
        }
        for (unique, value) in self.uniques.iter_mut().zip(values) {
            unique.taken.extend(value);
        }
        self.known.insert(key(&record), self.records.len());
        self.records.push(record);
        Ok(())
    }

    pub(super) fn refuse(&mut self, index: usize, obstacle: Obstacle) {
        self.problems.entry(self.records[index].place).or_insert(obstacle);
    }

    pub(super) fn is_refused(&self, index: usize) -> bool {
        self.problems.contains_key(&self.records[index].place)
    }

    /// To-one fields with where they are in an image, and what they lead to.
    pub(super) fn references(&self) -> Vec<(FieldId, usize, &Collection)> {
        let collection = self.collection();
        let stored = collection.stored().enumerate();
        let references = stored.filter_map(|(slot, field)| match field.kind {
            FieldKind::Reference { target, .. } => Some((field.id, slot, self.model.collection(target))),
            _ => None,
        });
        references.collect()
    }

    /// Whether the field leads to records of the same collection.
    pub(super) fn is_own(&self, field: FieldId) -> bool {
        self.collection().field(field).target() == Some(self.plan.collection)
    }
}

impl Unique {
    /// What the index has of a record; `None` if it hasn't.
    pub(super) fn value(&self, model: &Model, image: &Image) -> Option<Vec<Keyed>> {
        let values = self.slots.iter().map(|slot| image.0[*slot].clone());
        let values: Vec<Keyed> = values.map(Keyed).collect();
        let input = Input {
            model,
            facts: Facts {
                principal: &Principal::Anonymous,
                now: Timestamp(0),
                request: RequestFacts::default(),
            },
            record: Some(image),
            before: None,
            related: None,
        };
        let is_held =
            values.iter().all(|value| !value.0.is_null()) && self.only.as_ref().is_none_or(|only| only.holds(input));
        is_held.then_some(values)
    }
}

fn uniques(model: &Model, collection: &Collection) -> Result<Vec<Unique>, String> {
    let structure = Structure::of(model);
    let stored = structure
        .collection(&collection.name)
        .expect("a model's structure has its collections");
    let key = StoredIndex {
        name: String::new(),
        fields: stored.key.clone(),
        unique: true,
        only: None,
    };
    let indexes = stored.indexes.iter().filter(|index| index.unique);
    let uniques = std::iter::once(&key).chain(indexes).map(|index| {
        let fields = index.fields.iter().filter_map(|name| collection.field_named(name));
        let fields: Vec<_> = fields.collect();
        let scope = Scope {
            record: Some(collection.id),
            before: false,
            bare_fields: false,
        };
        let only = index.only.as_deref();
        let only = only.map(|only| Expression::compile(only, scope, Expects::Condition, model));
        Ok(Unique {
            fields: index.fields.clone(),
            slots: fields.iter().filter_map(|field| collection.slot(field.id)).collect(),
            paths: fields
                .iter()
                .map(|field| crate::compile::path::of(collection, field))
                .collect(),
            only: only.transpose().map_err(|errors| format!("{errors:?}"))?,
            filter: index_filter(&structure, stored, index)?.unwrap_or_default(),
            taken: HashSet::new(),
        })
    });
    uniques.collect()
}

/// Of a collection whose records can be imported: one value.
pub(super) fn key(record: &Staged) -> Keyed {
    Keyed(record.key.single().cloned().unwrap_or(Value::Null))
}

/// The targets of each to-many field.
pub(super) fn links(record: &Staged) -> impl Iterator<Item = (FieldId, &[Value])> {
    record.links.iter().map(|change| match &change.operation {
        LinkOperation::Replace { with, .. } => (change.field, with.as_slice()),
        LinkOperation::Edit { add, .. } => (change.field, add.as_slice()),
    })
}
