//! What the file declares: which name is a collection, an embedded type, an enum or a scalar.

use std::collections::HashMap;

use apollo_compiler::ast::{Definition, Document, EnumTypeDefinition, ObjectTypeDefinition};
use apollo_compiler::{Name, Node};

use super::super::diagnostic::Diagnostics;
use super::super::limits::{SCHEMA_TYPES_MAX, TYPE_FIELDS_MAX};
use super::super::{CollectionId, DocumentId, EnumId, Scalar};
use super::directives::{SPECS, is_collection, name_span, span_of};
use crate::model::closest;

/// What the name of a type stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Scalar(Scalar),
    Enum(EnumId),
    Document(DocumentId),
    Collection(CollectionId),
}

/// The types of a file, in its order.
#[derive(Default)]
pub(super) struct Declared<'a> {
    pub(super) collections: Vec<&'a Node<ObjectTypeDefinition>>,
    pub(super) documents: Vec<&'a Node<ObjectTypeDefinition>>,
    pub(super) enums: Vec<&'a Node<EnumTypeDefinition>>,
    names: HashMap<&'a str, Named>,
}

/// Names that surfaces use for themselves.
const RESERVED: [&str; 3] = ["Query", "Mutation", "Subscription"];

impl<'a> Declared<'a> {
    pub(super) fn read(document: &'a Document, report: &mut Diagnostics) -> Self {
        let mut declared = Self::default();
        for definition in &document.definitions {
            declared.add(definition, report);
        }
        if declared.collections.is_empty() && !report.has_errors() {
            report
                .warning(0..0, "the schema stores nothing")
                .help("mark a type with @collection to store it");
        }
        declared
    }

    pub(super) fn find(&self, name: &str) -> Option<Named> {
        let scalar = || {
            Scalar::ALL
                .into_iter()
                .find(|scalar| scalar.name() == name)
                .map(Named::Scalar)
        };
        self.names.get(name).copied().or_else(scalar)
    }

    /// The type that a name which is none was probably meant to be.
    pub(super) fn closest(&self, name: &str) -> Option<&str> {
        let known = self.names.keys().copied().chain(Scalar::ALL.map(Scalar::name));
        let mut known: Vec<&str> = known.collect();
        known.sort_unstable();
        closest(name, known)
    }

    fn add(&mut self, definition: &'a Definition, report: &mut Diagnostics) {
        match definition {
            Definition::ObjectTypeDefinition(node) => self.add_object(node, report),
            Definition::EnumTypeDefinition(node) => {
                let id = EnumId(u16::try_from(self.enums.len()).unwrap_or(u16::MAX));
                if self.claim(&node.name, node.values.len(), Named::Enum(id), report) {
                    self.enums.push(node);
                }
            }
            Definition::ScalarTypeDefinition(node) => declare_scalar(&node.name, report),
            Definition::DirectiveDefinition(node) => declare_directive(&node.name, report),
            other => refuse(other, report),
        }
    }

    fn add_object(&mut self, node: &'a Node<ObjectTypeDefinition>, report: &mut Diagnostics) {
        if let Some(interface) = node.implements_interfaces.first() {
            report
                .error(name_span(interface), "there are no interfaces here")
                .help("take `implements` out");
        }
        let stored = is_collection(&node.directives);
        let kind = if stored {
            Named::Collection(CollectionId(u16::try_from(self.collections.len()).unwrap_or(u16::MAX)))
        } else {
            Named::Document(DocumentId(u16::try_from(self.documents.len()).unwrap_or(u16::MAX)))
        };
        if self.claim(&node.name, node.fields.len(), kind, report) {
            if stored {
                &mut self.collections
            } else {
                &mut self.documents
            }
            .push(node);
        }
    }

    /// Whether the name is free, and now taken.
    fn claim(&mut self, name: &'a Name, members: usize, kind: Named, report: &mut Diagnostics) -> bool {
        let span = name_span(name);
        let text = name.as_str();
        if text.starts_with("__") {
            report
                .error(span, format!("`{text}` is reserved"))
                .help("names that start with `__` belong to GraphQL");
        } else if RESERVED.contains(&text) {
            report
                .error(span, format!("`{text}` is reserved"))
                .help("Ninefold writes the GraphQL operations itself");
        } else if Scalar::ALL.iter().any(|scalar| scalar.name() == text) {
            report
                .error(span, format!("`{text}` is a scalar"))
                .help("give the type another name");
        } else if self.names.contains_key(text) {
            report
                .error(span, format!("there already is a type `{text}`"))
                .help("give one of them another name");
        } else if self.names.len() >= SCHEMA_TYPES_MAX {
            report.error(span, format!("the schema has more than {SCHEMA_TYPES_MAX} types"));
        } else if members > TYPE_FIELDS_MAX {
            report.error(span, format!("`{text}` has more than {TYPE_FIELDS_MAX} members"));
        } else {
            self.names.insert(text, kind);
            return true;
        }
        false
    }
}

/// A declaration of a scalar that exists anyway is for editors, and welcome.
fn declare_scalar(name: &Name, report: &mut Diagnostics) {
    if Scalar::ALL.iter().any(|scalar| scalar.name() == name.as_str()) {
        return;
    }
    report
        .error(name_span(name), format!("`{name}` can't become a scalar"))
        .help(format!("the scalars are {}", Scalar::ALL.map(Scalar::name).join(", ")));
}

/// As for scalars.
fn declare_directive(name: &Name, report: &mut Diagnostics) {
    if SPECS.iter().any(|spec| spec.name == name.as_str()) {
        return;
    }
    report
        .error(name_span(name), format!("@{name} can't become a directive"))
        .help("directives can't be made here");
}

fn refuse(definition: &Definition, report: &mut Diagnostics) {
    let (what, help) = match definition {
        Definition::InterfaceTypeDefinition(_) | Definition::InterfaceTypeExtension(_) => {
            ("interfaces", "repeat the fields in each type")
        }
        Definition::UnionTypeDefinition(_) | Definition::UnionTypeExtension(_) => {
            ("unions", "use one nullable field for each member")
        }
        Definition::InputObjectTypeDefinition(_) | Definition::InputObjectTypeExtension(_) => {
            ("input types", "Ninefold derives them from the collections")
        }
        Definition::SchemaDefinition(_) | Definition::SchemaExtension(_) => {
            ("schema definitions", "Ninefold writes the GraphQL operations itself")
        }
        Definition::OperationDefinition(_) | Definition::FragmentDefinition(_) => {
            ("queries", "this file says what is stored; clients send queries")
        }
        _ => ("extensions", "write everything into the type itself"),
    };
    let span = definition
        .location()
        .map_or(0..0, |location| location.offset()..location.end_offset());
    report.error(span, format!("there are no {what} here")).help(help);
}

/// The span of a type's name, for what concerns it as a whole.
pub(super) fn type_span(node: &Node<ObjectTypeDefinition>) -> super::Span {
    let span = name_span(&node.name);
    if span.is_empty() { span_of(node) } else { span }
}
