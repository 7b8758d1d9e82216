//! Tokens that may be used once.

use engine::model::Timestamp;
use engine::ports::accounts::{OneTimeToken, Purpose};
use engine::ports::store::StoreError;
use mongodb::bson::{Bson, doc};

use super::{Fields, bytes, moment, subject};
use crate::session::Session;
use crate::system;

pub(super) async fn issue(session: &mut Session<'_>, token: &OneTimeToken) -> Result<(), StoreError> {
    let document = doc! {
        "_id": bytes(&token.hash),
        "purpose": token.purpose.name(),
        "subject": token.subject.map_or(Bson::Null, |of| Bson::Document(subject(of))),
        "email": &token.email,
        "expires": moment(token.expires),
    };
    session.insert(system::TOKEN, vec![document]).await
}

pub(super) async fn one_time_token(
    session: &mut Session<'_>,
    hash: [u8; 32],
    purpose: Purpose,
    now: Timestamp,
) -> Result<Option<OneTimeToken>, StoreError> {
    let filter = doc! { "_id": bytes(&hash), "purpose": purpose.name(), "expires": { "$gt": moment(now) } };
    let Some(found) = session.find(system::TOKEN, filter).await? else {
        return Ok(None);
    };
    Ok(Some(OneTimeToken {
        hash,
        purpose,
        subject: found.subject()?,
        email: found.text("email")?,
        expires: found.moment("expires")?,
    }))
}

/// Of two at once the one whose delete finds it has it.
pub(super) async fn redeem(
    session: &mut Session<'_>,
    hash: [u8; 32],
    purpose: Purpose,
    now: Timestamp,
) -> Result<Option<OneTimeToken>, StoreError> {
    let Some(token) = one_time_token(session, hash, purpose, now).await? else {
        return Ok(None);
    };
    let deleted = session.delete(system::TOKEN, doc! { "_id": bytes(&hash) }).await?;
    Ok((deleted > 0).then_some(token))
}
