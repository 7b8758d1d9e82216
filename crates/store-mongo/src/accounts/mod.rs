//! Identity's own collections.
//!
//! What belongs together runs in the transaction that the caller has open. An account's `kind` stands beside its id, since a
//! user's id may be chosen by whoever creates it, and must never be taken for an administrator's.

mod account;
mod credential;
mod key;
mod session;
mod store;
mod token;

use engine::model::Timestamp;
use engine::ports::accounts::{AccountStoreError, Subject};
use engine::ports::store::StoreError;
use engine::query::Effect;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, DateTime, Document, doc};
use uuid::Uuid;

pub(crate) use credential::forget;

use crate::session::Session;
use crate::system;

/// Documents that one round of sweeping removes, so that it never holds up other writes.
const SWEPT_MAX: i64 = 500;

/// The part of a transaction that is identity's.
pub(crate) async fn apply_effect(session: &mut Session<'_>, effect: &Effect) -> Result<(), StoreError> {
    session.count(system::ACCOUNTS).await?;
    match effect {
        Effect::SetPassword { user, hash } => {
            credential::set_password(session, Subject::User(*user), hash, None).await?;
        }
        Effect::StartSession(new) => {
            session::start_session(session, new, None).await?;
        }
    }
    Ok(())
}

/// Removes some of what has expired, and answers whether there may be more.
async fn sweep(session: &mut Session<'_>, now: Timestamp) -> Result<bool, StoreError> {
    let mut more = false;
    for (collection, expiry) in [
        (system::SESSION, "idle_until"),
        (system::TOKEN, "expires"),
        (system::SIGNING_KEY, "expires"),
    ] {
        let expired = vec![
            doc! { "$match": { expiry: { "$lte": moment(now) } } },
            doc! { "$limit": SWEPT_MAX },
            doc! { "$project": { "_id": 1 } },
        ];
        let expired = session.aggregate(collection, expired).await?;
        more |= expired.len() as i64 == SWEPT_MAX;
        let ids: Vec<Bson> = expired
            .into_iter()
            .filter_map(|mut found| found.remove("_id"))
            .collect();
        if !ids.is_empty() {
            session.delete(collection, doc! { "_id": { "$in": ids } }).await?;
        }
    }
    Ok(more)
}

/// In the words of the accounts' port.
fn account_error(error: StoreError) -> AccountStoreError {
    match error {
        StoreError::Timeout => AccountStoreError::Timeout,
        StoreError::Unavailable { reason, retry_after } => AccountStoreError::Unavailable { reason, retry_after },
        other => AccountStoreError::Failed(other.to_string()),
    }
}

fn moment(moment: Timestamp) -> Bson {
    Bson::DateTime(DateTime::from_millis(moment.0))
}

fn bytes(bytes: &[u8]) -> Bson {
    Bson::Binary(Binary {
        subtype: BinarySubtype::Generic,
        bytes: bytes.to_vec(),
    })
}

fn id(id: Uuid) -> String {
    id.hyphenated().to_string()
}

/// Its kind and its id, as one value.
fn subject(subject: Subject) -> Document {
    let kind = match subject {
        Subject::User(_) => "user",
        Subject::Administrator(_) => "administrator",
    };
    doc! { "kind": kind, "id": id(subject.id()) }
}

/// Reading what was written here.
trait Fields {
    fn text(&self, name: &str) -> Result<String, StoreError>;
    fn optional_text(&self, name: &str) -> Option<String>;
    fn moment(&self, name: &str) -> Result<Timestamp, StoreError>;
    fn id(&self, name: &str) -> Result<Uuid, StoreError>;
    fn bytes32(&self, name: &str) -> Result<[u8; 32], StoreError>;
    /// Written by [`subject`].
    fn subject(&self) -> Result<Option<Subject>, StoreError>;
}

impl Fields for Document {
    fn text(&self, name: &str) -> Result<String, StoreError> {
        self.optional_text(name).ok_or_else(unreadable)
    }

    fn optional_text(&self, name: &str) -> Option<String> {
        self.get_str(name).ok().map(str::to_owned)
    }

    fn moment(&self, name: &str) -> Result<Timestamp, StoreError> {
        let moment = self.get_datetime(name).map_err(|_| unreadable())?;
        Ok(Timestamp(moment.timestamp_millis()))
    }

    fn id(&self, name: &str) -> Result<Uuid, StoreError> {
        Uuid::parse_str(&self.text(name)?).map_err(|_| unreadable())
    }

    fn bytes32(&self, name: &str) -> Result<[u8; 32], StoreError> {
        let bytes = self.get_binary_generic(name).map_err(|_| unreadable())?;
        bytes.as_slice().try_into().map_err(|_| unreadable())
    }

    fn subject(&self) -> Result<Option<Subject>, StoreError> {
        let Ok(subject) = self.get_document("subject") else {
            return Ok(None);
        };
        let id = subject.id("id")?;
        match subject.text("kind")?.as_str() {
            "user" => Ok(Some(Subject::User(id))),
            "administrator" => Ok(Some(Subject::Administrator(id))),
            _ => Err(unreadable()),
        }
    }
}

fn unreadable() -> StoreError {
    StoreError::Failed("a document of identity's own collections is not as it was written".to_owned())
}
