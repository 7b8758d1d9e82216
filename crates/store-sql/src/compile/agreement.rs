//! Each database and the evaluator of expressions agree on everything.

use std::sync::Arc;

use engine::Model;
use engine::access::Principal;
use engine::expr::{Aliases, Before, Expects, Expression, Facts, Input, Lowering, RequestFacts, Scope};
use engine::model::{Timestamp, Value};
use engine::query::interpret::Relations;
use engine::query::{Alias, Bindings, Image, Pred};
use proptest::prelude::*;
use rusqlite::Connection;
use testkit::expr::{Case, ChangeCase, Schema, World, cases, change_cases, rich, worlds};

use super::predicate::Compiler;
use super::sql::Sql;
use super::*;
use crate::dialect::{Postgres, Sqlite};
use crate::session::{Columns, Session, at_once};
use crate::sqlite::testing;
use crate::{mysql, postgres};

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

/// What can be asked in a statement.
trait Place {
    fn dialect(&self) -> DialectRef;
    fn execute(&mut self, model: &Model, statement: Statement<'_>);
    fn query(&mut self, model: &Model, statement: Statement<'_>) -> Vec<Columns>;
}

/// An empty database with a model's tables.
type Open = fn(&Model) -> Box<dyn Place>;

struct InSqlite(Connection);

impl Place for InSqlite {
    fn dialect(&self) -> DialectRef {
        &Sqlite
    }

    fn execute(&mut self, model: &Model, statement: Statement<'_>) {
        at_once(testing::session(&self.0, model).execute(statement)).expect("worlds are well");
    }

    fn query(&mut self, model: &Model, statement: Statement<'_>) -> Vec<Columns> {
        at_once(testing::session(&self.0, model).query(statement)).unwrap_or_else(|error| panic!("{error}"))
    }
}

fn sqlite(model: &Model) -> Box<dyn Place> {
    let connection = testing::connection();
    crate::migrate::create(&connection, model).expect("an empty database takes the tables");
    // References may lead to what comes later.
    connection.execute_batch("BEGIN").expect("nothing is under way");
    Box::new(InSqlite(connection))
}

impl Place for postgres::testing::Database {
    fn dialect(&self) -> DialectRef {
        &Postgres
    }

    fn execute(&mut self, model: &Model, statement: Statement<'_>) {
        postgres::testing::Database::execute(self, model, statement);
    }

    fn query(&mut self, model: &Model, statement: Statement<'_>) -> Vec<Columns> {
        postgres::testing::Database::query(self, model, statement)
    }
}

fn in_postgres(model: &Model) -> Box<dyn Place> {
    let database = postgres::testing::Database::of(model);
    let begun = database.client().batch_execute("BEGIN");
    database.wait(begun).expect("nothing is under way");
    Box::new(database)
}

impl Place for mysql::testing::Database {
    fn dialect(&self) -> DialectRef {
        mysql::testing::Database::dialect(self)
    }

    fn execute(&mut self, model: &Model, statement: Statement<'_>) {
        mysql::testing::Database::execute(self, model, statement);
    }

    fn query(&mut self, model: &Model, statement: Statement<'_>) -> Vec<Columns> {
        mysql::testing::Database::query(self, model, statement)
    }
}

fn in_mysql(model: &Model) -> Box<dyn Place> {
    let mut database = mysql::testing::Database::of(model);
    // References may lead to what comes later.
    database.command("SET foreign_key_checks = 0; START TRANSACTION");
    Box::new(database)
}

/// A world in a database.
struct Database {
    schema: Arc<Schema>,
    place: Box<dyn Place>,
}

impl Database {
    fn holding(world: &World, open: Open) -> Self {
        let schema = world.schema.clone();
        let mut place = open(&schema.model);
        let dialect = place.dialect();
        for (collection, images) in schema.model.collections.iter().zip(&world.records) {
            for image in images {
                place.execute(&schema.model, insert(dialect, collection, image));
            }
        }
        for link in &world.links {
            let links = Links::of(schema.model.collection(link.collection), link.field);
            place.execute(&schema.model, insert_link(dialect, links, &link.source, &link.target));
        }
        Self { schema, place }
    }

    /// For each record of the root in the order of ids, whether a predicate holds.
    fn holds(&mut self, frame: Frame<'_>, pred: &Pred) -> Vec<bool> {
        let root = self.schema.root();
        let mut compiler = Compiler::new(Sql::new(self.place.dialect()), frame, root);
        compiler.sql.push("SELECT ");
        compiler.select_truth(pred);
        compiler.select_from(root);
        compiler.sql.push(" ORDER BY t0.id");
        let rows = self.place.query(&self.schema.model, compiler.sql.finish());
        rows.into_iter().map(|row| row[0] == Value::Bool(true)).collect()
    }
}

/// Each case fills a database, so there are fewer of them than usual, of several conditions each; and shrinking one is slow.
fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 64,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn finds_what_the_expression_is_true_of(case: Case, open: Open) -> Result<(), TestCaseError> {
    let Case {
        sources,
        world,
        principal,
    } = case;
    let (schema, model) = (&*world.schema, &*world.schema.model);
    let (mut database, bindings) = (Database::holding(&world, open), bindings(&principal));
    let frame = Frame::reading(model, &bindings);
    for source in sources {
        let (plain, negated) = (compiled(schema, &source), compiled(schema, &format!("!({source})")));
        let lower = |expression| lowered(model, expression, &principal, Before::Record);
        let (Some(is_true), Some(is_false)) = (lower(&plain), lower(&negated)) else {
            continue;
        };
        let records = &world.records[usize::from(schema.root().id.0)];
        let expected: Vec<Option<bool>> = records
            .iter()
            .map(|record| evaluated(&plain, &world, &principal, (record, record)))
            .collect();
        let truths = database.holds(frame, &is_true);
        let falsehoods = database.holds(frame, &is_false);
        for (index, expected) in expected.into_iter().enumerate() {
            prop_assert_eq!(
                (truths[index], falsehoods[index]),
                (expected == Some(true), expected == Some(false)),
                "{}\n  true:  {:?}\n  false: {:?}\n  for {:?}",
                source,
                is_true,
                is_false,
                records[index]
            );
        }
    }
    Ok(())
}

fn judges_a_change_as_the_evaluator_does(case: ChangeCase, open: Open) -> Result<(), TestCaseError> {
    let ChangeCase {
        source,
        world,
        principal,
        changed: image,
    } = case;
    let (schema, model) = (&*world.schema, &*world.schema.model);
    let (root, bindings) = (schema.root(), bindings(&principal));
    let mut database = Database::holding(&world, open);
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
    let key = engine::model::Key(vec![stored.0[slot].clone()]);
    if let Some(statement) = update(database.place.dialect(), (root, &key), stored, &image) {
        database.place.execute(model, statement);
    }
    let frame = Frame {
        before: Some((root, stored)),
        captured: &captured,
        ..reading
    };
    let got = database.holds(frame, &after)[0];
    let expected = evaluated(&expression, &changed, &principal, (&image, stored)) == Some(true);
    prop_assert_eq!(got, expected, "{}\n  {:?}\n  captures {:?}", source, after, captures);
    Ok(())
}

/// Choices between what nobody has, which is null and of no kind that a database could see.
fn of_nobody() -> impl Strategy<Value = Case> {
    let nobodys = [
        "(record.done ? (record.flag ? auth.id : auth.user) : record.owner) == record.owner",
        "(record.flag ? auth.user : auth.id) == record.owner",
        "(record.done ? record.owner : (record.flag ? auth.id : auth.id)) != auth.id",
    ];
    worlds(&rich()).prop_map(move |world| Case {
        sources: nobodys.map(str::to_owned).to_vec(),
        world,
        principal: Principal::Anonymous,
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn sqlite_finds_what_the_expression_is_true_of(case in cases(6)) {
        finds_what_the_expression_is_true_of(case, sqlite)?;
    }

    #[test]
    fn sqlite_knows_that_nobody_has_no_id(case in of_nobody()) {
        finds_what_the_expression_is_true_of(case, sqlite)?;
    }

    #[test]
    fn sqlite_judges_a_change_as_the_evaluator_does(case in change_cases()) {
        judges_a_change_as_the_evaluator_does(case, sqlite)?;
    }

    #[test]
    fn postgres_finds_what_the_expression_is_true_of(case in cases(6)) {
        finds_what_the_expression_is_true_of(case, in_postgres)?;
    }

    #[test]
    fn postgres_knows_that_nobody_has_no_id(case in of_nobody()) {
        finds_what_the_expression_is_true_of(case, in_postgres)?;
    }

    #[test]
    fn postgres_judges_a_change_as_the_evaluator_does(case in change_cases()) {
        judges_a_change_as_the_evaluator_does(case, in_postgres)?;
    }

    #[test]
    fn mysql_finds_what_the_expression_is_true_of(case in cases(6)) {
        finds_what_the_expression_is_true_of(case, in_mysql)?;
    }

    #[test]
    fn mysql_knows_that_nobody_has_no_id(case in of_nobody()) {
        finds_what_the_expression_is_true_of(case, in_mysql)?;
    }

    #[test]
    fn mysql_judges_a_change_as_the_evaluator_does(case in change_cases()) {
        judges_a_change_as_the_evaluator_does(case, in_mysql)?;
    }
}
