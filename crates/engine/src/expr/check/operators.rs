//! Operators: which types meet, and what comes of it.

use std::ops::Range;

use super::Checker;
use crate::expr::parse::{Binary, Syntax};
use crate::expr::typed::{Call, Kind, Node};
use crate::expr::types::Type;
use crate::model::CollectionId;
use crate::query::{Arithmetic, Comparison};

impl Checker<'_> {
    pub(super) fn binary(&mut self, operator: Binary, left: &Syntax, right: &Syntax, span: &Range<usize>) -> Node {
        let boxed = |left: Node, right: Node| (Box::new(left), Box::new(right));
        match operator {
            Binary::And | Binary::Or => {
                let (left, right) = boxed(self.condition(left), self.condition(right));
                let kind = if operator == Binary::And {
                    Kind::And(left, right)
                } else {
                    Kind::Or(left, right)
                };
                Node::new(kind, Type::Bool, span.clone())
            }
            Binary::Equal | Binary::NotEqual => self.equality(operator == Binary::NotEqual, left, right, span),
            Binary::Order(comparison) => self.order(comparison, left, right, span),
            Binary::In => self.membership(left, right, span),
            Binary::Arithmetic(operator) => {
                let (left, right) = (self.node(left), self.node(right));
                self.arithmetic(operator, left, right, span)
            }
        }
    }

    fn equality(&mut self, negated: bool, left: &Syntax, right: &Syntax, span: &Range<usize>) -> Node {
        let (left, right) = (self.node(left), self.node(right));
        let (left, right) = self.unify(left, right);
        match self.comparable(left, right, span) {
            Some((left, right)) => Node::new(
                Kind::Equal {
                    negated,
                    left: Box::new(left),
                    right: Box::new(right),
                },
                Type::Bool,
                span.clone(),
            ),
            None => Node::unknown(span.clone()),
        }
    }

    /// Two values of one type, or an error.
    pub(super) fn comparable(&mut self, left: Node, right: Node, span: &Range<usize>) -> Option<(Node, Node)> {
        let (a, b) = (self.compared_as(&left.ty), self.compared_as(&right.ty));
        match (&left.ty, &right.ty) {
            (Type::Unknown, _) | (_, Type::Unknown) => return None,
            (Type::Null, Type::Set(_)) | (Type::Set(_), Type::Null) => {
                self.error_help(
                    span,
                    "a set of records is never null",
                    "ask for its size: `size(…) == 0`",
                );
                return None;
            }
            (Type::Null, Type::Request) | (Type::Request, Type::Null) => {
                self.error(span, "`request` is never null");
                return None;
            }
            (Type::Null, _) | (_, Type::Null) => return Some((left, right)),
            (Type::Record(id), _) | (_, Type::Record(id)) if self.has_several(*id) => {
                self.no_single_value(*id, span);
                return None;
            }
            (Type::Record(one), Type::Record(other)) if one != other => {
                return self.never_equal(&left, &right, span);
            }
            _ => {}
        }
        match (&a, &b) {
            (a, b) if a == b && a.is_scalar() && *a != Type::Json => Some((left, right)),
            (Type::Enum(_), Type::Text) | (Type::Text, Type::Enum(_)) => Some((left, right)),
            (Type::Id, Type::Text) => Some((self.id_as_text(left), right)),
            (Type::Text, Type::Id) => Some((left, self.id_as_text(right))),
            (Type::Json, other) | (other, Type::Json) => self.comparable_json(left, right, &other.clone(), span),
            _ => self.never_equal(&left, &right, span),
        }
    }

    /// JSON beside a value whose type says what to look for.
    fn comparable_json(&mut self, left: Node, right: Node, other: &Type, span: &Range<usize>) -> Option<(Node, Node)> {
        let facts = left.deps.facts_only() && right.deps.facts_only();
        match other {
            Type::Bool | Type::Int | Type::Float | Type::Text | Type::Enum(_) => Some((left, right)),
            Type::Id => Some(if self.compared_as(&left.ty) == Type::Id {
                (self.id_as_text(left), right)
            } else {
                (left, self.id_as_text(right))
            }),
            Type::Json if facts => Some((left, right)),
            Type::Json => {
                self.error_help(
                    span,
                    "two parts of JSON can't be compared: nobody knows their types",
                    "say one: `string(auth.claims.…)`",
                );
                None
            }
            _ => {
                let found = other.describe(self.model);
                self.error_help(
                    span,
                    format!("JSON can't be compared with {found}"),
                    "JSON holds texts, numbers, true, false and null",
                );
                None
            }
        }
    }

    /// Whether a record's key is more than one value.
    pub(super) fn has_several(&self, collection: CollectionId) -> bool {
        self.model.collection(collection).key.len() > 1
    }

    pub(super) fn no_single_value(&mut self, collection: CollectionId, span: &Range<usize>) -> Node {
        let name = &self.model.collection(collection).name;
        let message = format!("a {name} is no single value: its key has several fields");
        self.error_help(
            span,
            message,
            "compare its fields, as in `lines.exists(line, line.place == 1)`",
        )
    }

    fn never_equal(&mut self, left: &Node, right: &Node, span: &Range<usize>) -> Option<(Node, Node)> {
        let message = format!(
            "these are never equal: {} and {}",
            self.describe(left),
            self.describe(right)
        );
        match conversion_help(&self.compared_as(&left.ty), &self.compared_as(&right.ty)) {
            Some(help) => self.error_help(span, message, help),
            None => self.error(span, message),
        };
        None
    }

    fn order(&mut self, comparison: Comparison, left: &Syntax, right: &Syntax, span: &Range<usize>) -> Node {
        let (left, right) = (self.node(left), self.node(right));
        let (left, right) = self.unify(left, right);
        let (a, b) = (self.compared_as(&left.ty), self.compared_as(&right.ty));
        if a == Type::Unknown || b == Type::Unknown {
            return Node::unknown(span.clone());
        }
        let ordered = |ty: &Type| {
            matches!(
                ty,
                Type::Int
                    | Type::Float
                    | Type::Decimal
                    | Type::Text
                    | Type::DateTime
                    | Type::Date
                    | Type::Duration
                    | Type::Id
            )
        };
        let json_beside = |ty: &Type| matches!(ty, Type::Int | Type::Float | Type::Text);
        let fits = match (&a, &b) {
            (Type::Json, other) | (other, Type::Json) => json_beside(other),
            (a, b) => a == b && ordered(a),
        };
        if fits {
            return Node::new(
                Kind::Order(comparison, Box::new(left), Box::new(right)),
                Type::Bool,
                span.clone(),
            );
        }
        let message = if a == b || a == Type::Null || b == Type::Null {
            let odd = if a == Type::Null { &left } else { &right };
            format!("{} has no order", self.describe(odd))
        } else {
            format!(
                "{} and {} have no order between them",
                self.describe(&left),
                self.describe(&right)
            )
        };
        match conversion_help(&a, &b) {
            Some(help) => self.error_help(span, message, help),
            None => self.error(span, message),
        }
    }

    fn membership(&mut self, left: &Syntax, right: &Syntax, span: &Range<usize>) -> Node {
        let (item, range) = (self.node(left), self.node(right));
        let (item, range) = match range.ty.clone() {
            Type::Unknown => return Node::unknown(span.clone()),
            Type::Json if range.deps.facts_only() && json_item(&self.compared_as(&item.ty)) => (item, range),
            Type::Set(target) if self.has_several(target) => return self.no_single_value(target, span),
            Type::Set(target) => {
                let wanted = Type::Record(target);
                let item = self.adapt(item, &wanted);
                let key = self.compared_as(&wanted);
                let fits = match &item.ty {
                    Type::Record(found) => *found == target,
                    Type::Null | Type::Unknown => true,
                    other => *other == key || (*other == Type::Text && key == Type::Id),
                };
                if !fits {
                    return self.not_an_item(&item, &wanted, span);
                }
                (item, range)
            }
            Type::List(wanted) => {
                let item = self.adapt(item, &wanted);
                let item_type = item.ty.clone();
                let range = if range.constant().is_some() {
                    self.adapt(range, &Type::List(Box::new(item_type)))
                } else {
                    range
                };
                let Type::List(wanted) = range.ty.clone() else {
                    return Node::unknown(span.clone());
                };
                let (found, held) = (self.compared_as(&item.ty), self.compared_as(&wanted));
                let fits = match (&found, &held) {
                    (Type::Unknown | Type::Null, _) | (_, Type::Unknown | Type::Null) => true,
                    (Type::Text, Type::Enum(_)) | (Type::Enum(_), Type::Text) => true,
                    (Type::Json, _) => item.deps.facts_only(),
                    (found, held) => found == held && held.is_scalar(),
                };
                match (fits, &found, &held) {
                    (true, ..) => (item, range),
                    (false, Type::Id, Type::Text) => (self.id_as_text(item), range),
                    _ => return self.not_an_item(&item, &wanted, span),
                }
            }
            _ => {
                let found = self.describe(&range);
                return self.error_help(
                    &range.span,
                    format!("this is {found}, which holds nothing"),
                    "`in` wants a list or a to-many field on its right",
                );
            }
        };
        Node::new(Kind::In(Box::new(item), Box::new(range)), Type::Bool, span.clone())
    }

    fn not_an_item(&mut self, item: &Node, wanted: &Type, span: &Range<usize>) -> Node {
        if item.ty == Type::Unknown {
            return Node::unknown(span.clone());
        }
        let message = format!(
            "this looks for {} among values that are each {}",
            self.describe(item),
            wanted.describe(self.model)
        );
        self.error(span, message)
    }

    pub(super) fn arithmetic(&mut self, operator: Arithmetic, left: Node, right: Node, span: &Range<usize>) -> Node {
        use Arithmetic::{Add, Divide, Multiply, Remainder, Subtract};
        let (left, right) = self.unify(left, right);
        // How often a price is paid is an integer.
        let (left, right) = match (operator, &left.ty, &right.ty) {
            (Multiply | Divide, Type::Decimal, Type::Int) => (left, to_decimal(right)),
            (Multiply | Divide, Type::Int, Type::Decimal) => (to_decimal(left), right),
            _ => (left, right),
        };
        if left.ty == Type::Unknown || right.ty == Type::Unknown {
            return Node::unknown(span.clone());
        }
        let (left, right, ty) = match (operator, &left.ty, &right.ty) {
            (_, Type::Int, Type::Int) => (left, right, Type::Int),
            (Add | Subtract | Multiply | Divide, Type::Float, Type::Float) => (left, right, Type::Float),
            (Add | Subtract | Multiply | Divide, Type::Decimal, Type::Decimal) => (left, right, Type::Decimal),
            (Add, Type::Text | Type::Enum(_), Type::Text | Type::Enum(_)) => (left, right, Type::Text),
            (Add | Subtract, Type::DateTime, Type::Duration) => (left, right, Type::DateTime),
            (Add, Type::Duration, Type::DateTime) => (right, left, Type::DateTime),
            (Subtract, Type::DateTime, Type::DateTime) => (left, right, Type::Duration),
            (Add | Subtract, Type::Duration, Type::Duration) => (left, right, Type::Duration),
            _ => {
                let verb = match operator {
                    Add => "added to",
                    Subtract => "taken from each other",
                    Multiply => "multiplied with",
                    Divide | Remainder => "divided by",
                };
                let (a, b) = (self.describe(&left), self.describe(&right));
                let message = match operator {
                    Subtract => format!("{a} and {b} can't be {verb}"),
                    _ => format!("{a} can't be {verb} {b}"),
                };
                return match conversion_help(&left.ty, &right.ty) {
                    Some(help) => self.error_help(span, message, help),
                    None => self.error(span, message),
                };
            }
        };
        Node::new(
            Kind::Arithmetic(operator, Box::new(left), Box::new(right)),
            ty,
            span.clone(),
        )
    }

    pub(super) fn negate(&mut self, inner: &Syntax, span: &Range<usize>) -> Node {
        let inner = self.node(inner);
        match inner.ty {
            Type::Unknown => Node::unknown(span.clone()),
            Type::Int | Type::Float | Type::Decimal | Type::Duration => {
                let ty = inner.ty.clone();
                Node::new(Kind::Negate(Box::new(inner)), ty, span.clone())
            }
            _ => {
                let found = self.describe(&inner);
                self.error(span, format!("{found} has no negative"))
            }
        }
    }
}

fn to_decimal(node: Node) -> Node {
    let span = node.span.clone();
    Node::new(Kind::Call(Call::ToDecimal, Box::new(node)), Type::Decimal, span)
}

fn json_item(ty: &Type) -> bool {
    matches!(
        ty,
        Type::Bool | Type::Int | Type::Float | Type::Text | Type::Enum(_) | Type::Id | Type::Null | Type::Json
    )
}

fn conversion_help(a: &Type, b: &Type) -> Option<&'static str> {
    let either = |one: &Type, other: &Type| (a == one && b == other) || (a == other && b == one);
    if either(&Type::Int, &Type::Float) {
        Some("write `double(…)` around the integer")
    } else if either(&Type::Int, &Type::Decimal) {
        Some("write `decimal(…)` around the integer")
    } else if either(&Type::Float, &Type::Decimal) {
        Some("write `double(…)` around the Decimal")
    } else if either(&Type::DateTime, &Type::Date) {
        Some("write `date(…)` around the DateTime, or `timestamp(…)` around the Date")
    } else if either(&Type::Int, &Type::Text) {
        Some("write `string(…)` around the integer")
    } else if either(&Type::DateTime, &Type::Int) || either(&Type::DateTime, &Type::Text) {
        Some("write a duration as `duration('1h')`, and a moment as `timestamp('2024-05-01T12:00:00Z')`")
    } else if matches!(a, Type::Set(_)) || matches!(b, Type::Set(_)) {
        Some("ask whether something is `in` it, or for its size")
    } else if *a == Type::Auth || *b == Type::Auth {
        Some("write `auth.id`")
    } else if matches!(a, Type::List(_)) || matches!(b, Type::List(_)) {
        Some("ask whether something is `in` the list")
    } else {
        None
    }
}
