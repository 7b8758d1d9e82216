//! Identity's own tables, in SQL that every database understands.
//!
//! Written over a [`Session`], as all statements of this crate: what belongs together runs in the transaction that the
//! caller has open. Moments are milliseconds, ids and hashes are bytes. An account's `kind` stands beside its id, since a
//! user's id may be chosen by whoever creates it, and must never be taken for an administrator's.

mod account;
mod credential;
mod key;
mod session;
mod token;

use std::borrow::Cow;

use engine::model::{Timestamp, Value};
use engine::ports::accounts::{AccountStoreError, Subject};
use engine::ports::store::StoreError;
use engine::query::Effect;
use uuid::Uuid;

pub(crate) use account::{account, account_by_email, administrator, administrator_by_email};
pub(crate) use account::{create_administrator, first_administrator};
pub(crate) use credential::{forget, rehash_password, reset_password, set_password};
pub(crate) use key::{add_signing_key, secret, signing_keys};
pub(crate) use session::{end_session, end_sessions, one_session, rotate, sessions, start_session};
pub(crate) use token::{issue, one_time_token, redeem};

use crate::compile::{Kind, Statement};
use crate::session::{Columns, Session};

/// Rows that one round of sweeping removes, so that it never holds up other writes.
const SWEEP_ROWS: i64 = 500;

/// The part of a transaction that is identity's.
pub(crate) async fn apply_effect(session: &mut impl Session, effect: &Effect) -> Result<(), StoreError> {
    match effect {
        Effect::SetPassword { user, hash } => {
            set_password(session, Subject::User(*user), hash, None).await?;
        }
        Effect::StartSession(new) => {
            start_session(session, new, None).await?;
        }
    }
    Ok(())
}

/// Removes some of what has expired, and answers whether there may be more.
pub(crate) async fn sweep(session: &mut impl Session, now: Timestamp) -> Result<bool, StoreError> {
    let sessions = sweep_table(session, "_ninefold_session", ("id", Kind::Id), "idle_until", now).await?;
    let tokens = sweep_table(
        session,
        "_ninefold_one_time_token",
        ("hash", Kind::Bytes),
        "expires",
        now,
    )
    .await?;
    let keys = sweep_table(session, "_ninefold_signing_key", ("id", Kind::Text), "expires", now).await?;
    Ok(sessions || tokens || keys)
}

async fn sweep_table(
    session: &mut impl Session,
    table: &str,
    (key, kind): (&str, Kind),
    expiry: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let sql = format!("SELECT {key} FROM {table} WHERE {expiry} <= ? ORDER BY {expiry} LIMIT {SWEEP_ROWS}");
    let expired = rows(session, &sql, [moment(now)], &[kind]).await?;
    let sql = format!("DELETE FROM {table} WHERE {key} = ?");
    let more = expired.len() as i64 == SWEEP_ROWS;
    for columns in expired {
        run(session, &sql, columns).await?;
    }
    Ok(more)
}

/// In the words of the accounts' port.
pub(crate) fn account_error(error: StoreError) -> AccountStoreError {
    match error {
        StoreError::Timeout => AccountStoreError::Timeout,
        StoreError::Unavailable { reason, retry_after } => AccountStoreError::Unavailable { reason, retry_after },
        other => AccountStoreError::Failed(other.to_string()),
    }
}

/// Each `?` of the text stands for the next value.
async fn rows(
    session: &mut impl Session,
    sql: &str,
    binds: impl IntoIterator<Item = Value>,
    columns: &[Kind],
) -> Result<Vec<Columns>, StoreError> {
    let statement = statement(session, sql, binds, columns);
    session.query(statement).await
}

/// Answers how many rows were changed.
async fn run(session: &mut impl Session, sql: &str, binds: impl IntoIterator<Item = Value>) -> Result<u64, StoreError> {
    let statement = statement(session, sql, binds, &[]);
    session.execute(statement).await
}

fn statement(
    session: &impl Session,
    sql: &str,
    binds: impl IntoIterator<Item = Value>,
    columns: &[Kind],
) -> Statement<'static> {
    let mut text = String::with_capacity(sql.len());
    for (number, part) in sql.split('?').enumerate() {
        if number > 0 {
            session.dialect().placeholder(&mut text, number, None);
        }
        text.push_str(part);
    }
    Statement {
        text,
        binds: binds.into_iter().map(Cow::Owned).collect(),
        columns: columns.to_vec(),
    }
}

fn moment(moment: Timestamp) -> Value {
    Value::Int(moment.0)
}

fn bytes(bytes: &[u8]) -> Value {
    Value::Bytes(bytes.into())
}

/// Its kind and its id.
fn subject(subject: Subject) -> [Value; 2] {
    let kind = match subject {
        Subject::User(_) => "user",
        Subject::Administrator(_) => "administrator",
    };
    [Value::text(kind), Value::Id(subject.id())]
}

/// The columns of a row, one after the other.
struct Reader(std::vec::IntoIter<Value>);

impl Reader {
    fn new(columns: Columns) -> Self {
        Self(columns.into_iter())
    }

    fn next(&mut self) -> Value {
        self.0.next().unwrap_or(Value::Null)
    }

    fn text(&mut self) -> Result<String, StoreError> {
        self.optional_text()?.ok_or_else(unreadable)
    }

    fn optional_text(&mut self) -> Result<Option<String>, StoreError> {
        match self.next() {
            Value::Text(text) => Ok(Some(text.into())),
            Value::Null => Ok(None),
            _ => Err(unreadable()),
        }
    }

    fn int(&mut self) -> Result<i64, StoreError> {
        self.next().as_int().ok_or_else(unreadable)
    }

    fn moment(&mut self) -> Result<Timestamp, StoreError> {
        self.int().map(Timestamp)
    }

    fn id(&mut self) -> Result<Uuid, StoreError> {
        self.next().as_id().ok_or_else(unreadable)
    }

    fn bytes32(&mut self) -> Result<[u8; 32], StoreError> {
        match self.next() {
            Value::Bytes(bytes) => bytes.as_ref().try_into().map_err(|_| unreadable()),
            _ => Err(unreadable()),
        }
    }

    /// Written by [`subject`].
    fn subject(&mut self) -> Result<Option<Subject>, StoreError> {
        match (self.next(), self.next()) {
            (Value::Null, Value::Null) => Ok(None),
            (Value::Text(kind), Value::Id(id)) => match &*kind {
                "user" => Ok(Some(Subject::User(id))),
                "administrator" => Ok(Some(Subject::Administrator(id))),
                _ => Err(unreadable()),
            },
            _ => Err(unreadable()),
        }
    }
}

fn unreadable() -> StoreError {
    StoreError::Failed("a row of identity's own tables is not as it was written".to_owned())
}
