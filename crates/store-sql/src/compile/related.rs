//! Records at the other end of a relation, for many records at once.

use engine::Model;
use engine::model::kind::Kind;
use engine::model::{Collection, FieldId, FieldKind, Value};
use engine::query::{Alias, Nested, Pred};

use super::links::Links;
use super::predicate::{Compiler, Frame};
use super::read::Layout;
use super::sql::{Sql, Statement};
use super::{DialectRef, key_field};

/// The records of `target` with these keys; each row has its own.
pub(crate) fn one<'a>(
    dialect: DialectRef,
    frame: Frame<'a>,
    target: &'a Collection,
    nested: &'a Nested,
    keys: &'a [Value],
) -> (Statement<'a>, Layout) {
    let mut compiler = Compiler::new(Sql::new(dialect), frame, target);
    compiler.sql.push("SELECT ");
    let layout = compiler.nested(target, nested);
    compiler.select_from(target);
    compiler.sql.push(" WHERE t0.").name(&key_field(target).column);
    compiler.sql.in_list(keys);
    compiler.and(&nested.guard);
    (compiler.sql.finish(), layout)
}

/// Where the other end of a to-many or inverse field is found.
struct Other<'a> {
    target: &'a Collection,
    kind: OtherKind<'a>,
}

enum OtherKind<'a> {
    /// In a table of links: its name, this end's column, the other end's.
    Linked(&'a str, &'a str, &'a str),
    /// In a column of the other end's own table.
    Referring(&'a str),
}

impl<'a> Other<'a> {
    fn of(model: &'a Model, collection: &'a Collection, field: FieldId) -> Self {
        match &collection.field(field).kind {
            FieldKind::Links { target, .. } => {
                let links = Links::of(collection, field);
                Self {
                    target: model.collection(*target),
                    kind: OtherKind::Linked(links.table, links.source_column, links.target_column),
                }
            }
            FieldKind::Inverse { target, field } => {
                let target = model.collection(*target);
                let far = target.field(*field);
                let kind = match &far.kind {
                    FieldKind::Links { .. } => {
                        let links = Links::of(target, *field);
                        OtherKind::Linked(links.table, links.target_column, links.source_column)
                    }
                    _ => OtherKind::Referring(&far.column),
                };
                Self { target, kind }
            }
            FieldKind::Value(_) | FieldKind::Reference { .. } => unreachable!("a to-many field has many"),
        }
    }
}

/// The records at the other end of the field, of these records of `collection`: by parent, then by key. At most
/// `rows_max` in all.
pub(crate) fn many<'a>(
    dialect: DialectRef,
    frame: Frame<'a>,
    (collection, field): (&'a Collection, FieldId),
    nested: &'a Nested,
    keys: &'a [Value],
    rows_max: u64,
) -> (Statement<'a>, Layout) {
    let other = Other::of(frame.model, collection, field);
    let mut compiler = Compiler::new(Sql::new(dialect), frame, other.target);
    let parent_kind = Kind::of_key(frame.model, collection);
    compiler.sql.push("SELECT ");
    let bare_keys = nested.projection.is_none() && nested.guard == Pred::Const(true);
    let layout = match other.kind {
        OtherKind::Linked(table, near, far) if bare_keys => {
            compiler.next_column(Kind::of_key(frame.model, other.target));
            compiler.sql.push("l0.").name(far);
            let parent = compiler.next_column(parent_kind);
            compiler
                .sql
                .push("l0.")
                .name(near)
                .push(" FROM ")
                .name(table)
                .push(" AS l0 WHERE l0.")
                .name(near);
            keys_only(parent)
        }
        OtherKind::Linked(table, near, far) => {
            let layout = compiler.nested(other.target, nested);
            let parent = compiler.next_column(parent_kind);
            compiler
                .sql
                .push("l0.")
                .name(near)
                .push(" FROM ")
                .name(table)
                .push(" AS l0 JOIN ");
            compiler.table(other.target, Alias::ROOT);
            compiler
                .sql
                .push(" ON t0.")
                .name(&key_field(other.target).column)
                .push(" = l0.")
                .name(far);
            compiler.sql.push(" WHERE l0.").name(near);
            with_parent(layout, parent)
        }
        OtherKind::Referring(column) => {
            let layout = compiler.nested(other.target, nested);
            let parent = compiler.select_column(column, parent_kind);
            compiler.select_from(other.target);
            compiler.sql.push(" WHERE t0.").name(column);
            with_parent(layout, parent)
        }
    };
    compiler.sql.in_list(keys);
    compiler.and(&nested.guard);
    let parent = layout.parent.expect("each row of many knows its parent");
    let key = layout.key.unwrap_or(0);
    compiler
        .sql
        .push(" ORDER BY ")
        .number(parent as u64 + 1)
        .push(", ")
        .number(key as u64 + 1);
    // A key of several fields is only where this end is a column of the record itself.
    for field in other.target.key.iter().skip(1) {
        let column = &other.target.field(*field).column;
        compiler.sql.push(", t0.").name(column);
    }
    compiler.limit(rows_max);
    (compiler.sql.finish(), layout)
}

fn keys_only(parent: usize) -> Layout {
    Layout {
        first: 0,
        items: 1,
        masks: Vec::new(),
        joined: Vec::new(),
        key: Some(0),
        parent: Some(parent),
        sort: parent + 1,
    }
}

fn with_parent(layout: Layout, parent: usize) -> Layout {
    Layout {
        parent: Some(parent),
        sort: parent + 1,
        ..layout
    }
}

impl<'a> Compiler<'a> {
    /// The projection and the key; or the key alone, as the one item.
    fn nested(&mut self, target: &'a Collection, nested: &'a Nested) -> Layout {
        if let Some(projection) = &nested.projection {
            return self.project(projection, true);
        }
        let key = self.select_key(target);
        Layout {
            first: key,
            items: 1,
            masks: Vec::new(),
            joined: Vec::new(),
            key: Some(key),
            parent: None,
            sort: key + 1,
        }
    }
}
