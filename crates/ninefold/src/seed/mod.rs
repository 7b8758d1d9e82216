//! `seed/`: the data that an empty database starts with.
//!
//! One file per collection, as JSON, NDJSON or CSV. All of it goes through the engine's one pipeline as an administrator, in
//! one transaction: rules don't hide, validation holds, and a record that can't be loaded leaves the database as it
//! was. Records may come in any order, name each other by unique fields ([`names`]), and refer to each other in circles ([`order`]).

mod files;
mod names;
mod order;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

use engine::operations::{Action, Data, ListRequest, Precondition, Step};
use engine::query::Effect;
use engine::{Engine, Error, ErrorCode, Model};
use futures::future::try_join_all;
use identity::Identity;
use uuid::Uuid;

use crate::application::operator;
use crate::failure::Failure;
use order::Placed;

/// The folder in an application's folder.
const FOLDER: &str = "seed";
/// The field of an account's record that becomes its credential.
const PASSWORD: &str = "password";

/// One record of a file.
#[derive(Debug, Clone)]
struct Record {
    /// Its collection's path segment.
    collection: String,
    data: Data,
    /// `seed/rooms.json, record 2`.
    place: String,
}

/// What was loaded: collections and how many records each got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Loaded(Vec<(String, usize)>);

impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (collection, count)) in self.0.iter().enumerate() {
            let joint = if index == 0 { "" } else { ", " };
            write!(f, "{joint}{count} {collection}")?;
        }
        Ok(())
    }
}

pub(crate) fn exists(dir: &Path) -> bool {
    folder(dir).is_dir()
}

fn folder(dir: &Path) -> PathBuf {
    dir.join(FOLDER)
}

/// Whether no collection has a record.
pub(crate) async fn is_empty(engine: &Engine) -> Result<bool, Failure> {
    let model = engine.model();
    for collection in &model.collections {
        let request = ListRequest {
            collection: collection.path.clone(),
            limit: Some(1),
            ..ListRequest::default()
        };
        let page = engine
            .list(&operator("seed"), &request)
            .await
            .map_err(|error| Failure::database(&error))?;
        if !page.rows.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Loads all files, or nothing.
pub(crate) async fn load(dir: &Path, engine: &Engine, identity: &Identity) -> Result<Loaded, Failure> {
    let model = engine.model();
    let records = files::read(&folder(dir), &model)?;
    let mut loaded = Loaded(Vec::new());
    for record in &records {
        match loaded
            .0
            .iter_mut()
            .find(|(collection, _)| *collection == record.collection)
        {
            Some((_, count)) => *count += 1,
            None => loaded.0.push((record.collection.clone(), 1)),
        }
    }
    let records = names::resolve(records, &model)?;
    let (records, credentials) = split_credentials(records, &model)?;
    let placed = order::order(records, &model)?;
    let effects = effects(credentials, identity).await?;
    let places: Vec<_> = placed.iter().map(|placed| placed.place.clone()).collect();
    let steps = placed.into_iter().map(|Placed { step, .. }| step).collect();
    match engine.load(&operator("seed"), steps, effects).await {
        Ok(_) => Ok(loaded),
        Err(error) => Err(match error.operation.and_then(|index| places.get(index)) {
            Some(place) => refused(place, &error),
            None if places.len() == 1 => refused(&places[0], &error),
            None => Failure::database(&error),
        }),
    }
}

struct Credential {
    user: Uuid,
    password: String,
}

async fn effects(credentials: Vec<Credential>, identity: &Identity) -> Result<Vec<Effect>, Failure> {
    let hashing = credentials.into_iter().map(|credential| async move {
        let hash = identity.hash_password(&credential.password).await;
        let hash = hash.map_err(|error| Failure::database(&error))?;
        Ok(Effect::SetPassword {
            user: credential.user,
            hash,
        })
    });
    try_join_all(hashing).await
}

/// Passwords are no fields: they are taken out, and their accounts get ids to hang them on.
fn split_credentials(mut records: Vec<Record>, model: &Model) -> Result<(Vec<Record>, Vec<Credential>), Failure> {
    let accounts = model.accounts.map(|accounts| model.collection(accounts));
    let mut credentials = Vec::new();
    let of_accounts = |record: &&mut Record| accounts.is_some_and(|accounts| accounts.path == record.collection);
    for record in records.iter_mut().filter(of_accounts) {
        credentials.extend(split_credential(record)?);
    }
    Ok((records, credentials))
}

fn split_credential(Record { data, place, .. }: &mut Record) -> Result<Option<Credential>, Failure> {
    let wrong = |field: &str, message: &str| {
        Failure::mistake(format!("{place}: {field}: {message}"))
            .help("nothing was loaded; mend the file and seed again")
    };
    let Some(password) = data.shift_remove(PASSWORD) else {
        return Ok(None);
    };
    let password = password.as_str().ok_or_else(|| wrong(PASSWORD, "must be text"))?;
    let id = data.entry("id").or_insert_with(|| Uuid::now_v7().to_string().into());
    let user = id.as_str().and_then(|id| Uuid::parse_str(id).ok());
    Ok(Some(Credential {
        user: user.ok_or_else(|| wrong("id", "must be a UUID"))?,
        password: password.to_owned(),
    }))
}

fn create(record: Record) -> Placed {
    Placed {
        step: Step {
            action: Action::Create { data: record.data },
            collection: record.collection,
            precondition: Precondition::None,
            alias: None,
        },
        place: record.place,
    }
}

/// A record that the engine refuses, field by field.
fn refused(place: &str, error: &Error) -> Failure {
    if error.code == ErrorCode::Internal {
        return Failure::database(error);
    }
    let fields = error.fields.iter().map(|field| {
        let name = match field.field.split_once('.') {
            Some((operation, name)) if operation.starts_with("operations[") => name,
            _ => &field.field,
        };
        format!("{place}: {name}: {}", field.message)
    });
    let fields: Vec<_> = fields.collect();
    let failure = match fields.as_slice() {
        [] => Failure::mistake(format!("{place}: {}", error.message)),
        [only] => Failure::mistake(only.clone()),
        _ => Failure::mistake(format!("{place} has {} mistakes", fields.len())).details(fields.join("\n")),
    };
    failure.help("nothing was loaded; mend the file and seed again")
}
