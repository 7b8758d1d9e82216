//! Statements on the table of idempotency keys.

use std::borrow::Cow;

use engine::model::kind::Kind;
use engine::model::{Timestamp, Value};
use engine::query::IdempotencyClaim;

use super::DialectRef;
use super::sql::{Sql, Statement};

const TABLE: &str = "_ninefold_idempotency";

/// The request, its outcomes and when they expire.
pub(crate) fn claimed<'a>(dialect: DialectRef, scope: [u8; 32]) -> Statement<'a> {
    let mut sql = Sql::new(dialect);
    sql.column(Kind::Bytes);
    sql.column(Kind::Bytes);
    sql.column(Kind::DateTime);
    sql.push("SELECT request, outcome, expires_at FROM ")
        .push(TABLE)
        .push(" WHERE scope = ")
        .bind(bytes(&scope));
    sql.finish()
}

/// One that has expired; another is somebody's.
pub(crate) fn forget_claim<'a>(dialect: DialectRef, scope: [u8; 32], now: Timestamp) -> Statement<'a> {
    let mut sql = Sql::new(dialect);
    sql.push("DELETE FROM ")
        .push(TABLE)
        .push(" WHERE scope = ")
        .bind(bytes(&scope))
        .push(" AND expires_at <= ")
        .bind(Cow::Owned(Value::DateTime(now)));
    sql.finish()
}

pub(crate) fn keep_claim<'a>(dialect: DialectRef, claim: &IdempotencyClaim, outcomes: Vec<u8>) -> Statement<'a> {
    let mut sql = Sql::new(dialect);
    sql.push("INSERT INTO ")
        .push(TABLE)
        .push(" (scope, request, outcome, expires_at) VALUES (");
    sql.bind(bytes(&claim.scope))
        .push(", ")
        .bind(bytes(&claim.request))
        .push(", ");
    sql.bind(Cow::Owned(Value::Bytes(outcomes.into()))).push(", ");
    sql.bind(Cow::Owned(Value::DateTime(claim.expires_at))).push(")");
    sql.finish()
}

pub(crate) fn purge_claims<'a>(dialect: DialectRef, now: Timestamp, rows_max: u32) -> Statement<'a> {
    let mut sql = Sql::new(dialect);
    let whole = dialect.deletes_in_order();
    sql.push("DELETE FROM ").push(TABLE);
    if !whole {
        sql.push(" WHERE scope IN (SELECT scope FROM ").push(TABLE);
    }
    sql.push(" WHERE expires_at <= ").bind(Cow::Owned(Value::DateTime(now)));
    sql.push(" ORDER BY expires_at LIMIT ")
        .bind(Cow::Owned(Value::Int(rows_max.into())))
        .push(if whole { "" } else { ")" });
    sql.finish()
}

fn bytes<'a>(hash: &[u8; 32]) -> Cow<'a, Value> {
    Cow::Owned(Value::Bytes(hash.as_slice().into()))
}
