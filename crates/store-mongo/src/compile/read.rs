//! Reading one record, and a page of them.

use engine::model::kind::{Kind, key_field};
use engine::model::{Collection, Field, Key, Value};
use engine::query::{Alias, GetPlan, ListPlan, Pred, Projection, Shape, SortKey, Term};
use mongodb::bson::{Bson, Document, bson, doc};

use super::path::{self, ID};
use super::predicate::{Compiler, Frame};
use super::{Statement, column, encode};

/// Where in a row of the result things stand. The projection's items come first, in their order.
pub(crate) struct Layout {
    pub(crate) items: usize,
    /// Items that may be hidden, each with the column that says whether it is visible.
    pub(crate) masks: Vec<(usize, usize)>,
    /// The record's own key, where its relations are fetched by it.
    pub(crate) key: Option<usize>,
    /// The record to which this one is related.
    pub(crate) parent: Option<usize>,
    /// The first of the sort terms' columns, which are the last.
    pub(crate) sort: usize,
}

pub(crate) fn get(frame: Frame<'_>, plan: &GetPlan) -> (Statement, Layout) {
    let collection = frame.model.collection(plan.collection);
    let mut compiler = Compiler::new(frame, collection);
    compiler.by_key(collection, &plan.key);
    compiler.filter(&plan.guard);
    let layout = compiler.project(&plan.projection, false);
    (compiler.finish(&collection.table), layout)
}

/// One row more than the page holds, to know whether there is another page.
pub(crate) fn list(frame: Frame<'_>, plan: &ListPlan) -> (Statement, Layout) {
    let collection = frame.model.collection(plan.collection);
    let mut compiler = Compiler::new(frame, collection);
    compiler.filter(&plan.guard);
    let order = compiler.order(collection, &plan.sort);
    if let Some(after) = &plan.after {
        compiler.stage(doc! { "$match": behind(&order, after) });
    }
    if !order.is_empty() {
        let directions = order.iter().map(|(path, descending)| {
            let direction = if *descending { -1_i32 } else { 1_i32 };
            (path.clone(), Bson::Int32(direction))
        });
        compiler.stage(doc! { "$sort": directions.collect::<Document>() });
    }
    compiler.stage(doc! { "$limit": i64::from(plan.limit) + 1 });
    let layout = compiler.project(&plan.projection, false);
    for (key, (path, _)) in plan.sort.iter().zip(&order) {
        let kind = compiler.kind(&key.term);
        compiler.select(kind, Bson::String(format!("${path}")));
    }
    (compiler.finish(&collection.table), layout)
}

pub(crate) fn count(frame: Frame<'_>, plan: &ListPlan) -> Statement {
    let collection = frame.model.collection(plan.collection);
    let mut compiler = Compiler::new(frame, collection);
    compiler.filter(&plan.guard);
    compiler.stage(doc! { "$count": "n" });
    compiler.select(Kind::Int, Bson::String("$n".to_owned()));
    compiler.finish(&collection.table)
}

/// What sorts behind the values: behind in the first key, or level in it and behind in the rest. Nulls are first ascending
/// and last descending, as in BSON's own order; a comparison with a value never finds them.
fn behind(order: &[(String, bool)], values: &[Value]) -> Document {
    let (Some(((path, descending), order)), Some((value, values))) = (order.split_first(), values.split_first()) else {
        return doc! { "$nor": [{}] };
    };
    let path = path.as_str();
    let mut ways = match (descending, value.is_null()) {
        (false, true) => vec![doc! { path: { "$ne": Bson::Null } }],
        (false, false) => vec![doc! { path: { "$gt": encode(value) } }],
        (true, true) => Vec::new(),
        (true, false) => vec![doc! { path: { "$lt": encode(value) } }, doc! { path: Bson::Null }],
    };
    if !order.is_empty() {
        ways.push(doc! { "$and": [{ path: { "$eq": encode(value) } }, behind(order, values)] });
    }
    if ways.is_empty() {
        doc! { "$nor": [{}] }
    } else {
        doc! { "$or": ways }
    }
}

impl<'a> Compiler<'a> {
    pub(super) fn finish(mut self, collection: &str) -> Statement {
        let mut projected = self.projected;
        if projected.is_empty() {
            // A projection of nothing still asks whether the row is there.
            projected.insert(ID, 1_i32);
        } else {
            projected.insert(ID, 0_i32);
        }
        self.scope.level().stages.push(doc! { "$project": projected });
        Statement {
            collection: collection.to_owned(),
            pipeline: std::mem::take(&mut self.scope.level().stages),
            columns: self.columns,
        }
    }

    /// The paths to sort by, with whether each is descending. What is no field of the record becomes one.
    fn order(&mut self, collection: &Collection, sort: &'a [SortKey]) -> Vec<(String, bool)> {
        let mut order = Vec::with_capacity(sort.len());
        for key in sort {
            let path = match &key.term {
                Term::Field(Alias::ROOT, field) => path::of(collection, collection.field(*field)),
                term => {
                    let value = self.term(term);
                    let name = self.scope.name('s');
                    self.stage(doc! { "$addFields": { &name: { "$ifNull": [value, Bson::Null] } } });
                    name
                }
            };
            order.push((path, key.descending));
        }
        order
    }

    /// The projection's columns. Its to-many items are fetched apart, by the record's key.
    pub(super) fn project(&mut self, projection: &'a Projection, with_key: bool) -> Layout {
        let collection = self.collection(projection.collection);
        for item in &projection.items {
            match item.shape {
                Shape::Value | Shape::One(_) => {
                    self.select_field(collection, collection.field(item.field));
                }
                Shape::Many(_) => self.columns.push(Kind::Null),
            }
        }
        let mut masks: Vec<(usize, usize)> = Vec::new();
        for (place, item) in projection.items.iter().enumerate() {
            if item.visible != Pred::Const(true) {
                // Fields often share one rule, which is asked once.
                let same = masks
                    .iter()
                    .find(|(other, _)| projection.items[*other].visible == item.visible);
                let mask = match same {
                    Some((_, mask)) => *mask,
                    None => self.select_truth(&item.visible),
                };
                masks.push((place, mask));
            }
        }
        let has_many = projection.items.iter().any(|item| matches!(item.shape, Shape::Many(_)));
        let key = (with_key || has_many).then(|| self.select_field(collection, key_field(collection)));
        Layout {
            items: projection.items.len(),
            masks,
            key,
            parent: None,
            sort: self.columns.len(),
        }
    }

    pub(super) fn select_field(&mut self, collection: &Collection, field: &Field) -> usize {
        let path = path::of(collection, field);
        self.select(
            Kind::of_field(self.frame.model, field),
            Bson::String(format!("${path}")),
        )
    }

    pub(super) fn select_image(&mut self, collection: &Collection) {
        for field in collection.stored() {
            self.select_field(collection, field);
        }
    }

    pub(super) fn select_truth(&mut self, pred: &'a Pred) -> usize {
        let truth = self.pred(pred);
        self.select(Kind::Bool, truth)
    }

    pub(super) fn select(&mut self, kind: Kind, expression: Bson) -> usize {
        let place = self.columns.len();
        // In a projection a bare constant says whether a field is wanted.
        let expression = match expression {
            path @ Bson::String(_) => path,
            document @ Bson::Document(_) => document,
            constant => bson!({ "$literal": constant }),
        };
        self.columns.push(kind);
        self.projected.insert(column(place), expression);
        place
    }

    pub(super) fn by_key(&mut self, collection: &Collection, key: &Key) {
        self.stage(doc! { "$match": { ID: { "$eq": path::id(collection, key) } } });
    }
}
