//! Sessions and their refresh tokens' generations.

use engine::model::Timestamp;
use engine::ports::Secret;
use engine::ports::accounts::{NewSession, Rotated, Rotation, Session as SignedIn, Subject, Verdict};
use engine::ports::store::StoreError;
use mongodb::bson::{Bson, Document, doc};
use uuid::Uuid;

use super::credential::hash_of;
use super::{Fields, id, moment, subject, unreadable};
use crate::session::Session;
use crate::system;

/// `false`, and nothing is started, when `proof` is no longer the subject's hash.
pub(super) async fn start_session(
    session: &mut Session<'_>,
    new: &NewSession,
    proof: Option<&Secret<String>>,
) -> Result<bool, StoreError> {
    if proof.is_some() && hash_of(session, new.subject).await?.as_ref() != proof {
        return Ok(false);
    }
    let document = doc! {
        "_id": id(new.id),
        "subject": subject(new.subject),
        "created": moment(new.created),
        "expires": moment(new.expires),
        "idle_until": moment(new.idle_until),
        "generation": 0_i64,
        "rotated": moment(new.created),
        "user_agent": new.user_agent.as_deref().map_or(Bson::Null, Bson::from),
    };
    session.insert(system::SESSION, vec![document]).await?;
    end_beyond(session, new).await?;
    Ok(true)
}

/// Ends the least recently refreshed sessions of a subject that has too many; never the new one.
async fn end_beyond(session: &mut Session<'_>, new: &NewSession) -> Result<(), StoreError> {
    let others = of_subject(session, new.subject).await?;
    let others = others.into_iter().filter(|other| other.id != new.id);
    let beyond: Vec<String> = others
        .skip(new.sessions_max.saturating_sub(1) as usize)
        .map(|other| id(other.id))
        .collect();
    if !beyond.is_empty() {
        session
            .delete(system::SESSION, doc! { "_id": { "$in": beyond } })
            .await?;
    }
    Ok(())
}

pub(super) async fn one_session(
    session: &mut Session<'_>,
    id: Uuid,
    now: Timestamp,
) -> Result<Option<SignedIn>, StoreError> {
    let found = find(session, id).await?;
    Ok(found.filter(|session| is_alive(session, now)))
}

pub(super) async fn sessions(
    session: &mut Session<'_>,
    of: Subject,
    now: Timestamp,
) -> Result<Vec<SignedIn>, StoreError> {
    let mut found = of_subject(session, of).await?;
    found.retain(|session| is_alive(session, now));
    Ok(found)
}

/// Most recently refreshed first.
async fn of_subject(session: &mut Session<'_>, of: Subject) -> Result<Vec<SignedIn>, StoreError> {
    let of_subject = vec![
        doc! { "$match": { "subject": subject(of) } },
        doc! { "$sort": { "rotated": -1, "_id": -1 } },
    ];
    let found = session.aggregate(system::SESSION, of_subject).await?;
    found.iter().map(read).collect()
}

pub(super) async fn rotate(session: &mut Session<'_>, rotation: &Rotation) -> Result<Rotated, StoreError> {
    let Some(mut stored) = find(session, rotation.session).await? else {
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
            let set = doc! {
                "generation": i64::from(stored.generation),
                "rotated": moment(stored.rotated),
                "idle_until": moment(stored.idle_until),
            };
            session
                .update(system::SESSION, doc! { "_id": id(stored.id) }, doc! { "$set": set })
                .await?;
            Ok(Rotated::Current(stored))
        }
    }
}

pub(super) async fn end_session(session: &mut Session<'_>, of: Subject, ended: Uuid) -> Result<bool, StoreError> {
    let filter = doc! { "_id": id(ended), "subject": subject(of) };
    Ok(session.delete(system::SESSION, filter).await? > 0)
}

/// Answers which were ended.
pub(super) async fn end_sessions(
    session: &mut Session<'_>,
    of: Subject,
    keep: Option<Uuid>,
) -> Result<Vec<Uuid>, StoreError> {
    let mut ended: Vec<Uuid> = of_subject(session, of).await?.iter().map(|found| found.id).collect();
    ended.retain(|id| Some(*id) != keep);
    let ids: Vec<String> = ended.iter().map(|ended| id(*ended)).collect();
    if !ids.is_empty() {
        session.delete(system::SESSION, doc! { "_id": { "$in": ids } }).await?;
    }
    Ok(ended)
}

async fn find(session: &mut Session<'_>, of: Uuid) -> Result<Option<SignedIn>, StoreError> {
    let found = session.find(system::SESSION, doc! { "_id": id(of) }).await?;
    found.as_ref().map(read).transpose()
}

fn is_alive(session: &SignedIn, now: Timestamp) -> bool {
    now < session.idle_until && now < session.expires
}

fn read(found: &Document) -> Result<SignedIn, StoreError> {
    let generation = found.get_i64("generation").map_err(|_| unreadable())?;
    Ok(SignedIn {
        id: found.id("_id")?,
        subject: found.subject()?.ok_or_else(unreadable)?,
        created: found.moment("created")?,
        expires: found.moment("expires")?,
        idle_until: found.moment("idle_until")?,
        generation: u32::try_from(generation).map_err(|_| unreadable())?,
        rotated: found.moment("rotated")?,
        user_agent: found.optional_text("user_agent"),
    })
}
