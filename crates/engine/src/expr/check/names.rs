//! Names, and what stands behind a dot.

use std::ops::Range;

use super::{Checker, RELATION_DEPTH_MAX, functions};
use crate::expr::parse::{Syntax, SyntaxKind};
use crate::expr::typed::{Kind, Node};
use crate::expr::types::Type;
use crate::model::{CollectionId, DocumentId, FieldKind, Value, closest};

impl Checker<'_> {
    pub(super) fn name(&mut self, name: &str, span: &Range<usize>) -> Node {
        if let Some(level) = self.variables.iter().rposition(|variable| variable.name == name) {
            let variable = &self.variables[level];
            let level = u8::try_from(level).expect("variables are bounded by EACH_DEPTH_MAX");
            let mut node = Node::new(Kind::Variable(level), variable.ty.clone(), span.clone());
            node.deps = node.deps.and(variable.deps);
            return node;
        }
        let (kind, ty) = match (name, self.scope.record) {
            ("auth", _) => (Kind::Auth, Type::Auth),
            ("now", _) => (Kind::Now, Type::DateTime),
            ("request", _) => (Kind::RequestOperation, Type::Request),
            ("record", Some(collection)) => (Kind::Record, Type::Record(collection)),
            ("before", Some(collection)) if self.scope.before => (Kind::Before, Type::Record(collection)),
            (_, Some(collection)) if self.scope.bare_fields => {
                return self.bare_field(collection, name, span);
            }
            _ => return self.unknown_name(name, span),
        };
        Node::new(kind, ty, span.clone())
    }

    fn bare_field(&mut self, collection: CollectionId, name: &str, span: &Range<usize>) -> Node {
        let model = self.model;
        if model.collection(collection).field_named(name).is_some() {
            let record = Node::new(Kind::Record, Type::Record(collection), span.start..span.start);
            return self.select(record, name, span, span);
        }
        self.unknown_name(name, span)
    }

    fn unknown_name(&mut self, name: &str, span: &Range<usize>) -> Node {
        let model = self.model;
        let mut known: Vec<&str> = vec!["auth", "now", "request"];
        let record = self.scope.record.map(|id| model.collection(id));
        if record.is_some() {
            known.push("record");
        }
        if self.scope.before {
            known.push("before");
        }
        known.extend(self.variables.iter().map(|variable| variable.name.as_str()));
        let fields: Vec<&str> = record
            .iter()
            .flat_map(|collection| collection.fields.iter())
            .filter(|field| !field.private)
            .map(|field| field.name.as_str())
            .collect();
        if self.scope.bare_fields {
            known.extend(&fields);
        }
        let help = match closest(name, known.iter().copied()) {
            Some(close) => format!("did you mean `{close}`?"),
            None => match closest(name, fields.iter().copied()) {
                Some(close) => format!("did you mean `record.{close}`?"),
                None => format!("known here: {}", some_of(&known)),
            },
        };
        let what = if self.scope.bare_fields {
            "field or name"
        } else {
            "name"
        };
        self.error_help(span, format!("there is no {what} `{name}`"), help)
    }

    /// `of.name`; `span` is of the whole.
    pub(super) fn select(&mut self, of: Node, name: &str, name_span: &Range<usize>, span: &Range<usize>) -> Node {
        match of.ty.clone() {
            Type::Unknown => Node::unknown(span.clone()),
            Type::Auth => self.of_auth(name, name_span, span),
            Type::Request => self.of_request(name, name_span, span),
            Type::Record(collection) => self.field(of, collection, name, name_span, span),
            Type::Document(document) => self.part(of, document, name, name_span, span),
            Type::Json => Node::new(
                Kind::Part {
                    of: Box::new(of),
                    name: name.into(),
                },
                Type::Json,
                span.clone(),
            ),
            Type::Set(_) | Type::List(_) => {
                let found = self.describe(&of);
                self.error_help(
                    name_span,
                    format!("this is {found}, which has no `{name}`"),
                    format!("ask for some of them: `.exists(x, x.{name} == …)`"),
                )
            }
            Type::Null => self.error(name_span, "null has no fields"),
            _ if functions::is_method(name) => {
                let found = self.describe(&of);
                let message = format!("this is {found}, which has no fields");
                self.error_help(name_span, message, format!("write `.{name}()`"))
            }
            _ => {
                let found = self.describe(&of);
                self.error(name_span, format!("this is {found}, which has no fields"))
            }
        }
    }

    fn of_auth(&mut self, name: &str, name_span: &Range<usize>, span: &Range<usize>) -> Node {
        let (kind, ty) = match (name, self.model.accounts) {
            ("id", _) => (Kind::AuthId, Type::Id),
            ("roles", _) => (Kind::AuthRoles, Type::List(Box::new(Type::Text))),
            ("claims", _) => (Kind::AuthClaims, Type::Json),
            ("user", Some(accounts)) => (Kind::AuthUser, Type::Record(accounts)),
            ("user", None) => {
                return self.error_help(
                    name_span,
                    "nobody signs in: there is no collection of accounts",
                    "mark one with `@collection(auth: true)`",
                );
            }
            _ => {
                let model = self.model;
                let accounts = model.accounts.map(|id| model.collection(id));
                let of_user = accounts.and_then(|accounts| accounts.field_named(name));
                let help = match of_user {
                    Some(field) => format!("write `auth.user.{}`", field.name),
                    None => did_you_mean(name, ["id", "roles", "claims", "user"]),
                };
                return self.error_help(name_span, format!("`auth` has no `{name}`"), help);
            }
        };
        Node::new(kind, ty, span.clone())
    }

    fn of_request(&mut self, name: &str, name_span: &Range<usize>, span: &Range<usize>) -> Node {
        let kind = match name {
            "operation" => Kind::RequestOperation,
            "address" => Kind::RequestAddress,
            _ => {
                return self.error_help(
                    name_span,
                    format!("`request` has no `{name}`"),
                    did_you_mean(name, ["operation", "address"]),
                );
            }
        };
        Node::new(kind, Type::Text, span.clone())
    }

    fn field(
        &mut self,
        of: Node,
        collection: CollectionId,
        name: &str,
        name_span: &Range<usize>,
        span: &Range<usize>,
    ) -> Node {
        let model = self.model;
        let target = model.collection(collection);
        let Some(field) = target.field_named(name) else {
            let known = target.fields.iter().filter(|field| !field.private);
            let help = did_you_mean(name, known.map(|field| field.name.as_str()));
            return self.error_help(name_span, format!("{} has no field `{name}`", target.name), help);
        };
        let own = matches!(of.kind, Kind::Record | Kind::Before);
        let mut deps = of.deps;
        let is_key = target.key.as_slice() == [field.id];
        // A reference is the key: to name it reaches for nothing.
        if !own && !is_key && !matches!(of.kind, Kind::Variable(_)) {
            self.reach(collection);
            deps.relations = true;
            deps.before_relations |= deps.before;
            let depth = relation_depth(&of) + 1;
            if depth > RELATION_DEPTH_MAX && !unlimited!(RelationDepth) {
                return self.error_help(
                    span,
                    format!("this goes over {depth} relations"),
                    format!("at most {RELATION_DEPTH_MAX} are followed"),
                );
            }
        }
        if matches!(field.kind, FieldKind::Links { .. } | FieldKind::Inverse { .. }) {
            self.reach(field.target().expect("links and inverses have a target"));
            deps.relations = true;
            deps.before_relations |= deps.before;
        }
        self.touch(collection, field.id, own);
        let ty = Type::of_field(&field.kind);
        let kind = Kind::Field {
            of: Box::new(of),
            collection,
            field: field.id,
        };
        let mut node = Node::new(kind, ty, span.clone());
        node.deps = deps;
        if deps.before_relations || deps.relations {
            node.deps.relations = true;
        }
        node
    }

    fn part(
        &mut self,
        of: Node,
        document: DocumentId,
        name: &str,
        name_span: &Range<usize>,
        span: &Range<usize>,
    ) -> Node {
        let model = self.model;
        let document = model.document(document);
        let Some(field) = document.fields.iter().find(|field| field.name == name) else {
            let help = did_you_mean(name, document.fields.iter().map(|field| field.name.as_str()));
            return self.error_help(name_span, format!("{} has no field `{name}`", document.name), help);
        };
        let ty = Type::of_value(&field.ty);
        let kind = Kind::Part {
            of: Box::new(of),
            name: name.into(),
        };
        Node::new(kind, ty, span.clone())
    }

    pub(super) fn index(&mut self, of: &Syntax, index: &Syntax, span: &Range<usize>) -> Node {
        let of = self.node(of);
        match (&of.ty, &index.kind) {
            (Type::Json | Type::Document(_), SyntaxKind::Literal(Value::Text(name))) => {
                let name = name.to_string();
                self.select(of, &name, &index.span, span)
            }
            (Type::Unknown, _) => Node::unknown(span.clone()),
            (Type::Json | Type::Document(_), _) => self.error_help(
                &index.span,
                "only a constant name can stand in these brackets",
                "write `['name']`",
            ),
            _ => {
                let found = self.describe(&of);
                self.error_help(
                    span,
                    format!("this is {found}, which can't be indexed"),
                    "ask for some of them with `exists`, or whether something is `in` it",
                )
            }
        }
    }
}

/// How many relations a value is away from where it starts.
fn relation_depth(node: &Node) -> usize {
    match &node.kind {
        Kind::Field { of, .. } | Kind::Part { of, .. } => {
            let step = usize::from(matches!(of.ty, Type::Record(_)) && !matches!(of.kind, Kind::Record | Kind::Before));
            relation_depth(of) + step
        }
        _ => 0,
    }
}

pub(super) fn did_you_mean<'c>(name: &str, known: impl IntoIterator<Item = &'c str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match closest(name, known.iter().copied()) {
        Some(close) => format!("did you mean `{close}`?"),
        None => format!("it has: {}", some_of(&known)),
    }
}

/// The first dozen.
pub(super) fn some_of(names: &[&str]) -> String {
    const SHOWN_MAX: usize = 12;
    let more = if names.len() > SHOWN_MAX { ", …" } else { "" };
    format!("{}{more}", names[..names.len().min(SHOWN_MAX)].join(", "))
}
