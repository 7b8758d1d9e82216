//! Parts of documents and of JSON.

use super::condition::equal;
use super::{Cond, Lowerer, Lowers, Valued, comparison, rows};
use crate::expr::typed::{Kind, Node};
use crate::expr::types::Type;
use crate::model::{Scalar, Value};
use crate::query::functions::json_scalar;
use crate::query::{Comparison, Function, Pred, Term};

/// Where a part is found.
struct Place {
    of: Term,
    path: Vec<Box<str>>,
    /// Where getting there is no error.
    defined: Pred,
}

impl Place {
    fn term(&self, ty: Scalar) -> Term {
        if self.path.is_empty() && ty == Scalar::Json {
            return self.of.clone();
        }
        Term::Json {
            of: Box::new(self.of.clone()),
            path: self.path.clone(),
            ty,
        }
    }
}

impl Lowerer<'_> {
    /// A part of a document, as its schema types it; of JSON, as JSON.
    pub(super) fn part(&mut self, node: &Node) -> Lowers<Valued> {
        let place = self.place(node)?;
        let scalar = node.ty.scalar(self.model).unwrap_or(Scalar::Json);
        Ok(Valued {
            term: place.term(scalar),
            nullable: true,
            defined: place.defined,
            range: rows::scalar_range(scalar),
        })
    }

    fn place(&mut self, node: &Node) -> Lowers<Place> {
        let Kind::Part { of, name } = &node.kind else {
            let value = self.value(node)?;
            return Ok(Place {
                defined: value.defined(),
                of: value.term,
                path: Vec::new(),
            });
        };
        let mut place = self.place(of)?;
        if matches!(of.ty, Type::Document(_)) {
            let there = Pred::IsNull(place.term(Scalar::Json)).complement();
            place.defined = Pred::and([place.defined, there]);
        }
        place.path.push(name.clone());
        Ok(place)
    }

    /// JSON as a value of a type: null where it is another.
    fn json_as(&mut self, node: &Node, ty: Scalar) -> Lowers<Valued> {
        if node.deps.facts_only() {
            return Ok(match self.fact(node) {
                Some(Value::Json(json)) => match serde_json::from_str(&json) {
                    Ok(json) => Valued::constant(json_scalar(&json, ty)),
                    Err(_) => Valued::constant(Value::Null),
                },
                Some(other) => Valued::constant(other),
                None => Valued::error(),
            });
        }
        let place = self.place(node)?;
        Ok(Valued {
            term: place.term(ty),
            nullable: true,
            defined: place.defined,
            range: None,
        })
    }

    /// JSON and the value beside it, both of that value's type (numbers as doubles); `None` when neither is JSON.
    pub(super) fn json_operands(&mut self, left: &Node, right: &Node) -> Lowers<Option<(Valued, Valued)>> {
        Ok(match (&left.ty, &right.ty) {
            (Type::Json, _) => Some(self.beside_json(left, right)?),
            (_, Type::Json) => {
                let (json, other) = self.beside_json(right, left)?;
                Some((other, json))
            }
            _ => None,
        })
    }

    fn beside_json(&mut self, json: &Node, other: &Node) -> Lowers<(Valued, Valued)> {
        let ty = match other.ty {
            Type::Int | Type::Float => Scalar::Float,
            Type::Bool => Scalar::Boolean,
            _ => Scalar::String,
        };
        let json = self.json_as(json, ty)?;
        let mut value = self.value(other)?;
        if other.ty == Type::Int {
            value.term = match value.term {
                Term::Const(constant) => Term::Const(crate::query::functions::call(Function::IntToFloat, &[constant])),
                term => Term::Call(Function::IntToFloat, vec![term]),
            };
        }
        Ok((json, value))
    }

    pub(super) fn json_equality(&mut self, left: &Node, right: &Node) -> Lowers<Option<Cond>> {
        let (json, other) = match (&left.ty, &right.ty) {
            (Type::Json, _) => (left, right),
            (_, Type::Json) => (right, left),
            _ => return Ok(None),
        };
        let (typed, value) = self.beside_json(json, other)?;
        if !value.nullable {
            return Ok(Some(equal(typed, value)));
        }
        // Both null are equal, but JSON of another type is not null.
        let whole = self.json_as(json, Scalar::Json)?;
        let defined = Pred::and([typed.defined(), value.defined()]);
        let both_null = Pred::and([defined.clone(), null(&whole.term), null(&value.term)]);
        let same = comparison(Comparison::Eq, typed.term.clone(), value.term.clone());
        let yes = Pred::or([same, both_null]);
        let no = Pred::and([defined, yes.clone().complement()]);
        let total = typed.is_certain() && value.is_certain();
        Ok(Some(Cond::of(yes, no, total)))
    }
}

fn null(term: &Term) -> Pred {
    match term {
        Term::Const(value) => Pred::Const(value.is_null()),
        term => Pred::IsNull(term.clone()),
    }
}
