//! What an answer was made from, so that only what can change it is looked at.

use std::collections::HashSet;

use crate::expr::Expression;
use crate::model::{Collection, CollectionId, FieldKind, FieldRule, Model};
use crate::query::{Change, Projection, Shape};

/// The collections behind an answer, and whether time itself changes it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct ReadSet {
    collections: HashSet<CollectionId>,
    pub(super) now: bool,
}

impl ReadSet {
    pub(super) fn of(model: &Model, projection: &Projection, filter: Option<&Expression>) -> Self {
        let mut reads = Self::default();
        reads.projection(model, projection);
        if let Some(filter) = filter {
            reads.expression(model, filter, true);
        }
        reads
    }

    pub(super) fn touches(&self, change: &Change) -> bool {
        self.has(change.collection)
    }

    pub(super) fn has(&self, collection: CollectionId) -> bool {
        self.collections.contains(&collection)
    }

    fn projection(&mut self, model: &Model, projection: &Projection) {
        let collection = model.collection(projection.collection);
        self.readable(model, collection);
        for item in &projection.items {
            let field = collection.field(item.field);
            if let Shape::One(nested) | Shape::Many(nested) = &item.shape {
                if let Some(projection) = &nested.projection {
                    self.projection(model, projection);
                }
                if let Some(target) = field.target() {
                    self.readable(model, model.collection(target));
                }
            }
        }
    }

    /// A collection whose records are read under its rules. What those rules read, they read without rules of their own.
    fn readable(&mut self, model: &Model, collection: &Collection) {
        self.collections.insert(collection.id);
        let field_rules = collection.fields.iter().filter_map(|field| match &field.read {
            FieldRule::Rule(rule) => Some(rule),
            FieldRule::Inherit | FieldRule::Administrators => None,
        });
        for rule in collection.access.read.iter().chain(field_rules) {
            self.expression(model, rule, false);
        }
    }

    fn expression(&mut self, model: &Model, expression: &Expression, under_rules: bool) {
        let reads = expression.reads();
        self.now |= reads.now;
        self.collections.extend(&reads.collections);
        for (collection, field) in &reads.paths {
            let collection = model.collection(*collection);
            self.collections.insert(collection.id);
            // The other end of an inverse is where it is stored.
            if let FieldKind::Inverse { target, .. } = collection.field(*field).kind {
                self.collections.insert(target);
            }
        }
        if under_rules {
            for collection in &reads.collections {
                self.readable(model, model.collection(*collection));
            }
        }
    }
}
