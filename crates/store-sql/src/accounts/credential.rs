//! Password hashes, and what ends with them.

use engine::model::{Timestamp, Value};
use engine::ports::Secret;
use engine::ports::accounts::{PasswordReset, Purpose, Subject};
use engine::ports::store::StoreError;
use uuid::Uuid;

use super::session::end_sessions;
use super::token::redeem;
use super::{Reader, rows, run, subject};
use crate::compile::Kind;
use crate::session::Session;

/// Answers which sessions were ended.
pub(crate) async fn set_password(
    session: &mut impl Session,
    of: Subject,
    hash: &Secret<String>,
    keep: Option<Uuid>,
) -> Result<Vec<Uuid>, StoreError> {
    write_hash(session, of, hash).await?;
    let [kind, id] = subject(of);
    let purpose = Value::text(Purpose::PasswordReset.name());
    let sql = "DELETE FROM _ninefold_one_time_token WHERE kind = ? AND subject = ? AND purpose = ?";
    run(session, sql, [kind, id, purpose]).await?;
    end_sessions(session, of, keep).await
}

/// Two statements, since no two databases agree on how to do it in one.
pub(super) async fn write_hash(
    session: &mut impl Session,
    of: Subject,
    hash: &Secret<String>,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM _ninefold_credential WHERE kind = ? AND subject = ?";
    run(session, sql, subject(of)).await?;
    let [kind, id] = subject(of);
    let sql = "INSERT INTO _ninefold_credential (kind, subject, hash) VALUES (?, ?, ?)";
    run(session, sql, [kind, id, Value::text(hash.expose().as_str())])
        .await
        .map(|_| ())
}

pub(crate) async fn rehash_password(
    session: &mut impl Session,
    of: Subject,
    from: &Secret<String>,
    to: &Secret<String>,
) -> Result<(), StoreError> {
    let [kind, id] = subject(of);
    let sql = "UPDATE _ninefold_credential SET hash = ? WHERE kind = ? AND subject = ? AND hash = ?";
    let (from, to) = (Value::text(from.expose().as_str()), Value::text(to.expose().as_str()));
    run(session, sql, [to, kind, id, from]).await.map(|_| ())
}

/// Whether this is the subject's hash, until the transaction ends.
pub(super) async fn has_hash(
    session: &mut impl Session,
    of: Subject,
    hash: &Secret<String>,
) -> Result<bool, StoreError> {
    let sql = "SELECT hash FROM _ninefold_credential WHERE kind = ? AND subject = ?";
    let sql = format!("{sql}{}", session.dialect().for_update());
    let stored = rows(session, &sql, subject(of), &[Kind::Text]).await?;
    match stored.into_iter().next() {
        Some(row) => Ok(Reader::new(row).text()? == *hash.expose()),
        None => Ok(false),
    }
}

pub(crate) async fn reset_password(
    session: &mut impl Session,
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
pub(crate) async fn forget(session: &mut impl Session, user: Uuid) -> Result<(), StoreError> {
    for table in ["_ninefold_credential", "_ninefold_session", "_ninefold_one_time_token"] {
        let sql = format!("DELETE FROM {table} WHERE kind = ? AND subject = ?");
        run(session, &sql, subject(Subject::User(user))).await?;
    }
    Ok(())
}
