//! Idempotency keys: a write that is sent twice happens once.
//!
//! A key is claimed in the write's own transaction, so that only a committed write keeps it. While a request is being
//! worked on, a second one with its key is told so.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::access::{Permit, Principal};
use crate::error::{Error, ErrorCode};
use crate::model::{CollectionId, Key, Row, Timestamp, Value};
use crate::operations::get::SharedShape;
use crate::operations::write::written_from;
use crate::operations::{Ctx, WriteOptions, WriteReply};
use crate::pipeline::{Engine, Moment};
use crate::query::codec::{self, Malformed, Reader};
use crate::query::{Freshness, GetPlan, IdempotencyClaim, Outcome, OutcomeKind, Pred};

const FORMAT: u8 = 1;

/// Keys that are being worked on, on this node.
#[derive(Default)]
pub(crate) struct InFlight(Mutex<HashSet<[u8; 32]>>);

/// Gives the key back when the request ends, however it ends.
pub(crate) struct Claimed {
    keys: Arc<InFlight>,
    scope: [u8; 32],
}

impl Drop for Claimed {
    fn drop(&mut self) {
        self.keys
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.scope);
    }
}

/// Principal, route and key: what another principal sends under the same key is another request.
fn scope(principal: &Principal, route: &str, key: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    match principal {
        Principal::Anonymous => hash.update([0]),
        Principal::User { id, .. } => hash.update([&[1], id.as_bytes().as_slice()].concat()),
        Principal::Administrator { id } => hash.update([&[2], id.as_bytes().as_slice()].concat()),
    }
    hash.update((route.len() as u64).to_le_bytes());
    hash.update(route);
    hash.update(key);
    hash.finalize().into()
}

pub(crate) fn claim(ctx: &Ctx, options: &WriteOptions, now: Timestamp, kept_s: u32) -> Option<IdempotencyClaim> {
    options.idempotency.as_ref().map(|request| IdempotencyClaim {
        scope: scope(&ctx.principal, &request.route, &request.key),
        request: request.fingerprint,
        expires_at: Timestamp(now.0 + i64::from(kept_s) * 1000),
    })
}

impl Engine {
    pub(crate) fn claim_in_flight(&self, ctx: &Ctx, options: &WriteOptions) -> Result<Option<Claimed>, Error> {
        let Some(request) = &options.idempotency else {
            return Ok(None);
        };
        let scope = scope(&ctx.principal, &request.route, &request.key);
        let mut keys = self.in_flight().0.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= self.limits().in_flight_max {
            return Err(Error::new(
                ErrorCode::Unavailable,
                "too many requests with idempotency keys at once; retry",
            )
            .retry_after(1));
        }
        if !keys.insert(scope) {
            return Err(Error::new(
                ErrorCode::InFlight,
                "a request with this idempotency key is still running; retry when it has ended",
            ));
        }
        Ok(Some(Claimed {
            keys: self.in_flight().clone(),
            scope,
        }))
    }

    /// The first answer again, as far as the caller may still read it.
    pub(crate) async fn replay(
        &self,
        ctx: &Ctx,
        moment: &Moment,
        kept: &[u8],
        answers: Vec<(CollectionId, Option<SharedShape>, Option<String>)>,
    ) -> Result<WriteReply, Error> {
        let outcomes = decode(kept).map_err(|_| Error::internal("a kept outcome can't be read"))?;
        if outcomes.len() != answers.len() {
            return Err(Error::internal("a kept outcome is of another request"));
        }
        let mut written = Vec::with_capacity(outcomes.len());
        for (mut outcome, (collection, shape, alias)) in outcomes.into_iter().zip(answers) {
            outcome.collection = collection;
            if let Some(shape) = &shape
                && outcome.row.is_some()
            {
                let now = self.readable_now(ctx, moment, &outcome, shape).await?;
                outcome.row = first_answer(outcome.row.take(), now, shape);
            }
            written.push(written_from(moment, outcome, shape, alias));
        }
        Ok(WriteReply {
            written,
            replayed: true,
            acknowledged: None,
        })
    }

    async fn readable_now(
        &self,
        ctx: &Ctx,
        moment: &Moment,
        outcome: &Outcome,
        shape: &SharedShape,
    ) -> Result<Option<Row>, Error> {
        if mutant!(ReplayGuard) {
            return Ok(outcome.row.clone());
        }
        let grants = moment.grants(ctx, "get");
        let collection = moment.model.collection(outcome.collection);
        let plan = GetPlan {
            collection: collection.id,
            key: outcome.key.clone(),
            guard: grants.read_guard(collection)?,
            projection: shape.projection.clone(),
            bindings: moment.bindings(ctx),
            freshness: Freshness::Latest,
            deadline: ctx.deadline,
        };
        let row = self.store().get(Permit::seal(plan, moment.model.epoch)).await;
        row.map_err(|error| self.failed(&grants, error))
    }
}

/// What was answered then, if the caller may read all of it now; else what it may read.
fn first_answer(then: Option<Row>, now: Option<Row>, shape: &SharedShape) -> Option<Row> {
    let (then, now) = (then?, now?);
    let unmasked = shape
        .projection
        .items
        .iter()
        .all(|item| item.visible == Pred::Const(true));
    if unmasked && shape.plain && then.0.len() == now.0.len() {
        Some(then)
    } else {
        Some(now)
    }
}

pub(crate) fn encode(outcomes: &[Outcome]) -> Vec<u8> {
    let mut out = vec![FORMAT];
    codec::write_length(&mut out, outcomes.len());
    for outcome in outcomes {
        out.push(match outcome.kind {
            OutcomeKind::Created => 0,
            OutcomeKind::Updated => 1,
            OutcomeKind::Deleted => 2,
        });
        codec::write(&mut out, &Value::List(outcome.key.0.clone()));
        codec::write(&mut out, &outcome.version.map_or(Value::Null, Value::Int));
        let row = outcome.row.as_ref().map(|row| Value::Record(Arc::new(row.clone())));
        codec::write(&mut out, &row.unwrap_or(Value::Null));
    }
    out
}

fn decode(bytes: &[u8]) -> Result<Vec<Outcome>, Malformed> {
    let mut reader = Reader(bytes);
    if reader.byte()? != FORMAT {
        return Err(Malformed);
    }
    let count = reader.length()?;
    (0..count).map(|_| decode_one(&mut reader)).collect()
}

fn decode_one(reader: &mut Reader<'_>) -> Result<Outcome, Malformed> {
    let kind = match reader.byte()? {
        0 => OutcomeKind::Created,
        1 => OutcomeKind::Updated,
        2 => OutcomeKind::Deleted,
        _ => return Err(Malformed),
    };
    let Value::List(key) = reader.value()? else {
        return Err(Malformed);
    };
    let version = reader.value()?.as_int();
    let row = match reader.value()? {
        Value::Null => None,
        Value::Record(row) => Some(Arc::unwrap_or_clone(row)),
        _ => return Err(Malformed),
    };
    Ok(Outcome {
        kind,
        collection: CollectionId(0),
        key: Key(key),
        version,
        row,
    })
}
