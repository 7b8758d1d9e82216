//! `@index` and `@unique`: what every engine can index.

use super::super::limits::{EMAIL_CHARS_MAX, INDEX_CHARS_MAX, INDEX_FIELDS_MAX, INDEXED_DEFAULT};
use super::super::{Collection, CollectionId, Field, FieldId, FieldKind, Index, LengthRange, Scalar, ValueType};
use super::directives::{Span, Text, Use, name_span};
use super::field::is_comparable;
use super::names::IDENTIFIER_BYTES_MAX;
use super::{Reader, RuleSite};
use crate::model::closest;

impl<'a> Reader<'a, '_> {
    pub(super) fn read_indexes(&mut self) {
        for (index, applied) in std::mem::take(&mut self.heads).into_iter().enumerate() {
            let id = CollectionId(u16::try_from(index).expect("types are bounded"));
            for used in applied.all("index") {
                self.read_index(id, used);
            }
            self.bound_indexed(id, name_span(&self.declared.collections[index].name));
        }
    }

    fn read_index(&mut self, id: CollectionId, used: &Use<'a>) {
        let written = used.names("fields");
        let Some(fields) = self.index_fields(id, &written, used) else {
            return;
        };
        let collection = self.model.collection(id);
        let name = match used.text("name") {
            Some(name) => {
                self.check_column(id, name.text, name.span);
                name.text.to_owned()
            }
            None => index_name(collection, &fields),
        };
        if !self.indexes.insert(name.to_ascii_lowercase()) {
            self.report
                .error(used.span.clone(), format!("there already is an index `{name}`"))
                .help("give it a name of its own: @index(name: \"...\")");
            return;
        }
        let unique = used.flag("unique");
        let condition = used.text("where");
        if condition.is_none() {
            self.warn_duplicate(id, &fields, unique, used);
        }
        let place = self.model.collection(id).indexes.len();
        if let Some(condition) = condition {
            self.note(id, RuleSite::IndexCondition(place), condition);
        }
        self.model.collections[usize::from(id.0)].indexes.push(Index {
            name,
            fields,
            unique,
            only: None,
        });
    }

    fn index_fields(&mut self, id: CollectionId, written: &[Text<'a>], used: &Use<'a>) -> Option<Vec<FieldId>> {
        if written.is_empty() || written.len() > INDEX_FIELDS_MAX {
            self.report.error(
                used.span.clone(),
                format!("an index has 1 to {INDEX_FIELDS_MAX} fields"),
            );
            return None;
        }
        let mut fields = Vec::new();
        let mut well = true;
        for name in written {
            match self.index_field(id, name) {
                Some(field) if fields.contains(&field) => {
                    self.report
                        .error(name.span.clone(), format!("`{}` stands here twice", name.text));
                    well = false;
                }
                Some(field) => fields.push(field),
                None => well = false,
            }
        }
        well.then_some(fields)
    }

    fn index_field(&mut self, id: CollectionId, name: &Text<'a>) -> Option<FieldId> {
        let collection = self.model.collection(id);
        match collection.field_named(name.text) {
            Some(field) if is_comparable(&field.kind) => Some(field.id),
            Some(_) => {
                self.report
                    .error(name.span.clone(), format!("`{}` can't be indexed", name.text))
                    .help("scalars (but for JSON), enums and to-one relations can");
                None
            }
            None if self.broken.contains(name.text) => None,
            None => {
                let near = closest(name.text, collection.fields.iter().map(|field| field.name.as_str()));
                self.report
                    .error(
                        name.span.clone(),
                        format!("{} has no field `{}`", collection.name, name.text),
                    )
                    .suggest(near);
                None
            }
        }
    }

    fn warn_duplicate(&mut self, id: CollectionId, fields: &[FieldId], unique: bool, used: &Use<'a>) {
        let collection = self.model.collection(id);
        let twin = collection
            .indexes
            .iter()
            .any(|index| index.fields == fields && index.only.is_none());
        let by_field = matches!(fields, [only] if collection.field(*only).unique);
        if (twin && !unique) || by_field {
            self.report
                .warning(used.span.clone(), "this index is there already")
                .help(if by_field {
                    "@unique makes an index by itself"
                } else {
                    "take one of the two out"
                });
        }
    }

    /// Gives indexed text its implied bound, and refuses what no engine could hold.
    fn bound_indexed(&mut self, id: CollectionId, span: Span) {
        let collection = &mut self.model.collections[usize::from(id.0)];
        if !collection.managed {
            return;
        }
        let mut indexes: Vec<Vec<FieldId>> = collection.indexes.iter().map(|index| index.fields.clone()).collect();
        indexes.extend(
            collection
                .fields
                .iter()
                .filter(|field| field.unique)
                .map(|field| vec![field.id]),
        );
        indexes.push(collection.key.clone());
        for field in indexes.iter().flatten() {
            bound(&mut collection.fields[usize::from(field.0)]);
        }
        for fields in indexes {
            let fields = fields.iter().map(|field| collection.field(*field));
            let names: Vec<&str> = fields.clone().map(|field| field.name.as_str()).collect();
            let total: u64 = fields.map(|field| u64::from(indexed_length(field))).sum();
            if total > u64::from(INDEX_CHARS_MAX) {
                let (names, most) = (names.join(", "), INDEX_CHARS_MAX);
                self.report
                    .error(
                        span.clone(),
                        format!("the index on {names} may hold {total} characters; at most {most} work everywhere"),
                    )
                    .help("bound the text: @length(max: ...)");
            }
        }
    }
}

fn bound(field: &mut Field) {
    if !matches!(&field.kind, FieldKind::Value(ValueType::Scalar(scalar)) if implied(*scalar)) {
        return;
    }
    let min = field.length.and_then(|length| length.min);
    let max = field.length.and_then(|length| length.max);
    field.length = Some(LengthRange {
        min,
        max: max.or(Some(INDEXED_DEFAULT.max(min.unwrap_or(0)))),
    });
}

/// Scalars whose length would be too much for an index.
fn implied(scalar: Scalar) -> bool {
    matches!(scalar, Scalar::String | Scalar::Url | Scalar::File | Scalar::Bytes)
}

fn indexed_length(field: &Field) -> u32 {
    match &field.kind {
        FieldKind::Value(ValueType::Scalar(Scalar::Email)) => {
            field.length.and_then(|length| length.max).unwrap_or(EMAIL_CHARS_MAX)
        }
        FieldKind::Value(ValueType::Scalar(scalar)) if implied(*scalar) => {
            field.length.and_then(|length| length.max).unwrap_or(INDEXED_DEFAULT)
        }
        _ => 0,
    }
}

/// `ix_<table>_<columns>`, cut to what every database takes.
fn index_name(collection: &Collection, fields: &[FieldId]) -> String {
    let columns: Vec<&str> = fields
        .iter()
        .map(|field| collection.field(*field).column.as_str())
        .collect();
    let mut name = format!("ix_{}_{}", collection.table, columns.join("_"));
    if name.len() > IDENTIFIER_BYTES_MAX {
        // The columns' hash keeps what is cut off apart.
        let hash = super::epoch(&name).0;
        name.truncate(IDENTIFIER_BYTES_MAX - 9);
        name.push_str(&format!("_{:08x}", hash >> 32));
    }
    name
}
