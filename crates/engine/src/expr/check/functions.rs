//! Functions: `size(x)`, `x.startsWith('…')` and their kin.

use std::ops::Range;

use super::{Checker, each};
use crate::expr::parse::{Name, Syntax};
use crate::expr::typed::{Call, Kind, Node, TimePart};
use crate::expr::types::Type;
use crate::expr::{convert, pattern};
use crate::model::{Date, Decimal, Timestamp, Value, closest};
use crate::query::TextTest;

/// Those that are called on their first argument, as in `text.trim()`.
const METHODS: &[&str] = &[
    "all",
    "contains",
    "endsWith",
    "exists",
    "exists_one",
    "filter",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
    "lowerAscii",
    "map",
    "matches",
    "size",
    "startsWith",
    "trim",
    "upperAscii",
];
/// Those that stand alone.
const GLOBALS: &[&str] = &[
    "bool",
    "date",
    "decimal",
    "double",
    "duration",
    "has",
    "int",
    "matches",
    "size",
    "string",
    "timestamp",
];

pub(super) fn is_method(name: &str) -> bool {
    METHODS.contains(&name)
}

impl Checker<'_> {
    pub(super) fn call(
        &mut self,
        target: Option<&Syntax>,
        name: &Name,
        arguments: &[Syntax],
        span: &Range<usize>,
    ) -> Node {
        match target {
            Some(target) => match each::kind_of(&name.text) {
                Some(kind) => self.each(kind, target, name, arguments, span),
                None => self.method(target, name, arguments, span),
            },
            None => self.global(name, arguments, span),
        }
    }

    fn global(&mut self, name: &Name, arguments: &[Syntax], span: &Range<usize>) -> Node {
        let function = name.text.as_str();
        match (function, arguments) {
            ("matches", [text, pattern]) => {
                let text = self.node(text);
                self.matches(text, pattern, span)
            }
            ("has", [argument]) => self.has(argument, span),
            (_, [argument]) if GLOBALS.contains(&function) => {
                let argument = self.node(argument);
                match function {
                    "size" => self.size(argument, span),
                    _ => self.conversion(function, argument, span),
                }
            }
            _ if GLOBALS.contains(&function) => {
                let count = if function == "matches" {
                    "two arguments"
                } else {
                    "one argument"
                };
                self.error(&name.span, format!("`{function}` takes {count}"))
            }
            _ if METHODS.contains(&function) => self.error_help(
                &name.span,
                format!("`{function}` is called on a value"),
                format!("write `value.{function}(…)`"),
            ),
            _ => self.unknown_function(name, GLOBALS),
        }
    }

    fn method(&mut self, target: &Syntax, name: &Name, arguments: &[Syntax], span: &Range<usize>) -> Node {
        let function = name.text.as_str();
        if !METHODS.contains(&function) {
            self.node(target);
            return if GLOBALS.contains(&function) {
                self.error_help(
                    &name.span,
                    format!("`{function}` is not called on a value"),
                    format!("write `{function}(…)`"),
                )
            } else {
                self.unknown_function(name, METHODS)
            };
        }
        let target = self.node(target);
        let test = match function {
            "startsWith" => Some(TextTest::StartsWith),
            "endsWith" => Some(TextTest::EndsWith),
            "contains" => Some(TextTest::Contains),
            _ => None,
        };
        match (function, test, arguments) {
            ("matches", _, [pattern]) => self.matches(target, pattern, span),
            (_, Some(test), [needle]) => self.text_test(test, target, needle, name, span),
            ("size", _, []) => self.size(target, span),
            ("lowerAscii", _, []) => self.text_call(Call::LowerAscii, target, name, span),
            ("upperAscii", _, []) => self.text_call(Call::UpperAscii, target, name, span),
            ("trim", _, []) => self.text_call(Call::Trim, target, name, span),
            (_, None, []) if function != "matches" => self.time_part(target, name, span),
            (_, None, [zone]) if function.starts_with("get") => self.error_help(
                &zone.span,
                "parts of a time are in UTC; other zones can't be asked for",
                format!("write `.{function}()`"),
            ),
            _ => {
                let count = if test.is_some() || function == "matches" {
                    "one argument"
                } else {
                    "no argument"
                };
                self.error(&name.span, format!("`{function}` takes {count}"))
            }
        }
    }

    fn unknown_function(&mut self, name: &Name, known: &[&str]) -> Node {
        let everything = METHODS.iter().chain(GLOBALS).copied();
        let help = match closest(&name.text, known.iter().copied()).or_else(|| closest(&name.text, everything)) {
            Some(close) => format!("did you mean `{close}`?"),
            None => format!("there are: {}", known.join(", ")),
        };
        self.error_help(&name.span, format!("there is no function `{}`", name.text), help)
    }

    fn text_operand(&mut self, node: &Node, name: &str) -> bool {
        match node.ty {
            Type::Text | Type::Enum(_) => true,
            Type::Unknown => false,
            _ => {
                let found = self.describe(node);
                self.error_help(
                    &node.span.clone(),
                    format!("this is {found}, and `{name}` wants a text"),
                    match node.ty {
                        Type::List(_) | Type::Set(_) if name == "contains" => "write `x in list`",
                        _ => "write `string(…)` around it",
                    },
                );
                false
            }
        }
    }

    fn text_test(&mut self, test: TextTest, target: Node, needle: &Syntax, name: &Name, span: &Range<usize>) -> Node {
        let needle = self.node(needle);
        let fits = self.text_operand(&target, &name.text);
        if !self.text_operand(&needle, &name.text) || !fits {
            return Node::unknown(span.clone());
        }
        Node::new(
            Kind::Text(test, Box::new(target), Box::new(needle)),
            Type::Bool,
            span.clone(),
        )
    }

    fn matches(&mut self, target: Node, pattern: &Syntax, span: &Range<usize>) -> Node {
        let pattern = self.node(pattern);
        let fits = self.text_operand(&target, "matches");
        let Some(Value::Text(source)) = pattern.constant() else {
            return self.error_help(
                &pattern.span,
                "the pattern must be a constant text",
                "write it as `r'^[a-z]+$'`",
            );
        };
        match pattern::portable(source) {
            Ok(regex) if fits => Node::new(Kind::Matches(Box::new(target), regex), Type::Bool, span.clone()),
            Ok(_) => Node::unknown(span.clone()),
            Err(message) => self.error(&pattern.span, message),
        }
    }

    fn text_call(&mut self, call: Call, target: Node, name: &Name, span: &Range<usize>) -> Node {
        if !self.text_operand(&target, &name.text) {
            return Node::unknown(span.clone());
        }
        Node::new(Kind::Call(call, Box::new(target)), Type::Text, span.clone())
    }

    fn size(&mut self, argument: Node, span: &Range<usize>) -> Node {
        match argument.ty {
            Type::Unknown => Node::unknown(span.clone()),
            Type::Text | Type::Enum(_) | Type::Bytes | Type::List(_) | Type::Set(_) => {
                Node::new(Kind::Call(Call::Size, Box::new(argument)), Type::Int, span.clone())
            }
            _ => {
                let found = self.describe(&argument);
                self.error(&argument.span, format!("this is {found}, which has no size"))
            }
        }
    }

    /// `has(a.b)`: whether `a.b` is there; an error where `a` is null.
    fn has(&mut self, argument: &Syntax, span: &Range<usize>) -> Node {
        let argument = self.node(argument);
        match (&argument.kind, &argument.ty) {
            (_, Type::Unknown) => Node::unknown(span.clone()),
            (_, Type::Set(_)) => self.error_help(
                &argument.span,
                "a set of records is always there",
                "ask for its size: `size(…) > 0`",
            ),
            (Kind::Field { .. } | Kind::Part { .. } | Kind::AuthId | Kind::AuthUser | Kind::RequestAddress, _) => {
                let null = Node::new(Kind::Const(Value::Null), Type::Null, span.clone());
                Node::new(
                    Kind::Equal {
                        negated: true,
                        left: Box::new(argument),
                        right: Box::new(null),
                    },
                    Type::Bool,
                    span.clone(),
                )
            }
            _ => self.error_help(&argument.span, "`has` wants a field", "write it as `has(record.name)`"),
        }
    }

    fn time_part(&mut self, target: Node, name: &Name, span: &Range<usize>) -> Node {
        let part = match name.text.as_str() {
            "getFullYear" => TimePart::FullYear,
            "getMonth" => TimePart::Month,
            "getDate" => TimePart::Date,
            "getDayOfMonth" => TimePart::DayOfMonth,
            "getDayOfWeek" => TimePart::DayOfWeek,
            "getDayOfYear" => TimePart::DayOfYear,
            "getHours" => TimePart::Hours,
            "getMinutes" => TimePart::Minutes,
            "getSeconds" => TimePart::Seconds,
            _ => TimePart::Milliseconds,
        };
        let of_day = !matches!(
            part,
            TimePart::Hours | TimePart::Minutes | TimePart::Seconds | TimePart::Milliseconds
        );
        let call = match (&target.ty, part) {
            (Type::Unknown, _) => return Node::unknown(span.clone()),
            (Type::DateTime, _) => Call::Part(part),
            (Type::Date, _) if of_day => {
                let inner_span = target.span.clone();
                let moment = Node::new(
                    Kind::Call(Call::ToDateTime, Box::new(target)),
                    Type::DateTime,
                    inner_span,
                );
                return Node::new(Kind::Call(Call::Part(part), Box::new(moment)), Type::Int, span.clone());
            }
            (Type::Duration, TimePart::Hours) => Call::DurationIn(3_600_000),
            (Type::Duration, TimePart::Minutes) => Call::DurationIn(60_000),
            (Type::Duration, TimePart::Seconds) => Call::DurationIn(1000),
            _ => {
                let found = self.describe(&target);
                return self.error(&name.span, format!("{found} has no `{}`", name.text));
            }
        };
        Node::new(Kind::Call(call, Box::new(target)), Type::Int, span.clone())
    }

    fn conversion(&mut self, function: &str, argument: Node, span: &Range<usize>) -> Node {
        if argument.ty == Type::Unknown {
            return Node::unknown(span.clone());
        }
        if let Some(Value::Text(text)) = argument.constant() {
            return self.constant_conversion(function, &text.clone(), &argument, span);
        }
        let claim = argument.ty == Type::Json && argument.deps.facts_only();
        let (call, ty) = match (function, &argument.ty) {
            ("int", Type::Int)
            | ("double", Type::Float)
            | ("decimal", Type::Decimal)
            | ("string", Type::Text)
            | ("timestamp", Type::DateTime)
            | ("date", Type::Date)
            | ("duration", Type::Duration)
            | ("bool", Type::Bool) => return argument,
            ("int", Type::Float | Type::Decimal) => (Call::ToInt, Type::Int),
            ("int", Type::Json) if claim => (Call::ToInt, Type::Int),
            ("double", Type::Int | Type::Decimal) => (Call::ToFloat, Type::Float),
            ("double", Type::Json) if claim => (Call::ToFloat, Type::Float),
            ("decimal", Type::Int) => (Call::ToDecimal, Type::Decimal),
            ("string", Type::Int | Type::Bool | Type::Id | Type::Enum(_)) => (Call::ToText, Type::Text),
            ("string", Type::Record(_)) if self.compared_as(&argument.ty) == Type::Id => (Call::ToText, Type::Text),
            ("string", Type::Json) if claim => (Call::ToText, Type::Text),
            ("timestamp", Type::Date) => (Call::ToDateTime, Type::DateTime),
            ("date", Type::DateTime) => (Call::ToDate, Type::Date),
            _ => {
                let message = format!("`{function}` can't convert {}", self.describe(&argument));
                return if argument.ty == Type::Text {
                    self.error_help(
                        span,
                        message,
                        "only a constant text can be converted: engines read numbers and times in texts differently",
                    )
                } else {
                    self.error(span, message)
                };
            }
        };
        Node::new(Kind::Call(call, Box::new(argument)), ty, span.clone())
    }

    /// `timestamp('2024-…')` and its kin are values, made once.
    fn constant_conversion(&mut self, function: &str, text: &str, argument: &Node, span: &Range<usize>) -> Node {
        let (value, ty, example) = match function {
            "timestamp" => (
                Timestamp::parse(text).map(Value::DateTime),
                Type::DateTime,
                "timestamp('2024-05-01T12:00:00Z')",
            ),
            "date" => (Date::parse(text).map(Value::Date), Type::Date, "date('2024-05-01')"),
            "duration" => (
                convert::duration(text).map(Value::Duration),
                Type::Duration,
                "duration('1h30m')",
            ),
            "decimal" => (
                Decimal::parse(text).ok().map(Value::Decimal),
                Type::Decimal,
                "decimal('1.50')",
            ),
            "int" => (text.parse().ok().map(Value::Int), Type::Int, "int('12')"),
            "double" => (
                text.parse()
                    .ok()
                    .filter(|float: &f64| float.is_finite())
                    .map(Value::Float),
                Type::Float,
                "double('1.5')",
            ),
            "bool" => (text.parse().ok().map(Value::Bool), Type::Bool, "bool('true')"),
            _ => return argument.clone(),
        };
        match value {
            Some(value) => Node::new(Kind::Const(value), ty, span.clone()),
            None => self.error_help(
                &argument.span,
                format!("`{text}` is not {}", ty.describe(self.model)),
                format!("write it as `{example}`"),
            ),
        }
    }
}
