//! Functions of one argument.

use super::{Lowerer, Lowers, Valued, arithmetic, comparison, if_term};
use crate::expr::ExprError;
use crate::expr::typed::{Call, Kind, Node, TimePart};
use crate::expr::types::Type;
use crate::model::{Decimal, Scalar, Value};
use crate::query::{Arithmetic, Comparison, Function, Pred, Term};

const LENGTHS: (i128, i128) = (0, 1 << 40);

impl Lowerer<'_> {
    pub(super) fn call(&mut self, call: Call, argument: &Node, node: &Node) -> Lowers<Valued> {
        if call == Call::Size && matches!(argument.ty, Type::List(_) | Type::Set(_)) {
            return self.size(argument);
        }
        let value = self.value(argument)?;
        if value.term == Term::Const(Value::Null) {
            return Ok(Valued::error());
        }
        let by = |function| Term::Call(function, vec![value.term.clone()]);
        let (term, range, guard) = match (call, &argument.ty) {
            (Call::Size, Type::Bytes) => (by(Function::BytesLength), Some(LENGTHS), Pred::Const(true)),
            (Call::Size, _) => (by(Function::TextLength), Some(LENGTHS), Pred::Const(true)),
            (Call::LowerAscii, _) => (by(Function::LowerAscii), None, Pred::Const(true)),
            (Call::UpperAscii, _) => (by(Function::UpperAscii), None, Pred::Const(true)),
            (Call::Trim, _) => (by(Function::Trim), None, Pred::Const(true)),
            (Call::ToText, Type::Int) => (by(Function::IntToText), None, Pred::Const(true)),
            (Call::ToText, Type::Bool) => (by(Function::BoolToText), None, Pred::Const(true)),
            (Call::ToText, Type::Id | Type::Record(_)) => (by(Function::IdToText), None, Pred::Const(true)),
            (Call::ToText, Type::Enum(_)) => (value.term.clone(), None, Pred::Const(true)),
            (Call::ToFloat, Type::Int) => (by(Function::IntToFloat), Some((0, 0)), Pred::Const(true)),
            (Call::ToFloat, Type::Decimal) => (by(Function::DecimalToFloat), Some((0, 0)), Pred::Const(true)),
            (Call::ToInt, Type::Decimal) => {
                let most = i128::from(i64::MAX / Decimal::ONE);
                (by(Function::DecimalToInt), Some((-most, most)), Pred::Const(true))
            }
            (Call::ToInt, Type::Float) => (
                by(Function::FloatToInt),
                Some(arithmetic::INTEGERS),
                fits_integer(&value.term),
            ),
            (Call::ToDecimal, Type::Int) => {
                let (guard, range) = fits_decimal(&value);
                (by(Function::IntToDecimal), Some(range), guard)
            }
            (Call::ToDateTime, _) => (
                by(Function::DateToTimestamp),
                Some(arithmetic::MOMENTS),
                Pred::Const(true),
            ),
            (Call::ToDate, _) => (by(Function::TimestampToDate), None, Pred::Const(true)),
            (Call::Part(TimePart::Date), _) => {
                let day = by(Function::DayOfMonth);
                let one = Term::Const(Value::Int(1));
                let term = Term::Arithmetic(Arithmetic::Add, Scalar::Long, Box::new(day), Box::new(one));
                (term, Some((1, 31)), Pred::Const(true))
            }
            (Call::Part(part), _) => (by(part.function()), Some((0, 9999)), Pred::Const(true)),
            (Call::DurationIn(unit), _) => {
                let unit = Term::Const(Value::Int(unit));
                let term = Term::Arithmetic(
                    Arithmetic::Divide,
                    Scalar::Long,
                    Box::new(value.term.clone()),
                    Box::new(unit),
                );
                (term, Some(arithmetic::DURATIONS), Pred::Const(true))
            }
            _ => return Err(ExprError::new(node.span.clone(), "this can't be asked of a database")),
        };
        let defined = Pred::and([value.present(), guard.clone()]);
        Ok(Valued {
            term: if_term(guard, term, Term::Const(Value::Null)),
            nullable: false,
            defined,
            range,
        })
    }

    fn size(&mut self, argument: &Node) -> Lowers<Valued> {
        // The length of a stored list is nearer than its items.
        if matches!(argument.ty, Type::List(_)) && matches!(argument.kind, Kind::Field { .. } | Kind::Part { .. }) {
            let list = self.value(argument)?;
            return Ok(Valued {
                defined: list.present(),
                term: Term::Call(Function::ListLength, vec![list.term]),
                nullable: false,
                range: Some(LENGTHS),
            });
        }
        let members = self.members(argument)?;
        let count = members.count(|_| Pred::Const(true));
        Ok(Valued {
            term: if_term(members.defined.clone(), count, Term::Const(Value::Null)),
            nullable: false,
            defined: members.defined,
            range: Some(LENGTHS),
        })
    }
}

/// A double whose integer part has 64 bits.
fn fits_integer(term: &Term) -> Pred {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    let bound = |operator, bound| comparison(operator, term.clone(), Term::Const(Value::Float(bound)));
    Pred::and([bound(Comparison::Gt, -BEYOND), bound(Comparison::Lt, BEYOND)])
}

fn fits_decimal(value: &Valued) -> (Pred, (i128, i128)) {
    let most = i64::MAX / Decimal::ONE;
    let (low, high) = value.range.unwrap_or(arithmetic::INTEGERS);
    let scaled = |bound: i128| bound.clamp(i128::from(-most), i128::from(most)) * i128::from(Decimal::ONE);
    let bound = |operator, bound| comparison(operator, value.term.clone(), Term::Const(Value::Int(bound)));
    let mut guards = Vec::new();
    if low < i128::from(-most) {
        guards.push(bound(Comparison::Ge, -most));
    }
    if high > i128::from(most) {
        guards.push(bound(Comparison::Le, most));
    }
    (Pred::and(guards), (scaled(low), scaled(high)))
}
