//! The second pass: every rule is typed against the structure, compiled, and tried once.
//!
//! What compiles must also be sayable: each condition is lowered to a predicate once for nobody and once for somebody,
//! so that no request is the first to find out that a rule can't be asked of a database.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use uuid::Uuid;

use super::super::diagnostic::Diagnostics;
use super::super::{Check, CollectionId, DefaultValue, FieldKind, FieldRule, Model, Timestamp, ValueType};
use super::{PendingRule, RuleSite, literal};
use crate::access::Principal;
use crate::expr::{Aliases, Before, Expects, ExprError, Expression, Facts, Lowering, RequestFacts, Scope};
use crate::query::{Alias, Pred};

/// Compiles the rules and puts each in its place.
pub(super) fn compile(
    model: &mut Model,
    rules: Vec<PendingRule<'_>>,
    broken: &HashSet<String>,
    report: &mut Diagnostics,
) {
    let mut compiled = Vec::with_capacity(rules.len());
    // A rule with a name that is reported already has nothing new to say, and no structure to be typed against.
    for rule in rules.into_iter().filter(|rule| !mentions(rule.text.text, broken)) {
        match compile_one(model, &rule) {
            Ok(expression) => compiled.push((rule.collection, rule.site, Arc::new(expression))),
            Err(errors) => report_errors(model, &rule, errors, report),
        }
    }
    for (collection, site, expression) in compiled {
        place(model, collection, site, expression);
    }
}

fn compile_one(model: &Model, rule: &PendingRule<'_>) -> Result<Expression, Vec<ExprError>> {
    let (record, before) = match rule.site {
        RuleSite::Default(_) => (None, false),
        RuleSite::Read | RuleSite::Delete | RuleSite::FieldRead(_) | RuleSite::IndexCondition(_) => {
            (Some(rule.collection), false)
        }
        RuleSite::Create | RuleSite::Update | RuleSite::FieldWrite(_) | RuleSite::Check { .. } => {
            (Some(rule.collection), true)
        }
    };
    let scope = Scope {
        record,
        before,
        bare_fields: false,
    };
    let expects = match rule.site {
        RuleSite::Default(field) => Expects::ValueOf(kind(model, rule.collection, field)),
        _ => Expects::Condition,
    };
    let expression = Expression::compile(rule.text.text, scope, expects, model)?;
    let whole = 0..rule.text.text.len();
    match rule.site {
        RuleSite::Default(_) if !expression.is_local() => Err(vec![ExprError {
            span: whole,
            message: "a default can't read other records".to_owned(),
            help: Some("it may use `auth.id`, `auth.roles`, `auth.claims`, `request` and `now`".to_owned()),
        }]),
        RuleSite::Default(_) => Ok(expression),
        RuleSite::IndexCondition(_) => index_condition(model, expression),
        _ => try_both(model, &expression)
            .map(|_| expression)
            .map_err(|error| vec![error]),
    }
}

fn kind(model: &Model, collection: CollectionId, field: super::FieldId) -> &FieldKind {
    &model.collection(collection).field(field).kind
}

/// A database keeps an index whoever asks, and whenever.
fn index_condition(model: &Model, expression: Expression) -> Result<Expression, Vec<ExprError>> {
    let whole = 0..expression.source().len();
    if !expression.is_local() {
        return Err(vec![ExprError {
            span: whole,
            message: "the condition of an index reads the record's own columns only".to_owned(),
            help: None,
        }]);
    }
    let [nobody, somebody] = try_both(model, &expression).map_err(|error| vec![error])?;
    if nobody != somebody || expression.reads().now {
        return Err(vec![ExprError {
            span: whole,
            message: "the condition of an index can't depend on `auth`, `request` or `now`".to_owned(),
            help: None,
        }]);
    }
    Ok(expression)
}

/// The predicates for nobody and for somebody, who differ in everything.
fn try_both(model: &Model, expression: &Expression) -> Result<[Pred; 2], ExprError> {
    let nobody = Facts {
        principal: &Principal::Anonymous,
        now: Timestamp(0),
        request: RequestFacts::default(),
    };
    let principal = Principal::User {
        id: Uuid::nil(),
        roles: Arc::from([Box::from("role")]),
        claims: Arc::default(),
    };
    let somebody = Facts {
        principal: &principal,
        now: Timestamp(1),
        request: RequestFacts {
            operation: "list",
            address: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        },
    };
    Ok([lower(model, expression, nobody)?, lower(model, expression, somebody)?])
}

fn lower(model: &Model, expression: &Expression, facts: Facts<'_>) -> Result<Pred, ExprError> {
    expression.predicate(&mut Lowering {
        model,
        facts,
        root: Alias::ROOT,
        aliases: &mut Aliases::default(),
        visibility: None,
        before: Before::Record,
    })
}

fn mentions(source: &str, broken: &HashSet<String>) -> bool {
    source
        .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .any(|word| broken.contains(word))
}

fn report_errors(model: &Model, rule: &PendingRule<'_>, errors: Vec<ExprError>, report: &mut Diagnostics) {
    let meant = meant(model, rule);
    for error in errors {
        let span = literal::span_in_file(report.source(), rule.text.span.clone(), error.span);
        let said = report.error(span, error.message);
        if let Some(help) = meant.clone().or(error.help) {
            said.help(help);
        }
    }
}

/// How to write a default that is words and no expression.
fn meant(model: &Model, rule: &PendingRule<'_>) -> Option<String> {
    let RuleSite::Default(field) = rule.site else {
        return None;
    };
    let text = rule.text.text;
    let is_words = text.starts_with(char::is_alphabetic)
        && text
            .chars()
            .all(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '_' | '-'));
    match kind(model, rule.collection, field) {
        FieldKind::Value(ValueType::Enum(id)) => {
            let mut values = model.enumeration(*id).values.iter();
            let value = values.find(|value| value.name == text.trim_matches('\''))?;
            Some(format!("the value of an enum stands without quotes: {}", value.name))
        }
        FieldKind::Value(ValueType::Scalar(scalar)) if scalar.is_text() && is_words => {
            Some(format!("text has quotes of its own: \"'{text}'\""))
        }
        _ => None,
    }
}

fn place(model: &mut Model, collection: CollectionId, site: RuleSite, expression: Arc<Expression>) {
    let collection = &mut model.collections[usize::from(collection.0)];
    let access = &mut collection.access;
    match site {
        RuleSite::Read => access.read = Some(expression),
        RuleSite::Create => access.create = Some(expression),
        RuleSite::Update => access.update = Some(expression),
        RuleSite::Delete => access.delete = Some(expression),
        RuleSite::FieldRead(field) => collection.fields[usize::from(field.0)].read = FieldRule::Rule(expression),
        RuleSite::FieldWrite(field) => collection.fields[usize::from(field.0)].write = FieldRule::Rule(expression),
        RuleSite::Check { field, message } => collection.checks.push(Check {
            rule: expression,
            message,
            field,
        }),
        RuleSite::Default(field) => {
            collection.fields[usize::from(field.0)].default = Some(DefaultValue::Expression(expression));
        }
        RuleSite::IndexCondition(index) => collection.indexes[index].only = Some(expression),
    }
}
