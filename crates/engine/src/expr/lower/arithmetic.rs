//! Arithmetic with its failures guarded: no store ever meets an overflow or a division by zero.
//!
//! Bounds are carried along, so that what can't fail (an `Int` and an `Int`, say) has no guard at all.

use super::{Lowerer, Lowers, Valued, comparison, if_term, rebind};
use crate::expr::convert;
use crate::expr::typed::Node;
use crate::expr::types::Type;
use crate::model::{Scalar, Timestamp, Value};
use crate::query::functions::{self, FLOAT_OPERAND_MAX, FLOAT_OPERAND_MIN};
use crate::query::{Arithmetic, Comparison, Function, Pred, Term};

pub(super) type Range = (i128, i128);

pub(super) const INTEGERS: Range = (i64::MIN as i128, i64::MAX as i128);
pub(super) const MOMENTS: Range = (Timestamp::MIN.0 as i128, Timestamp::MAX.0 as i128);
pub(super) const DURATIONS: Range = (-convert::DURATION_MAX as i128, convert::DURATION_MAX as i128);

impl Lowerer<'_> {
    pub(super) fn arithmetic(
        &mut self,
        operator: Arithmetic,
        left: &Node,
        right: &Node,
        node: &Node,
    ) -> Lowers<Valued> {
        let (a, b) = (self.value(left)?, self.value(right)?);
        self.bounded(rebind::size_of_term(&a.term) + rebind::size_of_term(&b.term), node)?;
        if a.term == Term::Const(Value::Null) || b.term == Term::Const(Value::Null) {
            return Ok(Valued::error());
        }
        let present = Pred::and([a.present(), b.present()]);
        Ok(match (&node.ty, &left.ty, &right.ty) {
            (Type::Text, ..) => Valued {
                term: Term::Call(Function::Concat, vec![a.term, b.term]),
                nullable: false,
                defined: present,
                range: None,
            },
            (Type::Float, ..) => float(operator, a, b, present),
            (Type::DateTime, _, Type::Duration) if operator == Arithmetic::Subtract => {
                let b = negated_duration(b);
                timed(Arithmetic::Add, Scalar::DateTime, a, b, MOMENTS, present)
            }
            (Type::DateTime, ..) => timed(Arithmetic::Add, Scalar::DateTime, a, b, MOMENTS, present),
            (Type::Duration, Type::DateTime, _) => timed(operator, Scalar::DateTime, a, b, DURATIONS, present),
            (Type::Duration, ..) => timed(operator, Scalar::Long, a, b, DURATIONS, present),
            (Type::Decimal, ..) if matches!(operator, Arithmetic::Multiply | Arithmetic::Divide) => {
                decimal(operator, a, b)
            }
            (Type::Decimal, ..) => integer(operator, Scalar::Decimal, a, b, present),
            _ => integer(operator, Scalar::Long, a, b, present),
        })
    }

    pub(super) fn negate(&mut self, inner: &Node) -> Lowers<Valued> {
        let value = self.value(inner)?;
        if value.term == Term::Const(Value::Null) {
            return Ok(Valued::error());
        }
        let scalar = inner.ty.scalar(self.model).unwrap_or(Scalar::Long);
        let negative = Term::Negate(scalar, Box::new(value.term.clone()));
        let present = value.present();
        let range = value.range.unwrap_or(INTEGERS);
        if inner.ty == Type::Float || range.0 > INTEGERS.0 {
            return Ok(Valued {
                term: negative,
                nullable: false,
                defined: present,
                range: value.range.map(|(low, high)| (-high, -low)),
            });
        }
        let guard = comparison(Comparison::Ne, value.term, constant(scalar, INTEGERS.0));
        Ok(guarded(negative, guard, present, Some((-range.1, INTEGERS.1))))
    }
}

fn guarded(term: Term, guard: Pred, present: Pred, range: Option<Range>) -> Valued {
    Valued {
        term: if_term(guard.clone(), term, Term::Const(Value::Null)),
        nullable: false,
        defined: Pred::and([present, guard]),
        range,
    }
}

fn operation(operator: Arithmetic, scalar: Scalar, left: Term, right: Term) -> Term {
    if let (Term::Const(left), Term::Const(right)) = (&left, &right)
        && let Some(folded) = functions::arithmetic(operator, left, right)
    {
        return Term::Const(folded);
    }
    Term::Arithmetic(operator, scalar, Box::new(left), Box::new(right))
}

fn negated_duration(value: Valued) -> Valued {
    let range = value.range.map(|(low, high)| (-high, -low));
    let term = match value.term {
        Term::Const(Value::Int(ms)) => Term::Const(Value::Int(-ms)),
        term => Term::Negate(Scalar::Long, Box::new(term)),
    };
    Valued { term, range, ..value }
}

/// Moments and durations: their limits are far inside of 64 bits, so the result itself is looked at.
fn timed(operator: Arithmetic, scalar: Scalar, a: Valued, b: Valued, limits: Range, present: Pred) -> Valued {
    let fallback = if scalar == Scalar::DateTime { MOMENTS } else { DURATIONS };
    let range = combined(operator, a.range.unwrap_or(fallback), b.range.unwrap_or(DURATIONS)).unwrap_or(INTEGERS);
    let term = operation(operator, scalar, a.term, b.term);
    let bound = |bound: i128| {
        let bound = i64::try_from(bound).unwrap_or(i64::MAX);
        Term::Const(if limits == MOMENTS {
            Value::DateTime(Timestamp(bound))
        } else {
            Value::Int(bound)
        })
    };
    let mut guards = Vec::new();
    if range.0 < limits.0 {
        guards.push(comparison(Comparison::Ge, term.clone(), bound(limits.0)));
    }
    if range.1 > limits.1 {
        guards.push(comparison(Comparison::Le, term.clone(), bound(limits.1)));
    }
    guarded(term, Pred::and(guards), present, Some(clipped(range, limits)))
}

fn clipped(range: Range, limits: Range) -> Range {
    (range.0.max(limits.0), range.1.min(limits.1))
}

/// Bounds of a result, before any overflow; `None` for a quotient by what may be zero.
fn combined(operator: Arithmetic, a: Range, b: Range) -> Option<Range> {
    let corners = |f: fn(i128, i128) -> i128| {
        let all = [f(a.0, b.0), f(a.0, b.1), f(a.1, b.0), f(a.1, b.1)];
        (
            all.iter().copied().min().unwrap_or(0),
            all.iter().copied().max().unwrap_or(0),
        )
    };
    Some(match operator {
        Arithmetic::Add => (a.0 + b.0, a.1 + b.1),
        Arithmetic::Subtract => (a.0 - b.1, a.1 - b.0),
        Arithmetic::Multiply => corners(i128::saturating_mul),
        Arithmetic::Divide | Arithmetic::Remainder if b.0 <= 0 && b.1 >= 0 => return None,
        Arithmetic::Divide => corners(|a, b| a / b),
        Arithmetic::Remainder => {
            let most = b.0.abs().max(b.1.abs()) - 1;
            (if a.0 < 0 { -most } else { 0 }, if a.1 > 0 { most } else { 0 })
        }
    })
}

/// Integers, and sums of Decimals as integers of millionths.
fn integer(operator: Arithmetic, scalar: Scalar, a: Valued, b: Valued, present: Pred) -> Valued {
    let (a_range, b_range) = (a.range.unwrap_or(INTEGERS), b.range.unwrap_or(INTEGERS));
    let term = operation(operator, scalar, a.term.clone(), b.term.clone());
    let range = combined(operator, a_range, b_range);
    // The remainder of the smallest number by -1 would be 0, but its quotient is beyond 64 bits: that is an error, too.
    let overflows = operator == Arithmetic::Remainder && may_overflow(a_range, b_range);
    if let Some(range) = range
        && !overflows
        && range.0 >= INTEGERS.0
        && range.1 <= INTEGERS.1
    {
        return guarded(term, Pred::Const(true), present, Some(range));
    }
    let guard = match operator {
        Arithmetic::Add | Arithmetic::Subtract => sum_guard(operator, scalar, &a.term, &b.term),
        Arithmetic::Multiply => product_guard(&a.term, &b.term),
        Arithmetic::Divide | Arithmetic::Remainder => quotient_guard(&a.term, &b.term, a_range, b_range),
    };
    let range = range.map_or(INTEGERS, |range| clipped(range, INTEGERS));
    guarded(term, guard, present, Some(range))
}

fn constant(scalar: Scalar, value: i128) -> Term {
    let value = i64::try_from(value).unwrap_or(i64::MAX);
    Term::Const(if scalar == Scalar::Decimal {
        Value::Decimal(crate::model::Decimal(value))
    } else {
        Value::Int(value)
    })
}

/// A bound that depends on `b` without overflowing itself: `If` keeps what could from being computed.
fn sum_guard(operator: Arithmetic, scalar: Scalar, a: &Term, b: &Term) -> Pred {
    let (min, max, zero) = (
        constant(scalar, INTEGERS.0),
        constant(scalar, INTEGERS.1),
        constant(scalar, 0),
    );
    let (down, up) = if operator == Arithmetic::Add {
        (Comparison::Lt, Comparison::Ge)
    } else {
        (Comparison::Ge, Comparison::Lt)
    };
    // Which way `b` takes the sum: only towards one end can it pass it.
    let rest = if operator == Arithmetic::Add {
        Arithmetic::Subtract
    } else {
        Arithmetic::Add
    };
    let bound = |when: Comparison, limit: &Term| {
        if_term(
            comparison(when, b.clone(), zero.clone()),
            operation(rest, scalar, limit.clone(), b.clone()),
            limit.clone(),
        )
    };
    between(a, bound(down, &min), bound(up, &max), (&min, &max))
}

/// `a` lies between two bounds, of which those that are its own limits say nothing.
fn between(a: &Term, lowest: Term, highest: Term, limits: (&Term, &Term)) -> Pred {
    let mut guards = Vec::new();
    if highest != *limits.1 {
        guards.push(comparison(Comparison::Le, a.clone(), highest));
    }
    if lowest != *limits.0 {
        guards.push(comparison(Comparison::Ge, a.clone(), lowest));
    }
    Pred::and(guards)
}

/// `a` lies between the quotients of the limits by `b`.
fn product_guard(a: &Term, b: &Term) -> Pred {
    let (min, max) = INTEGERS;
    let number = |value| constant(Scalar::Long, value);
    let when = |operator, value| comparison(operator, b.clone(), number(value));
    let quotient = |limit| operation(Arithmetic::Divide, Scalar::Long, number(limit), b.clone());
    let highest = if_term(
        when(Comparison::Gt, 0),
        quotient(max),
        if_term(when(Comparison::Lt, -1), quotient(min), number(max)),
    );
    let lowest = if_term(
        when(Comparison::Gt, 0),
        quotient(min),
        if_term(
            when(Comparison::Lt, -1),
            quotient(max),
            if_term(when(Comparison::Eq, -1), number(-max), number(min)),
        ),
    );
    between(a, lowest, highest, (&number(min), &number(max)))
}

/// Whether a quotient may be that of the smallest number by -1.
fn may_overflow(a: Range, b: Range) -> bool {
    a.0 <= INTEGERS.0 && b.0 <= -1 && b.1 >= -1
}

fn quotient_guard(a: &Term, b: &Term, a_range: Range, b_range: Range) -> Pred {
    let not = |term: &Term, value| comparison(Comparison::Ne, term.clone(), constant(Scalar::Long, value));
    let mut guards = Vec::new();
    if b_range.0 <= 0 && b_range.1 >= 0 {
        guards.push(not(b, 0));
    }
    if may_overflow(a_range, b_range) {
        guards.push(Pred::or([not(a, INTEGERS.0), not(b, -1)]));
    }
    Pred::and(guards)
}

/// Products and quotients need more than 64 bits on the way; a store makes null of what doesn't fit in the end.
fn decimal(operator: Arithmetic, a: Valued, b: Valued) -> Valued {
    let guard = match operator {
        Arithmetic::Divide => comparison(Comparison::Ne, b.term.clone(), constant(Scalar::Decimal, 0)),
        _ => Pred::Const(true),
    };
    let term = if_term(
        guard,
        operation(operator, Scalar::Decimal, a.term, b.term),
        Term::Const(Value::Null),
    );
    Valued {
        defined: Pred::IsNull(term.clone()).complement(),
        term,
        nullable: false,
        range: Some(INTEGERS),
    }
}

fn float(operator: Arithmetic, a: Valued, b: Valued, present: Pred) -> Valued {
    let mut guards = vec![operand_guard(&a), operand_guard(&b)];
    if operator == Arithmetic::Divide {
        guards.push(comparison(
            Comparison::Ne,
            b.term.clone(),
            Term::Const(Value::Float(0.0)),
        ));
    }
    let term = operation(operator, Scalar::Float, a.term, b.term);
    guarded(term, Pred::and(guards), present, None)
}

/// See [`is_float_operand`](crate::query::functions::is_float_operand).
fn operand_guard(value: &Valued) -> Pred {
    if value.range.is_some() {
        return Pred::Const(true);
    }
    let bound = |operator, bound: f64| comparison(operator, value.term.clone(), Term::Const(Value::Float(bound)));
    Pred::or([
        bound(Comparison::Eq, 0.0),
        Pred::and([
            bound(Comparison::Ge, FLOAT_OPERAND_MIN),
            bound(Comparison::Le, FLOAT_OPERAND_MAX),
        ]),
        Pred::and([
            bound(Comparison::Ge, -FLOAT_OPERAND_MAX),
            bound(Comparison::Le, -FLOAT_OPERAND_MIN),
        ]),
    ])
}
