//! One field of a collection: its kind, and everything its directives say.

use apollo_compiler::Node;
use apollo_compiler::ast::{FieldDefinition, Type};

use super::super::{CollectionId, Field, FieldId, FieldKind, OnDelete, Scalar, ValueType};
use super::declare::Named;
use super::directives::{Applied, Site, Use, name_span, span_of};
use super::embedded::doc;
use super::system::{is_of_sign_up, is_system, plain};
use super::{PendingInverse, Reader, RuleSite, names};

/// What the type of a field comes to.
pub(super) enum Resolved {
    Value(ValueType),
    One(CollectionId),
    Many(CollectionId),
}

impl<'a> Reader<'a, '_> {
    /// Names that no field can have, whatever it is in.
    pub(super) fn check_name(&mut self, name: &'a apollo_compiler::Name) {
        let help = match name.as_str() {
            text if text.starts_with("__") => "names that start with `__` belong to GraphQL",
            "in" | "true" | "false" | "null" => "rules couldn't name it: it is a word of CEL",
            _ => return,
        };
        self.report
            .error(name_span(name), format!("`{name}` is reserved"))
            .help(help);
    }

    /// The meaning of a field's type; `None` (and said so) if it has none.
    pub(super) fn resolve(&mut self, node: &'a Node<FieldDefinition>) -> Option<Resolved> {
        if !node.arguments.is_empty() {
            self.report.error(span_of(node), "a field takes no arguments");
        }
        let resolved = self.resolve_type(node);
        if resolved.is_none() {
            self.broken.insert(node.name.to_string());
        }
        resolved
    }

    fn resolve_type(&mut self, node: &'a Node<FieldDefinition>) -> Option<Resolved> {
        let name = node.ty.inner_named_type();
        let Some(named) = self.declared.find(name) else {
            let near = self.declared.closest(name).map(str::to_owned);
            self.report
                .error(name_span(name), format!("there is no type `{name}`"))
                .suggest(near.as_deref());
            return None;
        };
        let item = match &node.ty {
            Type::Named(_) | Type::NonNullNamed(_) => None,
            Type::List(item) | Type::NonNullList(item) => Some(&**item),
        };
        if item.is_some_and(Type::is_list) {
            self.report
                .error(name_span(name), "a list can't hold lists")
                .help("put the inner list into an embedded type");
            return None;
        }
        let single = match named {
            Named::Collection(target) if item.is_none() => return Some(Resolved::One(target)),
            Named::Collection(target) => {
                if !item.is_some_and(Type::is_non_null) || !node.ty.is_non_null() {
                    self.report
                        .error(
                            name_span(name),
                            "a to-many relation is never null, and neither are its members",
                        )
                        .help(format!("write `[{name}!]!`"));
                }
                return Some(Resolved::Many(target));
            }
            Named::Scalar(scalar) => ValueType::Scalar(scalar),
            Named::Enum(id) => ValueType::Enum(id),
            Named::Document(id) => ValueType::Document(id),
        };
        Some(Resolved::Value(match item {
            None => single,
            Some(item) => ValueType::List {
                item: Box::new(single),
                required: item.is_non_null(),
            },
        }))
    }

    pub(super) fn read_field(
        &mut self,
        collection: CollectionId,
        id: FieldId,
        node: &'a Node<FieldDefinition>,
        auth: bool,
    ) -> Option<Field> {
        let name = node.name.as_str();
        let owner = self.model.collection(collection);
        if owner
            .fields
            .iter()
            .any(|field| field.name == name && is_system(owner, field.id))
        {
            self.report
                .error(name_span(&node.name), format!("`{name}` is a system field"))
                .help("every collection has it by itself: leave it out, or give yours another name");
            return None;
        }
        self.check_name(&node.name);
        if auth && is_of_sign_up(name) {
            self.report
                .error(
                    name_span(&node.name),
                    format!("`{name}` is reserved in the accounts' collection"),
                )
                .help("signing up takes a member of this name: give yours another");
        }
        let applied = Applied::read(&node.directives, Site::Field, self.report);
        let resolved = self.resolve(node)?;
        let kind = self.kind(collection, id, resolved, &applied, node)?;
        self.refuse_misfits(&applied, &kind);
        let mut field = plain(name, kind);
        field.id = id;
        field.doc = doc(node.description.as_ref());
        field.required = node.ty.is_non_null();
        field.unique = applied.has("unique");
        field.immutable = applied.has("immutable");
        field.private = applied.has("private");
        self.read_field_names(collection, &applied, &mut field);
        if let FieldKind::Value(ty) = &field.kind {
            let constraints = self.read_constraints(&applied, ty);
            field.length = constraints.length;
            field.range = constraints.range;
            field.pattern = constraints.pattern;
        }
        self.read_default(collection, &applied, &mut field);
        self.read_generated(collection, &applied, &mut field);
        self.note_field_rules(collection, &applied, &field);
        Some(field)
    }

    fn kind(
        &mut self,
        collection: CollectionId,
        id: FieldId,
        resolved: Resolved,
        applied: &Applied<'a>,
        node: &'a Node<FieldDefinition>,
    ) -> Option<FieldKind> {
        let inverse = applied.get("inverse");
        match (resolved, inverse) {
            (Resolved::Many(target), Some(inverse)) => {
                self.inverses.push(PendingInverse {
                    collection,
                    field: id,
                    target,
                    name: inverse.text("field")?,
                });
                // The other end's place is found when all fields are known.
                Some(FieldKind::Inverse {
                    target,
                    field: FieldId(0),
                })
            }
            (Resolved::Many(target), None) => Some(self.links(collection, target, applied, node)),
            (Resolved::One(target), None) => {
                let on_delete = self.on_delete(applied, node);
                Some(FieldKind::Reference { target, on_delete })
            }
            (Resolved::Value(ty), None) => Some(FieldKind::Value(ty)),
            (Resolved::One(_) | Resolved::Value(_), Some(inverse)) => {
                self.report
                    .error(inverse.span.clone(), "an inverse is a list of a collection's records")
                    .help(format!("write `[{}!]!`", node.ty.inner_named_type()));
                self.broken.insert(node.name.to_string());
                None
            }
        }
    }

    fn on_delete(&mut self, applied: &Applied<'a>, node: &'a Node<FieldDefinition>) -> OnDelete {
        let relation = applied.get("relation");
        match relation.and_then(|relation| relation.choice("onDelete")) {
            Some("CASCADE") => OnDelete::Cascade,
            Some("SET_NULL") => {
                if node.ty.is_non_null() {
                    let span = relation.map_or_else(|| span_of(node), |relation| relation.span.clone());
                    self.report
                        .error(span, "SET_NULL needs a field that may be null")
                        .help(format!(
                            "take the `!` out of its type, or let onDelete of `{}` be CASCADE",
                            node.name
                        ));
                }
                OnDelete::SetNull
            }
            _ => OnDelete::Restrict,
        }
    }

    /// Directives that mean nothing on this kind of field.
    pub(super) fn refuse_misfits(&mut self, applied: &Applied<'a>, kind: &FieldKind) {
        for used in applied.iter() {
            if let Some(wanted) = misfit(used, kind) {
                self.report
                    .error(used.span.clone(), format!("@{} belongs on {wanted}", used.name));
            }
        }
    }

    fn read_field_names(&mut self, collection: CollectionId, applied: &Applied<'a>, field: &mut Field) {
        if let Some(column) = applied.get("column").and_then(|column| column.text("name")) {
            self.check_column(collection, column.text, column.span);
            field.column = column.text.to_owned();
        }
        let renamed = applied.get("renamed").and_then(|renamed| renamed.text("from"));
        field.renamed_from = renamed.map(|from| from.text.to_owned());
    }

    fn note_field_rules(&mut self, collection: CollectionId, applied: &Applied<'a>, field: &Field) {
        if let Some(access) = applied.get("access") {
            if let Some(text) = access.text("read") {
                self.note(collection, RuleSite::FieldRead(field.id), text);
            }
            if let Some(text) = access.text("write") {
                self.note(collection, RuleSite::FieldWrite(field.id), text);
            }
        }
        for check in applied.all("check") {
            self.note_check(collection, Some(field.id), check);
        }
    }

    /// What Ninefold names has a name that every database takes; what is there has the name that it has.
    pub(super) fn check_column(&mut self, collection: CollectionId, name: &str, span: super::Span) {
        if self.model.collection(collection).managed {
            self.check_identifier(name, span);
        } else if !names::is_existing(name) {
            self.report
                .error(span, format!("{name:?} can't be a name in the database"))
                .help("1 to 128 bytes, none of them a control character");
        }
    }

    /// Whether every database takes the name.
    pub(super) fn check_identifier(&mut self, name: &str, span: super::Span) {
        if !names::is_identifier(name) {
            self.report
                .error(span, format!("`{name}` can't be a name in the database"))
                .help("letters, digits and `_`, at most 63, not starting with a digit");
        }
    }
}

/// What the directive belongs on, if not on this kind.
fn misfit(used: &Use<'_>, kind: &FieldKind) -> Option<&'static str> {
    let (fits, wanted) = match used.name {
        "relation" => (matches!(kind, FieldKind::Reference { .. }), "a to-one relation"),
        "table" => (
            matches!(kind, FieldKind::Links { .. }),
            "a type or a to-many relation that is stored",
        ),
        "column" | "generated" => (is_stored(kind), "a field with a column of its own"),
        "default" => (
            is_stored(kind),
            "a field with a column of its own; a relation to many starts empty",
        ),
        "unique" => (is_comparable(kind), "a scalar, an enum or a to-one relation"),
        "length" => (has_length(kind), "text, Bytes or a list of values"),
        "range" => (is_number(kind), "an Int, Long, Float or Decimal"),
        "pattern" => (is_text(kind), "a String, URL or File"),
        "immutable" | "renamed" => (!matches!(kind, FieldKind::Inverse { .. }), "a field that is stored"),
        "access" if used.argument("write").is_some() => (
            !matches!(kind, FieldKind::Inverse { .. }),
            "a field that is stored, if it has `write`",
        ),
        _ => return None,
    };
    (!fits).then_some(wanted)
}

fn is_stored(kind: &FieldKind) -> bool {
    matches!(kind, FieldKind::Value(_) | FieldKind::Reference { .. })
}

/// Can stand in an index.
pub(super) fn is_comparable(kind: &FieldKind) -> bool {
    match kind {
        FieldKind::Value(ValueType::Scalar(scalar)) => *scalar != Scalar::Json,
        FieldKind::Value(ValueType::Enum(_)) | FieldKind::Reference { .. } => true,
        _ => false,
    }
}

fn has_length(kind: &FieldKind) -> bool {
    match kind {
        FieldKind::Value(ValueType::List { .. }) => true,
        FieldKind::Value(ValueType::Scalar(scalar)) => *scalar == Scalar::Bytes || scalar.is_text(),
        _ => false,
    }
}

fn is_text(kind: &FieldKind) -> bool {
    matches!(
        kind,
        FieldKind::Value(ValueType::Scalar(Scalar::String | Scalar::Url | Scalar::File))
    )
}

fn is_number(kind: &FieldKind) -> bool {
    matches!(kind, FieldKind::Value(ValueType::Scalar(scalar)) if scalar.is_number())
}
