//! Types a tree against the schema: names to ids, constants to what they stand for, and every mistake told with its place.

mod coerce;
mod each;
mod functions;
mod names;
mod operators;

use std::ops::Range;

use super::parse::{Syntax, SyntaxKind};
use super::typed::{Kind, Node};
use super::types::Type;
use super::{Expects, ExprError, Reads, Scope};
use crate::model::{CollectionId, FieldId, FieldKind, Model, Value, ValueType};

/// How many `.` of relations a value may be away.
pub(super) const RELATION_DEPTH_MAX: usize = 8;
/// How deep `exists` and its kin nest.
pub(super) const EACH_DEPTH_MAX: usize = 3;

/// What checking an expression gives.
pub(super) struct Checked {
    pub(super) root: Node,
    pub(super) reads: Reads,
}

pub(super) fn check(
    syntax: &Syntax,
    scope: Scope,
    expects: Expects<'_>,
    model: &Model,
) -> Result<Checked, Vec<ExprError>> {
    let mut checker = Checker {
        model,
        scope,
        errors: Vec::new(),
        reads: Reads::default(),
        variables: Vec::new(),
    };
    let root = checker.node(syntax);
    let root = checker.expect(root, expects);
    if scope.before {
        checker.check_captures(&root);
    }
    if checker.errors.is_empty() {
        let mut reads = checker.reads;
        reads.now = root.deps.now;
        reads.before = root.deps.before;
        Ok(Checked { root, reads })
    } else {
        checker.errors.sort_by_key(|error| error.span.start);
        Err(checker.errors)
    }
}

struct Checker<'m> {
    model: &'m Model,
    scope: Scope,
    errors: Vec<ExprError>,
    reads: Reads,
    /// Iteration variables, outermost first.
    variables: Vec<Variable>,
}

struct Variable {
    name: String,
    ty: Type,
    deps: super::typed::Deps,
}

impl Checker<'_> {
    fn error(&mut self, span: &Range<usize>, message: impl Into<String>) -> Node {
        self.errors.push(ExprError::new(span.clone(), message));
        Node::unknown(span.clone())
    }

    fn error_help(&mut self, span: &Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Node {
        self.errors.push(ExprError::new(span.clone(), message).help(help));
        Node::unknown(span.clone())
    }

    fn describe(&self, node: &Node) -> String {
        node.ty.describe(self.model)
    }

    fn node(&mut self, syntax: &Syntax) -> Node {
        let span = &syntax.span;
        match &syntax.kind {
            SyntaxKind::Literal(value) => Node::new(Kind::Const(value.clone()), literal_type(value), span.clone()),
            SyntaxKind::Name(name) => self.name(name, span),
            SyntaxKind::Select { of, name } => {
                let of = self.node(of);
                self.select(of, &name.text, &name.span, span)
            }
            SyntaxKind::Index { of, index } => self.index(of, index, span),
            SyntaxKind::Call {
                target,
                name,
                arguments,
            } => self.call(target.as_deref(), name, arguments, span),
            SyntaxKind::Not(inner) => {
                let inner = self.condition(inner);
                Node::new(Kind::Not(Box::new(inner)), Type::Bool, span.clone())
            }
            SyntaxKind::Negate(inner) => self.negate(inner, span),
            SyntaxKind::Binary(operator, left, right) => self.binary(*operator, left, right, span),
            SyntaxKind::If(parts) => self.conditional(parts, span),
            SyntaxKind::List(items) => self.list(items, span),
        }
    }

    /// A part that must be true or false.
    fn condition(&mut self, syntax: &Syntax) -> Node {
        let node = self.node(syntax);
        self.must_be_condition(node)
    }

    fn must_be_condition(&mut self, node: Node) -> Node {
        match node.ty {
            Type::Bool | Type::Unknown => node,
            _ => {
                let found = self.describe(&node);
                let help = match node.ty {
                    Type::Json => "compare it: `… == true`",
                    Type::Set(_) | Type::List(_) => "ask for its size, or for `x in …`",
                    _ => "compare it with something, as in `… == …` or `… != null`",
                };
                self.error_help(&node.span, format!("this is {found}, and a condition is needed"), help)
            }
        }
    }

    fn conditional(&mut self, parts: &[Syntax; 3], span: &Range<usize>) -> Node {
        let condition = self.condition(&parts[0]);
        let (then, otherwise) = (self.node(&parts[1]), self.node(&parts[2]));
        let (then, otherwise) = self.unify(then, otherwise);
        let ty = match (&then.ty, &otherwise.ty) {
            (Type::Unknown, _) | (_, Type::Unknown) => Type::Unknown,
            (Type::Null, other) | (other, Type::Null) => other.clone(),
            (left, right) if left == right => left.clone(),
            (Type::Enum(_), Type::Text) | (Type::Text, Type::Enum(_)) => Type::Text,
            (left, right) if self.compared_as(left) == self.compared_as(right) => self.compared_as(left),
            _ => {
                let message = format!(
                    "one branch is {}, and the other is {}",
                    self.describe(&then),
                    self.describe(&otherwise)
                );
                return self.error_help(span, message, "let both branches be of one type");
            }
        };
        if !ty.is_scalar() && ty != Type::Null && !ty_is_facts(&then, &otherwise) {
            let message = format!(
                "`?:` can't choose between values that are each {}",
                ty.describe(self.model)
            );
            return self.error_help(span, message, "put the condition around the whole comparison");
        }
        Node::new(Kind::If(Box::new([condition, then, otherwise])), ty, span.clone())
    }

    fn list(&mut self, items: &[Syntax], span: &Range<usize>) -> Node {
        let mut nodes: Vec<Node> = items.iter().map(|item| self.node(item)).collect();
        // Constants take on the type of what isn't one.
        let mut ty = Type::Unknown;
        if let Some(known) = nodes
            .iter()
            .find(|node| node.constant().is_none() && node.ty != Type::Unknown)
        {
            let known = known.ty.clone();
            nodes = nodes.into_iter().map(|node| self.adapt(node, &known)).collect();
        }
        for node in &nodes {
            match (&ty, &node.ty) {
                (_, Type::Null | Type::Unknown) => {}
                (Type::Unknown, found) => ty = found.clone(),
                (Type::Int, Type::Float) => ty = Type::Float,
                (Type::Float, Type::Int) => {}
                (known, found) if known == found => {}
                (known, found) if self.compared_as(known) == self.compared_as(found) => ty = self.compared_as(found),
                _ => {
                    let (known, found) = (ty.describe(self.model), self.describe(node));
                    let span = node.span.clone();
                    self.error_help(
                        &span,
                        format!("the list starts with {known}, and this is {found}"),
                        "a list holds values of one type",
                    );
                    return Node::unknown(span);
                }
            }
        }
        if !ty.is_scalar() {
            let found = ty.describe(self.model);
            return self.error_help(
                span,
                format!("a list can't hold {found}"),
                "list values such as texts or ids",
            );
        }
        let nodes: Vec<Node> = nodes.into_iter().map(|node| self.adapt(node, &ty)).collect();
        let list_type = Type::List(Box::new(ty));
        let constants: Option<Vec<Value>> = nodes.iter().map(|node| node.constant().cloned()).collect();
        let kind = match constants {
            Some(values) => Kind::Const(Value::List(values)),
            None => Kind::List(nodes),
        };
        Node::new(kind, list_type, span.clone())
    }

    /// What the whole must be.
    fn expect(&mut self, root: Node, expects: Expects<'_>) -> Node {
        match expects {
            Expects::Condition => self.must_be_condition(root),
            Expects::SortTerm => self.must_sort(root),
            Expects::ValueOf(kind) => {
                let wanted = Type::of_field(kind);
                let wanted = match (&wanted, kind) {
                    (Type::Set(target), _) => Type::List(Box::new(Type::Record(*target))),
                    (_, FieldKind::Value(ValueType::List { .. })) | (_, _) => wanted,
                };
                self.must_fit(root, &wanted)
            }
        }
    }

    fn must_sort(&mut self, root: Node) -> Node {
        let mut at = &root;
        loop {
            match &at.kind {
                Kind::Record => break,
                Kind::Field { of, .. } => at = of,
                _ if root.ty == Type::Unknown => return root,
                _ => {
                    return self.error_help(
                        &root.span,
                        "only a field can be sorted by",
                        "name a field, or one behind a reference, as in `author.name`",
                    );
                }
            }
        }
        let sortable = root.ty.is_scalar() && !matches!(root.ty, Type::Json | Type::Bytes);
        if sortable {
            return root;
        }
        let found = self.describe(&root);
        self.error_help(
            &root.span,
            format!("this is {found}, which has no order"),
            "sort by a number, a text or a time",
        )
    }

    fn must_fit(&mut self, root: Node, wanted: &Type) -> Node {
        let root = self.adapt(root, wanted);
        let fits = match (&root.ty, wanted) {
            (Type::Unknown | Type::Null, _) => true,
            (Type::Record(found), Type::Record(wanted)) => found == wanted,
            (Type::Id, Type::Record(target)) => super::types::key_type(self.model, *target) == Type::Id,
            (Type::Enum(_), Type::Text) => true,
            (Type::Set(found), Type::List(wanted)) => **wanted == Type::Record(*found),
            (Type::List(found), Type::List(wanted)) => {
                **found == Type::Unknown
                    || found == wanted
                    || matches!((&**found, &**wanted), (Type::Id, Type::Record(target))
                        if super::types::key_type(self.model, *target) == Type::Id)
            }
            // What the caller's token claims is looked at when it is known.
            (Type::Json, _) => root.deps.facts_only(),
            (found, wanted) => found == wanted,
        };
        if fits {
            return root;
        }
        let message = format!(
            "this is {}, and {} is needed",
            self.describe(&root),
            wanted.describe(self.model)
        );
        self.error(&root.span, message)
    }

    /// The stored record's relations are asked before the change, all else after it: no truth can hang on both.
    fn check_captures(&mut self, node: &Node) {
        match &node.kind {
            Kind::And(left, right) | Kind::Or(left, right) => {
                self.check_captures(left);
                self.check_captures(right);
            }
            Kind::Not(inner) => self.check_captures(inner),
            Kind::If(parts) if node.ty == Type::Bool => {
                for part in parts.iter() {
                    self.check_captures(part);
                }
            }
            _ if node.deps.before_relations && node.deps.record => {
                self.error_help(
                    &node.span,
                    "the relations of `before` can't be compared with `record` in one condition",
                    "write conditions of their own, joined by `&&` or `||`",
                );
            }
            _ => {}
        }
    }

    fn touch(&mut self, collection: CollectionId, field: FieldId, own: bool) {
        if own && !self.reads.fields.contains(&field) {
            self.reads.fields.push(field);
        }
        if !self.reads.paths.contains(&(collection, field)) {
            self.reads.paths.push((collection, field));
        }
    }

    fn reach(&mut self, collection: CollectionId) {
        if !self.reads.collections.contains(&collection) {
            self.reads.collections.push(collection);
        }
    }
}

fn ty_is_facts(then: &Node, otherwise: &Node) -> bool {
    then.deps.facts_only() && otherwise.deps.facts_only()
}

fn literal_type(value: &Value) -> Type {
    match value {
        Value::Bool(_) => Type::Bool,
        Value::Int(_) => Type::Int,
        Value::Float(_) => Type::Float,
        Value::Text(_) => Type::Text,
        Value::Bytes(_) => Type::Bytes,
        _ => Type::Null,
    }
}
