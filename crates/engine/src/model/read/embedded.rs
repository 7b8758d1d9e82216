//! Enums and embedded types.

use std::collections::HashSet;

use apollo_compiler::Node;
use apollo_compiler::ast::{EnumTypeDefinition, FieldDefinition, ObjectTypeDefinition};

use super::super::{DocumentField, DocumentId, DocumentType, EnumId, EnumType, EnumValue, FieldKind, ValueType};
use super::Reader;
use super::declare::type_span;
use super::directives::{Applied, Site, name_span};
use super::field::Resolved;

impl<'a> Reader<'a, '_> {
    pub(super) fn read_enums(&mut self) {
        for (index, node) in self.declared.enums.clone().into_iter().enumerate() {
            let id = EnumId(u16::try_from(index).expect("types are bounded"));
            let read = self.read_enum(id, node);
            self.model.enums.push(read);
        }
    }

    fn read_enum(&mut self, id: EnumId, node: &'a Node<EnumTypeDefinition>) -> EnumType {
        Applied::read(&node.directives, Site::Enum, self.report);
        let mut values: Vec<EnumValue> = Vec::new();
        for value in &node.values {
            Applied::read(&value.directives, Site::EnumValue, self.report);
            let name = value.value.as_str();
            if values.iter().any(|earlier| earlier.name == name) {
                self.report
                    .error(name_span(&value.value), format!("`{name}` stands here twice"));
                continue;
            }
            values.push(EnumValue {
                name: name.to_owned(),
                doc: doc(value.description.as_ref()),
            });
        }
        if values.is_empty() {
            self.report
                .error(name_span(&node.name), format!("enum `{}` has no values", node.name));
        }
        EnumType {
            id,
            name: node.name.to_string(),
            doc: doc(node.description.as_ref()),
            values,
        }
    }

    pub(super) fn read_documents(&mut self) {
        let nodes = self.declared.documents.clone();
        for (index, node) in nodes.iter().enumerate() {
            let id = DocumentId(u16::try_from(index).expect("types are bounded"));
            let read = self.read_document(id, node);
            self.model.documents.push(read);
        }
        for (index, node) in nodes.into_iter().enumerate() {
            self.check_recursion(index, node);
        }
    }

    fn read_document(&mut self, id: DocumentId, node: &'a Node<ObjectTypeDefinition>) -> DocumentType {
        Applied::read(&node.directives, Site::Embedded, self.report);
        let mut fields: Vec<DocumentField> = Vec::new();
        for field in &node.fields {
            if fields.iter().any(|earlier| earlier.name == field.name.as_str()) {
                self.report
                    .error(name_span(&field.name), format!("`{}` stands here twice", field.name));
            } else if let Some(field) = self.read_document_field(field) {
                fields.push(field);
            }
        }
        if node.fields.is_empty() {
            self.report
                .error(type_span(node), format!("`{}` has no fields", node.name));
        }
        DocumentType {
            id,
            name: node.name.to_string(),
            doc: doc(node.description.as_ref()),
            fields,
        }
    }

    fn read_document_field(&mut self, node: &'a Node<FieldDefinition>) -> Option<DocumentField> {
        let applied = Applied::read(&node.directives, Site::EmbeddedField, self.report);
        self.check_name(&node.name);
        let ty = match self.resolve(node)? {
            Resolved::Value(ty) => ty,
            Resolved::One(_) | Resolved::Many(_) => {
                self.report
                    .error(
                        name_span(node.ty.inner_named_type()),
                        "an embedded type can't refer to a collection",
                    )
                    .help("hold the record's id in a field of type `ID`, or mark this type with @collection");
                return None;
            }
        };
        self.refuse_misfits(&applied, &FieldKind::Value(ty.clone()));
        let constraints = self.read_constraints(&applied, &ty);
        Some(DocumentField {
            name: node.name.to_string(),
            doc: doc(node.description.as_ref()),
            required: node.ty.is_non_null(),
            length: constraints.length,
            range: constraints.range,
            pattern: constraints.pattern,
            ty,
        })
    }

    /// A type that must hold itself has no value.
    fn check_recursion(&mut self, index: usize, node: &'a Node<ObjectTypeDefinition>) {
        let mut seen = HashSet::new();
        let mut open = vec![index];
        while let Some(at) = open.pop() {
            for field in self.model.documents[at].fields.iter().filter(|field| field.required) {
                let ValueType::Document(DocumentId(inner)) = field.ty else {
                    continue;
                };
                let inner = usize::from(inner);
                if inner == index {
                    self.report
                        .error(
                            type_span(node),
                            format!("every `{}` would hold another, without end", node.name),
                        )
                        .help("make one of the fields nullable: take out its `!`");
                    return;
                }
                if seen.insert(inner) {
                    open.push(inner);
                }
            }
        }
    }
}

pub(super) fn doc(description: Option<&Node<str>>) -> Option<String> {
    description
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}
