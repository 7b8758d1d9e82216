//! `@collection(key:)`: records that are identified by fields of the schema's own.

use super::super::{Collection, CollectionId, Field, FieldId, FieldKind, Scalar, ValueType};
use super::directives::{Span, Text, name_span};
use super::{Reader, RuleSite};

/// The most fields of a key: as many as an index has.
const KEY_FIELDS_MAX: usize = super::super::limits::INDEX_FIELDS_MAX;

impl<'a> Reader<'a, '_> {
    /// When all fields are known: first which fields the keys are, then whether they can be.
    pub(super) fn read_keys(&mut self) {
        let written: Vec<Option<(Vec<Text<'a>>, Span)>> = self
            .heads
            .iter()
            .map(|applied| {
                let head = applied.get("collection")?;
                let key = head.argument("key")?;
                Some((head.names("key"), super::directives::span_of(key)))
            })
            .collect();
        for (id, key) in (0..).map(CollectionId).zip(&written) {
            match key {
                Some((names, span)) => self.read_key(id, names, span),
                None => self.need_key(id),
            }
        }
        let mut unfit = Vec::new();
        for (id, key) in (0..).map(CollectionId).zip(written) {
            if let Some((names, _)) = key
                && !self.check_key(id, &names)
            {
                unfit.push(id);
            }
        }
        // What comes after follows keys from one collection to the next.
        for id in unfit {
            self.model.collections[usize::from(id.0)].key.clear();
        }
        self.check_targets();
    }

    fn read_key(&mut self, id: CollectionId, names: &[Text<'a>], span: &Span) {
        if names.is_empty() || names.len() > KEY_FIELDS_MAX {
            self.report
                .error(span.clone(), format!("a key has 1 to {KEY_FIELDS_MAX} fields"));
        }
        let mut key: Vec<FieldId> = Vec::new();
        for name in names {
            let collection = self.model.collection(id);
            match super::system::find(&collection.fields, name.text) {
                Some(field) if key.contains(&field) => {
                    self.report
                        .error(name.span.clone(), format!("`{}` stands here twice", name.text));
                }
                Some(field) => key.push(field),
                None if self.broken.contains(name.text) => {}
                None => {
                    let near =
                        super::super::closest(name.text, collection.fields.iter().map(|field| field.name.as_str()));
                    self.report
                        .error(
                            name.span.clone(),
                            format!("{} has no field `{}`", collection.name, name.text),
                        )
                        .suggest(near);
                }
            }
        }
        let collection = &mut self.model.collections[usize::from(id.0)];
        for field in &key {
            collection.fields[usize::from(field.0)].immutable = true;
        }
        collection.key = key;
    }

    /// A table that is there already has a key of its own.
    fn need_key(&mut self, id: CollectionId) {
        let collection = self.model.collection(id);
        if collection.key.is_empty() {
            let span = name_span(&self.declared.collections[usize::from(id.0)].name);
            self.report
                .error(span, format!("`{}` has no key", collection.name))
                .help("say which fields identify a record: @collection(key: [\"...\"])");
        }
    }

    fn check_key(&mut self, id: CollectionId, names: &[Text<'a>]) -> bool {
        let mut fits = true;
        for name in names {
            let collection = self.model.collection(id);
            let Some(field) = collection.fields.iter().find(|field| field.name == name.text) else {
                continue;
            };
            let (what, help) = if field.system {
                (
                    "is set by Ninefold",
                    "a key is made of fields of the type's own".to_owned(),
                )
            } else if !field.required {
                ("may be null", format!("write `{}!`", type_name(field)))
            } else if !can_be_key(field) {
                let help =
                    "a key is made of ID, String, Int, Long, Email, URL, File, DateTime, Date and to-one relations";
                ("can't be part of a key", help.to_owned())
            } else if field.private || self.has_rule(id, field.id) {
                (
                    "has a rule of its own",
                    "a key is part of its record's address and of every reference to it: rule the record instead"
                        .to_owned(),
                )
            } else if leads_back(&self.model.collections, collection, field) {
                (
                    "leads back to itself",
                    "a relation in a key holds another record's key".to_owned(),
                )
            } else {
                continue;
            };
            self.report
                .error(name.span.clone(), format!("`{}` {what}", field.name))
                .help(help);
            fits = false;
        }
        fits
    }

    fn has_rule(&self, collection: CollectionId, field: FieldId) -> bool {
        self.rules.iter().any(|rule| {
            let ruled = match rule.site {
                RuleSite::FieldRead(ruled) | RuleSite::FieldWrite(ruled) => Some(ruled),
                _ => None,
            };
            rule.collection == collection && ruled == Some(field)
        })
    }

    /// Relations hold a key of one part, and sets are found by one. What is on the other end of an inverse is found by what it
    /// refers to.
    fn check_targets(&mut self) {
        for (collection, node) in self.model.collections.iter().zip(&self.declared.collections) {
            for field in &collection.fields {
                let Some(target) = field.target() else { continue };
                let target = self.model.collection(target);
                let is_inverse = matches!(field.kind, FieldKind::Inverse { .. });
                let is_set = is_inverse || matches!(field.kind, FieldKind::Links { .. });
                let composite = match (target.key.len() > 1, collection.key.len() > 1) {
                    (true, _) if !is_inverse => target,
                    (_, true) if is_set => collection,
                    _ => continue,
                };
                let span = node.fields.iter().find(|node| node.name == field.name.as_str());
                let span: Span = span.map_or(0..0, |node| name_span(&node.name));
                self.report
                    .error(
                        span,
                        format!(
                            "`{}` has a key of several fields, and a relation holds one",
                            composite.name
                        ),
                    )
                    .help("hold the other's key fields as plain fields, without the relation");
            }
        }
    }
}

fn type_name(field: &Field) -> &'static str {
    match &field.kind {
        FieldKind::Value(ValueType::Scalar(scalar)) => scalar.name(),
        _ => "...",
    }
}

fn can_be_key(field: &Field) -> bool {
    match &field.kind {
        FieldKind::Value(ValueType::Scalar(scalar)) => matches!(
            scalar,
            Scalar::Id
                | Scalar::String
                | Scalar::Int
                | Scalar::Long
                | Scalar::Email
                | Scalar::Url
                | Scalar::File
                | Scalar::DateTime
                | Scalar::Date
        ),
        FieldKind::Reference { .. } => true,
        FieldKind::Value(_) | FieldKind::Links { .. } | FieldKind::Inverse { .. } => false,
    }
}

/// Whether what the field holds is in the end the collection's own key.
fn leads_back(collections: &[Collection], from: &Collection, field: &Field) -> bool {
    let mut field = field;
    for _ in 0..=collections.len() {
        let FieldKind::Reference { target, .. } = field.kind else {
            return false;
        };
        let target = &collections[usize::from(target.0)];
        if target.id == from.id {
            return true;
        }
        let [key] = target.key.as_slice() else { return false };
        field = target.field(*key);
    }
    true
}
