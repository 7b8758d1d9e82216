//! `@length`, `@range` and `@pattern`: bounds of a value, checked against its type.

use super::super::limits::{BYTES_MAX, EMAIL_CHARS_MAX, LIST_ITEMS_MAX, TEXT_CHARS_MAX};
use super::super::{Decimal, LengthRange, NumberRange, Pattern, Scalar, Value, ValueType};
use super::Reader;
use super::directives::{Applied, Use, span_of};
use crate::expr::pattern::portable_whole;
use apollo_compiler::ast::Value as Literal;

#[derive(Default)]
pub(super) struct Constraints {
    pub(super) length: Option<LengthRange>,
    pub(super) range: Option<NumberRange>,
    pub(super) pattern: Option<Pattern>,
}

impl<'a> Reader<'a, '_> {
    /// Directives that don't fit the type are refused by the caller or here, and give nothing.
    pub(super) fn read_constraints(&mut self, applied: &Applied<'a>, ty: &ValueType) -> Constraints {
        Constraints {
            length: applied.get("length").and_then(|used| self.length(used, ty)),
            range: applied.get("range").and_then(|used| self.range(used, ty)),
            pattern: applied.get("pattern").and_then(|used| self.pattern(used)),
        }
    }

    fn length(&mut self, used: &Use<'a>, ty: &ValueType) -> Option<LengthRange> {
        let (most, of) = match ty {
            ValueType::List { .. } => (LIST_ITEMS_MAX, "a list"),
            ValueType::Scalar(Scalar::Bytes) => (BYTES_MAX, "Bytes"),
            ValueType::Scalar(Scalar::Email) => (EMAIL_CHARS_MAX, "an Email"),
            _ => (TEXT_CHARS_MAX, "text"),
        };
        let (min, max) = (used.count("min"), used.count("max"));
        if min.is_none() && max.is_none() {
            self.report
                .error(used.span.clone(), "@length needs `min`, `max` or both");
            return None;
        }
        if let Some(argument) = used.argument("max").filter(|_| max.is_some_and(|max| max > most)) {
            self.report
                .error(span_of(argument), format!("the length of {of} can be at most {most}"));
        }
        if min.zip(max).is_some_and(|(min, max)| min > max) {
            self.report
                .error(used.span.clone(), "`min` is more than `max`: nothing fits");
        }
        Some(LengthRange { min, max })
    }

    fn range(&mut self, used: &Use<'a>, ty: &ValueType) -> Option<NumberRange> {
        let ValueType::Scalar(scalar) = ty else { return None };
        if used.argument("min").is_none() && used.argument("max").is_none() {
            self.report
                .error(used.span.clone(), "@range needs `min`, `max` or both");
            return None;
        }
        let min = self.bound(used, "min", *scalar);
        let max = self.bound(used, "max", *scalar);
        if let (Some(min), Some(max)) = (&min, &max)
            && is_more(min, max)
        {
            self.report
                .error(used.span.clone(), "`min` is more than `max`: nothing fits");
        }
        Some(NumberRange { min, max })
    }

    fn bound(&mut self, used: &Use<'a>, name: &str, scalar: Scalar) -> Option<Value> {
        let argument = used.argument(name)?;
        let text = match &**argument {
            Literal::Int(int) => int.as_str(),
            Literal::Float(float) => float.as_str(),
            Literal::String(text) => text.as_str(),
            _ => return None,
        };
        let value = match scalar {
            Scalar::Int => text.parse::<i32>().ok().map(|int| Value::Int(i64::from(int))),
            Scalar::Long => text.parse().ok().map(Value::Int),
            Scalar::Float => text
                .parse()
                .ok()
                .filter(|float: &f64| float.is_finite())
                .map(Value::Float),
            Scalar::Decimal => Decimal::parse(text).ok().map(Value::Decimal),
            _ => return None,
        };
        if value.is_none() {
            let error = self
                .report
                .error(span_of(argument), format!("`{text}` is no {}", scalar.name()));
            if scalar == Scalar::Decimal {
                error.help("at most six decimal places, no exponent, within ±9,223,372,036,854.775807");
            }
        }
        value
    }

    fn pattern(&mut self, used: &Use<'a>) -> Option<Pattern> {
        let regex = used.text("regex")?;
        match portable_whole(regex.text) {
            Ok(compiled) => Some(Pattern {
                source: regex.text.to_owned(),
                regex: compiled,
            }),
            Err(reason) => {
                self.report.error(regex.span, reason);
                None
            }
        }
    }
}

fn is_more(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => left > right,
        (Value::Float(left), Value::Float(right)) => left > right,
        (Value::Decimal(left), Value::Decimal(right)) => left > right,
        _ => false,
    }
}
