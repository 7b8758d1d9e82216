//! Reading one record, and a page of them.

use std::borrow::Cow;

use engine::model::kind::Kind;
use engine::model::{Collection, Key, Value};
use engine::query::{Alias, GetPlan, ListPlan, Pred, Projection, Shape, SortKey};

use super::join::{self, Holder};
use super::predicate::{Compiler, Frame};
use super::sql::{Sql, Statement};
use super::{DialectRef, key_field, page};

/// Where in a row of the result things stand.
pub(crate) struct Layout {
    /// The first of the projection's items, which stand in their order.
    pub(crate) first: usize,
    pub(crate) items: usize,
    /// Items that may be hidden, each with the column that says whether it is visible.
    pub(crate) masks: Vec<(usize, usize)>,
    /// Items whose record is in the same row.
    pub(crate) joined: Vec<Joined>,
    /// The record's own key, where its relations are fetched by it, or nothing else says that it is there.
    pub(crate) key: Option<usize>,
    /// The record to which this one is related.
    pub(crate) parent: Option<usize>,
    /// The first of the sort terms' columns.
    pub(crate) sort: usize,
}

pub(crate) struct Joined {
    /// Of the item.
    pub(crate) place: usize,
    pub(super) level: u32,
    pub(crate) layout: Layout,
}

impl Joined {
    /// The column of its key: null where it isn't there, or isn't the caller's to read.
    pub(crate) fn key(&self) -> usize {
        self.layout.key.expect("a joined record comes with its key")
    }
}

pub(crate) fn get<'a>(dialect: DialectRef, frame: Frame<'a>, plan: &'a GetPlan) -> (Statement<'a>, Layout) {
    let collection = frame.model.collection(plan.collection);
    let mut compiler = Compiler::new(Sql::new(dialect), frame, collection);
    compiler.sql.push("SELECT ");
    let mut layout = compiler.project(&plan.projection, false);
    if join::count(frame.model, &plan.projection, 1) > 0 {
        compiler.select_joined(&plan.projection, &mut layout);
    }
    compiler.select_from(collection);
    compiler.join(&plan.projection, &layout, Holder::Level(0));
    compiler.where_key(collection, &plan.key);
    compiler.and(&plan.guard);
    (compiler.sql.finish(), layout)
}

/// One row more than the page holds, to know whether there is another page.
pub(crate) fn list<'a>(dialect: DialectRef, frame: Frame<'a>, plan: &'a ListPlan) -> (Statement<'a>, Layout) {
    let collection = frame.model.collection(plan.collection);
    let mut compiler = Compiler::new(Sql::new(dialect), frame, collection);
    // What is joined is so to the rows of the page alone, and not before they are found.
    let joins = join::count(frame.model, &plan.projection, plan.limit) > 0;
    if joins {
        compiler.begin_page();
    }
    compiler.sql.push("SELECT ");
    let mut layout = compiler.project(&plan.projection, false);
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
    compiler.order(collection, &plan.sort, &layout);
    compiler.page_limit(u64::from(plan.limit) + 1);
    if joins {
        compiler.end_page();
        compiler.select_joined(&plan.projection, &mut layout);
        compiler.read_page();
        compiler.join(&plan.projection, &layout, Holder::Page);
        compiler.order(collection, &plan.sort, &layout);
    }
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
        let first = self.width();
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
            first,
            items: projection.items.len(),
            masks,
            joined: Vec::new(),
            key,
            parent: None,
            sort,
        }
    }

    pub(super) fn select_column(&mut self, column: &str, kind: Kind) -> usize {
        let place = self.next_column(kind);
        self.alias('t', Alias::ROOT);
        self.sql.push(".").name(column);
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
        if self.width() > 0 {
            self.name_column();
            self.sql.push(", ");
        }
        self.sql.column(kind)
    }

    /// Ends a column of the result.
    fn name_column(&mut self) {
        if self.names_columns {
            let place = self.width() - 1;
            self.sql.push(" AS c").number(place as u64);
        }
    }

    fn order(&mut self, collection: &Collection, sort: &'a [SortKey], layout: &Layout) {
        for (index, key) in sort.iter().enumerate() {
            self.sql.push(if index == 0 { " ORDER BY " } else { ", " });
            self.sql.number((layout.sort + index + 1) as u64);
            let order = self
                .sql
                .dialect
                .order(key.descending, page::may_be_null(collection, &key.term));
            self.sql.push(order);
        }
    }

    pub(super) fn select_from(&mut self, collection: &Collection) {
        // A projection of nothing still asks whether the row is there.
        if self.width() == 0 {
            self.next_column(Kind::Int);
            self.sql.push("1");
        }
        self.name_column();
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

    fn page_limit(&mut self, rows: u64) {
        if self.sql.dialect.states_limit() {
            self.sql.push(" LIMIT ").number(rows);
        } else {
            self.limit(rows);
        }
    }

    pub(super) fn limit(&mut self, rows: u64) {
        self.sql.push(" LIMIT ");
        let rows = i64::try_from(rows).unwrap_or(i64::MAX);
        self.sql.bind(Cow::Owned(Value::Int(rows)));
    }
}
