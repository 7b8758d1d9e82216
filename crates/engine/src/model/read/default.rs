//! What a field holds when nobody says: `@default`, an expression in a string or a plain literal; `@generated`, what the
//! database makes of it.

use apollo_compiler::Node;
use apollo_compiler::ast::Value as Literal;
use serde_json::{Map, Value as Json};

use super::super::{CollectionId, DefaultValue, Field, FieldKind, Generated, Scalar, ValueType};
use super::directives::{Applied, span_of};
use super::{Reader, RuleSite};

impl<'a> Reader<'a, '_> {
    pub(super) fn read_default(&mut self, collection: CollectionId, applied: &Applied<'a>, field: &mut Field) {
        let Some(default) = applied.get("default").filter(|_| field.is_stored()) else {
            return;
        };
        if let Some(text) = default.text("value") {
            self.note(collection, RuleSite::Default(field.id), text);
            return;
        }
        let FieldKind::Value(ty) = &field.kind else {
            self.report
                .error(
                    default.span.clone(),
                    "a relation's default is an expression in a string",
                )
                .help("such as @default(value: \"auth.id\")");
            return;
        };
        let Some(literal) = default.argument("value") else {
            return;
        };
        if let Some(quoted) = quoted(ty, literal) {
            self.report
                .error(span_of(literal), "only an enum has a default without quotes")
                .help(format!("write it as an expression: \"'{quoted}'\""));
            return;
        }
        match field.accept(&self.model, &json(ty, literal)) {
            Ok(value) => field.default = Some(DefaultValue::Constant(value)),
            Err(errors) => {
                for error in errors {
                    let inside = error.field.strip_prefix(field.name.as_str()).unwrap_or(&error.field);
                    self.report
                        .error(span_of(literal), format!("default{inside} {}", error.message));
                }
            }
        }
    }

    /// Only a table that others made has columns of which the schema doesn't know what they will hold.
    pub(super) fn read_generated(&mut self, collection: CollectionId, applied: &Applied<'a>, field: &mut Field) {
        let Some(generated) = applied.get("generated").filter(|_| field.is_stored()) else {
            return;
        };
        if self.model.collection(collection).managed {
            self.report
                .error(
                    generated.span.clone(),
                    "@generated belongs on a field of a table that others made",
                )
                .help("Ninefold makes the ids of its own tables; say other values by @default(value: ...)");
        } else if applied.has("default") {
            self.report
                .error(
                    generated.span.clone(),
                    format!("`{}` has a default already", field.name),
                )
                .help("either Ninefold says what it holds, by @default, or the database does, by @generated");
        }
        field.generated = Some(if generated.flag("always") {
            Generated::Always
        } else {
            Generated::ByDefault
        });
    }
}

/// A bare word where text was meant.
fn quoted<'a>(ty: &ValueType, literal: &'a Node<Literal>) -> Option<&'a str> {
    match (ty, &**literal) {
        (ValueType::Enum(_), _) => None,
        (_, Literal::Enum(word)) => Some(word.as_str()),
        _ => None,
    }
}

/// The literal as a caller would send it.
fn json(ty: &ValueType, literal: &Literal) -> Json {
    match literal {
        Literal::Null | Literal::Variable(_) => Json::Null,
        Literal::Boolean(truth) => Json::Bool(*truth),
        Literal::Enum(name) => Json::String(name.to_string()),
        Literal::String(text) => Json::String(text.clone()),
        Literal::Int(int) => number(ty, int.as_str()),
        Literal::Float(float) => number(ty, float.as_str()),
        Literal::List(items) => {
            let item_type = match ty {
                ValueType::List { item, .. } => item,
                other => other,
            };
            Json::Array(items.iter().map(|item| json(item_type, item)).collect())
        }
        Literal::Object(fields) => {
            let any = ValueType::Scalar(Scalar::Json);
            let entry = |(name, value): &(apollo_compiler::Name, Node<Literal>)| (name.to_string(), json(&any, value));
            Json::Object(fields.iter().map(entry).collect::<Map<_, _>>())
        }
    }
}

/// Decimals keep the digits that were written.
fn number(ty: &ValueType, text: &str) -> Json {
    let exact = || Json::String(text.to_owned());
    if *ty == ValueType::Scalar(Scalar::Decimal) {
        return exact();
    }
    serde_json::from_str(text).unwrap_or_else(|_| exact())
}
