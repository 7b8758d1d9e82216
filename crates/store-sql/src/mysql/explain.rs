//! How MySQL answers a question: its statements as they run, its plans, and the index that it would rather have.
//!
//! An index is only proposed where MySQL itself, told on an empty copy of the table to take it, has less to do than with any that is there.

use std::time::Instant;

use engine::Model;
use engine::model::{Structure, Value};
use engine::ports::store::StoreError;
use engine::query::trace::{Advice, Cost, Outcome, PlanStep, Traced, index_candidates, work};
use engine::query::{ListPlan, Question, Trace};
use mysql_async::prelude::Queryable as _;
use mysql_async::{Error, Params, Row};
use tokio::time::timeout_at;

use super::pool::Connection;
use super::session::MySqlSession;
use super::value::bound;
use crate::compile::{self, DialectRef, Frame, Statement};
use crate::dialect::Dialect as _;
use crate::migrate::mysql::trial_index;
use crate::read;
use crate::session::{Columns, EachRow, Session, count_each};

/// The name of an index that is only tried.
const CANDIDATE: &str = "the_new_index";
/// That of the copy, at first.
const COPY: &str = "_ninefold_copy";

pub(super) async fn trace(
    connection: &mut Connection,
    model: &Model,
    question: &Question,
    deadline: Instant,
) -> Result<Trace, StoreError> {
    let mut recorder = Recorder {
        connection,
        model,
        statements: Vec::new(),
    };
    match timeout_at(deadline.into(), recorder.carry_out(question)).await {
        // The plan is what is wanted all the more where it takes too long.
        Ok(Ok(()) | Err(StoreError::Timeout)) | Err(_) => {}
        Ok(Err(error)) => return Err(error),
    }
    let statements = recorder.statements;
    let advice = match (question, statements.first()) {
        (Question::List(permit) | Question::Advise(permit), Some(first)) if work(&first.steps) > (0, 0) => {
            let advised = timeout_at(deadline.into(), advice(connection, model, permit.plan())).await;
            // Who may not make temporary tables is left without.
            advised.ok().and_then(Result::ok).flatten()
        }
        _ => None,
    };
    Ok(Trace {
        statements,
        advice: advice.into_iter().collect(),
    })
}

/// The best of the indexes that would leave less to do than those that are there.
async fn advice(connection: &mut Connection, model: &Model, plan: &ListPlan) -> Result<Option<Advice>, Error> {
    let dialect = connection.dialect;
    let collection = model.collection(plan.collection);
    let (statement, _) = compile::list(dialect, Frame::reading(model, &plan.bindings), plan);
    let mut table = String::new();
    dialect.identifier(&mut table, &collection.table);
    // In the end the copy goes by the same name, and hides the table.
    let copied = format!("CREATE TEMPORARY TABLE {COPY} LIKE {table}; ALTER TABLE {COPY} RENAME TO {table}");
    connection.conn.query_drop(copied).await?;
    let best = best(connection, model, &table, plan, &statement).await;
    connection
        .conn
        .query_drop(format!("DROP TEMPORARY TABLE {table}"))
        .await?;
    best
}

async fn best(
    connection: &mut Connection,
    model: &Model,
    table: &str,
    plan: &ListPlan,
    statement: &Statement<'_>,
) -> Result<Option<Advice>, Error> {
    // The copy is empty, so what is cheap there says nothing; what is possible does.
    let collection = model.collection(plan.collection);
    let structure = Structure::of(model);
    let Some(stored) = structure.collection(&collection.name) else {
        return Ok(None);
    };
    let mut needed = work(&steps(connection, &statement.text, statement).await?);
    for index in stored.indexes.iter().filter(|index| index.only.is_none()) {
        let forced = forced(&statement.text, &index.name);
        needed = needed.min(work(&steps(connection, &forced, statement).await?));
    }
    let mut best = None;
    for fields in index_candidates(collection, &plan.guard, &plan.sort) {
        let names = fields
            .iter()
            .map(|field| collection.field(*field).name.clone())
            .collect();
        for sql in trial_index(connection.dialect, stored, CANDIDATE, names) {
            connection.conn.query_drop(sql).await?;
        }
        let steps = steps(connection, &forced(&statement.text, CANDIDATE), statement).await?;
        let dropped = format!("DROP INDEX {CANDIDATE} ON {table}");
        connection.conn.query_drop(dropped).await?;
        if steps.iter().any(|step| step.text.contains(CANDIDATE)) && work(&steps) < needed {
            needed = work(&steps);
            best = Some(Advice {
                collection: plan.collection,
                fields,
                steps,
            });
        }
    }
    Ok(best)
}

/// With this index for the rows that are listed.
fn forced(text: &str, index: &str) -> String {
    text.replacen(" AS t0", &format!(" AS t0 FORCE INDEX (`{index}`)"), 1)
}

async fn steps(connection: &mut Connection, text: &str, statement: &Statement<'_>) -> Result<Vec<PlanStep>, Error> {
    let values: Vec<_> = statement.binds.iter().map(|value| bound(value)).collect();
    let values = if values.is_empty() {
        Params::Empty
    } else {
        Params::Positional(values)
    };
    // MySQL is otherwise used to one text for all tables.
    let explain = format!("EXPLAIN FORMAT=TRADITIONAL {text}");
    let rows: Vec<Row> = connection.conn.exec(explain, values).await?;
    Ok(rows.iter().flat_map(plan_steps).collect())
}

/// Whether all statements came to their end.
pub(super) fn is_whole(trace: &Trace) -> bool {
    let mut statements = trace.statements.iter();
    statements.all(|statement| statement.outcome != Outcome::Interrupted)
}

/// A session that writes down what it is asked.
struct Recorder<'c> {
    connection: &'c mut Connection,
    model: &'c Model,
    statements: Vec<Traced>,
}

impl Recorder<'_> {
    async fn carry_out(&mut self, question: &Question) -> Result<(), StoreError> {
        let model = self.model;
        match question {
            Question::Get(permit) => read::get(self, model, permit.plan()).await.map(|_| ()),
            Question::List(permit) => read::list(self, model, permit.plan()).await.map(|_| ()),
            Question::Judge(permit) => {
                let plan = permit.plan();
                let frame = Frame::reading(model, &plan.bindings);
                let collection = model.collection(plan.collection);
                let target = (collection, &plan.key);
                let statement = compile::stored_row(self.dialect(), frame, target, &plan.before, &[]);
                self.query(statement).await.map(|_| ())
            }
            Question::Advise(permit) => {
                let plan = permit.plan();
                let (statement, _) = compile::list(self.dialect(), Frame::reading(model, &plan.bindings), plan);
                self.write_down(&statement, Outcome::Planned).await
            }
        }
    }

    async fn write_down(&mut self, statement: &Statement<'_>, outcome: Outcome) -> Result<(), StoreError> {
        let dialect = self.dialect();
        let steps = steps(self.connection, &statement.text, statement).await;
        let steps = steps.map_err(|error| super::error::store_error(&error, &statement.text, self.model))?;
        self.statements.push(Traced {
            text: statement.text.clone(),
            values: statement.binds.iter().map(|value| literal(dialect, value)).collect(),
            steps,
            outcome,
        });
        Ok(())
    }
}

impl Session for Recorder<'_> {
    fn dialect(&self) -> DialectRef {
        self.connection.dialect
    }

    async fn each(&mut self, statement: Statement<'_>, row: EachRow<'_>) -> Result<(), StoreError> {
        self.write_down(&statement, Outcome::Interrupted).await?;
        let place = self.statements.len() - 1;
        let began = Instant::now();
        let mut session = MySqlSession::new(self.connection, self.model);
        let count = count_each(&mut session, statement, row).await?;
        self.statements[place].outcome = Outcome::Rows {
            count,
            took: began.elapsed(),
        };
        Ok(())
    }

    async fn execute(&mut self, _statement: Statement<'_>) -> Result<u64, StoreError> {
        Err(StoreError::Failed("what is explained only reads".to_owned()))
    }

    async fn insert(&mut self, _statement: Statement<'_>) -> Result<Option<Columns>, StoreError> {
        Err(StoreError::Failed("what is explained only reads".to_owned()))
    }
}

fn literal(dialect: DialectRef, value: &Value) -> String {
    let mut text = String::new();
    dialect.literal(&mut text, value);
    text
}

/// One table of a plan; that its rows are sorted is a step of its own.
fn plan_steps(row: &Row) -> Vec<PlanStep> {
    let text = |name: &str| row.get_opt::<String, _>(name).and_then(Result::ok).unwrap_or_default();
    let (table, access, key, extra) = (text("table"), text("type"), text("key"), text("Extra"));
    read_step(&table, &access, &key, &extra)
}

fn read_step(table: &str, access: &str, key: &str, extra: &str) -> Vec<PlanStep> {
    let mut steps = Vec::new();
    // A page that was found before.
    let is_page = table.starts_with("<derived");
    if extra.contains("Using filesort") {
        steps.push(PlanStep {
            depth: 0,
            text: "filesort".to_owned(),
            cost: if is_page { Cost::Bounded } else { Cost::Sort },
        });
    }
    let mut text = format!("{access} {table}");
    if !key.is_empty() {
        text.push_str(&format!(" by {key}"));
    }
    if !extra.is_empty() {
        text.push_str(&format!(" ({extra})"));
    }
    steps.push(PlanStep {
        depth: steps.len(),
        text: text.trim().to_owned(),
        cost: if matches!(access, "ALL" | "index") && !is_page {
            Cost::Scan
        } else {
            Cost::Bounded
        },
    });
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_table_by_table() {
        let costs = |access, extra| {
            let steps = read_step("t0", access, "ix_note_word", extra);
            steps
                .into_iter()
                .map(|step| (step.depth, step.cost))
                .collect::<Vec<_>>()
        };
        assert_eq!(costs("ref", "Using where"), [(0, Cost::Bounded)]);
        assert_eq!(
            costs("ALL", "Using where; Using filesort"),
            [(0, Cost::Sort), (1, Cost::Scan)]
        );
        assert_eq!(costs("index", ""), [(0, Cost::Scan)]);
        let of_page = read_step("<derived2>", "ALL", "", "Using filesort");
        assert!(of_page.iter().all(|step| step.cost == Cost::Bounded));
    }
}
