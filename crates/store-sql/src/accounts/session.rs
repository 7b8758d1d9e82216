//! Sessions and their refresh tokens' generations.

use engine::model::{Timestamp, Value};
use engine::ports::Secret;
use engine::ports::accounts::{NewSession, Rotated, Rotation, Session as SignedIn, Subject, Verdict};
use engine::ports::store::StoreError;
use uuid::Uuid;

use super::credential::has_hash;
use super::{Reader, moment, rows, run, subject, unreadable};
use crate::compile::Kind;
use crate::session::Session;

const COLUMNS: &str =
    "id, kind, subject, created, expires, idle_until, generation, rotated, user_agent FROM _ninefold_session";
const KINDS: [Kind; 9] = [
    Kind::Id,
    Kind::Text,
    Kind::Id,
    Kind::Int,
    Kind::Int,
    Kind::Int,
    Kind::Int,
    Kind::Int,
    Kind::Text,
];

/// `false`, and nothing is started, when `proof` is no longer the subject's hash.
pub(crate) async fn start_session(
    session: &mut impl Session,
    new: &NewSession,
    proof: Option<&Secret<String>>,
) -> Result<bool, StoreError> {
    if let Some(proof) = proof
        && !has_hash(session, new.subject, proof).await?
    {
        return Ok(false);
    }
    let sql = "INSERT INTO _ninefold_session \
         (id, kind, subject, created, expires, idle_until, generation, rotated, user_agent) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let [kind, id] = subject(new.subject);
    let values = [
        Value::Id(new.id),
        kind,
        id,
        moment(new.created),
        moment(new.expires),
        moment(new.idle_until),
        Value::Int(0),
        moment(new.created),
        new.user_agent.as_deref().map_or(Value::Null, Value::text),
    ];
    run(session, sql, values).await?;
    end_beyond(session, new).await?;
    Ok(true)
}

/// Ends the least recently refreshed sessions of a subject that has too many; never the new one.
async fn end_beyond(session: &mut impl Session, new: &NewSession) -> Result<(), StoreError> {
    let sql =
        "SELECT id FROM _ninefold_session WHERE kind = ? AND subject = ? AND id <> ? ORDER BY rotated DESC, id DESC";
    let [kind, id] = subject(new.subject);
    let others = rows(session, sql, [kind, id, Value::Id(new.id)], &[Kind::Id]).await?;
    for beyond in others.into_iter().skip(new.sessions_max.saturating_sub(1) as usize) {
        run(session, "DELETE FROM _ninefold_session WHERE id = ?", beyond).await?;
    }
    Ok(())
}

pub(crate) async fn one_session(
    session: &mut impl Session,
    id: Uuid,
    now: Timestamp,
) -> Result<Option<SignedIn>, StoreError> {
    let found = find(session, id, "").await?;
    Ok(found.filter(|session| is_alive(session, now)))
}

pub(crate) async fn sessions(
    session: &mut impl Session,
    of: Subject,
    now: Timestamp,
) -> Result<Vec<SignedIn>, StoreError> {
    let sql = format!("SELECT {COLUMNS} WHERE kind = ? AND subject = ? ORDER BY rotated DESC, id DESC");
    let found = rows(session, &sql, subject(of), &KINDS).await?;
    let read = found.into_iter().map(|row| read(Reader::new(row)));
    let alive = read.filter(|session| session.as_ref().map_or(true, |session| is_alive(session, now)));
    alive.collect()
}

pub(crate) async fn rotate(session: &mut impl Session, rotation: &Rotation) -> Result<Rotated, StoreError> {
    let lock = session.dialect().for_update();
    let Some(mut stored) = find(session, rotation.session, lock).await? else {
        return Ok(Rotated::Gone);
    };
    match stored.judge(rotation) {
        Verdict::Expired => Ok(Rotated::Gone),
        Verdict::Repeat => Ok(Rotated::Current(stored)),
        Verdict::Reuse => {
            end_session(session, stored.subject, stored.id).await?;
            Ok(Rotated::Reused(stored.subject))
        }
        Verdict::Advance { idle_until } => {
            stored.generation += 1;
            stored.rotated = rotation.now;
            stored.idle_until = idle_until;
            let sql = "UPDATE _ninefold_session SET generation = ?, rotated = ?, idle_until = ? WHERE id = ?";
            let values = [
                Value::Int(stored.generation.into()),
                moment(stored.rotated),
                moment(stored.idle_until),
                Value::Id(stored.id),
            ];
            run(session, sql, values).await?;
            Ok(Rotated::Current(stored))
        }
    }
}

pub(crate) async fn end_session(session: &mut impl Session, of: Subject, id: Uuid) -> Result<bool, StoreError> {
    let [kind, subject] = subject(of);
    let sql = "DELETE FROM _ninefold_session WHERE kind = ? AND subject = ? AND id = ?";
    let ended = run(session, sql, [kind, subject, Value::Id(id)]).await?;
    Ok(ended > 0)
}

/// Answers which were ended.
pub(crate) async fn end_sessions(
    session: &mut impl Session,
    of: Subject,
    keep: Option<Uuid>,
) -> Result<Vec<Uuid>, StoreError> {
    let sql = "SELECT id FROM _ninefold_session WHERE kind = ? AND subject = ?";
    let mut ended = Vec::new();
    for row in rows(session, sql, subject(of), &[Kind::Id]).await? {
        let id = Reader::new(row).id()?;
        if Some(id) != keep {
            end_session(session, of, id).await?;
            ended.push(id);
        }
    }
    Ok(ended)
}

async fn find(session: &mut impl Session, id: Uuid, lock: &str) -> Result<Option<SignedIn>, StoreError> {
    let sql = format!("SELECT {COLUMNS} WHERE id = ?{lock}");
    let found = rows(session, &sql, [Value::Id(id)], &KINDS).await?;
    found.into_iter().next().map(|row| read(Reader::new(row))).transpose()
}

fn is_alive(session: &SignedIn, now: Timestamp) -> bool {
    now < session.idle_until && now < session.expires
}

fn read(mut row: Reader) -> Result<SignedIn, StoreError> {
    Ok(SignedIn {
        id: row.id()?,
        subject: row.subject()?.ok_or_else(unreadable)?,
        created: row.moment()?,
        expires: row.moment()?,
        idle_until: row.moment()?,
        generation: u32::try_from(row.int()?).map_err(|_| unreadable())?,
        rotated: row.moment()?,
        user_agent: row.optional_text()?,
    })
}
