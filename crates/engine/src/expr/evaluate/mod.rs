//! An expression's value in memory, with CEL's errors.
//!
//! `&&`, `||`, `exists` and `all` absorb an error where the other side decides; everything else hands it on. Null is a value
//! for `==`, `!=`, `in` and `?:`, and an error anywhere else. What is not known yet is an error as well: what is decided in spite
//! of it stays so, whatever it will be.

mod each;
mod values;

use super::typed::{Call, Each, EachKind, Kind, Node, TimePart};
use super::types::Type;
use super::{EvalError, Input, convert};
use crate::access::Principal;
use crate::model::{CollectionId, FieldId, FieldKind, Timestamp, Value};
use crate::query::functions::{call, compare, text_test};
use crate::query::{Arithmetic, Comparison, Function, Image};

/// A value on its way through an expression.
#[derive(Debug, Clone)]
pub(super) enum Val<'a> {
    /// Null or a scalar.
    Plain(Value),
    /// JSON or a document; never null.
    Json(serde_json::Value),
    Record(RecordRef<'a>),
    List(Vec<Val<'a>>),
    /// `auth`, of somebody.
    Caller,
}

#[derive(Debug, Clone)]
pub(super) struct RecordRef<'a> {
    /// Null where the collection's key has more than one part.
    key: Value,
    /// Of `record` and `before`.
    image: Option<&'a Image>,
}

type Outcome<T> = Result<T, EvalError>;

pub(super) fn evaluate<'a>(root: &Node, input: Input<'a>) -> Outcome<Val<'a>> {
    Evaluator {
        input,
        variables: Vec::new(),
    }
    .value(root)
}

struct Evaluator<'a> {
    input: Input<'a>,
    variables: Vec<Val<'a>>,
}

/// Of a field that the database gives.
const UNKNOWN: &str = "this is known when the record is written";

fn error<T>(message: impl Into<String>) -> Outcome<T> {
    Err(EvalError(message.into()))
}

impl<'a> Evaluator<'a> {
    fn value(&mut self, node: &Node) -> Outcome<Val<'a>> {
        match &node.kind {
            Kind::Const(value) => Ok(values::constant(value)),
            Kind::Auth => Ok(match self.input.facts.principal {
                Principal::Anonymous => Val::Plain(Value::Null),
                _ => Val::Caller,
            }),
            Kind::AuthId | Kind::AuthRoles | Kind::AuthClaims | Kind::AuthUser => self.of_caller(&node.kind),
            Kind::RequestOperation => Ok(Val::Plain(Value::text(self.input.facts.request.operation))),
            Kind::RequestAddress => Ok(Val::Plain(match self.input.facts.request.address {
                Some(address) => Value::text(address.to_string()),
                None => Value::Null,
            })),
            Kind::Now => Ok(Val::Plain(Value::DateTime(self.input.facts.now))),
            Kind::Record | Kind::Before => match self.own(node) {
                Val::Record(RecordRef { key: Value::Hidden, .. }) => error(UNKNOWN),
                own => Ok(own),
            },
            Kind::Variable(level) => Ok(self.variables[usize::from(*level)].clone()),
            Kind::Field { of, collection, field } => {
                let of = match of.kind {
                    Kind::Record | Kind::Before => self.own(of),
                    _ => self.value(of)?,
                };
                self.field(of, *collection, *field)
            }
            Kind::Part { of, name } => {
                let document = matches!(of.ty, Type::Document(_));
                match self.value(of)? {
                    Val::Json(json) => Ok(json
                        .get(&**name)
                        .map_or(Val::Plain(Value::Null), |part| values::from_json(part, &node.ty))),
                    // In JSON of no known shape a path that leads nowhere is null; a document that isn't there is an error.
                    Val::Plain(Value::Null) if document => error("null has no fields"),
                    _ => Ok(Val::Plain(Value::Null)),
                }
            }
            Kind::Not(inner) => self.truth(inner).map(|truth| boolean(!truth)),
            Kind::And(left, right) => self.either(left, right, false).map(boolean),
            Kind::Or(left, right) => self.either(left, right, true).map(boolean),
            Kind::If(parts) => {
                let [condition, then, otherwise] = &**parts;
                let taken = if self.truth(condition)? { then } else { otherwise };
                self.value(taken)
            }
            Kind::Equal { negated, left, right } => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                Ok(boolean(values::equal(&left, &right) != *negated))
            }
            Kind::Order(comparison, left, right) => self.order(*comparison, left, right).map(boolean),
            Kind::In(item, range) => {
                let (item, range) = (self.value(item)?, self.value(range)?);
                let held = self.items(range)?;
                Ok(boolean(held.iter().any(|held| values::equal(held, &item))))
            }
            Kind::Text(test, text, needle) => {
                let (text, needle) = (self.text(text)?, self.text(needle)?);
                Ok(boolean(text_test(*test, &text, &needle)))
            }
            Kind::Matches(text, regex) => {
                let text = self.text(text)?;
                Ok(boolean(regex.is_match(&text)))
            }
            Kind::Arithmetic(operator, left, right) => {
                let (left, right) = (self.scalar(left)?, self.scalar(right)?);
                arithmetic(*operator, left, right).map(Val::Plain)
            }
            Kind::Negate(inner) => negate(&self.scalar(inner)?).map(Val::Plain),
            Kind::Call(call, argument) => {
                let value = self.value(argument)?;
                converted(*call, value)
            }
            Kind::List(items) => items
                .iter()
                .map(|item| self.value(item))
                .collect::<Outcome<_>>()
                .map(Val::List),
            Kind::Each(each) => self.each(each),
        }
    }

    fn of_caller(&self, kind: &Kind) -> Outcome<Val<'a>> {
        let principal = self.input.facts.principal;
        if principal.is_anonymous() {
            return error("nobody is signed in: `auth` is null");
        }
        Ok(match (kind, principal) {
            (Kind::AuthId, _) => Val::Plain(principal.user_id().map_or(Value::Null, Value::Id)),
            (Kind::AuthRoles, _) => {
                let roles = principal.roles().iter();
                Val::List(roles.map(|role| Val::Plain(Value::Text(role.clone()))).collect())
            }
            (Kind::AuthClaims, Principal::User { claims, .. }) => {
                Val::Json(serde_json::Value::Object((**claims).clone()))
            }
            (Kind::AuthClaims, _) => Val::Json(serde_json::Value::Object(serde_json::Map::new())),
            _ => match (principal.user_id(), self.input.model.accounts) {
                (Some(id), Some(_)) => reference(Value::Id(id)),
                _ => Val::Plain(Value::Null),
            },
        })
    }

    /// `record` or `before`.
    fn own(&self, node: &Node) -> Val<'a> {
        let image = match node.kind {
            Kind::Before => self.input.before,
            _ => self.input.record,
        };
        let (Some(image), Type::Record(id)) = (image, &node.ty) else {
            return Val::Plain(Value::Null);
        };
        let collection = self.input.model.collection(*id);
        let key = match collection.key.as_slice() {
            [key] => collection.slot(*key).and_then(|slot| image.0.get(slot)).cloned(),
            _ => None,
        };
        Val::Record(RecordRef {
            key: key.unwrap_or(Value::Null),
            image: Some(image),
        })
    }

    fn field(&self, of: Val<'a>, collection: CollectionId, id: FieldId) -> Outcome<Val<'a>> {
        let Val::Record(record) = of else {
            return error("null has no fields");
        };
        let collection = self.input.model.collection(collection);
        let field = collection.field(id);
        if let FieldKind::Links { .. } | FieldKind::Inverse { .. } = field.kind {
            let Some(related) = self.input.related else {
                return error("related records are not at hand");
            };
            if record.image.is_none() && related.record(collection.id, &record.key).is_none() {
                return error("there is no such record");
            }
            let keys = related.members(collection.id, id, &record.key);
            return Ok(Val::List(keys.into_iter().map(reference).collect()));
        }
        if record.image.is_none() && collection.key.as_slice() == [id] {
            return Ok(match field.kind {
                FieldKind::Reference { .. } => reference(record.key),
                _ => Val::Plain(record.key),
            });
        }
        let found;
        let image = match (record.image, self.input.related) {
            (Some(image), _) => image,
            (None, Some(related)) => {
                found = related.record(collection.id, &record.key);
                match &found {
                    Some(image) => image,
                    None => return error("there is no such record"),
                }
            }
            (None, None) => return error("related records are not at hand"),
        };
        let value = collection.slot(id).and_then(|slot| image.0.get(slot));
        let value = value.cloned().unwrap_or(Value::Null);
        Ok(match (&field.kind, value) {
            (_, Value::Null) => Val::Plain(Value::Null),
            (_, Value::Hidden) => return error(UNKNOWN),
            (FieldKind::Reference { .. }, key) => reference(key),
            (FieldKind::Value(ty), Value::Json(json)) => match serde_json::from_str(&json) {
                Ok(json) => values::from_json(&json, &Type::of_value(ty)),
                Err(_) => Val::Plain(Value::Null),
            },
            (_, value) => Val::Plain(value),
        })
    }

    fn truth(&mut self, node: &Node) -> Outcome<bool> {
        match self.value(node)? {
            Val::Plain(Value::Bool(truth)) => Ok(truth),
            _ => error("this is neither true nor false"),
        }
    }

    /// `||` where `decisive` is true, `&&` where it is false.
    fn either(&mut self, left: &Node, right: &Node, decisive: bool) -> Outcome<bool> {
        let left = self.truth(left);
        if left == Ok(decisive) {
            return left;
        }
        match (left, self.truth(right)) {
            (_, Ok(right)) if right == decisive => Ok(decisive),
            (Err(error), _) => Err(error),
            (Ok(_), right) => right,
        }
    }

    fn scalar(&mut self, node: &Node) -> Outcome<Value> {
        match self.value(node)? {
            Val::Plain(Value::Null) => error("null can't be counted with"),
            Val::Plain(value) => Ok(value),
            Val::Record(record) => Ok(record.key),
            _ => error("this is no single value"),
        }
    }

    fn text(&mut self, node: &Node) -> Outcome<Box<str>> {
        match self.scalar(node)? {
            Value::Text(text) => Ok(text),
            _ => error("this is no text"),
        }
    }

    fn order(&mut self, comparison: Comparison, left: &Node, right: &Node) -> Outcome<bool> {
        let (left, right) = (self.value(left)?, self.value(right)?);
        match values::order(&left, &right) {
            Some(order) => Ok(comparison.accepts(order)),
            None => error("these have no order"),
        }
    }

    fn items(&self, range: Val<'a>) -> Outcome<Vec<Val<'a>>> {
        match range {
            Val::List(items) => Ok(items),
            Val::Json(serde_json::Value::Array(items)) => {
                Ok(items.iter().map(|item| values::from_json(item, &Type::Json)).collect())
            }
            _ => error("this is no list"),
        }
    }
}

/// A function of one argument.
fn converted<'a>(function: Call, value: Val<'a>) -> Outcome<Val<'a>> {
    if let (Call::Size, Val::List(items)) = (function, &value) {
        return Ok(Val::Plain(Value::Int(i64::try_from(items.len()).unwrap_or(i64::MAX))));
    }
    let value = match value {
        Val::Plain(value) => value,
        Val::Record(record) => record.key,
        Val::Json(json) => values::json_argument(&json, function),
        _ => Value::Null,
    };
    let result = match function {
        Call::DurationIn(unit) => match value {
            Value::Duration(ms) => Value::Int(ms / unit),
            _ => Value::Null,
        },
        Call::Part(TimePart::Date) => match call(Function::DayOfMonth, &[value]) {
            Value::Int(day) => Value::Int(day + 1),
            other => other,
        },
        _ => match (function_of(function, &value), value) {
            (_, value @ Value::Text(_)) if function == Call::ToText => value,
            (_, value @ Value::Int(_)) if function == Call::ToInt => value,
            (_, value @ Value::Float(_)) if function == Call::ToFloat => value,
            (Some(known), value) => call(known, &[value]),
            (None, _) => Value::Null,
        },
    };
    match result {
        Value::Null => error("null, or a value that this function has no answer for"),
        result => Ok(Val::Plain(result)),
    }
}

/// The function that a call of a value of this type is.
pub(super) fn function_of(call: Call, value: &Value) -> Option<Function> {
    Some(match (call, value) {
        (Call::Size, Value::Text(_)) => Function::TextLength,
        (Call::Size, Value::Bytes(_)) => Function::BytesLength,
        (Call::LowerAscii, _) => Function::LowerAscii,
        (Call::UpperAscii, _) => Function::UpperAscii,
        (Call::Trim, _) => Function::Trim,
        (Call::ToInt, Value::Float(_)) => Function::FloatToInt,
        (Call::ToInt, Value::Decimal(_)) => Function::DecimalToInt,
        (Call::ToFloat, Value::Int(_)) => Function::IntToFloat,
        (Call::ToFloat, Value::Decimal(_)) => Function::DecimalToFloat,
        (Call::ToDecimal, _) => Function::IntToDecimal,
        (Call::ToText, Value::Int(_)) => Function::IntToText,
        (Call::ToText, Value::Bool(_)) => Function::BoolToText,
        (Call::ToText, Value::Id(_)) => Function::IdToText,
        (Call::ToDateTime, _) => Function::DateToTimestamp,
        (Call::ToDate, _) => Function::TimestampToDate,
        (Call::Part(part), _) => part.function(),
        _ => return None,
    })
}

impl TimePart {
    /// `Date` is `DayOfMonth` and one.
    pub(super) fn function(self) -> Function {
        match self {
            Self::FullYear => Function::Year,
            Self::Month => Function::Month,
            Self::Date | Self::DayOfMonth => Function::DayOfMonth,
            Self::DayOfWeek => Function::DayOfWeek,
            Self::DayOfYear => Function::DayOfYear,
            Self::Hours => Function::Hours,
            Self::Minutes => Function::Minutes,
            Self::Seconds => Function::Seconds,
            Self::Milliseconds => Function::Milliseconds,
        }
    }
}

fn boolean(truth: bool) -> Val<'static> {
    Val::Plain(Value::Bool(truth))
}

fn reference(key: Value) -> Val<'static> {
    Val::Record(RecordRef { key, image: None })
}

fn arithmetic(operator: Arithmetic, left: Value, right: Value) -> Outcome<Value> {
    let result = match (operator, &left, &right) {
        (Arithmetic::Add, Value::Text(left), Value::Text(right)) => Some(Value::text(format!("{left}{right}"))),
        (_, Value::DateTime(moment), Value::Duration(by)) => {
            let by = if operator == Arithmetic::Subtract { -by } else { *by };
            convert::checked_timestamp(i128::from(moment.0) + i128::from(by)).map(Value::DateTime)
        }
        (Arithmetic::Subtract, Value::DateTime(Timestamp(left)), Value::DateTime(Timestamp(right))) => {
            duration(i128::from(*left) - i128::from(*right))
        }
        (Arithmetic::Add, Value::Duration(left), Value::Duration(right)) => {
            duration(i128::from(*left) + i128::from(*right))
        }
        (Arithmetic::Subtract, Value::Duration(left), Value::Duration(right)) => {
            duration(i128::from(*left) - i128::from(*right))
        }
        _ => crate::query::functions::arithmetic(operator, &left, &right),
    };
    result.map_or_else(|| error("the result is out of range, or a division by zero"), Ok)
}

fn negate(value: &Value) -> Outcome<Value> {
    let result = match value {
        Value::Duration(ms) => Some(Value::Duration(-ms)),
        other => crate::query::functions::negate(other),
    };
    result.map_or_else(|| error("the negative is out of range"), Ok)
}

fn duration(ms: i128) -> Option<Value> {
    let ms = i64::try_from(ms).ok()?;
    (-convert::DURATION_MAX..=convert::DURATION_MAX)
        .contains(&ms)
        .then_some(Value::Duration(ms))
}
