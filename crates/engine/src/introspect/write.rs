//! The text of the schema.

use std::collections::HashSet;
use std::fmt::Write as _;

use super::Note;
use super::choose::{Chosen, CollectionChosen, FieldChosen, FieldKind, IndexChosen, SetChosen, SetKind};
use crate::model::{Generated, OnDelete, Scalar, snake_case};

/// As the schema bounds it.
const TEXT_CHARS_MAX: u32 = 1_000_000;

pub(super) fn write(chosen: &Chosen<'_>, source: &str, notes: &[Note]) -> String {
    let mut out = head(source, notes);
    for values in &chosen.enums {
        out.push('\n');
        describe(&mut out, "", values.comment.as_deref());
        line(&mut out, format_args!("enum {} {{", values.name));
        for value in &values.values {
            line(&mut out, format_args!("  {value}"));
        }
        out.push_str("}\n");
    }
    let mut index_names = HashSet::new();
    for collection in &chosen.collections {
        out.push('\n');
        write_collection(&mut out, chosen, collection, &mut index_names);
    }
    out
}

/// A string of GraphQL.
pub(super) fn string(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            letter if letter.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(letter));
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

fn head(source: &str, notes: &[Note]) -> String {
    let mut out = format!("# Written by `ninefold introspect` from {}.\n", one_line(source));
    out.push_str("# Administrators alone may read and write until there are @access rules: https://cel.dev has their language.\n");
    if !notes.is_empty() {
        out.push_str("#\n# What the schema doesn't say, or guesses:\n");
        for note in notes {
            line(
                &mut out,
                format_args!("# - {}: {}", one_line(&note.what), one_line(&note.reason)),
            );
        }
    }
    out
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = writeln!(out, "{text}");
}

/// A doc string.
fn describe(out: &mut String, indent: &str, comment: Option<&str>) {
    if let Some(comment) = comment.map(str::trim).filter(|comment| !comment.is_empty()) {
        line(out, format_args!("{indent}{}", string(&one_line(comment))));
    }
}

fn write_collection(
    out: &mut String,
    chosen: &Chosen<'_>,
    collection: &CollectionChosen<'_>,
    index_names: &mut HashSet<String>,
) {
    describe(out, "", collection.table.comment.as_deref());
    let key: Vec<String> = collection
        .table
        .key
        .iter()
        .filter_map(|column| collection.field(column))
        .map(|field| string(&field.name))
        .collect();
    let mut arguments = format!("key: [{}]", key.join(", "));
    if let Some(path) = &collection.path {
        let _ = write!(arguments, ", path: {}", string(path));
    }
    if collection.table.is_view {
        arguments.push_str(", readOnly: true");
    }
    line(out, format_args!("type {} @collection({arguments})", collection.name));
    let _ = write!(
        out,
        "  @table(name: {}, managed: false)",
        string(&collection.table.name)
    );
    for index in &collection.indexes {
        write_index(out, index, index_names);
    }
    out.push_str(" {\n");
    for field in &collection.fields {
        write_field(out, chosen, field);
    }
    for set in &collection.sets {
        write_set(out, set);
    }
    out.push_str("}\n");
}

fn write_index(out: &mut String, index: &IndexChosen, taken: &mut HashSet<String>) {
    let fields: Vec<String> = index.fields.iter().map(|field| string(field)).collect();
    let _ = write!(out, "\n  @index(fields: [{}]", fields.join(", "));
    if index.unique {
        out.push_str(", unique: true");
    }
    if let Some(name) = index
        .name
        .as_ref()
        .filter(|name| taken.insert(name.to_ascii_lowercase()))
    {
        let _ = write!(out, ", name: {}", string(name));
    }
    out.push(')');
}

fn write_field(out: &mut String, chosen: &Chosen<'_>, field: &FieldChosen<'_>) {
    describe(out, "  ", field.column.comment.as_deref());
    let (name, mark) = (&field.name, if field.required { "!" } else { "" });
    let kind = match &field.kind {
        FieldKind::Scalar(scalar) => scalar.name(),
        FieldKind::Enum(name) => name,
        FieldKind::Relation(target, _) => &chosen.collections[*target].name,
    };
    let _ = write!(out, "  {name}: {kind}{mark}");
    if snake_case(name) != field.column.name {
        let _ = write!(out, " @column(name: {})", string(&field.column.name));
    }
    match &field.kind {
        FieldKind::Relation(_, OnDelete::Cascade) => out.push_str(" @relation(onDelete: CASCADE)"),
        FieldKind::Relation(_, OnDelete::SetNull) => out.push_str(" @relation(onDelete: SET_NULL)"),
        FieldKind::Relation(_, OnDelete::Restrict) | FieldKind::Enum(_) => {}
        FieldKind::Scalar(scalar) => {
            let is_text = *scalar == Scalar::String;
            if let Some(length) = field
                .column
                .length
                .filter(|length| is_text && *length <= TEXT_CHARS_MAX)
            {
                let _ = write!(out, " @length(max: {length})");
            }
            if let Some((min, max)) = field.column.range {
                let _ = write!(out, " @range(min: {min}, max: {max})");
            }
        }
    }
    if field.unique {
        out.push_str(" @unique");
    }
    if let Some(pattern) = &field.pattern {
        let _ = write!(out, " @pattern(regex: {})", string(pattern));
    }
    if let Some(default) = &field.default {
        let _ = write!(out, " @default(value: {default})");
    }
    out.push_str(match field.generated {
        Some(Generated::Always) => " @generated(always: true)",
        Some(Generated::ByDefault) => " @generated",
        None => "",
    });
    out.push('\n');
}

fn write_set(out: &mut String, set: &SetChosen) {
    let _ = write!(out, "  {}: [{}!]!", set.name, set.target);
    match &set.kind {
        SetKind::Links { table, source, target } => {
            let (table, source, target) = (string(table), string(source), string(target));
            line(
                out,
                format_args!(" @table(name: {table}, source: {source}, target: {target})"),
            );
        }
        SetKind::Inverse(field) => line(out, format_args!(" @inverse(field: {})", string(field))),
    }
}
