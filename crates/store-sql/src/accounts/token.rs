//! Tokens that may be used once.

use engine::model::{Timestamp, Value};
use engine::ports::accounts::{OneTimeToken, Purpose};
use engine::ports::store::StoreError;

use super::{Reader, bytes, moment, rows, run, subject};
use crate::compile::Kind;
use crate::session::Session;

pub(crate) async fn issue(session: &mut impl Session, token: &OneTimeToken) -> Result<(), StoreError> {
    let [kind, id] = token.subject.map_or([Value::Null, Value::Null], subject);
    let sql = "INSERT INTO _ninefold_one_time_token (hash, purpose, kind, subject, email, expires) \
         VALUES (?, ?, ?, ?, ?, ?)";
    let values = [
        bytes(&token.hash),
        Value::text(token.purpose.name()),
        kind,
        id,
        Value::text(token.email.as_str()),
        moment(token.expires),
    ];
    run(session, sql, values).await.map(|_| ())
}

pub(crate) async fn one_time_token(
    session: &mut impl Session,
    hash: [u8; 32],
    purpose: Purpose,
    now: Timestamp,
) -> Result<Option<OneTimeToken>, StoreError> {
    let sql = "SELECT kind, subject, email, expires FROM _ninefold_one_time_token \
         WHERE hash = ? AND purpose = ? AND expires > ?";
    let values = [bytes(&hash), Value::text(purpose.name()), moment(now)];
    let found = rows(session, sql, values, &[Kind::Text, Kind::Id, Kind::Text, Kind::Int]).await?;
    let read = |row| {
        let mut row = Reader::new(row);
        Ok(OneTimeToken {
            hash,
            purpose,
            subject: row.subject()?,
            email: row.text()?,
            expires: row.moment()?,
        })
    };
    found.into_iter().next().map(read).transpose()
}

/// Of two at once the one whose delete finds the row has it.
pub(crate) async fn redeem(
    session: &mut impl Session,
    hash: [u8; 32],
    purpose: Purpose,
    now: Timestamp,
) -> Result<Option<OneTimeToken>, StoreError> {
    let Some(token) = one_time_token(session, hash, purpose, now).await? else {
        return Ok(None);
    };
    let sql = "DELETE FROM _ninefold_one_time_token WHERE hash = ?";
    let deleted = run(session, sql, [bytes(&hash)]).await?;
    Ok((deleted > 0).then_some(token))
}
