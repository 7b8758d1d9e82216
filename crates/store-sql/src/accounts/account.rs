//! Accounts, which are records of the model, and administrators, which are not.

use engine::Model;
use engine::model::{Collection, Field, FieldId, Value};
use engine::ports::Secret;
use engine::ports::accounts::{Account, Administrator, Subject};
use engine::ports::store::StoreError;
use uuid::Uuid;

use super::credential::write_hash;
use super::{Reader, moment, rows, run, unreadable};
use crate::compile::Kind;
use crate::session::Session;

pub(crate) async fn account(
    session: &mut impl Session,
    model: &Model,
    id: Uuid,
) -> Result<Option<Account>, StoreError> {
    find(
        session,
        model,
        |collection| collection.key.first().copied(),
        Value::Id(id),
    )
    .await
}

pub(crate) async fn account_by_email(
    session: &mut impl Session,
    model: &Model,
    email: &str,
) -> Result<Option<Account>, StoreError> {
    let by = |collection: &Collection| collection.account.map(|fields| fields.email);
    find(session, model, by, Value::text(email)).await
}

/// `None` also when the model has no accounts.
async fn find(
    session: &mut impl Session,
    model: &Model,
    by: impl FnOnce(&Collection) -> Option<FieldId>,
    value: Value,
) -> Result<Option<Account>, StoreError> {
    let Some(collection) = model.accounts.map(|accounts| model.collection(accounts)) else {
        return Ok(None);
    };
    let (Some(fields), [key], Some(by)) = (collection.account, collection.key.as_slice(), by(collection)) else {
        return Ok(None);
    };
    let dialect = session.dialect();
    let quoted = |name: &str| {
        let mut text = String::new();
        dialect.identifier(&mut text, name);
        text
    };
    let columns = [*key, fields.email, fields.verified, fields.roles].map(|field| collection.field(field));
    let selected: Vec<_> = columns
        .iter()
        .map(|field| format!("u.{}", quoted(&field.column)))
        .collect();
    let sql = format!(
        "SELECT {}, c.hash FROM {} u LEFT JOIN _ninefold_credential c ON c.kind = 'user' AND c.subject = {} WHERE u.{} = ?",
        selected.join(", "),
        quoted(&collection.table),
        selected[0],
        quoted(&collection.field(by).column),
    );
    let kind = |field: &Field| Kind::of_field(model, field);
    let kinds = [
        kind(columns[0]),
        kind(columns[1]),
        kind(columns[2]),
        kind(columns[3]),
        Kind::Text,
    ];
    let found = rows(session, &sql, [value], &kinds).await?;
    found.into_iter().next().map(|row| read(Reader::new(row))).transpose()
}

fn read(mut row: Reader) -> Result<Account, StoreError> {
    Ok(Account {
        id: row.id()?,
        email: row.text()?,
        verified: matches!(row.next(), Value::Bool(true)),
        roles: roles(&row.next())?,
        password: row.optional_text()?.map(Secret::new),
    })
}

/// A stored list of text; an existing table may hold none.
fn roles(stored: &Value) -> Result<Vec<Box<str>>, StoreError> {
    match stored {
        Value::Null => Ok(Vec::new()),
        Value::Json(json) => serde_json::from_str(json).map_err(|_| unreadable()),
        _ => Err(unreadable()),
    }
}

const ADMINISTRATOR: &str = "SELECT a.id, a.email, a.created, c.hash FROM _ninefold_administrator a \
     LEFT JOIN _ninefold_credential c ON c.kind = 'administrator' AND c.subject = a.id";

pub(crate) async fn administrator(session: &mut impl Session, id: Uuid) -> Result<Option<Administrator>, StoreError> {
    find_administrator(session, "WHERE a.id = ?", Some(Value::Id(id))).await
}

pub(crate) async fn administrator_by_email(
    session: &mut impl Session,
    email: &str,
) -> Result<Option<Administrator>, StoreError> {
    find_administrator(session, "WHERE a.email = ?", Some(Value::text(email))).await
}

pub(crate) async fn first_administrator(session: &mut impl Session) -> Result<Option<Administrator>, StoreError> {
    find_administrator(session, "ORDER BY a.created, a.id LIMIT 1", None).await
}

async fn find_administrator(
    session: &mut impl Session,
    which: &str,
    value: Option<Value>,
) -> Result<Option<Administrator>, StoreError> {
    let sql = format!("{ADMINISTRATOR} {which}");
    let found = rows(session, &sql, value, &[Kind::Id, Kind::Text, Kind::Int, Kind::Text]).await?;
    let read = |row| {
        let mut row = Reader::new(row);
        Ok(Administrator {
            id: row.id()?,
            email: row.text()?,
            created: row.moment()?,
            password: row.optional_text()?.map(Secret::new),
        })
    };
    found.into_iter().next().map(read).transpose()
}

/// `false`, and nothing is written, when another has the address.
pub(crate) async fn create_administrator(session: &mut impl Session, new: &Administrator) -> Result<bool, StoreError> {
    if administrator_by_email(session, &new.email).await?.is_some() {
        return Ok(false);
    }
    let sql = "INSERT INTO _ninefold_administrator (id, email, created) VALUES (?, ?, ?)";
    let values = [Value::Id(new.id), Value::text(new.email.as_str()), moment(new.created)];
    run(session, sql, values).await?;
    if let Some(hash) = &new.password {
        write_hash(session, Subject::Administrator(new.id), hash).await?;
    }
    Ok(true)
}
