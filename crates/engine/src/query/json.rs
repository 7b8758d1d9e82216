//! Rows as JSON, written straight from values with the model's field names.
//!
//! No tree and no map in between: a row's values stand in the projection's order, and names in a schema are plain
//! identifiers, so they go out as they are. Fields that the caller may not read are left out. A store that reads rows for
//! an answer and nothing else need not make values of them: a [`Record`] is whatever knows its fields.

use std::io::Write;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use uuid::Uuid;

use crate::model::kind::key_field;
use crate::model::{Collection, CollectionId, Decimal, FieldKind, Key, Model, Row, Scalar, Value, ValueRef, ValueType};
use crate::query::{Item, Nested, Projection, Shape};

/// A guess at a record's size, so that a buffer seldom grows.
pub const RECORD_BYTES: usize = 512;
/// The largest whole number that every JSON reader keeps exact (RFC 8259 §6).
const EXACT_MAX: u64 = (1 << 53) - 1;

/// What is written as an object: something that knows the items of a projection by their place.
pub trait Record<'a>: Copy {
    fn field(self, place: usize) -> Content<'a, Self>;
}

/// An item of a record.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a, R> {
    /// The caller may not read it: left out.
    Hidden,
    Value(ValueRef<'a>),
    /// In the place of its key.
    Record(R),
    /// Of records, or of keys.
    List(&'a [Value]),
}

impl<'a> Record<'a> for &'a Row {
    fn field(self, place: usize) -> Content<'a, Self> {
        self.0.get(place).map_or(Content::Hidden, Content::of)
    }
}

impl<'a> Content<'a, &'a Row> {
    fn of(value: &'a Value) -> Self {
        match value {
            Value::List(members) => Self::List(members),
            Value::Record(row) => Self::Record(row),
            value => value.stored().map_or(Self::Hidden, Self::Value),
        }
    }
}

/// Appends one record as a JSON object.
pub fn write_row(out: &mut Vec<u8>, model: &Model, projection: &Projection, row: &Row) {
    write_record(out, model, projection, row);
}

/// The same of a record that is no row.
pub fn write_record<'a, R: Record<'a>>(out: &mut Vec<u8>, model: &Model, projection: &Projection, record: R) {
    let collection = model.collection(projection.collection);
    let mut separator = b'{';
    for (place, item) in projection.items.iter().enumerate() {
        let content = record.field(place);
        if matches!(content, Content::Hidden) {
            continue;
        }
        let field = collection.field(item.field);
        out.push(separator);
        separator = b',';
        out.push(b'"');
        out.extend_from_slice(field.name.as_bytes());
        out.extend_from_slice(b"\":");
        write_content(out, model, item, &field.kind, content);
    }
    if separator == b'{' {
        out.push(b'{');
    }
    out.push(b'}');
}

/// Appends records as a JSON array.
pub fn write_rows(out: &mut Vec<u8>, model: &Model, projection: &Projection, rows: &[Row]) {
    write_list(out, rows, |out, row| write_row(out, model, projection, row));
}

/// Appends a record's key: as a value where it has one part, else as the text that stands in a path.
pub fn write_key(out: &mut Vec<u8>, model: &Model, collection: &Collection, key: &Key) {
    match key.single().and_then(Value::stored) {
        Some(part) if collection.key.len() == 1 => write_only_part(out, model, collection, part),
        _ => write_text(out, &key.to_string()),
    }
}

/// Of a key that has one part, which is all that a reference holds.
fn write_only_part(out: &mut Vec<u8>, model: &Model, collection: &Collection, part: ValueRef<'_>) {
    match &key_field(collection).kind {
        FieldKind::Value(ty) => write_stored(out, ty, part),
        FieldKind::Reference { target, .. } => write_only_part(out, model, model.collection(*target), part),
        FieldKind::Links { .. } | FieldKind::Inverse { .. } => unreachable!("a key's fields are stored"),
    }
}

/// Appends a JSON string.
pub fn write_text(out: &mut Vec<u8>, text: &str) {
    if is_plain(text.as_bytes()) {
        write_plain(out, text);
    } else {
        serde_json::to_writer(out, text).expect("writing a string to memory doesn't fail");
    }
}

/// Whether nothing in it has to be escaped (RFC 8259 §7), which most texts are: looked at in blocks, as the processor can
/// compare many bytes at once where nothing depends on the one before.
fn is_plain(text: &[u8]) -> bool {
    const BLOCK: usize = 32;
    let special = |byte: u8| (byte < b' ') | (byte == b'"') | (byte == b'\\');
    let mut blocks = text.chunks_exact(BLOCK);
    let any = |block: &[u8]| block.iter().fold(false, |found, byte| found | special(*byte));
    !blocks.by_ref().any(any) && !any(blocks.remainder())
}

fn write_list<T>(out: &mut Vec<u8>, items: &[T], mut write: impl FnMut(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

/// Appends the value of one item of a row.
pub fn write_item(out: &mut Vec<u8>, model: &Model, item: &Item, kind: &FieldKind, value: &Value) {
    write_content(out, model, item, kind, Content::of(value));
}

fn write_content<'a, R: Record<'a>>(
    out: &mut Vec<u8>,
    model: &Model,
    item: &Item,
    kind: &FieldKind,
    content: Content<'a, R>,
) {
    match (kind, content) {
        (_, Content::Hidden | Content::Value(ValueRef::Null)) => out.extend_from_slice(b"null"),
        (FieldKind::Value(ty), Content::Value(value)) => write_stored(out, ty, value),
        (FieldKind::Value(ty), Content::List(items)) => write_list(out, items, |out, item| write_value(out, ty, item)),
        (FieldKind::Value(_), Content::Record(_)) => unreachable!("records stand in relations only"),
        (
            FieldKind::Reference { target, .. } | FieldKind::Links { target, .. } | FieldKind::Inverse { target, .. },
            content,
        ) => match content {
            Content::Record(record) => {
                let nested = nested(&item.shape).and_then(|nested| nested.projection.as_ref());
                let projection = nested.expect("a record stands where one was asked for");
                write_record(out, model, projection, record);
            }
            Content::List(members) => write_list(out, members, |out, member| {
                write_member(out, model, nested(&item.shape), *target, member);
            }),
            Content::Value(key) => write_only_part(out, model, model.collection(*target), key),
            Content::Hidden => unreachable!("hidden is written above"),
        },
    }
}

fn nested(shape: &Shape) -> Option<&Nested> {
    match shape {
        Shape::Value => None,
        Shape::One(nested) | Shape::Many(nested) => Some(nested),
    }
}

/// One of many related records, or its key.
fn write_member(out: &mut Vec<u8>, model: &Model, nested: Option<&Nested>, target: CollectionId, member: &Value) {
    let known = nested.and_then(|nested| Some((nested.projection.as_ref()?, nested.is_key)));
    match (member, known) {
        (Value::Record(row), Some((_, true))) => write_key(out, model, model.collection(target), &Key(row.0.clone())),
        (Value::Record(row), Some((projection, false))) => write_row(out, model, projection, row),
        (key, _) => write_key(out, model, model.collection(target), &Key(vec![key.clone()])),
    }
}

/// Appends one value, in its type's notation.
pub(crate) fn write_value(out: &mut Vec<u8>, ty: &ValueType, value: &Value) {
    match value {
        Value::Hidden => out.extend_from_slice(b"null"),
        Value::List(items) => write_list(out, items, |out, item| write_value(out, ty, item)),
        value => write_stored(out, ty, value.stored().expect("records stand in relations only")),
    }
}

fn write_stored(out: &mut Vec<u8>, ty: &ValueType, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => out.extend_from_slice(b"null"),
        ValueRef::Bool(true) => out.extend_from_slice(b"true"),
        ValueRef::Bool(false) => out.extend_from_slice(b"false"),
        ValueRef::Int(int) if *ty == ValueType::Scalar(Scalar::Long) && int.unsigned_abs() > EXACT_MAX => {
            append(out, format_args!("\"{int}\""));
        }
        ValueRef::Int(number) | ValueRef::Duration(number) => write_number(out, &number),
        ValueRef::Float(number) => write_number(out, &number),
        ValueRef::Decimal(decimal) => write_decimal(out, decimal),
        ValueRef::Text(text) => write_text(out, text),
        ValueRef::Bytes(bytes) => append(out, format_args!("\"{}\"", BASE64_STANDARD.encode(bytes))),
        ValueRef::DateTime(moment) => write_plain(out, &moment.rfc3339()),
        ValueRef::Date(day) => append(out, format_args!("\"{day}\"")),
        ValueRef::Id(id) => write_plain(out, id.hyphenated().encode_lower(&mut Uuid::encode_buffer())),
        ValueRef::Json(text) => out.extend_from_slice(text.as_bytes()),
    }
}

fn write_number(out: &mut Vec<u8>, number: &impl Serialize) {
    serde_json::to_writer(out, number).expect("writing a number to memory doesn't fail");
}

/// A JSON string of what needs no escaping.
fn write_plain(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

/// Without the zeros that say nothing: `12.5`, `-0.000001`, `3`. A string, because JSON readers make floats of numbers.
fn write_decimal(out: &mut Vec<u8>, decimal: Decimal) {
    append(out, format_args!("\"{decimal}\""));
}

fn append(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to memory doesn't fail");
}

#[cfg(test)]
mod tests;
