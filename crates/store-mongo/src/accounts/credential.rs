//! Password hashes, and what ends with them.

use engine::model::Timestamp;
use engine::ports::Secret;
use engine::ports::accounts::{PasswordReset, Purpose, Subject};
use engine::ports::store::StoreError;
use mongodb::bson::doc;
use uuid::Uuid;

use super::session::end_sessions;
use super::token::redeem;
use super::{Fields, subject};
use crate::session::Session;
use crate::system;

/// Answers which sessions were ended.
pub(super) async fn set_password(
    session: &mut Session<'_>,
    of: Subject,
    hash: &Secret<String>,
    keep: Option<Uuid>,
) -> Result<Vec<Uuid>, StoreError> {
    write_hash(session, of, hash).await?;
    let waiting = doc! { "subject": subject(of), "purpose": Purpose::PasswordReset.name() };
    session.delete(system::TOKEN, waiting).await?;
    end_sessions(session, of, keep).await
}

pub(super) async fn write_hash(
    session: &mut Session<'_>,
    of: Subject,
    hash: &Secret<String>,
) -> Result<(), StoreError> {
    let document = doc! { "_id": subject(of), "hash": hash.expose() };
    session.put(system::CREDENTIAL, document).await
}

pub(super) async fn rehash_password(
    session: &mut Session<'_>,
    of: Subject,
    from: &Secret<String>,
    to: &Secret<String>,
) -> Result<(), StoreError> {
    let filter = doc! { "_id": subject(of), "hash": from.expose() };
    let update = doc! { "$set": { "hash": to.expose() } };
    session.update(system::CREDENTIAL, filter, update).await.map(|_| ())
}

pub(super) async fn hash_of(session: &mut Session<'_>, of: Subject) -> Result<Option<Secret<String>>, StoreError> {
    let found = session.find(system::CREDENTIAL, doc! { "_id": subject(of) }).await?;
    found.map(|found| found.text("hash").map(Secret::new)).transpose()
}

pub(super) async fn reset_password(
    session: &mut Session<'_>,
    token: [u8; 32],
    hash: &Secret<String>,
    now: Timestamp,
) -> Result<Option<PasswordReset>, StoreError> {
    let redeemed = redeem(session, token, Purpose::PasswordReset, now).await?;
    let Some(subject) = redeemed.and_then(|token| token.subject) else {
        return Ok(None);
    };
    let ended = set_password(session, subject, hash, None).await?;
    Ok(Some(PasswordReset { subject, ended }))
}

/// Everything of a user whose record is deleted.
pub(crate) async fn forget(session: &mut Session<'_>, user: Uuid) -> Result<(), StoreError> {
    session.count(system::ACCOUNTS).await?;
    let user = subject(Subject::User(user));
    session.delete(system::CREDENTIAL, doc! { "_id": &user }).await?;
    session.delete(system::SESSION, doc! { "subject": &user }).await?;
    session.delete(system::TOKEN, doc! { "subject": &user }).await?;
    Ok(())
}
