//! How SQLite answers a question: its statements as they run, its plans, and the index that it would rather have.
//!
//! An index is only proposed where SQLite itself, asked on an empty copy of the structure, takes it and has less to do.

use std::time::Instant;

use engine::Model;
use engine::model::Value;
use engine::ports::store::StoreError;
use engine::query::trace::{Advice, Cost, Outcome, PlanStep, Traced, index_candidates, work};
use engine::query::{ListPlan, Question, Trace};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, params_from_iter};

use super::error::store_error;
use super::functions;
use super::session::{Bound, SqliteSession};
use super::store::snapshot;
use crate::compile::{self, DialectRef, Frame, Statement};
use crate::dialect::Sqlite;
use crate::read;
use crate::session::{Columns, EachRow, Session, at_once, count_each};

/// The name of an index that is only tried.
const CANDIDATE: &str = "the_new_index";

pub(super) fn trace(connection: &Connection, model: &Model, question: &Question) -> Result<Trace, StoreError> {
    let mut recorder = Recorder {
        inner: SqliteSession::reading(connection, model),
        connection,
        statements: Vec::new(),
    };
    let ran = snapshot(connection, || at_once(recorder.carry_out(model, question)));
    match ran {
        // The plan is what is wanted all the more where it takes too long.
        Ok(()) | Err(StoreError::Timeout) => {}
        Err(error) => return Err(error),
    }
    let statements = recorder.statements;
    let advice = match (question, statements.first()) {
        (Question::List(permit) | Question::Advise(permit), Some(first)) => {
            advice(connection, model, permit.plan(), first)?
        }
        _ => Vec::new(),
    };
    Ok(Trace { statements, advice })
}

/// A session that writes down what it is asked.
struct Recorder<'c> {
    inner: SqliteSession<'c>,
    connection: &'c Connection,
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
                self.write_down(&statement, Outcome::Planned)
            }
        }
    }

    fn write_down(&mut self, statement: &Statement<'_>, outcome: Outcome) -> Result<(), StoreError> {
        self.statements.push(Traced {
            text: statement.text.clone(),
            values: statement.binds.iter().map(|value| literal(value)).collect(),
            steps: steps(self.connection, statement).map_err(|error| store_error(&error))?,
            outcome,
        });
        Ok(())
    }
}

impl Session for Recorder<'_> {
    fn dialect(&self) -> DialectRef {
        self.inner.dialect()
    }

    async fn each(&mut self, statement: Statement<'_>, row: EachRow<'_>) -> Result<(), StoreError> {
        self.write_down(&statement, Outcome::Interrupted)?;
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
    crate::dialect::Dialect::literal(&Sqlite, &mut text, value);
    text
}

/// SQLite's plan, as a tree in the order in which it is carried out.
fn steps(connection: &Connection, statement: &Statement<'_>) -> rusqlite::Result<Vec<PlanStep>> {
    let is_of_page = statement.is_of_page();
    let mut explained = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", statement.text))?;
    let values = statement.binds.iter().map(|value| Bound(value));
    let mut depths = vec![(0, 0)];
    let rows = explained.query_map(params_from_iter(values), |row| {
        let (id, parent): (i64, i64) = (row.get(0)?, row.get(1)?);
        let depth = depths
            .iter()
            .find(|(known, _)| *known == parent)
            .map_or(0, |(_, depth)| *depth);
        depths.push((id, depth + 1));
        let text: String = row.get(3)?;
        Ok(PlanStep {
            depth,
            cost: if is_of_page && is_over_page(depth, &text) {
                Cost::Bounded
            } else {
                cost(&text)
            },
            text,
        })
    })?;
    rows.collect()
}

/// Whether a step goes through a page that was found before, to which something is joined.
fn is_over_page(depth: usize, step: &str) -> bool {
    depth == 0 && (step == "SCAN p" || step.starts_with("USE TEMP B-TREE FOR ORDER BY"))
}

fn cost(step: &str) -> Cost {
    if step.starts_with("SCAN CONSTANT ROW") {
        Cost::Bounded
    } else if step.starts_with("SCAN ") {
        Cost::Scan
    } else if step.starts_with("USE TEMP B-TREE FOR ORDER BY") {
        Cost::Sort
    } else {
        Cost::Bounded
    }
}

fn advice(connection: &Connection, model: &Model, plan: &ListPlan, first: &Traced) -> Result<Vec<Advice>, StoreError> {
    if work(&first.steps) == (0, 0) {
        return Ok(Vec::new());
    }
    let tried = || -> rusqlite::Result<Option<Advice>> {
        let copy = empty_copy(connection)?;
        let collection = model.collection(plan.collection);
        let frame = Frame::reading(model, &plan.bindings);
        let (statement, _) = compile::list(&Sqlite, frame, plan);
        let mut best: Option<Advice> = None;
        for fields in index_candidates(collection, &plan.guard, &plan.sort) {
            let columns = fields.iter().map(|field| collection.field(*field));
            let columns = columns.map(|field| (field.column.as_str(), !field.required));
            let index = compile::plain_index(&Sqlite, CANDIDATE, &collection.table, columns);
            copy.execute_batch(&index)?;
            let steps = steps(&copy, &statement)?;
            copy.execute_batch(&format!("DROP INDEX {CANDIDATE}"))?;
            let is_taken = steps.iter().any(|step| step.text.contains(CANDIDATE));
            let needed = best.as_ref().map_or(work(&first.steps), |best| work(&best.steps));
            if is_taken && work(&steps) < needed {
                best = Some(Advice {
                    collection: plan.collection,
                    fields,
                    steps,
                });
            }
        }
        Ok(best)
    };
    // What can't be copied, such as a table that somebody made with an extension of theirs, leaves us without advice.
    Ok(tried().ok().flatten().into_iter().collect())
}

/// The same tables and indexes without records, in memory, and with what is known of the values' distribution.
fn empty_copy(connection: &Connection) -> rusqlite::Result<Connection> {
    let copy = Connection::open_in_memory()?;
    copy.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    functions::register(&copy)?;
    let mut made = connection.prepare(
        "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
         AND type IN ('table', 'index') ORDER BY type DESC",
    )?;
    let mut rows = made.query([])?;
    while let Some(row) = rows.next()? {
        copy.execute_batch(row.get_ref(0)?.as_str()?)?;
    }
    let is_analyzed = connection.table_exists(None, "sqlite_stat1")?;
    if is_analyzed {
        copy.execute_batch("ANALYZE; DELETE FROM sqlite_stat1")?;
        let mut known = connection.prepare("SELECT tbl, idx, stat FROM sqlite_stat1")?;
        let mut rows = known.query([])?;
        while let Some(row) = rows.next()? {
            let values: [rusqlite::types::Value; 3] = [row.get(0)?, row.get(1)?, row.get(2)?];
            copy.execute("INSERT INTO sqlite_stat1 VALUES (?, ?, ?)", params_from_iter(values))?;
        }
        copy.execute_batch("ANALYZE sqlite_schema")?;
    }
    Ok(copy)
}
