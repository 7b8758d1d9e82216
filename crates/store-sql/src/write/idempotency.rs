//! Idempotency keys: claimed in the transaction of the write that they stand for.

use engine::model::{Timestamp, Value};
use engine::ports::store::StoreError;
use engine::query::{IdempotencyClaim, Mutation, Outcome, encode_outcomes};

use crate::compile;
use crate::session::Session;

/// The outcomes of the write that had the key before.
///
/// # Errors
/// [`StoreError::IdempotencyMismatch`] when that was another request.
pub(crate) async fn replay<S: Session>(
    session: &mut S,
    claim: &IdempotencyClaim,
    now: Option<Timestamp>,
) -> Result<Option<Vec<u8>>, StoreError> {
    let rows = session.query(compile::claimed(session.dialect(), claim.scope)).await?;
    let Some([request, outcome, expires]) = rows.into_iter().next().and_then(|row| <[Value; 3]>::try_from(row).ok())
    else {
        return Ok(None);
    };
    let expired = matches!((expires, now), (Value::DateTime(expires), Some(now)) if expires <= now);
    match (request, outcome) {
        _ if expired => Ok(None),
        (Value::Bytes(request), Value::Bytes(outcome)) if *request == claim.request => Ok(Some(outcome.into_vec())),
        _ => Err(StoreError::IdempotencyMismatch),
    }
}

/// Keeps what the write came to, in the place of a claim that has expired.
pub(crate) async fn keep<S: Session>(
    session: &mut S,
    claim: &IdempotencyClaim,
    now: Option<Timestamp>,
    outcomes: &[Outcome],
) -> Result<(), StoreError> {
    let kept = encode_outcomes(outcomes);
    if let Some(now) = now {
        session
            .execute(compile::forget_claim(session.dialect(), claim.scope, now))
            .await?;
    }
    session
        .execute(compile::keep_claim(session.dialect(), claim, kept))
        .await?;
    Ok(())
}

/// Deletes some of the claims that have expired.
pub(crate) async fn purge<S: Session>(session: &mut S, now: Timestamp, rows_max: u32) -> Result<(), StoreError> {
    session
        .execute(compile::purge_claims(session.dialect(), now, rows_max))
        .await?;
    Ok(())
}

/// The moment of the request.
pub(crate) fn moment(mutations: &[Mutation]) -> Option<Timestamp> {
    let bindings = match mutations.first()? {
        Mutation::Create(plan) => &plan.bindings,
        Mutation::Update(plan) => &plan.bindings,
        Mutation::Upsert(plan) => &plan.update.bindings,
        Mutation::Delete(plan) => &plan.bindings,
    };
    Some(bindings.now)
}
