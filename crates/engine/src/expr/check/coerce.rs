//! Constants take on the type of what they stand beside; nothing else is converted unasked.

use super::Checker;
use crate::expr::convert;
use crate::expr::typed::{Call, Kind, Node};
use crate::expr::types::{Type, key_type};
use crate::model::{Date, Decimal, EnumId, Timestamp, Value, closest};

impl Checker<'_> {
    /// A constant as a value of `wanted`, where it can be one; anything else as it is. A constant that should be one and
    /// isn't (a misspelt enum value, a date that doesn't exist) is an error.
    pub(super) fn adapt(&mut self, node: Node, wanted: &Type) -> Node {
        let wanted = match wanted {
            Type::Record(collection) => key_type(self.model, *collection),
            Type::List(item) => return self.adapt_items(node, item),
            other => other.clone(),
        };
        if matches!(node.kind, Kind::If(_)) && node.ty != wanted {
            return self.adapt_branches(node, &wanted);
        }
        let Some(constant) = node.constant() else { return node };
        let value = match (constant, &wanted) {
            (Value::Int(int), Type::Float) => exact_float(*int).map(Value::Float),
            (Value::Int(int), Type::Decimal) => int
                .checked_mul(Decimal::ONE)
                .map(|scaled| Value::Decimal(Decimal(scaled))),
            (Value::Float(float), Type::Decimal) => Decimal::parse(&float.to_string()).ok().map(Value::Decimal),
            (Value::Text(text), Type::Id) => convert::id(text),
            (Value::Text(text), Type::DateTime) => Timestamp::parse(text).map(Value::DateTime),
            (Value::Text(text), Type::Date) => Date::parse(text).map(Value::Date),
            (Value::Text(text), Type::Decimal) => Decimal::parse(text).ok().map(Value::Decimal),
            (Value::Text(text), Type::Enum(id)) => {
                return match self.enum_value(*id, text) {
                    Ok(()) => Node::new(Kind::Const(Value::Text(text.clone())), wanted, node.span),
                    Err((message, help)) => self.error_help(&node.span, message, help),
                };
            }
            _ => return node,
        };
        match value {
            Some(value) => Node::new(Kind::Const(value), wanted, node.span),
            None => self.misfit(&node, &wanted),
        }
    }

    fn adapt_branches(&mut self, node: Node, wanted: &Type) -> Node {
        let Kind::If(parts) = node.kind else { return node };
        let [condition, then, otherwise] = *parts;
        let (then, otherwise) = (self.adapt(then, wanted), self.adapt(otherwise, wanted));
        let fits = |branch: &Node| branch.ty == *wanted || branch.ty == Type::Null;
        let ty = if fits(&then) && fits(&otherwise) {
            wanted.clone()
        } else {
            node.ty
        };
        Node::new(Kind::If(Box::new([condition, then, otherwise])), ty, node.span)
    }

    fn adapt_items(&mut self, node: Node, item: &Type) -> Node {
        let Kind::Const(Value::List(values)) = &node.kind else {
            return node;
        };
        let Type::List(found) = &node.ty else { return node };
        if **found == *item {
            return node;
        }
        let mut adapted = Vec::with_capacity(values.len());
        for value in values {
            let one = Node::new(Kind::Const(value.clone()), (**found).clone(), node.span.clone());
            let one = self.adapt(one, item);
            match one.kind {
                Kind::Const(value) => adapted.push(value),
                _ => return node,
            }
        }
        let convertible = match item {
            Type::Record(collection) => key_type(self.model, *collection),
            other => other.clone(),
        };
        let ty = if adapted == *values && !matches!(item, Type::Enum(_)) {
            node.ty.clone()
        } else {
            Type::List(Box::new(convertible))
        };
        Node::new(Kind::Const(Value::List(adapted)), ty, node.span)
    }

    fn misfit(&mut self, node: &Node, wanted: &Type) -> Node {
        let help = match wanted {
            Type::Id => "an ID is written as 00000000-0000-0000-0000-000000000000",
            Type::DateTime => "a DateTime is written as 2024-05-01T12:00:00Z",
            Type::Date => "a Date is written as 2024-05-01",
            Type::Decimal => "a Decimal has at most six digits behind the point, and thirteen before it",
            _ => "a Float holds whole numbers up to 2^53",
        };
        let wanted = wanted.describe(self.model);
        self.error_help(&node.span, format!("this is not {wanted}"), help)
    }

    fn enum_value(&self, id: EnumId, text: &str) -> Result<(), (String, String)> {
        let model = self.model;
        let known = model.enumeration(id);
        let names = || known.values.iter().map(|value| value.name.as_str());
        if names().any(|name| name == text) {
            return Ok(());
        }
        let help = match closest(text, names()) {
            Some(close) => format!("did you mean `'{close}'`?"),
            None => format!("it has: {}", names().collect::<Vec<_>>().join(", ")),
        };
        Err((format!("{} has no value `{text}`", known.name), help))
    }

    /// Lets the constant one of two take on the other's type.
    pub(super) fn unify(&mut self, left: Node, right: Node) -> (Node, Node) {
        match (left.constant().is_some(), right.constant().is_some()) {
            (true, false) => {
                let left = self.adapt(left, &right.ty.clone());
                (left, right)
            }
            (false, true) => {
                let right = self.adapt(right, &left.ty.clone());
                (left, right)
            }
            // Of two constants the text one says less.
            (true, true) if matches!(left.ty, Type::Text | Type::Int) => {
                let left = self.adapt_if_possible(left, &right.ty.clone());
                let right = self.adapt_if_possible(right, &left.ty.clone());
                (left, right)
            }
            (true, true) => {
                let right = self.adapt_if_possible(right, &left.ty.clone());
                (left, right)
            }
            (false, false) => (left, right),
        }
    }

    fn adapt_if_possible(&mut self, node: Node, wanted: &Type) -> Node {
        let before = self.errors.len();
        let adapted = self.adapt(node.clone(), wanted);
        if self.errors.len() > before {
            self.errors.truncate(before);
            return node;
        }
        adapted
    }

    /// An ID beside a text that isn't constant is compared as its text.
    pub(super) fn id_as_text(&self, node: Node) -> Node {
        let span = node.span.clone();
        Node::new(Kind::Call(Call::ToText, Box::new(node)), Type::Text, span)
    }

    /// The type that a value compares as: a reference as its key.
    pub(super) fn compared_as(&self, ty: &Type) -> Type {
        match ty {
            Type::Record(collection) => key_type(self.model, *collection),
            other => other.clone(),
        }
    }
}

fn exact_float(int: i64) -> Option<f64> {
    const EXACT: i64 = 1 << 53;
    #[expect(clippy::cast_precision_loss, reason = "the bound keeps it exact")]
    (-EXACT..=EXACT).contains(&int).then_some(int as f64)
}
