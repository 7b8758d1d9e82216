//! Keys that sign, and secrets by name.

use engine::model::Timestamp;
use engine::ports::Secret;
use engine::ports::accounts::SigningKey;
use engine::ports::store::StoreError;
use mongodb::bson::{Document, doc};

use super::{Fields, bytes, moment};
use crate::session::Session;
use crate::system;

pub(super) async fn signing_keys(session: &mut Session<'_>, now: Timestamp) -> Result<Vec<SigningKey>, StoreError> {
    let valid = vec![
        doc! { "$match": { "expires": { "$gt": moment(now) } } },
        doc! { "$sort": { "starts": 1, "_id": 1 } },
    ];
    let read = |found: Document| {
        Ok(SigningKey {
            id: found.text("_id")?,
            seed: Secret::new(found.bytes32("seed")?),
            starts: found.moment("starts")?,
            expires: found.moment("expires")?,
        })
    };
    let found = session.aggregate(system::SIGNING_KEY, valid).await?;
    found.into_iter().map(read).collect()
}

pub(super) async fn add_signing_key(session: &mut Session<'_>, key: &SigningKey) -> Result<(), StoreError> {
    let document = doc! {
        "_id": &key.id,
        "seed": bytes(key.seed.expose()),
        "starts": moment(key.starts),
        "expires": moment(key.expires),
    };
    session.insert(system::SIGNING_KEY, vec![document]).await
}

/// What is stored under the name; the candidate, if nothing was.
pub(super) async fn secret(
    session: &mut Session<'_>,
    name: &str,
    candidate: &Secret<[u8; 32]>,
) -> Result<Secret<[u8; 32]>, StoreError> {
    if let Some(found) = session.find(system::SECRET, doc! { "_id": name }).await? {
        return found.bytes32("value").map(Secret::new);
    }
    let document = doc! { "_id": name, "value": bytes(candidate.expose()) };
    session.insert(system::SECRET, vec![document]).await?;
    Ok(candidate.clone())
}
