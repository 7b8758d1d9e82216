//! `exists`, `all`, `exists_one`, `filter` and `map`.

use std::ops::Range;

use super::{Checker, EACH_DEPTH_MAX, Variable};
use crate::expr::parse::{Name, Syntax, SyntaxKind};
use crate::expr::typed::{Each, EachKind, Kind, Node};
use crate::expr::types::Type;

pub(super) fn kind_of(name: &str) -> Option<EachKind> {
    Some(match name {
        "exists" => EachKind::Exists,
        "all" => EachKind::All,
        "exists_one" | "existsOne" => EachKind::ExistsOne,
        "filter" => EachKind::Filter,
        "map" => EachKind::Map,
        _ => return None,
    })
}

impl Checker<'_> {
    pub(super) fn each(
        &mut self,
        kind: EachKind,
        target: &Syntax,
        name: &Name,
        arguments: &[Syntax],
        span: &Range<usize>,
    ) -> Node {
        let (variable, bodies) = match arguments {
            [variable, body] => (variable, [None, Some(body)]),
            [variable, condition, body] if kind == EachKind::Map => (variable, [Some(condition), Some(body)]),
            _ => {
                return self.error_help(
                    &name.span,
                    format!("`{}` takes a variable and an expression", name.text),
                    format!("write `.{}(x, …)`", name.text),
                );
            }
        };
        let SyntaxKind::Name(variable_name) = &variable.kind else {
            return self.error_help(
                &variable.span,
                "the first argument is the name of a variable",
                format!("write `.{}(x, …)`", name.text),
            );
        };
        if matches!(variable_name.as_str(), "auth" | "record" | "before" | "request" | "now") {
            return self.error(
                &variable.span,
                format!("`{variable_name}` has a meaning already; take another name"),
            );
        }
        if self.variables.len() == EACH_DEPTH_MAX && !unlimited!(EachDepth) {
            return self.error(
                &name.span,
                format!("at most {EACH_DEPTH_MAX} of `exists`, `all`, `filter` and `map` nest"),
            );
        }
        let mut range = self.node(target);
        if let [Some(condition), _] = bodies {
            range = self.bound(EachKind::Filter, range, variable_name, condition, span);
        }
        match bodies[1] {
            Some(body) => self.bound(kind, range, variable_name, body, span),
            None => range,
        }
    }

    fn bound(&mut self, kind: EachKind, range: Node, variable: &str, body: &Syntax, span: &Range<usize>) -> Node {
        let item = match &range.ty {
            Type::Unknown => Type::Unknown,
            Type::Set(target) => Type::Record(*target),
            Type::List(item) => (**item).clone(),
            _ => {
                let found = self.describe(&range);
                let range_span = range.span.clone();
                return self.error_help(
                    &range_span,
                    format!("this is {found}, which has no items"),
                    "only lists and to-many fields have",
                );
            }
        };
        let level = u8::try_from(self.variables.len()).expect("variables are bounded by EACH_DEPTH_MAX");
        self.variables.push(Variable {
            name: variable.to_owned(),
            ty: item.clone(),
            deps: range.deps,
        });
        let body = if kind == EachKind::Map {
            self.node(body)
        } else {
            self.condition(body)
        };
        self.variables.pop();
        if range.ty == Type::Unknown || body.ty == Type::Unknown {
            return Node::unknown(span.clone());
        }
        let ty = match kind {
            EachKind::Exists | EachKind::All | EachKind::ExistsOne => Type::Bool,
            EachKind::Filter => range.ty.clone(),
            EachKind::Map => match &body.ty {
                Type::Record(id) if self.has_several(*id) => return self.no_single_value(*id, &body.span),
                ty if ty.is_scalar() && (*ty != Type::Json || body.deps.facts_only()) => {
                    Type::List(Box::new(ty.clone()))
                }
                other => {
                    let found = other.describe(self.model);
                    let span = body.span.clone();
                    return self.error_help(&span, format!("`map` can't make {found}"), "map to one value of each");
                }
            },
        };
        let each = Each {
            kind,
            range,
            level,
            body,
        };
        Node::new(Kind::Each(Box::new(each)), ty, span.clone())
    }
}
