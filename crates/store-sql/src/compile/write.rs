//! Statements that write, and the reads that belong to a write.

use std::borrow::Cow;

use engine::Model;
use engine::model::kind::Kind;
use engine::model::{Collection, FieldId, Key, Value};
use engine::query::{Bindings, Image, Judgement, Pred, Projection, Reference};

use super::links::Links;
use super::predicate::{Compiler, Frame};
use super::read::Layout;
use super::sql::{Sql, Statement};
use super::{DialectRef, key_field};

/// The stored row to be written, then the truth of each judgement and of each capture.
pub(crate) fn stored_row<'a>(
    dialect: DialectRef,
    frame: Frame<'a>,
    (collection, key): (&'a Collection, &'a Key),
    judgements: &'a [Judgement],
    captures: &'a [Pred],
) -> Statement<'a> {
    let mut compiler = Compiler::new(Sql::new(dialect), frame, collection);
    compiler.sql.push("SELECT ");
    compiler.select_image(collection);
    for pred in judgements.iter().map(|judgement| &judgement.holds).chain(captures) {
        compiler.select_truth(pred);
    }
    compiler.select_from(collection);
    compiler.where_key(collection, key);
    compiler.sql.push(dialect.for_update());
    compiler.sql.finish()
}

/// What the row holds after the write: the projection, if it is to be read, then the truth of each predicate.
pub(crate) fn written_row<'a>(
    dialect: DialectRef,
    frame: Frame<'a>,
    (collection, key): (&'a Collection, &'a Key),
    projection: Option<&'a Projection>,
    truths: impl IntoIterator<Item = &'a Pred>,
) -> (Statement<'a>, Option<Layout>) {
    let mut compiler = Compiler::new(Sql::new(dialect), frame, collection);
    compiler.sql.push("SELECT ");
    let layout = projection.map(|projection| compiler.project(projection, false));
    for truth in truths {
        compiler.select_truth(truth);
    }
    compiler.select_from(collection);
    compiler.where_key(collection, key);
    (compiler.sql.finish(), layout)
}

/// One row if what the reference names is there and its guard holds.
pub(crate) fn referenced<'a>(dialect: DialectRef, frame: Frame<'a>, reference: &'a Reference) -> Statement<'a> {
    let target = frame.model.collection(reference.target);
    let mut compiler = Compiler::new(Sql::new(dialect), frame, target);
    compiler.sql.push("SELECT ");
    compiler.select_from(target);
    compiler
        .sql
        .push(" WHERE t0.")
        .name(&key_field(target).column)
        .push(" = ");
    compiler.sql.bind(Cow::Borrowed(&reference.key));
    compiler.and(&reference.guard);
    compiler.sql.finish()
}

/// Those of the keys whose row satisfies the predicate.
pub(crate) fn keys_where<'a>(
    dialect: DialectRef,
    frame: Frame<'a>,
    collection: &'a Collection,
    keys: &'a [Value],
    pred: &'a Pred,
) -> Statement<'a> {
    let mut compiler = Compiler::new(Sql::new(dialect), frame, collection);
    let column = &key_field(collection).column;
    compiler.sql.column(Kind::of_key(frame.model, collection));
    compiler.sql.push("SELECT t0.").name(column);
    compiler.select_from(collection);
    compiler.sql.push(" WHERE t0.").name(column).in_list(keys);
    compiler.and(pred);
    compiler.sql.finish()
}

pub(crate) fn insert<'a>(dialect: DialectRef, collection: &'a Collection, image: &'a Image) -> Statement<'a> {
    let mut sql = Sql::new(dialect);
    sql.push("INSERT INTO ").name(&collection.table).push(" (");
    for (index, field) in collection.stored().enumerate() {
        sql.push(if index > 0 { ", " } else { "" }).name(&field.column);
    }
    sql.push(") VALUES (");
    for (index, value) in image.0.iter().enumerate() {
        sql.push(if index > 0 { ", " } else { "" }).assign(Cow::Borrowed(value));
    }
    sql.push(")");
    sql.finish()
}

/// The same without the fields that the database gives. It answers their values; where the database can't say them, the
/// number that it gave, if it did.
pub(crate) fn insert_given<'a>(
    dialect: DialectRef,
    model: &Model,
    collection: &'a Collection,
    image: &'a Image,
    given: &[FieldId],
) -> Statement<'a> {
    let mut sql = Sql::new(dialect);
    sql.push("INSERT INTO ").name(&collection.table);
    let said = || {
        let fields = collection.stored().zip(&image.0);
        fields.filter(move |(field, _)| !given.contains(&field.id)).enumerate()
    };
    for (index, (field, _)) in said() {
        sql.push(if index == 0 { " (" } else { ", " }).name(&field.column);
    }
    for (index, (_, value)) in said() {
        sql.push(if index == 0 { ") VALUES (" } else { ", " });
        sql.assign(Cow::Borrowed(value));
    }
    sql.push(if said().next().is_some() {
        ")"
    } else {
        dialect.of_defaults()
    });
    if !dialect.returns() {
        sql.column(Kind::Int);
        return sql.finish();
    }
    for (index, id) in given.iter().enumerate() {
        let field = collection.field(*id);
        sql.column(Kind::of_field(model, field));
        sql.push(if index == 0 { " RETURNING " } else { ", " })
            .name(&field.column);
    }
    sql.finish()
}

/// Only the columns that changed, so that only their indexes are touched; `None` when none did.
pub(crate) fn update<'a>(
    dialect: DialectRef,
    (collection, key): (&'a Collection, &'a Key),
    before: &Image,
    after: &'a Image,
) -> Option<Statement<'a>> {
    let mut sql = Sql::new(dialect);
    sql.push("UPDATE ").name(&collection.table);
    let mut changed = 0;
    for (field, (old, new)) in collection.stored().zip(before.0.iter().zip(&after.0)) {
        if old != new {
            sql.push(if changed == 0 { " SET " } else { ", " });
            sql.name(&field.column).push(" = ").assign(Cow::Borrowed(new));
            changed += 1;
        }
    }
    where_key(&mut sql, collection, key);
    (changed > 0).then(|| sql.finish())
}

pub(crate) fn delete<'a>(dialect: DialectRef, collection: &'a Collection, key: &'a Key) -> Statement<'a> {
    let mut sql = Sql::new(dialect);
    sql.push("DELETE FROM ").name(&collection.table);
    where_key(&mut sql, collection, key);
    sql.finish()
}

fn where_key<'a>(sql: &mut Sql<'a>, collection: &Collection, key: &'a Key) {
    for (index, (field, value)) in collection.key.iter().zip(&key.0).enumerate() {
        sql.push(if index == 0 { " WHERE " } else { " AND " });
        sql.name(&collection.field(*field).column)
            .push(" = ")
            .bind(Cow::Borrowed(value));
    }
}

/// The images of records whose `field` is one of `keys`.
pub(crate) fn referring<'a>(
    dialect: DialectRef,
    frame: Frame<'a>,
    (collection, field): (&'a Collection, FieldId),
    keys: &'a [Value],
    rows_max: u64,
) -> Statement<'a> {
    let mut compiler = Compiler::new(Sql::new(dialect), frame, collection);
    compiler.sql.push("SELECT ");
    compiler.select_image(collection);
    compiler.select_from(collection);
    compiler.sql.push(" WHERE t0.").name(&collection.field(field).column);
    compiler.sql.in_list(keys);
    compiler.limit(rows_max);
    compiler.sql.push(dialect.for_update());
    compiler.sql.finish()
}

/// The images of records with these keys.
pub(crate) fn images<'a>(
    dialect: DialectRef,
    frame: Frame<'a>,
    collection: &'a Collection,
    keys: &'a [Value],
) -> Statement<'a> {
    let key = key_field(collection).id;
    referring(dialect, frame, (collection, key), keys, keys.len() as u64)
}

/// Locks the records with these keys, by key, and answers the keys of those that are there.
pub(crate) fn locked<'a>(
    dialect: DialectRef,
    model: &Model,
    collection: &'a Collection,
    keys: &'a [Value],
) -> Statement<'a> {
    let column = &key_field(collection).column;
    let mut sql = Sql::new(dialect);
    sql.column(Kind::of_key(model, collection));
    sql.push("SELECT ").name(column).push(" FROM ").name(&collection.table);
    sql.push(" WHERE ").name(column).in_list(keys);
    sql.push(" ORDER BY 1").push(dialect.for_update());
    sql.finish()
}

/// Which end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Source,
    Target,
}

/// `source, target` of the links that have one of `keys` at this end.
pub(crate) fn links_at<'a>(
    dialect: DialectRef,
    model: &'a Model,
    (collection, field): (&'a Collection, FieldId),
    end: End,
    keys: &'a [Value],
    rows_max: u64,
) -> Statement<'a> {
    let links = Links::of(collection, field);
    let mut sql = Sql::new(dialect);
    sql.column(Kind::of_key(model, collection));
    sql.column(Kind::of_key(model, model.collection(links.target)));
    sql.push("SELECT ")
        .name(links.source_column)
        .push(", ")
        .name(links.target_column);
    sql.push(" FROM ").name(links.table);
    at_end(&mut sql, links, end, keys);
    sql.push(" LIMIT ")
        .bind(Cow::Owned(Value::Int(i64::try_from(rows_max).unwrap_or(i64::MAX))));
    sql.finish()
}

pub(crate) fn delete_links_at<'a>(dialect: DialectRef, links: Links<'a>, end: End, keys: &'a [Value]) -> Statement<'a> {
    let mut sql = Sql::new(dialect);
    sql.push("DELETE FROM ").name(links.table);
    at_end(&mut sql, links, end, keys);
    sql.finish()
}

fn at_end<'a>(sql: &mut Sql<'a>, links: Links<'a>, end: End, keys: &'a [Value]) {
    sql.push(" WHERE ").name(match end {
        End::Source => links.source_column,
        End::Target => links.target_column,
    });
    sql.in_list(keys);
}

/// Changes one row, or none when the link is there already.
pub(crate) fn insert_link<'a>(
    dialect: DialectRef,
    links: Links<'a>,
    source: &'a Value,
    target: &'a Value,
) -> Statement<'a> {
    let mut sql = Sql::new(dialect);
    sql.push("INSERT INTO ").name(links.table);
    sql.push(" (")
        .name(links.source_column)
        .push(", ")
        .name(links.target_column)
        .push(") VALUES (");
    sql.bind(Cow::Borrowed(source))
        .push(", ")
        .bind(Cow::Borrowed(target))
        .push(")");
    sql.unless_there(links.source_column);
    sql.finish()
}

/// Changes one row, or none when there is no such link.
pub(crate) fn delete_link<'a>(
    dialect: DialectRef,
    links: Links<'a>,
    source: &'a Value,
    target: &'a Value,
) -> Statement<'a> {
    let mut sql = Sql::new(dialect);
    sql.push("DELETE FROM ").name(links.table);
    sql.push(" WHERE ")
        .name(links.source_column)
        .push(" = ")
        .bind(Cow::Borrowed(source));
    sql.push(" AND ")
        .name(links.target_column)
        .push(" = ")
        .bind(Cow::Borrowed(target));
    sql.finish()
}

/// A condition on a record's own columns with its values written out: for the definition of a partial index.
pub(crate) fn definition(
    dialect: DialectRef,
    model: &Model,
    bindings: &Bindings,
    collection: &Collection,
    pred: &Pred,
) -> String {
    let frame = Frame::reading(model, bindings);
    let mut compiler = Compiler::bare(Sql::literal(dialect), frame, collection);
    compiler.pred(pred);
    compiler.sql.finish().text
}

/// An index of plain columns, each with whether it may be null.
pub(crate) fn plain_index<'c>(
    dialect: DialectRef,
    name: &str,
    table: &str,
    columns: impl Iterator<Item = (&'c str, bool)>,
) -> String {
    let mut sql = Sql::new(dialect);
    sql.push("CREATE INDEX ").name(name).push(" ON ").name(table).push(" (");
    for (index, (column, nullable)) in columns.enumerate() {
        sql.push(if index > 0 { ", " } else { "" }).name(column);
        sql.push(dialect.order(false, nullable));
    }
    sql.push(")");
    sql.finish().text
}

impl<'a> Compiler<'a> {
    fn select_image(&mut self, collection: &'a Collection) {
        for field in collection.stored() {
            self.select_column(&field.column, Kind::of_field(self.frame.model, field));
        }
    }
}
