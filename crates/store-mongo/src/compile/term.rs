//! Terms as expressions of an aggregation, and what reading one yields.
//!
//! All are total: what has no answer is null. Where a predicate guards what could fail, the guard alone decides.

use engine::model::kind::Kind;
use engine::model::{CollectionId, Scalar, Timestamp, Value};
use engine::query::{Alias, Arithmetic, Function, Param, Pred, Term};
use mongodb::bson::{Bson, bson, doc};

use super::json::{self, convert};
use super::path::ID;
use super::predicate::{Compiler, bound, first};
use super::scope::Source;
use crate::value::decimal128;

const DECIMAL_MAX: &str = "9223372036854.775807";
const DECIMAL_MIN: &str = "-9223372036854.775808";
/// Unicode white space.
const WHITE: &str = "\t\n\u{b}\u{c}\r \u{85}\u{a0}\u{1680}\u{2000}\u{2001}\u{2002}\u{2003}\u{2004}\u{2005}\u{2006}\u{2007}\u{2008}\u{2009}\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}";

/// A value that stands for itself.
pub(super) fn literal(value: &Value) -> Bson {
    match super::encode(value) {
        Bson::String(text) if text.starts_with('$') => bson!({ "$literal": text }),
        value @ (Bson::Array(_) | Bson::Document(_)) => bson!({ "$literal": value }),
        value => value,
    }
}

impl<'a> Compiler<'a> {
    pub(super) fn term(&mut self, term: &'a Term) -> Bson {
        match term {
            Term::Const(value) => literal(value),
            Term::Param(Param::Before(field)) => literal(&self.before(*field)),
            Term::Param(param) => literal(&self.frame.bindings.value(*param).unwrap_or(Value::Null)),
            Term::Field(alias, field) => self.scope.field(*alias, *field),
            Term::Item(alias) => self.scope.item(*alias).0,
            Term::Json { of, path, ty } => json::part(self.term(of), path, *ty),
            Term::Lookup {
                key,
                collection,
                alias,
                guard,
                then,
            } => self.lookup(key, *collection, *alias, guard, then),
            Term::Arithmetic(operator, scalar, left, right) => {
                let (left, right) = (self.term(left), self.term(right));
                arithmetic(*operator, *scalar, left, right)
            }
            Term::Negate(scalar, inner) => {
                let inner = self.term(inner);
                negate(*scalar, inner)
            }
            Term::Call(function, arguments) => {
                let arguments = arguments.iter().map(|argument| self.term(argument)).collect();
                call(*function, arguments)
            }
            Term::If(condition, then, otherwise) => {
                let condition = self.pred(condition);
                let (then, otherwise) = (self.term(then), self.term(otherwise));
                bson!({ "$cond": [condition, then, otherwise] })
            }
            Term::Count(set, inner) => self.count(set, inner),
            Term::Bool(inner) => self.pred(inner),
        }
    }

    fn lookup(
        &mut self,
        key: &'a Term,
        collection: CollectionId,
        alias: Alias,
        guard: &'a Pred,
        then: &'a Term,
    ) -> Bson {
        let target = self.collection(collection);
        let source = |level| Source::Row {
            level,
            collection: target,
        };
        let name = self.joined(key, &target.table, ID, (alias, &source), |compiler| {
            compiler.filter(guard);
            let value = compiler.term(then);
            // A constant would otherwise be taken for whether the field is wanted.
            let value = bson!({ "$ifNull": [value, Bson::Null] });
            compiler.stage(doc! { "$project": { ID: 0, "v": value } });
        });
        first(&name, "v", Bson::Null)
    }

    /// What reading a term yields.
    pub(super) fn kind(&self, term: &Term) -> Kind {
        match term {
            Term::Const(value) => Kind::of_value(value),
            Term::Param(Param::AuthId) => Kind::Id,
            Term::Param(Param::AuthRoles) => Kind::Json,
            Term::Param(Param::Now) => Kind::DateTime,
            Term::Param(Param::Before(field)) => self.frame.before.map_or(Kind::Null, |(collection, _)| {
                Kind::of_field(self.frame.model, collection.field(*field))
            }),
            Term::Field(alias, field) => match self.scope.source(*alias) {
                Source::Row { collection, .. } | Source::Link { collection, .. } => {
                    Kind::of_field(self.frame.model, collection.field(*field))
                }
                Source::Item { .. } | Source::Bound { .. } => unreachable!("an item of a list has no fields"),
            },
            Term::Item(alias) => match self.scope.source(*alias) {
                Source::Item { item, .. } | Source::Bound { item } => Kind::of_scalar(item),
                Source::Row { .. } | Source::Link { .. } => unreachable!("a row is no item of a list"),
            },
            Term::Json { ty, .. } => Kind::of_scalar(*ty),
            Term::Lookup {
                collection,
                alias,
                then,
                ..
            } => self.kind_within(*collection, *alias, then),
            // Between two moments lie milliseconds.
            Term::Arithmetic(Arithmetic::Subtract, Scalar::DateTime, ..) => Kind::Int,
            Term::Arithmetic(_, scalar, ..) | Term::Negate(scalar, _) => Kind::of_scalar(*scalar),
            Term::Call(function, _) => Kind::of_call(*function),
            Term::If(_, then, otherwise) => match self.kind(then) {
                Kind::Null => self.kind(otherwise),
                kind => kind,
            },
            Term::Count(..) => Kind::Int,
            Term::Bool(_) => Kind::Bool,
        }
    }

    /// Of a term about the record that a look-up leads to.
    fn kind_within(&self, collection: CollectionId, alias: Alias, term: &Term) -> Kind {
        match term {
            Term::Field(of, field) if *of == alias => {
                Kind::of_field(self.frame.model, self.collection(collection).field(*field))
            }
            Term::Lookup {
                collection,
                alias,
                then,
                ..
            } => self.kind_within(*collection, *alias, then),
            Term::If(_, then, otherwise) => match self.kind_within(collection, alias, then) {
                Kind::Null => self.kind_within(collection, alias, otherwise),
                kind => kind,
            },
            Term::Arithmetic(..)
            | Term::Negate(..)
            | Term::Call(..)
            | Term::Count(..)
            | Term::Bool(_)
            | Term::Const(_)
            | Term::Param(_)
            | Term::Json { .. }
            | Term::Field(..)
            | Term::Item(_) => self.kind(term),
        }
    }
}

fn arithmetic(operator: Arithmetic, scalar: Scalar, left: Bson, right: Bson) -> Bson {
    match (scalar, operator) {
        (Scalar::DateTime, Arithmetic::Subtract) => bson!({ "$subtract": [left, right] }),
        (Scalar::DateTime, _) => moved(left, right),
        (_, Arithmetic::Add) => bson!({ "$add": [left, right] }),
        (_, Arithmetic::Subtract) => bson!({ "$subtract": [left, right] }),
        (Scalar::Decimal, Arithmetic::Multiply) => fitting(bson!({ "$multiply": [left, right] })),
        (_, Arithmetic::Multiply) => bson!({ "$multiply": [left, right] }),
        (_, Arithmetic::Divide) => bound([("a", left), ("b", right)], |[left, right]| {
            let is_zero = bson!({ "$eq": [right.clone(), 0_i64] });
            let quotient = match scalar {
                Scalar::Decimal => fitting(bson!({ "$divide": [left, right] })),
                Scalar::Float => bson!({ "$divide": [left, right] }),
                // Doubles hold no 64 bits; decimals hold more.
                _ => {
                    let (left, right) = (bson!({ "$toDecimal": left }), bson!({ "$toDecimal": right }));
                    convert(bson!({ "$trunc": [{ "$divide": [left, right] }] }), "long")
                }
            };
            bson!({ "$cond": [is_zero, Bson::Null, quotient] })
        }),
        (_, Arithmetic::Remainder) => bound([("a", left), ("b", right)], |[left, right]| {
            let is_zero = bson!({ "$eq": [right.clone(), 0_i64] });
            bson!({ "$cond": [is_zero, Bson::Null, { "$mod": [left, right] }] })
        }),
    }
}

/// A moment some milliseconds later; null beyond the years that there are.
fn moved(moment: Bson, ms: Bson) -> Bson {
    let sum = bson!({ "$add": [{ "$toLong": moment }, ms] });
    bound([("m", sum)], |[sum]| {
        let (min, max) = (Timestamp::MIN.0, Timestamp::MAX.0);
        let date = bson!({ "$toDate": { "$toLong": sum.clone() } });
        bson!({ "$cond": [{ "$and": [{ "$gte": [sum.clone(), min] }, { "$lte": [sum, max] }] }, date, Bson::Null] })
    })
}

/// Cut off behind the sixth digit; null where it doesn't fit.
fn fitting(number: Bson) -> Bson {
    let cut = bson!({ "$trunc": [number, 6] });
    bound([("d", cut)], |[number]| {
        let above = bson!({ "$gte": [number.clone(), decimal128(DECIMAL_MIN)] });
        let below = bson!({ "$lte": [number.clone(), decimal128(DECIMAL_MAX)] });
        bson!({ "$cond": [{ "$and": [above, below] }, number, Bson::Null] })
    })
}

fn negate(scalar: Scalar, inner: Bson) -> Bson {
    match scalar {
        Scalar::Float => bson!({ "$multiply": [inner, -1.0] }),
        _ => bson!({ "$subtract": [0_i64, inner] }),
    }
}

fn call(function: Function, mut arguments: Vec<Bson>) -> Bson {
    let second = (arguments.len() > 1).then(|| arguments.pop()).flatten();
    let first = arguments.pop().unwrap_or(Bson::Null);
    let less_one = |operator: &str, first: Bson| bson!({ "$subtract": [{ operator: first }, 1] });
    match function {
        Function::TextLength => of_value(first, |text| bson!({ "$strLenCP": text })),
        Function::BytesLength => of_value(first, |text| {
            // Base64: three bytes for four letters, but for the padding.
            let padding = bson!({ "$subtract": [
                { "$strLenCP": text.clone() },
                { "$strLenCP": { "$rtrim": { "input": text.clone(), "chars": "=" } } },
            ] });
            let letters = bson!({ "$toLong": { "$strLenCP": text } });
            bson!({ "$subtract": [convert(bson!({ "$multiply": [{ "$divide": [letters, 4_i64] }, 3_i64] }), "long"), padding] })
        }),
        Function::ListLength => bound(
            [("l", first)],
            |[list]| bson!({ "$cond": [{ "$isArray": [list.clone()] }, { "$size": list }, Bson::Null] }),
        ),
        Function::LowerAscii => letters(first, ('A'..='Z').zip('a'..='z')),
        Function::UpperAscii => letters(first, ('a'..='z').zip('A'..='Z')),
        Function::Concat => bson!({ "$concat": [first, second.unwrap_or(Bson::Null)] }),
        Function::Trim => bson!({ "$trim": { "input": first, "chars": WHITE } }),
        Function::Year => bson!({ "$year": first }),
        Function::Month => less_one("$month", first),
        Function::DayOfMonth => less_one("$dayOfMonth", first),
        Function::DayOfWeek => less_one("$dayOfWeek", first),
        Function::DayOfYear => less_one("$dayOfYear", first),
        Function::Hours => bson!({ "$hour": first }),
        Function::Minutes => bson!({ "$minute": first }),
        Function::Seconds => bson!({ "$second": first }),
        Function::Milliseconds => bson!({ "$millisecond": first }),
        Function::DateToTimestamp | Function::IdToText => first,
        Function::TimestampToDate => bson!({ "$dateTrunc": { "date": first, "unit": "day" } }),
        Function::IntToFloat => bson!({ "$toDouble": first }),
        Function::IntToDecimal => fitting(bson!({ "$toDecimal": first })),
        // By way of the number of millionths, as everywhere.
        Function::DecimalToFloat => {
            let millionths = convert(bson!({ "$multiply": [first, 1_000_000_i64] }), "long");
            bson!({ "$divide": [{ "$toDouble": millionths }, 1_000_000.0] })
        }
        Function::FloatToInt | Function::DecimalToInt => convert(first, "long"),
        Function::IntToText | Function::BoolToText => bson!({ "$toString": first }),
    }
}

fn of_value(operand: Bson, write: impl FnOnce(Bson) -> Bson) -> Bson {
    bound([("a", operand)], |[operand]| {
        let there = super::predicate::has_value(&operand);
        bson!({ "$cond": [there, write(operand), Bson::Null] })
    })
}

/// One letter after the other: what `$toLower` makes of other than ASCII letters is undefined.
fn letters(text: Bson, pairs: impl Iterator<Item = (char, char)>) -> Bson {
    pairs.fold(text, |text, (from, to)| {
        bson!({ "$replaceAll": { "input": text, "find": from.to_string(), "replacement": to.to_string() } })
    })
}
