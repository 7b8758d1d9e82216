//! Records at the other end of a relation, for many records at once.

use engine::Model;
use engine::model::kind::{Kind, key_field};
use engine::model::{Collection, FieldId, FieldKind, Value};
use engine::query::{Nested, Pred};
use mongodb::bson::{Bson, doc};

use super::links::Links;
use super::path::{self, ID};
use super::predicate::{Compiler, Frame};
use super::read::Layout;
use super::{Statement, encode};

/// Where a link's near end is kept while its far end's record is looked at.
const PARENT: &str = "_parent";

/// The records of `target` with these keys; each row has its own.
pub(crate) fn one(frame: Frame<'_>, target: &Collection, nested: &Nested, keys: &[Value]) -> (Statement, Layout) {
    let mut compiler = Compiler::new(frame, target);
    compiler.stage(doc! { "$match": { ID: { "$in": encoded(keys) } } });
    compiler.filter(&nested.guard);
    let layout = compiler.nested(target, nested);
    (compiler.finish(&target.table), layout)
}

/// Where the other end of a to-many or inverse field is found.
struct Other<'a> {
    target: &'a Collection,
    kind: OtherKind<'a>,
}

enum OtherKind<'a> {
    /// Among links: their collection, this end's field, the other end's.
    Linked(&'a str, &'a str, &'a str),
    /// In a field of the other end's own records.
    Referring(String),
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
                    _ => OtherKind::Referring(path::of(target, far)),
                };
                Self { target, kind }
            }
            FieldKind::Value(_) | FieldKind::Reference { .. } => unreachable!("a to-many field has many"),
        }
    }
}

/// The records at the other end of the field, of these records of `collection`: by parent, then by key. At most
/// `rows_max` in all.
pub(crate) fn many(
    frame: Frame<'_>,
    (collection, field): (&Collection, FieldId),
    nested: &Nested,
    keys: &[Value],
    rows_max: u64,
) -> (Statement, Layout) {
    let other = Other::of(frame.model, collection, field);
    let mut compiler = Compiler::new(frame, other.target);
    let parent_kind = Kind::of_key(frame.model, collection);
    let keys = encoded(keys);
    let limit = i64::try_from(rows_max).unwrap_or(i64::MAX);
    let bare_keys = nested.projection.is_none() && nested.guard == Pred::Const(true);
    match other.kind {
        OtherKind::Linked(table, near, far) if bare_keys => {
            compiler.stage(doc! { "$match": { near: { "$in": keys } } });
            compiler.stage(doc! { "$sort": { near: 1, far: 1 } });
            compiler.stage(doc! { "$limit": limit });
            compiler.select(Kind::of_key(frame.model, other.target), reference(far));
            let parent = compiler.select(parent_kind, reference(near));
            (compiler.finish(table), keys_only(parent))
        }
        OtherKind::Linked(table, near, far) => {
            compiler.stage(doc! { "$match": { near: { "$in": keys } } });
            let joined = doc! { "from": &other.target.table, "localField": far, "foreignField": ID, "as": "_m" };
            compiler.stage(doc! { "$lookup": joined });
            compiler.stage(doc! { "$unwind": "$_m" });
            compiler.stage(doc! { "$replaceWith": { "$mergeObjects": ["$_m", { PARENT: reference(near) }] } });
            let layout = compiler.related_members(other.target, nested, parent_kind, PARENT, limit);
            (compiler.finish(table), layout)
        }
        OtherKind::Referring(path) => {
            compiler.stage(doc! { "$match": { &path: { "$in": keys } } });
            let layout = compiler.related_members(other.target, nested, parent_kind, &path, limit);
            (compiler.finish(&other.target.table), layout)
        }
    }
}

fn encoded(keys: &[Value]) -> Vec<Bson> {
    keys.iter().map(encode).collect()
}

fn reference(path: &str) -> Bson {
    Bson::String(format!("${path}"))
}

fn keys_only(parent: usize) -> Layout {
    Layout {
        items: 1,
        masks: Vec::new(),
        key: Some(0),
        parent: Some(parent),
        sort: parent + 1,
    }
}

impl<'a> Compiler<'a> {
    fn related_members(
        &mut self,
        target: &'a Collection,
        nested: &'a Nested,
        parent_kind: Kind,
        parent: &str,
        limit: i64,
    ) -> Layout {
        self.filter(&nested.guard);
        self.stage(doc! { "$sort": { parent: 1, ID: 1 } });
        self.stage(doc! { "$limit": limit });
        let layout = self.nested(target, nested);
        let parent = self.select(parent_kind, reference(parent));
        Layout {
            parent: Some(parent),
            sort: parent + 1,
            ..layout
        }
    }

    /// The projection and the key; or the key alone, as the one item.
    fn nested(&mut self, target: &'a Collection, nested: &'a Nested) -> Layout {
        if let Some(projection) = &nested.projection {
            return self.project(projection, true);
        }
        let key = self.select_field(target, key_field(target));
        Layout {
            items: 1,
            masks: Vec::new(),
            key: Some(key),
            parent: None,
            sort: key + 1,
        }
    }
}
