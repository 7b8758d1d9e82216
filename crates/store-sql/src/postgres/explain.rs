//! How PostgreSQL answers a question: its statements as they run, its plans, and the index that it would rather have.
//!
//! An index is only proposed where PostgreSQL itself, asked on an empty copy of the table, takes it and has less to do.

use std::time::Instant;

use engine::Model;
use engine::model::Value;
use engine::ports::store::StoreError;
use engine::query::trace::{Advice, Cost, Outcome, PlanStep, Traced, index_candidates, work};
use engine::query::{ListPlan, Question, Trace};
use futures::TryStreamExt as _;
use tokio::time::timeout_at;
use tokio_postgres::{Error, Row};

use super::pool::Connection;
use super::session::PostgresSession;
use super::value::Bound;
use crate::compile::{self, DialectRef, Frame, Kind, Statement};
use crate::dialect::{Dialect as _, Postgres};
use crate::read;
use crate::session::{Columns, EachRow, Session, count_each};

/// The name of an index that is only tried.
const CANDIDATE: &str = "the_new_index";

pub(super) async fn trace(
    connection: &Connection,
    model: &Model,
    question: &Question,
    deadline: Instant,
) -> Result<Trace, StoreError> {
    let mut recorder = Recorder {
        inner: PostgresSession::new(connection, model),
        statements: Vec::new(),
    };
    match timeout_at(deadline.into(), recorder.carry_out(model, question)).await {
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
async fn advice(connection: &Connection, model: &Model, plan: &ListPlan) -> Result<Option<Advice>, Error> {
    let collection = model.collection(plan.collection);
    let (statement, _) = compile::list(&Postgres, Frame::reading(model, &plan.bindings), plan);
    let mut table = String::new();
    Postgres.identifier(&mut table, &collection.table);
    // The copy goes by the same name, and hides the table. It is empty, so what is cheap there says nothing; what is
    // possible does.
    let copied = format!(
        "BEGIN; CREATE TEMP TABLE {table} (LIKE {table} INCLUDING INDEXES); \
         SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off"
    );
    connection.client.batch_execute(&copied).await?;
    let mut needed = work(&steps(connection, &statement).await?);
    let mut best = None;
    for fields in index_candidates(collection, &plan.guard, &plan.sort) {
        let columns = fields.iter().map(|field| collection.field(*field));
        let columns = columns.map(|field| (field.column.as_str(), !field.required));
        let index = compile::plain_index(&Postgres, CANDIDATE, &collection.table, columns);
        connection.client.batch_execute(&index).await?;
        // An index that finds what matches may be worth it even if that is sorted then.
        for sort in ["off", "on"] {
            let set = format!("SET LOCAL enable_sort = {sort}");
            connection.client.batch_execute(&set).await?;
            let steps = steps(connection, &statement).await?;
            if steps.iter().any(|step| step.text.contains(CANDIDATE)) && work(&steps) < needed {
                needed = work(&steps);
                best = Some(Advice {
                    collection: plan.collection,
                    fields: fields.clone(),
                    steps,
                });
            }
        }
        let dropped = format!("DROP INDEX {CANDIDATE}");
        connection.client.batch_execute(&dropped).await?;
    }
    connection.client.batch_execute("ROLLBACK").await?;
    Ok(best)
}

/// The plan of a statement, prepared anew: which table a name means has changed.
async fn steps(connection: &Connection, statement: &Statement<'_>) -> Result<Vec<PlanStep>, Error> {
    let explained = connection.client.prepare(&explain(&statement.text)).await?;
    let values = statement.binds.iter().map(|value| Bound(value));
    let rows = connection.client.query_raw(&explained, values).await?;
    let rows: Vec<Row> = rows.try_collect().await?;
    let lines: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    Ok(plan_steps(&lines))
}

fn explain(text: &str) -> String {
    format!("EXPLAIN (COSTS OFF) {text}")
}

/// Whether all statements came to their end.
pub(super) fn is_whole(trace: &Trace) -> bool {
    let mut statements = trace.statements.iter();
    statements.all(|statement| statement.outcome != Outcome::Interrupted)
}

/// A session that writes down what it is asked.
struct Recorder<'c> {
    inner: PostgresSession<'c>,
    statements: Vec<Traced>,
}

impl Recorder<'_> {
    async fn carry_out(&mut self, model: &Model, question: &Question) -> Result<(), StoreError> {
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
        let steps = self.steps(statement).await?;
        self.statements.push(Traced {
            text: statement.text.clone(),
            values: statement.binds.iter().map(|value| literal(value)).collect(),
            steps,
            outcome,
        });
        Ok(())
    }

    async fn steps(&mut self, statement: &Statement<'_>) -> Result<Vec<PlanStep>, StoreError> {
        let explained = Statement {
            text: explain(&statement.text),
            binds: statement.binds.clone(),
            columns: vec![Kind::Text],
        };
        let lines = self.inner.query(explained).await?;
        let lines = lines.iter().filter_map(|line| line.first()?.as_text());
        Ok(plan_steps(&lines.map(str::to_owned).collect::<Vec<_>>()))
    }
}

impl Session for Recorder<'_> {
    fn dialect(&self) -> DialectRef {
        self.inner.dialect()
    }

    async fn each(&mut self, statement: Statement<'_>, row: EachRow<'_>) -> Result<(), StoreError> {
        self.write_down(&statement, Outcome::Interrupted).await?;
        let place = self.statements.len() - 1;
        let began = Instant::now();
        let count = count_each(&mut self.inner, statement, row).await?;
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

fn literal(value: &Value) -> String {
    let mut text = String::new();
    Postgres.literal(&mut text, value);
    text
}

/// Lines of a plan: six columns of indentation for each level.
fn plan_steps(lines: &[String]) -> Vec<PlanStep> {
    let depth = |line: &String| (line.len() - line.trim_start().len()).div_ceil(6);
    let step_of = |line: &'_ String| line.trim_start().trim_start_matches("->").trim_start().to_owned();
    // What is outside of the limit goes through one page.
    let page = lines.iter().find(|line| step_of(line) == "Limit").map_or(0, depth);
    let step = |(place, line): (usize, &String)| {
        let text = step_of(line);
        // What belongs to a step stands below it, up to the next.
        let mut details = lines[place + 1..].iter().map(|line| line.trim_start());
        let has_condition = details
            .by_ref()
            .take_while(|line| !line.starts_with("->"))
            .any(|line| line.starts_with("Index Cond:"));
        PlanStep {
            depth: depth(line),
            cost: match cost(&text, has_condition) {
                Cost::Sort if depth(line) < page => Cost::Bounded,
                cost => cost,
            },
            text,
        }
    };
    lines.iter().enumerate().map(step).collect()
}

fn cost(step: &str, has_condition: bool) -> Cost {
    let is_scan =
        |of: &str| step.starts_with(of) || step.strip_prefix("Parallel ").is_some_and(|step| step.starts_with(of));
    let of_index = ["Index Scan ", "Index Only Scan ", "Bitmap Index Scan "];
    if is_scan("Seq Scan ") || (!has_condition && of_index.into_iter().any(is_scan)) {
        Cost::Scan
    } else if step == "Sort" || step == "Incremental Sort" {
        Cost::Sort
    } else {
        Cost::Bounded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_joined_to_a_page_is_bounded() {
        let plan = "Sort\n  Sort Key: t0.rank\n  ->  Hash Right Join\n        ->  Seq Scan on \"user\" t0_1\n        ->  Hash\n              \
                    ->  Limit\n                    ->  Sort\n                          ->  Index Scan using note_ix on note t0\n                                \
                    Index Cond: (t0.word = 'w'::text)";
        let lines: Vec<String> = plan.lines().map(str::to_owned).collect();
        let marked = plan_steps(&lines).into_iter().filter(|step| step.cost != Cost::Bounded);
        let marked: Vec<_> = marked.map(|step| (step.depth, step.cost)).collect();
        assert_eq!(marked, [(2, Cost::Scan), (4, Cost::Sort)]);
    }

    #[test]
    fn a_plan_is_read_line_by_line() {
        let plan = "Limit\n  ->  Sort\n        Sort Key: t0.rank\n        ->  Index Scan using note_ix on note t0\n              \
                    Index Cond: (t0.word = 'w'::text)\n        ->  Index Only Scan using note_pkey on note";
        let lines: Vec<String> = plan.lines().map(str::to_owned).collect();
        let steps: Vec<_> = plan_steps(&lines)
            .into_iter()
            .map(|step| (step.depth, step.cost))
            .collect();
        let bounded = Cost::Bounded;
        assert_eq!(
            steps,
            [
                (0, bounded),
                (1, Cost::Sort),
                (2, bounded),
                (2, bounded),
                (3, bounded),
                (2, Cost::Scan)
            ]
        );
    }
}
