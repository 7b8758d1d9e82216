//! The evaluator and the interpreter of predicates agree on everything.

use engine::access::Principal;
use engine::expr::{
    Aliases, Before, Expects, Expression, Facts, Input, Lowering, Related, RequestFacts, Scope, Visibility,
};
use engine::model::{CollectionId, FieldId, Value};
use engine::query::interpret::{Interpreter, Records, Relations};
use engine::query::{Alias, Bindings, Image, Pred, Term};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::values::NOW;
use super::{World, before_conditions, callers, conditions, model, worlds};

fn task() -> CollectionId {
    model().by_name("Task").unwrap().id
}

fn compile(source: &str) -> Expression {
    let scope = Scope {
        record: Some(task()),
        before: true,
        bare_fields: false,
    };
    match Expression::compile(source, scope, Expects::Condition, &model()) {
        Ok(expression) => expression,
        Err(errors) => panic!("{source}: {errors:?}"),
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
fn lower(compiled: &Expression, principal: &Principal, before: Before<'_>) -> Option<Pred> {
    lower_for(compiled, principal, before, None)
}

fn lower_for(
    compiled: &Expression,
    principal: &Principal,
    before: Before<'_>,
    visibility: Option<&dyn Visibility>,
) -> Option<Pred> {
    let mut aliases = Aliases::default();
    let mut lowering = Lowering {
        model: &model(),
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
    let model = model();
    let related = Relations {
        model: &model,
        records: world,
    };
    let input = Input {
        model: &model,
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

/// Read rules: of each collection one boolean column, and of some fields the same or nobody's.
struct Rules;

impl Rules {
    const RECORDS: [(&str, &str); 3] = [("User", "active"), ("Team", "open"), ("Task", "done")];
    const FIELDS: [(&str, &str); 4] = [
        ("User", "nick"),
        ("Team", "name"),
        ("Task", "note"),
        ("Task", "priority"),
    ];
    const NOBODYS: (&str, &str) = ("Team", "topic");

    fn column(collection: CollectionId) -> FieldId {
        let model = model();
        let collection = model.collection(collection);
        let (_, column) = Self::RECORDS.iter().find(|(name, _)| *name == collection.name).unwrap();
        collection.by_name[*column]
    }

    fn shows(collection: CollectionId, image: &Image) -> bool {
        let slot = model().collection(collection).slot(Self::column(collection)).unwrap();
        image.0[slot] == Value::Bool(true)
    }

    /// What a reader sees of a record: hidden fields are null.
    fn masked(collection: CollectionId, image: &Image) -> Image {
        let model = model();
        let collection = model.collection(collection);
        let shows = Self::shows(collection.id, image);
        let seen = collection.stored().zip(&image.0).map(|(field, value)| {
            let at = (collection.name.as_str(), field.name.as_str());
            let hidden = at == Self::NOBODYS || (!shows && Self::FIELDS.contains(&at));
            if hidden { Value::Null } else { value.clone() }
        });
        Image(seen.collect())
    }
}

impl Visibility for Rules {
    fn record(&self, collection: CollectionId, alias: Alias, _aliases: &mut Aliases) -> Pred {
        Pred::Truth(Term::Field(alias, Self::column(collection)))
    }

    fn field(&self, collection: CollectionId, field: FieldId, alias: Alias, aliases: &mut Aliases) -> Pred {
        let model = model();
        let name = model.collection(collection).field(field).name.as_str();
        match (model.collection(collection).name.as_str(), name) {
            at if at == Self::NOBODYS => Pred::Const(false),
            at if Self::FIELDS.contains(&at) => self.record(collection, alias, aliases),
            _ => Pred::Const(true),
        }
    }
}

/// A world as a reader sees it.
struct Seen<'a>(&'a World);

impl Related for Seen<'_> {
    fn record(&self, collection: CollectionId, key: &Value) -> Option<Image> {
        let image = Records::record(self.0, collection, key)?;
        Rules::shows(collection, &image).then(|| Rules::masked(collection, &image))
    }

    fn members(&self, collection: CollectionId, field: FieldId, key: &Value) -> Vec<Value> {
        let model = model();
        let all = Relations {
            model: &model,
            records: self.0,
        };
        let target = model.collection(collection).field(field).target().unwrap();
        let mut keys = all.members(collection, field, key);
        keys.retain(|key| Related::record(self, target, key).is_some());
        keys
    }
}

proptest! {
    #[test]
    fn a_caller_sees_of_each_hop_what_it_may(
        source in conditions(),
        world in worlds(),
        principal in callers(),
    ) {
        let model = model();
        let bindings = bindings(&principal);
        let interpreter = Interpreter::new(&model, &world, &bindings);
        let compiled = compile(&source);
        let Some(pred) = lower_for(&compiled, &principal, Before::Record, Some(&Rules)) else {
            return Ok(());
        };
        for record in &world.records[usize::from(task().0)] {
            let seen = Rules::masked(task(), record);
            let input = Input {
                model: &model,
                facts: facts(&principal),
                record: Some(&seen),
                before: None,
                related: Some(&Seen(&world)),
            };
            let got = interpreter.holds(&pred, task(), record);
            prop_assert_eq!(got, compiled.holds(input), "{}\n  {:?}\n  for {:?}", source, pred, record);
        }
    }
    #[test]
    fn a_predicate_holds_where_the_expression_is_true(
        source in conditions(),
        world in worlds(),
        principal in callers(),
    ) {
        let model = model();
        let bindings = bindings(&principal);
        let interpreter = Interpreter::new(&model, &world, &bindings);
        let (compiled, negated) = (compile(&source), compile(&format!("!({source})")));
        let (Some(is_true), Some(is_false)) =
            (lower(&compiled, &principal, Before::Record), lower(&negated, &principal, Before::Record))
        else {
            return Ok(());
        };
        for record in &world.records[usize::from(task().0)] {
            let expected = evaluate(&compiled, &world, &principal, record, Some(record));
            let got = (
                interpreter.holds(&is_true, task(), record),
                interpreter.holds(&is_false, task(), record),
            );
            prop_assert_eq!(
                got,
                (expected == Some(true), expected == Some(false)),
                "{}\n  true:  {:?}\n  false: {:?}\n  for {:?}",
                source, is_true, is_false, record
            );
        }
    }

    #[test]
    fn a_change_is_judged_alike(
        source in before_conditions(),
        world in worlds(),
        principal in callers(),
        changed in super::world::image(model().collection(task()), 0),
    ) {
        let model = model();
        let bindings = bindings(&principal);
        let compiled = compile(&source);
        let mut captures = Vec::new();
        let Some(after) = lower(&compiled, &principal, Before::Captured(&mut captures)) else {
            return Ok(());
        };
        let tasks = usize::from(task().0);
        let stored = world.records[tasks][0].clone();
        let reader = Interpreter::new(&model, &world, &bindings);
        let captured: Vec<bool> = captures.iter().map(|pred| reader.holds(pred, task(), &stored)).collect();
        let mut changed_world = world.clone();
        changed_world.records[tasks][0] = changed.clone();
        let judge = Interpreter::new(&model, &changed_world, &bindings).after(task(), &stored, &captured);
        let got = judge.holds(&after, task(), &changed);
        let expected = evaluate(&compiled, &changed_world, &principal, &changed, Some(&stored)) == Some(true);
        prop_assert_eq!(got, expected, "{}\n  {:?}\n  captures {:?}", source, after, captures);
        // The same rule on the stored record alone.
        if let Some(pred) = lower(&compiled, &principal, Before::Record) {
            let expected = evaluate(&compiled, &world, &principal, &stored, Some(&stored)) == Some(true);
            prop_assert_eq!(reader.holds(&pred, task(), &stored), expected, "{}\n  {:?}", source, pred);
        }
        if let Some(pred) = lower(&compiled, &principal, Before::Absent) {
            let expected = evaluate(&compiled, &world, &principal, &stored, None) == Some(true);
            prop_assert_eq!(reader.holds(&pred, task(), &stored), expected, "created: {}\n  {:?}", source, pred);
        }
    }
}

/// Comparing is worth nothing where all is an error.
#[test]
fn the_generator_reaches_every_outcome() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let cases = (conditions(), worlds(), callers());
    let (mut is_true, mut is_false, mut failed, mut refused) = (0, 0, 0, 0);
    for _ in 0..300 {
        let (source, world, principal) = cases.new_tree(&mut runner).unwrap().current();
        let compiled = compile(&source);
        refused += i32::from(lower(&compiled, &principal, Before::Record).is_none());
        let record = &world.records[usize::from(task().0)][0];
        match evaluate(&compiled, &world, &principal, record, Some(record)) {
            Some(true) => is_true += 1,
            Some(false) => is_false += 1,
            None => failed += 1,
        }
    }
    let outcomes = format!("{is_true} true, {is_false} false, {failed} errors, {refused} refused");
    assert!(
        is_true > 50 && is_false > 50 && failed > 30 && refused < 15,
        "{outcomes}"
    );
}
