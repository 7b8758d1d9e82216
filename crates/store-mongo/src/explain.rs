//! How MongoDB answers a question: its pipelines as they run, its plans, and the index that it would rather have.
//!
//! An index is only proposed where MongoDB itself, asked on an empty copy of the collection, takes it and has less to do.

use std::time::Instant;

use engine::Model;
use engine::model::{Collection, FieldId, Structure};
use engine::ports::store::StoreError;
use engine::query::trace::{Advice, Cost, Outcome, PlanStep, Traced, index_candidates, work};
use engine::query::{ListPlan, Question, Trace};
use mongodb::bson::{Bson, Document, doc};
use mongodb::{IndexModel, options::IndexOptions};
use uuid::Uuid;

use crate::compile::{self, Frame, Statement, path};
use crate::migrate::index_model;
use crate::open::Shared;
use crate::read;
use crate::session::Session;

/// The name of an index that is only tried.
const CANDIDATE: &str = "the_new_index";

pub(crate) async fn trace(
    shared: &Shared,
    model: &Model,
    question: &Question,
    deadline: Instant,
) -> Result<Trace, StoreError> {
    let mut session = Session::recording(&shared.database, model, deadline);
    let running = carry_out(&mut session, model, question);
    let ran = tokio::time::timeout_at(deadline.into(), running).await;
    match ran {
        // The plan is what is wanted all the more where it takes too long.
        Ok(Ok(())) | Ok(Err(StoreError::Timeout)) | Err(_) => {}
        Ok(Err(error)) => return Err(error),
    }
    let mut recorded = session.recorded();
    if let Question::Advise(permit) = question {
        let plan = permit.plan();
        let (statement, _) = compile::list(Frame::reading(model, &plan.bindings), plan);
        recorded.push((statement, Outcome::Planned));
    }
    let mut statements = Vec::new();
    for (statement, outcome) in recorded {
        let steps = steps(shared, model, &statement.collection, &statement.pipeline).await?;
        statements.push(Traced {
            text: shown(&statement),
            values: Vec::new(),
            steps,
            outcome,
        });
    }
    let advice = match (question, statements.first()) {
        (Question::List(permit) | Question::Advise(permit), Some(first)) => {
            advice(shared, model, permit.plan(), first).await?
        }
        _ => Vec::new(),
    };
    Ok(Trace { statements, advice })
}

async fn carry_out(session: &mut Session<'_>, model: &Model, question: &Question) -> Result<(), StoreError> {
    match question {
        Question::Get(permit) => read::get(session, model, permit.plan()).await.map(|_| ()),
        Question::List(permit) => read::list(session, model, permit.plan()).await.map(|_| ()),
        Question::Judge(permit) => {
            let plan = permit.plan();
            let frame = Frame::reading(model, &plan.bindings);
            let target = (model.collection(plan.collection), &plan.key);
            session
                .query(compile::stored_row(frame, target, &plan.before, &[]))
                .await
                .map(|_| ())
        }
        // Planned below, and not run.
        Question::Advise(_) => Ok(()),
    }
}

/// As one would write it in MongoDB's shell.
fn shown(statement: &Statement) -> String {
    let pipeline = Bson::from(statement.pipeline.clone());
    format!("db[{:?}].aggregate({pipeline})", statement.collection)
}

/// MongoDB's plan, as a tree in the order in which it is carried out.
async fn steps(
    shared: &Shared,
    model: &Model,
    collection: &str,
    pipeline: &[Document],
) -> Result<Vec<PlanStep>, StoreError> {
    let aggregate = doc! { "aggregate": collection, "pipeline": pipeline.to_vec(), "cursor": {} };
    let explain = doc! { "explain": aggregate, "verbosity": "queryPlanner" };
    let explained = shared.database.run_command(explain).await;
    let explained = explained.map_err(|error| crate::error::store_error(&error, model))?;
    let mut steps = Vec::new();
    if let Ok(planner) = explained.get_document("queryPlanner") {
        planned(planner, 0, &mut steps);
    }
    for stage in explained
        .get_array("stages")
        .into_iter()
        .flatten()
        .filter_map(Bson::as_document)
    {
        match stage.get_document("$cursor") {
            Ok(cursor) => {
                steps.clear();
                if let Ok(planner) = cursor.get_document("queryPlanner") {
                    planned(planner, 0, &mut steps);
                }
            }
            Err(_) => steps.extend(stage.keys().next().map(|name| step(0, name.clone()))),
        }
    }
    Ok(steps)
}

fn planned(planner: &Document, depth: usize, steps: &mut Vec<PlanStep>) {
    if let Ok(plan) = planner.get_document("winningPlan") {
        // Where MongoDB's newer engine runs it, the plan stands one level deeper.
        branch(plan.get_document("queryPlan").unwrap_or(plan), depth, steps);
    }
}

fn branch(plan: &Document, depth: usize, steps: &mut Vec<PlanStep>) {
    let name = plan.get_str("stage").unwrap_or("?");
    let text = match plan.get_str("indexName") {
        Ok(index) => format!("{name} {index}"),
        Err(_) => name.to_owned(),
    };
    steps.push(step(depth, text));
    if let Ok(inner) = plan.get_document("inputStage") {
        branch(inner, depth + 1, steps);
    }
    for inner in plan
        .get_array("inputStages")
        .into_iter()
        .flatten()
        .filter_map(Bson::as_document)
    {
        branch(inner, depth + 1, steps);
    }
}

fn step(depth: usize, text: String) -> PlanStep {
    let cost = match text.split(' ').next() {
        Some("COLLSCAN") => Cost::Scan,
        Some("SORT" | "$sort") => Cost::Sort,
        _ => Cost::Bounded,
    };
    PlanStep { depth, text, cost }
}

async fn advice(shared: &Shared, model: &Model, plan: &ListPlan, first: &Traced) -> Result<Vec<Advice>, StoreError> {
    if work(&first.steps) == (0, 0) {
        return Ok(Vec::new());
    }
    let copy = format!("_ninefold_advice_{}", Uuid::now_v7().simple());
    let tried = try_candidates(shared, model, plan, first, &copy).await;
    if let Err(error) = shared.database.collection::<Document>(&copy).drop().await {
        tracing::warn!(%error, copy, "a collection for trying indexes could not be dropped");
    }
    Ok(tried?.into_iter().collect())
}

/// The candidate with which there is the least to do, on an empty collection with the same indexes.
async fn try_candidates(
    shared: &Shared,
    model: &Model,
    plan: &ListPlan,
    first: &Traced,
    copy: &str,
) -> Result<Option<Advice>, StoreError> {
    let failed = |error: mongodb::error::Error| crate::error::store_error(&error, model);
    let collection = model.collection(plan.collection);
    let structure = Structure::of(model);
    let table = shared.database.collection::<Document>(copy);
    if let Some(stored) = structure.collection(&collection.name) {
        for index in &stored.indexes {
            let index = index_model(&structure, stored, index).map_err(StoreError::Failed)?;
            table.create_index(index).await.map_err(failed)?;
        }
    }
    let (statement, _) = compile::list(Frame::reading(model, &plan.bindings), plan);
    let mut best: Option<Advice> = None;
    for fields in index_candidates(collection, &plan.guard, &plan.sort) {
        table
            .create_index(candidate(collection, &fields))
            .await
            .map_err(failed)?;
        let steps = steps(shared, model, copy, &statement.pipeline).await?;
        table.drop_index(CANDIDATE).await.map_err(failed)?;
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
}

fn candidate(collection: &Collection, fields: &[FieldId]) -> IndexModel {
    let paths = fields
        .iter()
        .map(|field| path::of(collection, collection.field(*field)));
    let mut keys: Document = paths.map(|path| (path, Bson::Int32(1))).collect();
    keys.entry(path::ID.to_owned()).or_insert(Bson::Int32(1));
    let options = IndexOptions::builder().name(CANDIDATE.to_owned()).build();
    IndexModel::builder().keys(keys).options(options).build()
}
