//! The evaluator and the interpreter of predicates agree on everything.

use engine::Model;
use engine::access::Principal;
use engine::expr::{
    Aliases, Before, Expects, Expression, Facts, Input, Lowering, Related, RequestFacts, Scope, Visibility,
};
use engine::model::{CollectionId, Field, FieldId, FieldKind, Scalar, Value, ValueType};
use engine::query::interpret::{Interpreter, Records, Relations};
use engine::query::{Alias, Bindings, Image, Pred, Term};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::values::NOW;
use super::{Case, ChangeCase, Schema, World, callers, cases, change_cases};

fn compile(schema: &Schema, source: &str) -> Expression {
    let scope = Scope {
        record: Some(schema.root().id),
        before: true,
        bare_fields: false,
    };
    match Expression::compile(source, scope, Expects::Condition, &schema.model) {
        Ok(expression) => expression,
        Err(errors) => panic!("{source}: {errors:?}\n{schema:?}"),
    }
}

fn facts(principal: &Principal) -> Facts<'_> {
    Facts {
        principal,
        now: NOW,
        request: RequestFacts {
            operation: "update",
            address: None,
        },
    }
}

fn bindings(principal: &Principal) -> Bindings {
    let roles = principal.roles().iter();
    Bindings {
        auth_id: principal.user_id().map_or(Value::Null, Value::Id),
        auth_roles: Value::List(roles.map(|role| Value::Text(role.clone())).collect()),
        now: NOW,
    }
}

/// `None` when the predicate would be too large, which is an answer as well.
fn lower(model: &Model, compiled: &Expression, principal: &Principal, before: Before<'_>) -> Option<Pred> {
    lower_for(model, compiled, principal, before, None)
}

fn lower_for(
    model: &Model,
    compiled: &Expression,
    principal: &Principal,
    before: Before<'_>,
    visibility: Option<&dyn Visibility>,
) -> Option<Pred> {
    let mut aliases = Aliases::default();
    let mut lowering = Lowering {
        model,
        facts: facts(principal),
        root: Alias::ROOT,
        aliases: &mut aliases,
        visibility,
        before,
    };
    match compiled.predicate(&mut lowering) {
        Ok(pred) => Some(pred),
        Err(error) if error.message.contains("too large") => None,
        Err(error) => panic!("{}: {error}", compiled.source()),
    }
}

/// `Some(truth)`, or `None` for an error.
fn evaluate(
    compiled: &Expression,
    world: &World,
    principal: &Principal,
    record: &Image,
    before: Option<&Image>,
) -> Option<bool> {
    let model = &*world.schema.model;
    let related = Relations { model, records: world };
    let input = Input {
        model,
        facts: facts(principal),
        record: Some(record),
        before,
        related: Some(&related),
    };
    match compiled.evaluate(input) {
        Ok(Value::Bool(truth)) => Some(truth),
        Ok(_) | Err(_) => None,
    }
}

/// Read rules: of each collection that has one its first condition that is always there, and of some fields the same or
/// nobody's.
struct Rules<'a>(&'a Model);

impl Rules<'_> {
    fn column(&self, collection: CollectionId) -> Option<FieldId> {
        let mut stored = self.0.collection(collection).stored();
        let is_rule = |field: &&Field| {
            field.required && matches!(field.kind, FieldKind::Value(ValueType::Scalar(Scalar::Boolean)))
        };
        stored.find(is_rule).map(|field| field.id)
    }

    /// Every third field is under the record's rule, and one of them nobody's.
    fn kind(&self, collection: CollectionId, field: FieldId) -> Hidden {
        let field = self.0.collection(collection).field(field);
        match field.id.0 % 6 {
            _ if field.system || Some(field.id) == self.column(collection) => Hidden::Never,
            1 => Hidden::Always,
            4 => Hidden::Sometimes,
            _ => Hidden::Never,
        }
    }

    fn shows(&self, collection: CollectionId, image: &Image) -> bool {
        let Some(column) = self.column(collection) else {
            return true;
        };
        let slot = self.0.collection(collection).slot(column).unwrap();
        image.0[slot] == Value::Bool(true)
    }

    /// What a reader sees of a record: hidden fields are null.
    fn masked(&self, collection: CollectionId, image: &Image) -> Image {
        let collection = self.0.collection(collection);
        let shows = self.shows(collection.id, image);
        let seen = collection.stored().zip(&image.0).map(|(field, value)| {
            let hidden = match self.kind(collection.id, field.id) {
                Hidden::Always => true,
                Hidden::Sometimes => !shows,
                Hidden::Never => false,
            };
            if hidden { Value::Null } else { value.clone() }
        });
        Image(seen.collect())
    }
}

enum Hidden {
    Never,
    Sometimes,
    Always,
}

impl Visibility for Rules<'_> {
    fn record(&self, collection: CollectionId, alias: Alias, _aliases: &mut Aliases) -> Pred {
        match self.column(collection) {
            Some(column) => Pred::Truth(Term::Field(alias, column)),
            None => Pred::Const(true),
        }
    }

    fn field(&self, collection: CollectionId, field: FieldId, alias: Alias, aliases: &mut Aliases) -> Pred {
        let is_set = !self.0.collection(collection).field(field).is_stored();
        match self.kind(collection, field) {
            _ if is_set => Pred::Const(true),
            Hidden::Always => Pred::Const(false),
            Hidden::Sometimes => self.record(collection, alias, aliases),
            Hidden::Never => Pred::Const(true),
        }
    }
}

/// A world as a reader sees it.
struct Seen<'a>(&'a World, Rules<'a>);

impl Related for Seen<'_> {
    fn record(&self, collection: CollectionId, key: &Value) -> Option<Image> {
        let image = Records::record(self.0, collection, key)?;
        self.1
            .shows(collection, &image)
            .then(|| self.1.masked(collection, &image))
    }

    fn members(&self, collection: CollectionId, field: FieldId, key: &Value) -> Vec<Value> {
        let model = &*self.0.schema.model;
        let all = Relations { model, records: self.0 };
        let target = model.collection(collection).field(field).target().unwrap();
        let mut keys = all.members(collection, field, key);
        keys.retain(|key| Related::record(self, target, key).is_some());
        keys
    }
}

proptest! {
    #[test]
    fn a_caller_sees_of_each_hop_what_it_may(case in cases(1)) {
        let Case { sources, world, principal } = case;
        let (source, model, root) = (&sources[0], &*world.schema.model, world.schema.root().id);
        let bindings = bindings(&principal);
        let interpreter = Interpreter::new(model, &world, &bindings);
        let compiled = compile(&world.schema, source);
        let rules = Rules(model);
        let Some(pred) = lower_for(model, &compiled, &principal, Before::Record, Some(&rules)) else {
            return Ok(());
        };
        for record in &world.records[usize::from(root.0)] {
            let seen = rules.masked(root, record);
            let input = Input {
                model,
                facts: facts(&principal),
                record: Some(&seen),
                before: None,
                related: Some(&Seen(&world, Rules(model))),
            };
            let got = interpreter.holds(&pred, root, record);
            prop_assert_eq!(got, compiled.holds(input), "{}\n  {:?}\n  for {:?}", source, pred, record);
        }
    }

    #[test]
    fn a_predicate_holds_where_the_expression_is_true(case in cases(1)) {
        let Case { sources, world, principal } = case;
        let (source, model, root) = (&sources[0], &*world.schema.model, world.schema.root().id);
        let bindings = bindings(&principal);
        let interpreter = Interpreter::new(model, &world, &bindings);
        let (compiled, negated) = (compile(&world.schema, source), compile(&world.schema, &format!("!({source})")));
        let lower = |expression| lower(model, expression, &principal, Before::Record);
        let (Some(is_true), Some(is_false)) = (lower(&compiled), lower(&negated)) else {
            return Ok(());
        };
        for record in &world.records[usize::from(root.0)] {
            let expected = evaluate(&compiled, &world, &principal, record, Some(record));
            let got = (
                interpreter.holds(&is_true, root, record),
                interpreter.holds(&is_false, root, record),
            );
            prop_assert_eq!(
                got,
                (expected == Some(true), expected == Some(false)),
                "{}\n  true:  {:?}\n  false: {:?}\n  for {:?}",
                source, is_true, is_false, record
            );
        }
    }

    /// What a rule came to for others is remembered, and must not show.
    #[test]
    fn who_asked_before_makes_no_difference(case in cases(1), others in proptest::collection::vec(callers(&super::model()), 1..4)) {
        let Case { sources, world, principal } = case;
        let (source, model) = (&sources[0], &*world.schema.model);
        let (used, untouched) = (compile(&world.schema, source), compile(&world.schema, source));
        for other in &others {
            let _ = (lower(model, &used, other, Before::Record), used.decide(model, facts(other)));
        }
        prop_assert_eq!(
            lower(model, &used, &principal, Before::Record),
            lower(model, &untouched, &principal, Before::Record),
            "{} after {:?}", source, others
        );
        prop_assert_eq!(used.decide(model, facts(&principal)), untouched.decide(model, facts(&principal)));
    }

    #[test]
    fn a_change_is_judged_alike(case in change_cases()) {
        let ChangeCase { source, world, principal, changed } = case;
        let (model, root) = (&*world.schema.model, world.schema.root().id);
        let bindings = bindings(&principal);
        let compiled = compile(&world.schema, &source);
        let mut captures = Vec::new();
        let Some(after) = lower(model, &compiled, &principal, Before::Captured(&mut captures)) else {
            return Ok(());
        };
        let records = usize::from(root.0);
        let stored = world.records[records][0].clone();
        let reader = Interpreter::new(model, &world, &bindings);
        let captured: Vec<bool> = captures.iter().map(|pred| reader.holds(pred, root, &stored)).collect();
        let mut changed_world = world.clone();
        changed_world.records[records][0] = changed.clone();
        let judge = Interpreter::new(model, &changed_world, &bindings).after(root, &stored, &captured);
        let got = judge.holds(&after, root, &changed);
        let expected = evaluate(&compiled, &changed_world, &principal, &changed, Some(&stored)) == Some(true);
        prop_assert_eq!(got, expected, "{}\n  {:?}\n  captures {:?}", source, after, captures);
        // The same rule on the stored record alone.
        if let Some(pred) = lower(model, &compiled, &principal, Before::Record) {
            let expected = evaluate(&compiled, &world, &principal, &stored, Some(&stored)) == Some(true);
            prop_assert_eq!(reader.holds(&pred, root, &stored), expected, "{}\n  {:?}", source, pred);
        }
        if let Some(pred) = lower(model, &compiled, &principal, Before::Absent) {
            let expected = evaluate(&compiled, &world, &principal, &stored, None) == Some(true);
            prop_assert_eq!(reader.holds(&pred, root, &stored), expected, "created: {}\n  {:?}", source, pred);
        }
    }
}

/// Comparing is worth nothing where all is an error.
#[test]
fn the_generator_reaches_every_outcome() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let cases = cases(1);
    let (mut is_true, mut is_false, mut failed, mut refused) = (0, 0, 0, 0);
    let mut schemas = std::collections::HashSet::new();
    for _ in 0..300 {
        let Case {
            sources,
            world,
            principal,
        } = cases.new_tree(&mut runner).unwrap().current();
        let compiled = compile(&world.schema, &sources[0]);
        refused += i32::from(lower(&world.schema.model, &compiled, &principal, Before::Record).is_none());
        let record = &world.records[usize::from(world.schema.root().id.0)][0];
        match evaluate(&compiled, &world, &principal, record, Some(record)) {
            Some(true) => is_true += 1,
            Some(false) => is_false += 1,
            None => failed += 1,
        }
        schemas.insert(world.schema.source.clone());
    }
    let outcomes = format!("{is_true} true, {is_false} false, {failed} errors, {refused} refused");
    assert!(
        is_true > 50 && is_false > 50 && failed > 30 && refused < 15,
        "{outcomes}"
    );
    assert!(schemas.len() > 200, "{} schemas", schemas.len());
}
