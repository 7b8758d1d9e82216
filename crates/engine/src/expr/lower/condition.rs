//! Conditions: where they are true, and where they are false.

use super::{BeforeMode, Cond, Lowerer, Lowers, Valued, comparison};
use crate::expr::ExprError;
use crate::expr::typed::{Each, EachKind, Kind, Node};
use crate::expr::types::Type;
use crate::model::Value;
use crate::query::{Alias, Comparison, Pred, Term, TextTest};

impl Lowerer<'_> {
    pub(super) fn cond(&mut self, node: &Node) -> Lowers<Cond> {
        if node.deps.facts_only() {
            return Ok(match self.fact(node) {
                Some(Value::Bool(truth)) => Cond::total(Pred::Const(truth)),
                _ => Cond::error(),
            });
        }
        match &node.kind {
            Kind::Not(inner) => return Ok(self.cond(inner)?.negated()),
            Kind::And(left, right) => return Ok(self.cond(left)?.and(self.cond(right)?)),
            Kind::Or(left, right) => return Ok(self.cond(left)?.or(self.cond(right)?)),
            Kind::If(parts) => return self.conditional(parts),
            _ => {}
        }
        match &self.before {
            BeforeMode::Unknown if node.deps.before => {
                // Something that is neither constant nor anything else's complement.
                return Ok(Cond::of(Pred::Captured(u16::MAX), Pred::Captured(u16::MAX), false));
            }
            BeforeMode::Captured(_) if node.deps.before_relations && !self.capturing => return self.captured(node),
            _ => {}
        }
        match &node.kind {
            Kind::Equal { negated, left, right } => {
                let cond = self.equality(left, right)?;
                Ok(if *negated { cond.negated() } else { cond })
            }
            Kind::Order(comparison, left, right) => self.order(*comparison, left, right),
            Kind::In(item, range) => self.membership(item, range),
            Kind::Text(test, text, needle) => {
                let (text, needle) = (self.value(text)?, self.value(needle)?);
                Ok(text_cond(*test, text, needle))
            }
            Kind::Matches(text, regex) => {
                let text = self.value(text)?;
                Ok(text_cond(
                    TextTest::Matches,
                    text,
                    Valued::constant(Value::text(regex.as_str())),
                ))
            }
            Kind::Each(each) if quantifies(each) => self.quantifier(each, node),
            _ => {
                let value = self.value(node)?;
                Ok(truth(value))
            }
        }
    }

    fn conditional(&mut self, parts: &[Node; 3]) -> Lowers<Cond> {
        let condition = self.cond(&parts[0])?;
        let (then, otherwise) = (self.cond(&parts[1])?, self.cond(&parts[2])?);
        self.bounded(condition.size() + then.size() + otherwise.size(), &parts[0])?;
        let total = condition.total && then.total && otherwise.total;
        let Cond { yes, no, .. } = condition;
        Ok(Cond::of(
            Pred::or([
                Pred::and([yes.clone(), then.yes]),
                Pred::and([no.clone(), otherwise.yes]),
            ]),
            Pred::or([Pred::and([yes, then.no]), Pred::and([no, otherwise.no])]),
            total,
        ))
    }

    /// A truth about the stored record's relations, taken from it before the change.
    fn captured(&mut self, node: &Node) -> Lowers<Cond> {
        if node.deps.record {
            return Err(ExprError::new(
                node.span.clone(),
                "the relations of `before` can't be compared with `record` in one condition",
            ));
        }
        let root = std::mem::replace(&mut self.root, Alias::ROOT);
        self.capturing = true;
        let cond = self.cond(node);
        self.capturing = false;
        self.root = root;
        let cond = cond?;
        let yes = self.capture(cond.yes, node)?;
        let no = if cond.total {
            yes.clone().complement()
        } else {
            self.capture(cond.no, node)?
        };
        Ok(Cond::of(yes, no, cond.total))
    }

    fn capture(&mut self, pred: Pred, node: &Node) -> Lowers<Pred> {
        if matches!(pred, Pred::Const(_)) {
            return Ok(pred);
        }
        let pred = super::unique_binders(pred, self.aliases);
        let BeforeMode::Captured(captures) = &mut self.before else {
            return Ok(pred);
        };
        let index = u16::try_from(captures.len())
            .map_err(|_| ExprError::new(node.span.clone(), "there are too many conditions on `before`"))?;
        captures.push(pred);
        Ok(Pred::Captured(index))
    }

    fn equality(&mut self, left: &Node, right: &Node) -> Lowers<Cond> {
        if is_null(right) {
            return self.null_test(left);
        }
        if is_null(left) {
            return self.null_test(right);
        }
        if let Some(cond) = self.json_equality(left, right)? {
            return Ok(cond);
        }
        let (left, right) = (self.value(left)?, self.value(right)?);
        Ok(equal(left, right))
    }

    fn null_test(&mut self, node: &Node) -> Lowers<Cond> {
        // A list that an expression makes is there unless making it fails.
        if matches!(node.ty, Type::List(_)) && matches!(node.kind, Kind::List(_) | Kind::Each(_)) {
            let made = self.members(node)?.defined;
            return Ok(Cond::of(Pred::Const(false), made, false));
        }
        let value = self.value(node)?;
        Ok(null_cond(&value))
    }

    fn order(&mut self, operator: Comparison, left: &Node, right: &Node) -> Lowers<Cond> {
        let (left, right) = match self.json_operands(left, right)? {
            Some((left, right)) => (left, right),
            None => (self.value(left)?, self.value(right)?),
        };
        let total = left.is_sure() && right.is_sure();
        Ok(Cond::of(
            comparison(operator, left.term.clone(), right.term.clone()),
            comparison(operator.complement(), left.term, right.term),
            total,
        ))
    }
}

fn quantifies(each: &Each) -> bool {
    matches!(each.kind, EachKind::Exists | EachKind::All | EachKind::ExistsOne)
}

fn is_null(node: &Node) -> bool {
    matches!(node.constant(), Some(Value::Null))
}

/// Null-safe equality of two values of one type.
pub(super) fn equal(left: Valued, right: Valued) -> Cond {
    let is_constant_null = |value: &Valued| value.term == Term::Const(Value::Null) && value.is_certain();
    if is_constant_null(&left) {
        return null_cond(&right);
    }
    if is_constant_null(&right) {
        return null_cond(&left);
    }
    let total = left.is_certain() && right.is_certain();
    let eq = |left: &Valued, right: &Valued| comparison(Comparison::Eq, left.term.clone(), right.term.clone());
    match (left.nullable, right.nullable) {
        (false, false) => {
            let no = comparison(Comparison::Ne, left.term.clone(), right.term.clone());
            Cond::of(eq(&left, &right), no, total)
        }
        (true, true) => {
            let same = Pred::Same(left.term.clone(), right.term.clone());
            let defined = Pred::and([left.defined(), right.defined()]);
            Cond::of(
                Pred::and([defined.clone(), same.clone()]),
                Pred::and([defined, same.complement()]),
                total,
            )
        }
        _ => {
            let yes = eq(&left, &right);
            let no = Pred::and([left.defined(), right.defined(), yes.clone().complement()]);
            Cond::of(yes, no, total)
        }
    }
}

fn null_cond(value: &Valued) -> Cond {
    if let Term::Const(constant) = &value.term
        && value.is_certain()
    {
        return Cond::total(Pred::Const(constant.is_null()));
    }
    let yes = if value.nullable {
        Pred::and([value.defined(), Pred::IsNull(value.term.clone())])
    } else {
        Pred::Const(false)
    };
    Cond::of(yes, value.present(), value.is_certain())
}

pub(super) fn truth(value: Valued) -> Cond {
    match value.term {
        Term::Bool(pred) => return Cond::total(*pred),
        Term::Const(Value::Bool(truth)) => return Cond::total(Pred::Const(truth)),
        Term::Const(_) => return Cond::error(),
        _ => {}
    }
    let total = value.is_sure();
    let yes = Pred::Truth(value.term.clone());
    let no = if total {
        yes.clone().complement()
    } else {
        comparison(Comparison::Eq, value.term, Term::Const(Value::Bool(false)))
    };
    Cond::of(yes, no, total)
}

fn text_cond(test: TextTest, text: Valued, needle: Valued) -> Cond {
    let total = text.is_sure() && needle.is_sure();
    let present = Pred::and([text.present(), needle.present()]);
    if present == Pred::Const(false) {
        return Cond::error();
    }
    let yes = Pred::Text(test, text.term, needle.term);
    let no = Pred::and([present, yes.clone().complement()]);
    Cond::of(yes, no, total)
}
