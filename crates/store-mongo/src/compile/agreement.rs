//! MongoDB and the evaluator of expressions agree on everything.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::Model;
use engine::access::Principal;
use engine::expr::{Aliases, Before, Expects, Expression, Facts, Input, Lowering, RequestFacts, Scope};
use engine::model::{Key, Timestamp, Value};
use engine::ports::store::StoreError;
use engine::query::interpret::Relations;
use engine::query::{Alias, Bindings, Image, Pred};
use mongodb::bson::{Document, doc};
use mongodb::{Client, Database};
use proptest::prelude::*;
use testkit::expr::{Case, ChangeCase, Schema, World, cases, change_cases};
use tokio::runtime::Runtime;

use super::predicate::Compiler;
use super::*;
use crate::session::Session;
use crate::system;

const NOW: Timestamp = Timestamp(1_750_000_000_123);

fn compiled(schema: &Schema, source: &str) -> Expression {
    let scope = Scope {
        record: Some(schema.root().id),
        before: true,
        bare_fields: false,
    };
    let compiled = Expression::compile(source, scope, Expects::Condition, &schema.model);
    compiled.unwrap_or_else(|errors| panic!("{source}: {errors:?}\n{schema:?}"))
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
    let roles = principal.roles().iter().map(|role| Value::Text(role.clone()));
    Bindings {
        auth_id: principal.user_id().map_or(Value::Null, Value::Id),
        auth_roles: Value::List(roles.collect()),
        now: NOW,
    }
}

/// `None` when the predicate would be too large, which is an answer as well.
fn lowered(model: &Model, expression: &Expression, principal: &Principal, before: Before<'_>) -> Option<Pred> {
    let mut aliases = Aliases::default();
    let mut lowering = Lowering {
        model,
        facts: facts(principal),
        root: Alias::ROOT,
        aliases: &mut aliases,
        visibility: None,
        before,
    };
    match expression.predicate(&mut lowering) {
        Ok(pred) => Some(pred),
        Err(error) if error.message.contains("too large") => None,
        Err(error) => panic!("{}: {error}", expression.source()),
    }
}

/// `Some(truth)`, or `None` for an error.
fn evaluated(
    expression: &Expression,
    world: &World,
    principal: &Principal,
    (record, before): (&Image, &Image),
) -> Option<bool> {
    let model = &*world.schema.model;
    let related = Relations { model, records: world };
    let input = Input {
        model,
        facts: facts(principal),
        record: Some(record),
        before: Some(before),
        related: Some(&related),
    };
    match expression.evaluate(input) {
        Ok(Value::Bool(truth)) => Some(truth),
        Ok(_) | Err(_) => None,
    }
}

/// A world in a database of its own, which goes with it.
struct Filled {
    schema: Arc<Schema>,
    database: Database,
    runtime: Runtime,
}

impl Filled {
    fn holding(world: &World) -> Self {
        let schema = world.schema.clone();
        let runtime = Runtime::new().expect("a runtime");
        let database = runtime.block_on(async {
            let client = Client::with_uri_str(testkit::services::mongodb_url())
                .await
                .expect("a URL");
            let database = client.database(&format!("a{}", uuid::Uuid::now_v7().simple()));
            system::prepare(&database).await.expect("a new database");
            database
        });
        let filled = Self {
            schema,
            database,
            runtime,
        };
        for (collection, images) in filled.schema.model.collections.iter().zip(&world.records) {
            let documents = images.iter().map(|image| {
                let key = collection
                    .key
                    .iter()
                    .map(|field| image.0[collection.slot(*field).expect("a key is stored")].clone());
                document(collection, &Key(key.collect()), image)
            });
            filled.insert(&collection.table, documents.collect());
        }
        for link in &world.links {
            let links = Links::of(filled.schema.model.collection(link.collection), link.field);
            filled.insert(links.table, vec![links.link(&link.source, &link.target)]);
        }
        filled
    }

    fn within<T>(&self, work: impl AsyncFnOnce(&mut Session<'_>) -> Result<T, StoreError>) -> T {
        let mut session = Session::plain(
            &self.database,
            &self.schema.model,
            Instant::now() + Duration::from_secs(60),
        );
        let done = self.runtime.block_on(work(&mut session));
        done.unwrap_or_else(|error| panic!("{error}"))
    }

    fn insert(&self, table: &str, documents: Vec<Document>) {
        self.within(async |session| session.insert(table, documents).await);
    }

    /// For each record of the root in the order of ids, whether a predicate holds.
    fn holds(&self, frame: Frame<'_>, pred: &Pred) -> Vec<bool> {
        let root = self.schema.root();
        let mut compiler = Compiler::new(frame, root);
        compiler.stage(doc! { "$sort": { path::ID: 1 } });
        compiler.select_truth(pred);
        let statement = compiler.finish(&root.table);
        let shown = format!("{statement:?}");
        let rows = self.within(async |session| {
            let asked = session.query(statement).await;
            asked.map_err(|error| StoreError::Failed(format!("{error}\n{shown}")))
        });
        rows.into_iter().map(|row| row[0] == Value::Bool(true)).collect()
    }

    /// How many records a filter lets through.
    fn passing(&self, frame: Frame<'_>, pred: &Pred) -> usize {
        let root = self.schema.root();
        let mut compiler = Compiler::new(frame, root);
        compiler.filter(pred);
        let statement = compiler.finish(&root.table);
        self.within(async |session| session.query(statement).await).len()
    }
}

impl Drop for Filled {
    fn drop(&mut self) {
        if let Err(error) = self.runtime.block_on(self.database.drop().into_future()) {
            eprintln!("a test's database could not be dropped: {error}");
        }
    }
}

/// Each case fills a database, so there are fewer of them than usual, of several conditions each; and shrinking one is slow.
fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 48,
        max_shrink_iters: 100,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn mongodb_finds_what_the_expression_is_true_of(case in cases(6)) {
        let Case { sources, world, principal } = case;
        let (schema, model) = (&*world.schema, &*world.schema.model);
        let (database, bindings) = (Filled::holding(&world), bindings(&principal));
        let frame = Frame::reading(model, &bindings);
        for source in sources {
            let (plain, negated) = (compiled(schema, &source), compiled(schema, &format!("!({source})")));
            let lower = |expression| lowered(model, expression, &principal, Before::Record);
            let (Some(is_true), Some(is_false)) = (lower(&plain), lower(&negated)) else { continue };
            let records = &world.records[usize::from(schema.root().id.0)];
            let expected: Vec<Option<bool>> =
                records.iter().map(|record| evaluated(&plain, &world, &principal, (record, record))).collect();
            let truths = database.holds(frame, &is_true);
            let falsehoods = database.holds(frame, &is_false);
            let found = truths.iter().filter(|truth| **truth).count();
            prop_assert_eq!(database.passing(frame, &is_true), found, "{}\n  {:?}", source, is_true);
            for (index, expected) in expected.into_iter().enumerate() {
                prop_assert_eq!(
                    (truths[index], falsehoods[index]),
                    (expected == Some(true), expected == Some(false)),
                    "{}\n  true:  {:?}\n  false: {:?}\n  for {:?}",
                    source, is_true, is_false, records[index]
                );
            }
        }
    }

    #[test]
    fn mongodb_judges_a_change_as_the_evaluator_does(case in change_cases()) {
        let ChangeCase { source, world, principal, changed: image } = case;
        let (schema, model) = (&*world.schema, &*world.schema.model);
        let (root, bindings) = (schema.root(), bindings(&principal));
        let database = Filled::holding(&world);
        let expression = compiled(schema, &source);
        let mut captures = Vec::new();
        let Some(after) = lowered(model, &expression, &principal, Before::Captured(&mut captures)) else {
            return Ok(());
        };
        let reading = Frame::reading(model, &bindings);
        let captured: Vec<bool> = captures.iter().map(|pred| database.holds(reading, pred)[0]).collect();

        let mut changed = world.clone();
        let records = usize::from(root.id.0);
        let stored = &world.records[records][0];
        changed.records[records][0] = image.clone();
        let slot = root.slot(root.key[0]).expect("a key is stored");
        let key = Key(vec![stored.0[slot].clone()]);
        if let Some(update) = update(root, stored, &image) {
            database.within(async |session| session.update(&root.table, by_key(root, &key), update).await);
        }
        let frame = Frame { before: Some((root, stored)), captured: &captured, ..reading };
        let got = database.holds(frame, &after)[0];
        let expected = evaluated(&expression, &changed, &principal, (&image, stored)) == Some(true);
        prop_assert_eq!(got, expected, "{}\n  {:?}\n  captures {:?}", source, after, captures);
    }
}
