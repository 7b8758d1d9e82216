//! Reading one record, and a page of them.

use std::borrow::Cow;

use engine::model::kind::Kind;
use engine::model::{Collection, Key, Value};
use engine::query::{Alias, GetPlan, ListPlan, Pred, Projection, Shape};

use super::page;
use super::predicate::{Compiler, Frame};
use super::sql::{Sql, Statement};
use super::{DialectRef, key_field};

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

pub(crate) fn get<'a>(dialect: DialectRef, frame: Frame<'a>, plan: &'a GetPlan) -> (Statement<'a>, Layout) {
    let collection = frame.model.collection(plan.collection);
    let mut compiler = Compiler::new(Sql::new(dialect), frame, collection);
    compiler.sql.push("SELECT ");
    let layout = compiler.project(&plan.projection, false);
    compiler.select_from(collection);
    compiler.where_key(collection, &plan.key);
    compiler.and(&plan.guard);
    (compiler.sql.finish(), layout)
}

/// One row more than the page holds, to know whether there is another page.
pub(crate) fn list<'a>(dialect: DialectRef, frame: Frame<'a>, plan: &'a ListPlan) -> (Statement<'a>, Layout) {
    let collection = frame.model.collection(plan.collection);
    let mut compiler = Compiler::new(Sql::new(dialect), frame, collection);
    compiler.sql.push("SELECT ");
    let layout = compiler.project(&plan.projection, false);
    for key in &plan.sort {
        compiler.select_term(&key.term);
    }
    compiler.select_from(collection);
    compiler.sql.push(" WHERE ");
    compiler.pred(&plan.guard);
    if let Some(after) = &plan.after {
        compiler.sql.push(" AND ");
        compiler.after(collection, &plan.sort, after);
    }
    for (index, key) in plan.sort.iter().enumerate() {
        compiler.sql.push(if index == 0 { " ORDER BY " } else { ", " });
        compiler.sql.number((layout.sort + index + 1) as u64);
        compiler
            .sql
            .push(dialect.order(key.descending, page::may_be_null(collection, &key.term)));
    }
    compiler.limit(u64::from(plan.limit) + 1);
    (compiler.sql.finish(), layout)
}

pub(crate) fn count<'a>(dialect: DialectRef, frame: Frame<'a>, plan: &'a ListPlan) -> Statement<'a> {
    let collection = frame.model.collection(plan.collection);
    let mut compiler = Compiler::new(Sql::new(dialect), frame, collection);
    compiler.sql.column(Kind::Int);
    compiler.sql.push("SELECT count(*)");
    compiler.select_from(collection);
    compiler.sql.push(" WHERE ");
    compiler.pred(&plan.guard);
    compiler.sql.finish()
}

impl<'a> Compiler<'a> {
    /// The projection's columns. Its to-many items are fetched apart, by the record's key.
    pub(super) fn project(&mut self, projection: &'a Projection, with_key: bool) -> Layout {
        let collection = self.collection(projection.collection);
        for item in &projection.items {
            match item.shape {
                Shape::Value | Shape::One(_) => {
                    let field = collection.field(item.field);
                    self.select_column(&field.column, Kind::of_field(self.frame.model, field));
                }
                Shape::Many(_) => {
                    self.next_column(Kind::Null);
                    self.sql.push("NULL");
                }
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
        let key = (with_key || has_many).then(|| self.select_key(collection));
        let sort = self.width();
        Layout {
            items: projection.items.len(),
            masks,
            key,
            parent: None,
            sort,
        }
    }

    pub(super) fn select_column(&mut self, column: &str, kind: Kind) -> usize {
        let place = self.next_column(kind);
        self.sql.push("t0.").name(column);
        place
    }

    pub(super) fn select_key(&mut self, collection: &Collection) -> usize {
        let field = key_field(collection);
        self.select_column(&field.column, Kind::of_field(self.frame.model, field))
    }

    pub(super) fn select_truth(&mut self, pred: &'a Pred) -> usize {
        let place = self.next_column(Kind::Bool);
        self.sql.push("(");
        self.pred(pred);
        self.sql.push(") IS TRUE");
        place
    }

    fn select_term(&mut self, term: &'a engine::query::Term) {
        let kind = self.kind(term);
        self.next_column(kind);
        self.term(term);
    }

    /// Begins another column of the result.
    pub(super) fn next_column(&mut self, kind: Kind) -> usize {
        let place = self.sql.column(kind);
        if place > 0 {
            self.sql.push(", ");
        }
        place
    }

    pub(super) fn select_from(&mut self, collection: &Collection) {
        // A projection of nothing still asks whether the row is there.
        if self.width() == 0 {
            self.next_column(Kind::Int);
            self.sql.push("1");
        }
        self.sql.push(" FROM ");
        self.table(collection, Alias::ROOT);
    }

    pub(super) fn where_key(&mut self, collection: &Collection, key: &'a Key) {
        for (index, (field, value)) in collection.key.iter().zip(&key.0).enumerate() {
            self.sql.push(if index == 0 { " WHERE t0." } else { " AND t0." });
            self.sql.name(&collection.field(*field).column).push(" = ");
            self.sql.bind(Cow::Borrowed(value));
        }
    }

    pub(super) fn and(&mut self, pred: &'a Pred) {
        if *pred != Pred::Const(true) {
            self.sql.push(" AND ");
            self.pred(pred);
        }
    }

    pub(super) fn limit(&mut self, rows: u64) {
        self.sql.push(" LIMIT ");
        let rows = i64::try_from(rows).unwrap_or(i64::MAX);
        self.sql.bind(Cow::Owned(Value::Int(rows)));
    }
}
