//! Predicates and terms, carried out in memory over whatever holds the records.
//!
//! For live queries, and as the reference that stores are compared with.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::HashMap;

use regex::Regex;

use super::change::Image;
use super::functions::{arithmetic, call, compare, json_items, json_part, json_scalar, negate, text_test};
use super::predicate::{Alias, Comparison, Param, Pred, Set, Term, TextTest};
use super::read::Bindings;
use crate::expr::Related;
use crate::model::{CollectionId, FieldId, FieldKind, Model, Scalar, Value};

/// Records to look among. Keys are of collections whose key has one part.
pub trait Records {
    fn record(&self, collection: CollectionId, key: &Value) -> Option<Image>;
    /// Keys of the targets that a to-many field holds.
    fn links(&self, collection: CollectionId, field: FieldId, key: &Value) -> Vec<Value>;
    /// Keys of the records whose to-many field holds `target`.
    fn linked_from(&self, collection: CollectionId, field: FieldId, target: &Value) -> Vec<Value>;
    /// Keys of the records whose to-one field is `target`.
    fn referencing(&self, collection: CollectionId, field: FieldId, target: &Value) -> Vec<Value>;
}

/// [`Records`] as an expression's evaluator asks for them.
#[derive(Clone, Copy)]
pub struct Relations<'a> {
    pub model: &'a Model,
    pub records: &'a dyn Records,
}

impl Related for Relations<'_> {
    fn record(&self, collection: CollectionId, key: &Value) -> Option<Image> {
        self.records.record(collection, key)
    }

    fn members(&self, collection: CollectionId, field: FieldId, key: &Value) -> Vec<Value> {
        match self.model.collection(collection).field(field).kind {
            FieldKind::Links { .. } => self.records.links(collection, field, key),
            FieldKind::Inverse { target, field } => match self.model.collection(target).field(field).kind {
                FieldKind::Links { .. } => self.records.linked_from(target, field, key),
                _ => self.records.referencing(target, field, key),
            },
            FieldKind::Value(_) | FieldKind::Reference { .. } => Vec::new(),
        }
    }
}

/// Carries predicates out. `before` and `captured` are there when an update's result is judged.
pub struct Interpreter<'a> {
    model: &'a Model,
    records: &'a dyn Records,
    bindings: &'a Bindings,
    before: Option<(CollectionId, &'a Image)>,
    captured: &'a [bool],
    patterns: RefCell<HashMap<Box<str>, Option<Regex>>>,
}

#[derive(Clone)]
enum Bound {
    Row(CollectionId, Image),
    Item(Value),
}

type Rows = Vec<(Alias, Bound)>;

impl<'a> Interpreter<'a> {
    pub fn new(model: &'a Model, records: &'a dyn Records, bindings: &'a Bindings) -> Self {
        Self {
            model,
            records,
            bindings,
            before: None,
            captured: &[],
            patterns: RefCell::default(),
        }
    }

    /// The row before the change, and the truths taken from it.
    #[must_use]
    pub fn after(mut self, collection: CollectionId, before: &'a Image, captured: &'a [bool]) -> Self {
        self.before = Some((collection, before));
        self.captured = captured;
        self
    }

    /// Whether a predicate holds for a record as `Alias::ROOT`.
    pub fn holds(&self, pred: &Pred, collection: CollectionId, root: &Image) -> bool {
        self.pred(pred, &mut vec![(Alias::ROOT, Bound::Row(collection, root.clone()))])
    }

    /// A term's value for a record as `Alias::ROOT`.
    pub fn value(&self, term: &Term, collection: CollectionId, root: &Image) -> Value {
        self.term(term, &mut vec![(Alias::ROOT, Bound::Row(collection, root.clone()))])
    }

    fn pred(&self, pred: &Pred, rows: &mut Rows) -> bool {
        match pred {
            Pred::Const(truth) => *truth,
            Pred::And(parts) => parts.iter().all(|part| self.pred(part, rows)),
            Pred::Or(parts) => parts.iter().any(|part| self.pred(part, rows)),
            Pred::Not(inner) => !self.pred(inner, rows),
            Pred::Compare(comparison, left, right) => {
                let (left, right) = (self.term(left, rows), self.term(right, rows));
                compare(&left, &right).is_some_and(|order| comparison.accepts(order))
            }
            Pred::Same(left, right) => {
                let (left, right) = (self.term(left, rows), self.term(right, rows));
                (left.is_null() && right.is_null()) || compare(&left, &right) == Some(Ordering::Equal)
            }
            Pred::IsNull(term) => self.term(term, rows).is_null(),
            Pred::InList(item, list) => {
                let (item, list) = (self.term(item, rows), self.term(list, rows));
                items(&list, scalar_of(&item))
                    .iter()
                    .any(|held| compare(held, &item).is_some_and(|order| Comparison::Eq.accepts(order)))
            }
            Pred::Text(test, text, needle) => match (self.term(text, rows), self.term(needle, rows)) {
                (Value::Text(text), Value::Text(needle)) => self.text(*test, &text, &needle),
                _ => false,
            },
            Pred::Truth(term) => self.term(term, rows) == Value::Bool(true),
            Pred::Any(set, pred) => self
                .members(set, rows)
                .into_iter()
                .any(|member| self.with(set.alias(), member, rows, |this, rows| this.pred(pred, rows))),
            Pred::Captured(index) => self.captured.get(usize::from(*index)).copied().unwrap_or(false),
        }
    }

    fn term(&self, term: &Term, rows: &mut Rows) -> Value {
        match term {
            Term::Const(value) => value.clone(),
            Term::Param(Param::Before(field)) => match self.before {
                Some((collection, image)) => self.stored(collection, image, *field),
                None => Value::Null,
            },
            Term::Param(param) => self.bindings.value(*param).unwrap_or(Value::Null),
            Term::Field(alias, field) => match bound(rows, *alias) {
                Some(Bound::Row(collection, image)) => self.stored(*collection, image, *field),
                _ => Value::Null,
            },
            Term::Item(alias) => match bound(rows, *alias) {
                Some(Bound::Item(value)) => value.clone(),
                _ => Value::Null,
            },
            Term::Json { of, path, ty } => match self.term(of, rows) {
                Value::Json(json) => json_part(&json, path, *ty),
                _ => Value::Null,
            },
            Term::Lookup {
                key,
                collection,
                alias,
                guard,
                then,
            } => {
                let key = self.term(key, rows);
                match self.records.record(*collection, &key).filter(|_| !key.is_null()) {
                    Some(image) => self.with(*alias, Bound::Row(*collection, image), rows, |this, rows| {
                        if this.pred(guard, rows) {
                            this.term(then, rows)
                        } else {
                            Value::Null
                        }
                    }),
                    None => Value::Null,
                }
            }
            Term::Arithmetic(operator, _, left, right) => {
                let (left, right) = (self.term(left, rows), self.term(right, rows));
                arithmetic(*operator, &left, &right).unwrap_or(Value::Null)
            }
            Term::Negate(_, inner) => negate(&self.term(inner, rows)).unwrap_or(Value::Null),
            Term::Call(function, arguments) => {
                let arguments: Vec<Value> = arguments.iter().map(|argument| self.term(argument, rows)).collect();
                call(*function, &arguments)
            }
            Term::If(condition, then, otherwise) => {
                let taken = if self.pred(condition, rows) { then } else { otherwise };
                self.term(taken, rows)
            }
            Term::Count(set, pred) => {
                let members = self.members(set, rows);
                let count = members
                    .into_iter()
                    .filter(|member| self.with(set.alias(), member.clone(), rows, |this, rows| this.pred(pred, rows)))
                    .count();
                Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
            }
            Term::Bool(pred) => Value::Bool(self.pred(pred, rows)),
        }
    }

    fn with<T>(&self, alias: Alias, bound: Bound, rows: &mut Rows, run: impl FnOnce(&Self, &mut Rows) -> T) -> T {
        rows.push((alias, bound));
        let result = run(self, rows);
        rows.pop();
        result
    }

    fn members(&self, set: &Set, rows: &mut Rows) -> Vec<Bound> {
        let (of, target) = match set {
            Set::Links {
                of, collection, field, ..
            } => (of, self.model.collection(*collection).field(*field).target()),
            Set::LinkedFrom { of, collection, .. } | Set::Referencing { of, collection, .. } => (of, Some(*collection)),
            Set::Items { of, item, .. } => {
                let list = self.term(of, rows);
                return items(&list, *item).into_iter().map(Bound::Item).collect();
            }
        };
        let of = self.term(of, rows);
        let Some(target) = target.filter(|_| !of.is_null()) else {
            return Vec::new();
        };
        let keys = match set {
            Set::Links { collection, field, .. } => self.records.links(*collection, *field, &of),
            Set::LinkedFrom { collection, field, .. } => self.records.linked_from(*collection, *field, &of),
            Set::Referencing { collection, field, .. } => self.records.referencing(*collection, *field, &of),
            Set::Items { .. } => Vec::new(),
        };
        let rows = keys.iter().filter_map(|key| self.records.record(target, key));
        rows.map(|image| Bound::Row(target, image)).collect()
    }

    fn stored(&self, collection: CollectionId, image: &Image, field: FieldId) -> Value {
        self.model
            .collection(collection)
            .slot(field)
            .and_then(|slot| image.0.get(slot))
            .cloned()
            .unwrap_or(Value::Null)
    }

    fn text(&self, test: TextTest, text: &str, needle: &str) -> bool {
        if test != TextTest::Matches {
            return text_test(test, text, needle);
        }
        self.patterns
            .borrow_mut()
            .entry(needle.into())
            .or_insert_with(|| Regex::new(needle).ok())
            .as_ref()
            .is_some_and(|regex| regex.is_match(text))
    }
}

fn bound(rows: &Rows, alias: Alias) -> Option<&Bound> {
    rows.iter()
        .rev()
        .find(|(name, _)| *name == alias)
        .map(|(_, bound)| bound)
}

/// The items of a list, a stored one as values of `ty`.
fn items(list: &Value, ty: Scalar) -> Vec<Value> {
    match list {
        Value::List(items) => items.clone(),
        Value::Json(json) => json_items(json)
            .unwrap_or_default()
            .iter()
            .map(|item| json_scalar(item, ty))
            .collect(),
        _ => Vec::new(),
    }
}

fn scalar_of(value: &Value) -> Scalar {
    match value {
        Value::Bool(_) => Scalar::Boolean,
        Value::Int(_) => Scalar::Long,
        Value::Float(_) => Scalar::Float,
        Value::Decimal(_) => Scalar::Decimal,
        Value::Bytes(_) => Scalar::Bytes,
        Value::DateTime(_) => Scalar::DateTime,
        Value::Date(_) => Scalar::Date,
        Value::Id(_) => Scalar::Id,
        Value::Json(_) => Scalar::Json,
        _ => Scalar::String,
    }
}
