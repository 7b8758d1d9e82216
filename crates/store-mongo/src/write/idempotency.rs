//! Idempotency keys: claimed in the transaction of the write that they stand for.

use engine::model::Timestamp;
use engine::ports::store::StoreError;
use engine::query::{IdempotencyClaim, Mutation, Outcome, encode_outcomes};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, DateTime, doc};

use crate::session::Session;
use crate::system;

/// The outcomes of the write that had the key before.
///
/// # Errors
/// [`StoreError::IdempotencyMismatch`] when that was another request.
pub(crate) async fn replay(
    session: &mut Session<'_>,
    claim: &IdempotencyClaim,
    now: Option<Timestamp>,
) -> Result<Option<Vec<u8>>, StoreError> {
    let found = session
        .find(system::IDEMPOTENCY, doc! { "_id": bytes(&claim.scope) })
        .await?;
    let Some(found) = found else { return Ok(None) };
    let expires = found
        .get_datetime("expires_at")
        .map(|expires| expires.timestamp_millis());
    if let (Ok(expires), Some(now)) = (expires, now)
        && expires <= now.0
    {
        return Ok(None);
    }
    match (found.get_binary_generic("request"), found.get_binary_generic("outcome")) {
        (Ok(request), Ok(outcome)) if *request == claim.request => Ok(Some(outcome.clone())),
        _ => Err(StoreError::IdempotencyMismatch),
    }
}

/// Keeps what the write came to, in the place of a claim that has expired.
pub(crate) async fn keep(
    session: &mut Session<'_>,
    claim: &IdempotencyClaim,
    outcomes: &[Outcome],
) -> Result<(), StoreError> {
    let kept = doc! {
        "_id": bytes(&claim.scope),
        "request": bytes(&claim.request),
        "outcome": bytes(&encode_outcomes(outcomes)),
        "expires_at": DateTime::from_millis(claim.expires_at.0),
    };
    session.put(system::IDEMPOTENCY, kept).await
}

/// Deletes some of the claims that have expired.
pub(crate) async fn purge(session: &mut Session<'_>, now: Timestamp, claims_max: u32) -> Result<(), StoreError> {
    let expired = vec![
        doc! { "$match": { "expires_at": { "$lte": DateTime::from_millis(now.0) } } },
        doc! { "$limit": i64::from(claims_max) },
        doc! { "$project": { "_id": 1 } },
    ];
    let expired = session.aggregate(system::IDEMPOTENCY, expired).await?;
    let ids: Vec<Bson> = expired
        .into_iter()
        .filter_map(|mut claim| claim.remove("_id"))
        .collect();
    if !ids.is_empty() {
        session
            .delete(system::IDEMPOTENCY, doc! { "_id": { "$in": ids } })
            .await?;
    }
    Ok(())
}

fn bytes(bytes: &[u8]) -> Bson {
    Bson::Binary(Binary {
        subtype: BinarySubtype::Generic,
        bytes: bytes.to_vec(),
    })
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
