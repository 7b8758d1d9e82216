//! Rows as JSON, written straight from values with the model's field names.
//!
//! No tree and no map in between: a row's values stand in the projection's order, and names in a schema are plain
//! identifiers, so they go out as they are. Fields that the caller may not read are left out.

use std::io::Write;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use uuid::Uuid;

use crate::model::{Collection, CollectionId, Decimal, FieldKind, Key, Model, Row, Scalar, Value, ValueType};
use crate::query::{Item, Projection, Shape};

/// The largest whole number that every JSON reader keeps exact (RFC 8259 §6).
const EXACT_MAX: u64 = (1 << 53) - 1;

/// Appends one record as a JSON object.
pub fn write_row(out: &mut Vec<u8>, model: &Model, projection: &Projection, row: &Row) {
    let collection = model.collection(projection.collection);
    let mut separator = b'{';
    for (item, value) in projection.items.iter().zip(&row.0) {
        if matches!(value, Value::Hidden) {
            continue;
        }
        let field = collection.field(item.field);
        out.push(separator);
        separator = b',';
        out.push(b'"');
        out.extend_from_slice(field.name.as_bytes());
        out.extend_from_slice(b"\":");
        write_item(out, model, item, &field.kind, value);
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
    match (key.single(), collection.key.as_slice()) {
        (Some(value), [field]) => match &collection.field(*field).kind {
            FieldKind::Value(ty) => write_value(out, ty, value),
            FieldKind::Reference { target, .. } => write_key(out, model, model.collection(*target), key),
            FieldKind::Links { .. } | FieldKind::Inverse { .. } => unreachable!("a key's fields are stored"),
        },
        _ => write_text(out, &key.to_string()),
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
    match kind {
        FieldKind::Value(ty) => write_value(out, ty, value),
        FieldKind::Reference { target, .. } | FieldKind::Links { target, .. } | FieldKind::Inverse { target, .. } => {
            write_related(out, model, &item.shape, *target, value);
        }
    }
}

/// A related record, its key, or a list of either.
fn write_related(out: &mut Vec<u8>, model: &Model, shape: &Shape, target: CollectionId, value: &Value) {
    let nested = match shape {
        Shape::Value => None,
        Shape::One(nested) | Shape::Many(nested) => nested.projection.as_ref().map(|known| (known, nested.is_key)),
    };
    match (value, nested) {
        (Value::List(members), _) => {
            write_list(out, members, |out, member| {
                write_related(out, model, shape, target, member)
            });
        }
        (Value::Record(row), Some((_, true))) => write_key(out, model, model.collection(target), &Key(row.0.clone())),
        (Value::Record(row), Some((projection, false))) => write_row(out, model, projection, row),
        (Value::Null, _) => out.extend_from_slice(b"null"),
        (key, _) => write_key(out, model, model.collection(target), &Key(vec![key.clone()])),
    }
}

/// Appends one stored value, in its type's notation.
pub(crate) fn write_value(out: &mut Vec<u8>, ty: &ValueType, value: &Value) {
    match value {
        Value::Null | Value::Hidden => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Int(int) if *ty == ValueType::Scalar(Scalar::Long) && int.unsigned_abs() > EXACT_MAX => {
            append(out, format_args!("\"{int}\""));
        }
        Value::Int(number) | Value::Duration(number) => write_number(out, number),
        Value::Float(number) => write_number(out, number),
        Value::Decimal(decimal) => write_decimal(out, *decimal),
        Value::Text(text) => write_text(out, text),
        Value::Bytes(bytes) => append(out, format_args!("\"{}\"", BASE64_STANDARD.encode(bytes))),
        Value::DateTime(moment) => write_plain(out, &moment.rfc3339()),
        Value::Date(day) => append(out, format_args!("\"{day}\"")),
        Value::Id(id) => write_plain(out, id.hyphenated().encode_lower(&mut Uuid::encode_buffer())),
        Value::Json(text) => out.extend_from_slice(text.as_bytes()),
        Value::List(items) => write_list(out, items, |out, item| write_value(out, ty, item)),
        Value::Record(_) => unreachable!("records stand in relations only"),
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
