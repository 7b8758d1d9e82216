//! Plans that write, and the pure part of carrying them out.
//!
//! A store runs a [`Transaction`] as one unit under its write lock. What must be decided between reading the row and
//! writing it (merging documents, defaults of a replacement, checks in memory) is
//! [`UpdatePlan::apply`]: a pure function that every store calls, so that no store has an opinion of its own.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::change::{Image, Position};
use super::predicate::Pred;
use super::read::{Bindings, Projection};
use crate::access::Principal;
use crate::error::FieldError;
use crate::expr::{Expression, Facts, Input, RequestFacts};
use crate::model::{Collection, CollectionId, Field, FieldId, Key, Model, Row, Timestamp, Value};
use crate::operations::{etag, touch};

/// A condition on the row in the database, and what its failure means.
#[derive(Debug, Clone)]
pub struct Judgement {
    pub holds: Pred,
    pub otherwise: Refusal,
}

/// Why a write is refused; the engine turns it into an [`Error`](crate::Error).
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    NotFound,
    Forbidden,
    /// The caller named another version.
    Stale,
    Invalid(Vec<FieldError>),
}

/// A rule that can be judged in memory, on the row alone.
#[derive(Debug, Clone)]
pub struct LocalRule {
    pub rule: Arc<Expression>,
    pub otherwise: Refusal,
}

/// What a writer names must exist and be readable by it.
#[derive(Debug, Clone)]
pub struct Reference {
    /// The referring field, for `apply` to know whether it changed.
    pub field: FieldId,
    pub target: CollectionId,
    pub key: Value,
    /// The target's read rule for this caller, with the target's row as `Alias::ROOT`.
    pub guard: Pred,
    pub otherwise: Refusal,
}

/// A change to a to-many field. A store removes duplicates and reports what really changed.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkChange {
    pub field: FieldId,
    pub operation: LinkOperation,
}

#[derive(Debug, Clone, PartialEq)]
pub enum LinkOperation {
    /// Takes out only members for which `among` holds, a predicate on the target's row (as `Alias::ROOT`): what a
    /// writer can't see is not its to take out.
    Replace { with: Vec<Value>, among: Pred },
    /// Adds first, then removes; both are idempotent.
    Edit { add: Vec<Value>, remove: Vec<Value> },
}

/// What the writer gets back: the record as it became, if it may read it.
#[derive(Debug, Clone)]
pub struct Answer {
    pub guard: Pred,
    pub projection: Arc<Projection>,
}

#[derive(Debug, Clone)]
pub struct CreatePlan {
    pub collection: CollectionId,
    pub key: Key,
    /// A value for each stored field, in the model's order; complete, with defaults. `given` and `earlier` are
    /// [`Value::Hidden`], in the key as well.
    pub image: Image,
    /// Fields whose values the database gives when the record is written, and that the store takes from there.
    pub given: Vec<FieldId>,
    /// To-one relations that hold the key of what an earlier mutation of the transaction, the one with this number, made.
    pub earlier: Vec<(FieldId, usize)>,
    pub links: Vec<LinkChange>,
    pub references: Vec<Reference>,
    /// On the record as it now is. What memory could judge was judged before.
    pub after: Vec<Judgement>,
    pub answer: Option<Answer>,
    pub bindings: Bindings,
}

#[derive(Debug, Clone)]
pub struct UpdatePlan {
    pub model: Arc<Model>,
    pub collection: CollectionId,
    pub key: Key,
    /// On the stored row: the read rule (else not found), then the update rule (else forbidden).
    pub before: Vec<Judgement>,
    /// Truths to be taken from the stored row (links included) and kept for `Pred::Captured(index)` in `after`.
    pub captures: Vec<Pred>,
    pub expected: Option<Expected>,
    pub assignments: Vec<(FieldId, Assignment)>,
    pub links: Vec<LinkChange>,
    pub references: Vec<Reference>,
    /// Judged by [`UpdatePlan::apply`].
    pub local: Vec<LocalRule>,
    /// On the row as it becomes, by the store.
    pub after: Vec<Judgement>,
    pub answer: Option<Answer>,
    pub bindings: Bindings,
    pub facts: OwnedFacts,
}

/// [`Facts`] that a plan takes along.
#[derive(Debug, Clone)]
pub struct OwnedFacts {
    pub principal: Principal,
    pub now: Timestamp,
    pub operation: &'static str,
    pub address: Option<IpAddr>,
}

impl OwnedFacts {
    pub fn facts(&self) -> Facts<'_> {
        let request = RequestFacts {
            operation: self.operation,
            address: self.address,
        };
        Facts {
            principal: &self.principal,
            now: self.now,
            request,
        }
    }
}

/// `If-Match`.
#[derive(Debug, Clone, PartialEq)]
pub enum Expected {
    /// Any of these versions; none at all for `If-Match: *` on what exists.
    Versions(Vec<i64>),
    /// A content hash, of collections without a version.
    Hashes(Vec<String>),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Assignment {
    Set(Value),
    /// RFC 7396 merge into an embedded document or JSON field; the result is validated by `apply`.
    Merge(serde_json::Value),
}

#[derive(Debug, Clone)]
pub struct DeletePlan {
    pub collection: CollectionId,
    pub key: Key,
    /// On the stored row: the read rule (else not found), then the delete rule (else forbidden).
    pub before: Vec<Judgement>,
    pub expected: Option<Expected>,
    /// The most records that cascades may delete or change along with it.
    pub cascade_max: u32,
    pub bindings: Bindings,
}

/// Creates where nothing is, updates where something is, decided under the write lock.
#[derive(Debug, Clone)]
pub struct UpsertPlan {
    /// `Err`: what to refuse with when nothing is there yet.
    pub create: Result<CreatePlan, Refusal>,
    pub update: UpdatePlan,
    /// `If-None-Match: *`: refuse with `Stale` when it exists and is readable.
    pub must_create: bool,
}

#[derive(Debug, Clone)]
pub enum Mutation {
    Create(Box<CreatePlan>),
    Update(Box<UpdatePlan>),
    Upsert(Box<UpsertPlan>),
    Delete(Box<DeletePlan>),
}

/// What belongs to the transaction besides data. Typed, so that a store knows every one of them.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Sets or replaces an account's password hash (PHC string).
    SetPassword {
        user: uuid::Uuid,
        hash: crate::ports::Secret<String>,
    },
    /// Signs an account in.
    StartSession(crate::ports::accounts::NewSession),
}

/// A write's claim on an idempotency key; checked and kept in the transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct IdempotencyClaim {
    /// Hash of principal, route and key.
    pub scope: [u8; 32],
    /// Hash of method and body.
    pub request: [u8; 32],
    pub expires_at: crate::model::Timestamp,
}

/// All or none.
#[derive(Debug)]
pub struct Transaction {
    pub mutations: Vec<crate::access::Permit<Mutation>>,
    pub effects: Vec<Effect>,
    pub idempotency: Option<IdempotencyClaim>,
    pub deadline: Instant,
}

#[derive(Debug)]
pub enum Committed {
    /// One outcome per mutation.
    Done { position: Position, outcomes: Vec<Outcome> },
    /// The idempotency key was committed before: the outcomes of then, as [`encode_outcomes`] wrote them.
    Replayed(Vec<u8>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    pub kind: OutcomeKind,
    pub collection: CollectionId,
    pub key: Key,
    /// After the write; `None` where the collection has none, or the record is gone.
    pub version: Option<i64>,
    /// `None`: deleted, or the writer may not read the result.
    pub row: Option<Row>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeKind {
    Created,
    Updated,
    Deleted,
}

impl CreatePlan {
    /// With the keys of what earlier mutations of the transaction came to, references to them included.
    pub fn settled(&self, collection: &Collection, outcomes: &[Outcome]) -> Cow<'_, Self> {
        if self.earlier.is_empty() {
            return Cow::Borrowed(self);
        }
        let mut plan = self.clone();
        for (field, step) in &self.earlier {
            let key = outcomes.get(*step).and_then(|outcome| outcome.key.single());
            let key = key.expect("a name stands for a record of an earlier step");
            let named = plan.references.iter_mut().filter(|reference| reference.field == *field);
            named.for_each(|reference| reference.key = key.clone());
            plan.set(collection, *field, key.clone());
        }
        Cow::Owned(plan)
    }

    /// What a stored field of the record holds, as part of its key too.
    pub fn set(&mut self, collection: &Collection, field: FieldId, value: Value) {
        if let Some(part) = collection.key.iter().position(|part| *part == field) {
            self.key.0[part] = value.clone();
        }
        if let Some(slot) = collection.slot(field) {
            self.image.0[slot] = value;
        }
    }
}

impl UpdatePlan {
    /// The record as it becomes: assignments made, documents merged and validated, immutables kept, `updated` and
    /// `version` moved on (also when only links change), local rules and checks judged.
    ///
    /// # Errors
    /// The first refusal, in the order: precondition, validity, rules.
    pub fn apply(&self, before: &Image) -> Result<Image, Refusal> {
        let collection = self.model.collection(self.collection);
        if let Some(expected) = &self.expected
            && !mutant!(Precondition)
        {
            expected.check(collection, before)?;
        }
        let mut after = before.clone();
        let mut errors = Vec::new();
        for (id, assignment) in &self.assignments {
            let field = collection.field(*id);
            let slot = collection.slot(*id).expect("only stored fields are assigned");
            match assignment.result(&self.model, field, &before.0[slot]) {
                Ok(value) if field.immutable && value != before.0[slot] => {
                    errors.push(FieldError::new(
                        &field.name,
                        "immutable",
                        "never changes once it is set; leave it out",
                    ));
                }
                Ok(value) => after.0[slot] = value,
                Err(invalid) => errors.extend(invalid),
            }
        }
        for change in self
            .links
            .iter()
            .filter(|change| collection.field(change.field).immutable)
        {
            let name = &collection.field(change.field).name;
            errors.push(FieldError::new(
                name,
                "immutable",
                "never changes once it is set; leave it out",
            ));
        }
        if !errors.is_empty() {
            return Err(Refusal::Invalid(errors));
        }
        touch(collection, &mut after, self.bindings.now);
        let facts = self.facts.facts();
        let input = Input {
            model: &self.model,
            facts,
            record: Some(&after),
            before: Some(before),
            related: None,
        };
        match self.local.iter().find(|local| !local.rule.holds(input)) {
            Some(local) => Err(local.otherwise.clone()),
            None => Ok(after),
        }
    }
}

impl Expected {
    /// # Errors
    /// [`Refusal::Stale`] when the stored record is another.
    pub fn check(&self, collection: &Collection, stored: &Image) -> Result<(), Refusal> {
        let met = match self {
            Self::Versions(versions) => etag::version(collection, stored).is_some_and(|now| versions.contains(&now)),
            Self::Hashes(hashes) => hashes.contains(&etag::content_hash(collection, &stored.0)),
        };
        if met { Ok(()) } else { Err(Refusal::Stale) }
    }
}

impl Assignment {
    fn result(&self, model: &Model, field: &Field, before: &Value) -> Result<Value, Vec<FieldError>> {
        let patch = match self {
            Self::Set(value) => return Ok(value.clone()),
            Self::Merge(patch) => patch,
        };
        let mut document = match before {
            Value::Json(text) => serde_json::from_str(text).unwrap_or(serde_json::Value::Null),
            _ => serde_json::Value::Null,
        };
        merge(&mut document, patch);
        field.accept(model, &document)
    }
}

/// RFC 7396.
fn merge(target: &mut serde_json::Value, patch: &serde_json::Value) {
    let serde_json::Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = serde_json::Value::Object(serde_json::Map::new());
    }
    let Some(object) = target.as_object_mut() else { return };
    for (name, change) in patch {
        if change.is_null() {
            object.shift_remove(name);
        } else {
            merge(object.entry(name.as_str()).or_insert(serde_json::Value::Null), change);
        }
    }
}

/// What an idempotency key keeps of a committed write: for [`crate::operations`] to read back.
pub fn encode_outcomes(outcomes: &[Outcome]) -> Vec<u8> {
    crate::operations::idempotency::encode(outcomes)
}
