//! `POST /api/batch`: writes to any collections, in order, all or nothing.

use axum::extract::{Request, State};
use axum::response::Response;
use engine::model::closest;
use engine::operations::{Action, Data, Precondition, Step, WriteReply, Written};
use engine::query::OutcomeKind;
use engine::query::json::{write_row, write_text};
use engine::{Error, FieldError};
use http::StatusCode;
use serde_json::Value;

use super::answer;
use super::write::Incoming;
use crate::Shared;
use crate::body::{self, Accepts};
use crate::caller::Caller;
use crate::error::Problem;
use crate::negotiate::{self, Conditions};

const MEMBERS: &[&str] = &["op", "collection", "id", "data", "ifMatch", "as"];
const OPERATIONS: &[&str] = &["create", "update", "upsert", "delete"];

pub(super) async fn batch(State(shared): State<Shared>, caller: Caller, request: Request) -> Result<Response, Problem> {
    let limit = shared.config.batch_bytes_max;
    let mut incoming = Incoming::read(request, &caller, &[], Accepts::Json, limit).await?;
    // There is no one record that the header could be about: each operation has its own.
    incoming.precondition(Conditions::None)?;
    let options = incoming.options("/api/batch")?;
    let steps = steps(body::json(&incoming.body)?)?;
    let alone = steps.len() == 1;
    let written = shared.engine.write(&caller.ctx, steps, &options).await;
    let reply = written.map_err(|error| if alone { in_only_operation(error) } else { error })?;
    Ok(answer::done(answer::json(StatusCode::OK, results(&reply)), &reply))
}

/// # Errors
/// 422 with all that is wrong, in all operations.
fn steps(body: Value) -> Result<Vec<Step>, Error> {
    let mut body = body::object(body, "")?;
    let operations = body.shift_remove("operations");
    if let Some((name, _)) = body.iter().next() {
        return Err(Error::invalid(vec![unknown(name, &["operations"])]));
    }
    let Some(Value::Array(operations)) = operations else {
        let error = FieldError::new("operations", "required", "must be an array of operations");
        return Err(Error::invalid(vec![error]));
    };
    if operations.is_empty() {
        return Err(Error::invalid(vec![FieldError::new(
            "operations",
            "too_few",
            "must hold at least one operation",
        )]));
    }
    let mut steps = Vec::with_capacity(operations.len());
    let mut errors = Vec::new();
    for (index, operation) in operations.into_iter().enumerate() {
        match step(operation) {
            Ok(step) => steps.push(step),
            Err(wrong) => {
                let place = format!("operations[{index}]");
                errors.extend(wrong.into_iter().map(|error| error.within(&place)));
            }
        }
    }
    if errors.is_empty() {
        Ok(steps)
    } else {
        Err(Error::invalid(errors))
    }
}

fn step(operation: Value) -> Result<Step, Vec<FieldError>> {
    let mut members = body::object(operation, "").map_err(|error| error.fields)?;
    let mut errors: Vec<_> = members
        .keys()
        .filter(|name| !MEMBERS.contains(&name.as_str()))
        .map(|name| unknown(name, MEMBERS))
        .collect();
    let op = required(text(&mut members, "op", &mut errors), "op", &mut errors);
    let collection = required(text(&mut members, "collection", &mut errors), "collection", &mut errors);
    let alias = text(&mut members, "as", &mut errors);
    let tag = text(&mut members, "ifMatch", &mut errors);
    if op.as_deref() == Some("create") && tag.is_some() {
        let message = "there is no record to match yet; leave it out";
        errors.push(FieldError::new("ifMatch", "not_supported", message));
    }
    let precondition = tag.map_or(Ok(Precondition::None), |tag| negotiate::matching(&tag));
    let precondition = precondition.unwrap_or_else(|expected| {
        errors.push(FieldError::new("ifMatch", "malformed", expected));
        Precondition::None
    });
    let action = op.and_then(|op| action(&op, &mut members, &mut errors));
    match (action, collection) {
        (Some(action), Some(collection)) if errors.is_empty() => Ok(Step {
            action,
            collection,
            precondition,
            alias,
        }),
        _ => Err(errors),
    }
}

fn action(op: &str, members: &mut Data, errors: &mut Vec<FieldError>) -> Option<Action> {
    if !OPERATIONS.contains(&op) {
        errors.push(FieldError::new(
            "op",
            "wrong_value",
            format!("must be one of {}", OPERATIONS.join(", ")),
        ));
        return None;
    }
    let key = text(members, "id", errors);
    let data = members.shift_remove("data");
    if op == "create" && key.is_some() {
        errors.push(FieldError::new(
            "id",
            "not_supported",
            "a new record's own id stands in its data",
        ));
    }
    if op == "delete" && data.is_some() {
        errors.push(FieldError::new(
            "data",
            "not_supported",
            "a delete takes no data; leave it out",
        ));
    }
    let key = if op == "create" {
        key
    } else {
        required(key, "id", errors)
    };
    let data = if op == "delete" {
        Some(Data::new())
    } else {
        object(data, errors)
    };
    let (key, data) = (key.unwrap_or_default(), data?);
    Some(match op {
        "create" => Action::Create { data },
        "update" => Action::Update { key, patch: data },
        "upsert" => Action::Upsert { key, data },
        _ => Action::Delete { key },
    })
}

fn object(data: Option<Value>, errors: &mut Vec<FieldError>) -> Option<Data> {
    match body::object(required(data, "data", errors)?, "data") {
        Ok(data) => Some(data),
        Err(error) => {
            errors.extend(error.fields);
            None
        }
    }
}

fn text(members: &mut Data, name: &'static str, errors: &mut Vec<FieldError>) -> Option<String> {
    match members.shift_remove(name)? {
        Value::String(text) => Some(text),
        _ => {
            errors.push(FieldError::new(name, "wrong_type", "must be a string"));
            None
        }
    }
}

fn required<T>(member: Option<T>, name: &'static str, errors: &mut Vec<FieldError>) -> Option<T> {
    if member.is_none() && errors.iter().all(|error| error.field != name) {
        errors.push(FieldError::new(name, "required", "is missing"));
    }
    member
}

fn unknown(name: &str, known: &[&str]) -> FieldError {
    let hint = closest(name, known.iter().copied()).map_or_else(
        || format!("known are {}", known.join(", ")),
        |close| format!("did you mean `{close}`?"),
    );
    FieldError::new(name, "unknown_field", format!("there is no such member; {hint}"))
}

/// The engine names the place only where there are several.
fn in_only_operation(mut error: Error) -> Error {
    error.fields = error.fields.into_iter().map(|at| at.within("operations[0]")).collect();
    error
}

/// `{"results":[{"outcome":"created","collection":"rooms","id":"…","as":"r","etag":"\"1\"","data":{…}},…]}`
fn results(reply: &WriteReply) -> Vec<u8> {
    let mut body = b"{\"results\":".to_vec();
    let mut separator = b'[';
    for written in &reply.written {
        body.push(separator);
        separator = b',';
        result(&mut body, written);
    }
    body.extend_from_slice(b"]}");
    body
}

fn result(body: &mut Vec<u8>, written: &Written) {
    let outcome = match written.kind {
        OutcomeKind::Created => "created",
        OutcomeKind::Updated => "updated",
        OutcomeKind::Deleted => "deleted",
    };
    member(body, b'{', "outcome", outcome);
    member(body, b',', "collection", &written.collection);
    member(body, b',', "id", &written.key.to_string());
    if let Some(alias) = &written.alias {
        member(body, b',', "as", alias);
    }
    if let Some(record) = &written.reply {
        member(body, b',', "etag", &format!("\"{}\"", record.etag));
        body.extend_from_slice(b",\"data\":");
        write_row(body, &record.model, &record.projection, &record.row);
    }
    body.push(b'}');
}

fn member(body: &mut Vec<u8>, separator: u8, name: &str, value: &str) {
    body.push(separator);
    write_text(body, name);
    body.push(b':');
    write_text(body, value);
}

#[cfg(test)]
mod tests;
