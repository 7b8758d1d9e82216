//! Accounts, which are records of the model, and administrators, which are not.

use engine::Model;
use engine::model::kind::Kind;
use engine::model::{Collection, FieldId, Value};
use engine::ports::accounts::{Account, Administrator, Subject};
use engine::ports::store::StoreError;
use mongodb::bson::{Bson, Document, doc};
use uuid::Uuid;

use super::credential::{hash_of, write_hash};
use super::{Fields, id, moment, unreadable};
use crate::compile::path;
use crate::session::Session;
use crate::system;
use crate::value::decode;

pub(super) async fn account(session: &mut Session<'_>, id: Uuid) -> Result<Option<Account>, StoreError> {
    let by = |collection: &Collection| collection.key.first().copied();
    find(session, by, &super::id(id)).await
}

pub(super) async fn account_by_email(session: &mut Session<'_>, email: &str) -> Result<Option<Account>, StoreError> {
    let by = |collection: &Collection| collection.account.map(|fields| fields.email);
    find(session, by, email).await
}

/// `None` also when the model has no accounts.
async fn find(
    session: &mut Session<'_>,
    by: impl FnOnce(&Collection) -> Option<FieldId>,
    value: &str,
) -> Result<Option<Account>, StoreError> {
    let model: &Model = session.model();
    let Some(collection) = model.accounts.map(|accounts| model.collection(accounts)) else {
        return Ok(None);
    };
    let (Some(fields), [_], Some(by)) = (collection.account, collection.key.as_slice(), by(collection)) else {
        return Ok(None);
    };
    let column = |field: FieldId| path::of(collection, collection.field(field));
    let Some(stored) = session.find(&collection.table, doc! { column(by): value }).await? else {
        return Ok(None);
    };
    let id = stored.id(path::ID)?;
    Ok(Some(Account {
        id,
        email: stored.text(&column(fields.email))?,
        verified: stored.get_bool(column(fields.verified)).unwrap_or(false),
        roles: roles(stored.get(column(fields.roles)))?,
        password: hash_of(session, Subject::User(id)).await?,
    }))
}

/// A stored list of text; an existing collection may hold none.
fn roles(stored: Option<&Bson>) -> Result<Vec<Box<str>>, StoreError> {
    match decode(stored, Kind::Json)? {
        Value::Null => Ok(Vec::new()),
        Value::Json(json) => serde_json::from_str(&json).map_err(|_| unreadable()),
        _ => Err(unreadable()),
    }
}

pub(super) async fn administrator(session: &mut Session<'_>, of: Uuid) -> Result<Option<Administrator>, StoreError> {
    let found = session.find(system::ADMINISTRATOR, doc! { "_id": id(of) }).await?;
    read(session, found).await
}

pub(super) async fn administrator_by_email(
    session: &mut Session<'_>,
    email: &str,
) -> Result<Option<Administrator>, StoreError> {
    let found = session.find(system::ADMINISTRATOR, doc! { "email": email }).await?;
    read(session, found).await
}

pub(super) async fn first_administrator(session: &mut Session<'_>) -> Result<Option<Administrator>, StoreError> {
    let first = vec![doc! { "$sort": { "created": 1, "_id": 1 } }, doc! { "$limit": 1 }];
    let found = session.aggregate(system::ADMINISTRATOR, first).await?;
    read(session, found.into_iter().next()).await
}

async fn read(session: &mut Session<'_>, found: Option<Document>) -> Result<Option<Administrator>, StoreError> {
    let Some(found) = found else { return Ok(None) };
    let id = found.id("_id")?;
    Ok(Some(Administrator {
        id,
        email: found.text("email")?,
        created: found.moment("created")?,
        password: hash_of(session, Subject::Administrator(id)).await?,
    }))
}

/// `false`, and nothing is written, when another has the address.
pub(super) async fn create_administrator(session: &mut Session<'_>, new: &Administrator) -> Result<bool, StoreError> {
    if administrator_by_email(session, &new.email).await?.is_some() {
        return Ok(false);
    }
    let document = doc! { "_id": id(new.id), "email": &new.email, "created": moment(new.created) };
    session.insert(system::ADMINISTRATOR, vec![document]).await?;
    if let Some(hash) = &new.password {
        write_hash(session, Subject::Administrator(new.id), hash).await?;
    }
    Ok(true)
}
