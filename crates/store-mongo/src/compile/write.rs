//! Statements that write, and the reads that belong to a write.

use engine::model::kind::{Kind, key_field};
use engine::model::{Collection, FieldId, Key, Value};
use engine::query::{Answer, Image, Judgement, Pred};
use mongodb::bson::{Bson, Document, doc};

use super::links::Links;
use super::path::{self, ID};
use super::predicate::{Compiler, Frame};
use super::read::Layout;
use super::{Statement, column, encode};

/// The stored row to be written, then the truth of each judgement and of each capture.
pub(crate) fn stored_row(
    frame: Frame<'_>,
    (collection, key): (&Collection, &Key),
    judgements: &[Judgement],
    captures: &[Pred],
) -> Statement {
    let mut compiler = Compiler::new(frame, collection);
    compiler.by_key(collection, key);
    compiler.select_image(collection);
    for pred in judgements.iter().map(|judgement| &judgement.holds).chain(captures) {
        compiler.select_truth(pred);
    }
    compiler.finish(&collection.table)
}

/// What the row holds after the write: the answer's projection with the truth of its guard behind it, then the truth of
/// each judgement.
pub(crate) fn written_row(
    frame: Frame<'_>,
    (collection, key): (&Collection, &Key),
    answer: Option<&Answer>,
    judgements: &[Judgement],
) -> (Statement, Option<Layout>) {
    let mut compiler = Compiler::new(frame, collection);
    compiler.by_key(collection, key);
    let layout = answer.map(|answer| {
        let layout = compiler.project(&answer.projection, false);
        compiler.select_truth(&answer.guard);
        layout
    });
    for judgement in judgements {
        compiler.select_truth(&judgement.holds);
    }
    (compiler.finish(&collection.table), layout)
}

/// Those of the keys whose row satisfies the predicate.
pub(crate) fn keys_where(frame: Frame<'_>, collection: &Collection, keys: &[Value], pred: &Pred) -> Statement {
    let mut compiler = Compiler::new(frame, collection);
    compiler.stage(doc! { "$match": { ID: { "$in": encoded(keys) } } });
    compiler.filter(pred);
    compiler.select_field(collection, key_field(collection));
    compiler.finish(&collection.table)
}

/// The images of records whose `field` is one of `keys`.
pub(crate) fn referring(
    frame: Frame<'_>,
    (collection, field): (&Collection, FieldId),
    keys: &[Value],
    rows_max: u64,
) -> Statement {
    let mut compiler = Compiler::new(frame, collection);
    let path = path::of(collection, collection.field(field));
    compiler.stage(doc! { "$match": { path: { "$in": encoded(keys) } } });
    compiler.stage(doc! { "$limit": i64::try_from(rows_max).unwrap_or(i64::MAX) });
    compiler.select_image(collection);
    compiler.finish(&collection.table)
}

/// The images of records with these keys.
pub(crate) fn images(frame: Frame<'_>, collection: &Collection, keys: &[Value]) -> Statement {
    referring(frame, (collection, key_field(collection).id), keys, keys.len() as u64)
}

/// Which end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Source,
    Target,
}

impl Links<'_> {
    pub(crate) fn column(&self, end: End) -> &str {
        match end {
            End::Source => self.source_column,
            End::Target => self.target_column,
        }
    }

    /// The links that have one of `keys` at this end.
    pub(crate) fn at(&self, end: End, keys: &[Value]) -> Document {
        doc! { self.column(end): { "$in": encoded(keys) } }
    }

    /// The links between a source and some targets.
    pub(crate) fn between(&self, source: &Value, targets: &[Value]) -> Document {
        doc! { self.source_column: encode(source), self.target_column: { "$in": encoded(targets) } }
    }

    pub(crate) fn link(&self, source: &Value, target: &Value) -> Document {
        doc! { self.source_column: encode(source), self.target_column: encode(target) }
    }
}

/// `source, target` of the links that a filter finds, ordered by target.
pub(crate) fn links_where(
    model: &engine::Model,
    (collection, field): (&Collection, FieldId),
    filter: Document,
    rows_max: u64,
) -> Statement {
    let links = Links::of(collection, field);
    let kinds = [
        Kind::of_key(model, collection),
        Kind::of_key(model, model.collection(links.target)),
    ];
    let projected = doc! {
        ID: 0,
        column(0): format!("${}", links.source_column),
        column(1): format!("${}", links.target_column),
    };
    Statement {
        collection: links.table.to_owned(),
        pipeline: vec![
            doc! { "$match": filter },
            doc! { "$limit": i64::try_from(rows_max).unwrap_or(i64::MAX) },
            doc! { "$project": projected },
        ],
        columns: kinds.to_vec(),
    }
}

/// A record's document.
pub(crate) fn document(collection: &Collection, key: &Key, image: &Image) -> Document {
    let mut document = doc! { ID: path::id(collection, key) };
    for (field, value) in collection.stored().zip(&image.0) {
        if !collection.key.contains(&field.id) {
            document.insert(field.column.as_str(), encode(value));
        }
    }
    document
}

/// Only the fields that changed, so that only their indexes are touched; `None` when none did.
pub(crate) fn update(collection: &Collection, before: &Image, after: &Image) -> Option<Document> {
    let mut set = Document::new();
    for (field, (old, new)) in collection.stored().zip(before.0.iter().zip(&after.0)) {
        if old != new {
            set.insert(path::of(collection, field), encode(new));
        }
    }
    (!set.is_empty()).then(|| doc! { "$set": set })
}

pub(crate) fn by_key(collection: &Collection, key: &Key) -> Document {
    doc! { ID: path::id(collection, key) }
}

fn encoded(keys: &[Value]) -> Vec<Bson> {
    keys.iter().map(encode).collect()
}
