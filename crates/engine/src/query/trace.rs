//! How a store answers a question: what it asks its database, what that makes of it, and what would help.

use std::time::{Duration, Instant};

use super::{Alias, Bindings, Comparison, GetPlan, Judgement, ListPlan, Pred, SortKey, Term};
use crate::access::Permit;
use crate::model::{Collection, CollectionId, FieldId, FieldKind, Key, Model, Scalar, ValueType};

/// Fields of an index that is worth proposing.
const FIELDS_MAX: usize = 4;

/// What is to be explained. Most is carried out, too: what comes of one statement is asked by the next.
#[derive(Debug)]
pub enum Question {
    Get(Permit<GetPlan>),
    List(Permit<ListPlan>),
    Judge(Permit<JudgePlan>),
    /// What a list would take, and which index it misses; it isn't carried out.
    Advise(Permit<ListPlan>),
}

/// Finding the record that a write is about, and what is judged of it before.
#[derive(Debug)]
pub struct JudgePlan {
    pub collection: CollectionId,
    pub key: Key,
    pub before: Vec<Judgement>,
    pub bindings: Bindings,
    pub deadline: Instant,
}

/// Statement by statement, in the order in which they ran.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trace {
    pub statements: Vec<Traced>,
    /// Indexes with which the first statement would do less, tried with the database's own planner; the best first.
    pub advice: Vec<Advice>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Traced {
    /// In the engine's own language.
    pub text: String,
    /// What was bound, in order.
    pub values: Vec<String>,
    pub steps: Vec<PlanStep>,
    pub outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    Rows {
        count: usize,
        took: Duration,
    },
    /// The time limit came first.
    Interrupted,
    /// Only its plan was asked for.
    Planned,
}

/// A step of the database's plan, in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanStep {
    pub depth: usize,
    pub text: String,
    pub cost: Cost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// With what is asked.
    Bounded,
    /// With what is stored: it looks at record after record.
    Scan,
    /// With what matches: all of it is sorted first.
    Sort,
}

/// How much of a plan grows with the data, scans before sorts: those cost with all that is stored, these with what matches.
pub fn work(steps: &[PlanStep]) -> (usize, usize) {
    let count = |cost| steps.iter().filter(|step| step.cost == cost).count();
    (count(Cost::Scan), count(Cost::Sort))
}

/// An index that isn't there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    pub collection: CollectionId,
    pub fields: Vec<FieldId>,
    /// The plan with it.
    pub steps: Vec<PlanStep>,
}

impl Advice {
    /// The line to add to the collection's type in the schema.
    pub fn directive(&self, model: &Model) -> String {
        let collection = model.collection(self.collection);
        let fields = self
            .fields
            .iter()
            .map(|field| format!("{:?}", collection.field(*field).name));
        format!("@index(fields: [{}])", fields.collect::<Vec<_>>().join(", "))
    }
}

/// The indexes that might serve a list, the most useful first: what is compared for equality, then what it is sorted by or
/// bounded by. Whether one of them helps is for the database to say.
pub fn index_candidates(collection: &Collection, guard: &Pred, sort: &[SortKey]) -> Vec<Vec<FieldId>> {
    let (mut equal, mut bounded) = (Vec::new(), Vec::new());
    compared(guard, &mut equal, &mut bounded);
    equal.sort_unstable();
    equal.dedup();
    let sorted = sorted(collection, sort);
    let joined = |more: &[FieldId]| {
        let mut fields = equal.clone();
        fields.extend(more.iter().filter(|field| !equal.contains(field)));
        fields
    };
    let mut candidates: Vec<Vec<FieldId>> = Vec::new();
    let all = [
        joined(&sorted),
        joined(&bounded[..bounded.len().min(1)]),
        equal.clone(),
        sorted,
    ];
    for fields in all {
        let is_fit = (1..=FIELDS_MAX).contains(&fields.len())
            && fields.iter().all(|field| is_indexable(collection, *field))
            && !collection
                .indexes
                .iter()
                .any(|index| index.only.is_none() && index.fields == fields);
        if is_fit && !candidates.contains(&fields) {
            candidates.push(fields);
        }
    }
    candidates
}

/// The record's own columns that every match has one value in, and those that it has a bound on.
fn compared(pred: &Pred, equal: &mut Vec<FieldId>, bounded: &mut Vec<FieldId>) {
    match pred {
        Pred::And(parts) => parts.iter().for_each(|part| compared(part, equal, bounded)),
        Pred::Compare(Comparison::Eq, Term::Field(Alias::ROOT, field), Term::Const(_) | Term::Param(_))
        | Pred::Same(Term::Field(Alias::ROOT, field), Term::Const(_) | Term::Param(_))
        | Pred::Truth(Term::Field(Alias::ROOT, field)) => equal.push(*field),
        Pred::InList(Term::Field(Alias::ROOT, field), Term::Const(_) | Term::Param(_)) => bounded.push(*field),
        Pred::Compare(comparison, Term::Field(Alias::ROOT, field), Term::Const(_) | Term::Param(_))
            if *comparison != Comparison::Ne =>
        {
            bounded.push(*field);
        }
        _ => {}
    }
}

/// The columns of a sort that one index can serve: the record's own, in one direction, up to the key.
fn sorted(collection: &Collection, sort: &[SortKey]) -> Vec<FieldId> {
    let own = |key: &SortKey| match key.term {
        Term::Field(Alias::ROOT, field) if !collection.key.contains(&field) => Some(field),
        _ => None,
    };
    let first = sort.first().map(|key| key.descending);
    sort.iter()
        .take_while(|key| Some(key.descending) == first)
        .map_while(own)
        .collect()
}

fn is_indexable(collection: &Collection, field: FieldId) -> bool {
    match &collection.field(field).kind {
        FieldKind::Value(ValueType::Scalar(scalar)) => !matches!(scalar, Scalar::Json | Scalar::Bytes),
        FieldKind::Value(ValueType::Enum(_)) | FieldKind::Reference { .. } => !collection.key.contains(&field),
        FieldKind::Value(_) | FieldKind::Links { .. } | FieldKind::Inverse { .. } => false,
    }
}
