//! Keys that sign, and secrets by name.

use engine::model::{Timestamp, Value};
use engine::ports::Secret;
use engine::ports::accounts::SigningKey;
use engine::ports::store::StoreError;

use super::{Reader, bytes, moment, rows, run};
use crate::compile::Kind;
use crate::session::Session;

pub(crate) async fn signing_keys(session: &mut impl Session, now: Timestamp) -> Result<Vec<SigningKey>, StoreError> {
    let sql = "SELECT id, seed, starts, expires FROM _ninefold_signing_key WHERE expires > ? ORDER BY starts, id";
    let found = rows(
        session,
        sql,
        [moment(now)],
        &[Kind::Text, Kind::Bytes, Kind::Int, Kind::Int],
    )
    .await?;
    let read = |row| {
        let mut row = Reader::new(row);
        Ok(SigningKey {
            id: row.text()?,
            seed: Secret::new(row.bytes32()?),
            starts: row.moment()?,
            expires: row.moment()?,
        })
    };
    found.into_iter().map(read).collect()
}

pub(crate) async fn add_signing_key(session: &mut impl Session, key: &SigningKey) -> Result<(), StoreError> {
    let sql = "INSERT INTO _ninefold_signing_key (id, seed, starts, expires) VALUES (?, ?, ?, ?)";
    let values = [
        Value::text(key.id.as_str()),
        bytes(key.seed.expose()),
        moment(key.starts),
        moment(key.expires),
    ];
    run(session, sql, values).await.map(|_| ())
}

/// What is stored under the name; the candidate, if nothing was.
pub(crate) async fn secret(
    session: &mut impl Session,
    name: &str,
    candidate: Secret<[u8; 32]>,
) -> Result<Secret<[u8; 32]>, StoreError> {
    let sql = "SELECT value FROM _ninefold_secret WHERE name = ?";
    let found = rows(session, sql, [Value::text(name)], &[Kind::Bytes]).await?;
    if let Some(row) = found.into_iter().next() {
        return Reader::new(row).bytes32().map(Secret::new);
    }
    let sql = "INSERT INTO _ninefold_secret (name, value) VALUES (?, ?)";
    run(session, sql, [Value::text(name), bytes(candidate.expose())]).await?;
    Ok(candidate)
}
