//! `POST /api/{collection}`: a new record, or an array of them, all or nothing.

use axum::extract::{Request, State};
use axum::response::Response;
use engine::operations::{Action, Precondition, Step, WriteOptions, WriteReply};
use engine::query::json::write_row;
use engine::{Error, FieldError};
use http::StatusCode;
use serde_json::Value;

use super::write::{self, Incoming, step};
use super::{InPath, SHAPE, answer};
use crate::Shared;
use crate::body::{self, Accepts};
use crate::caller::Caller;
use crate::error::Problem;
use crate::negotiate::Conditions;

pub(super) async fn create(
    State(shared): State<Shared>,
    caller: Caller,
    InPath(collection): InPath<String>,
    request: Request,
) -> Result<Response, Problem> {
    let config = &shared.config;
    let mut incoming = Incoming::read(request, &caller, SHAPE, Accepts::Json, config.batch_bytes_max).await?;
    let is_many = incoming.body.trim_ascii_start().starts_with(b"[");
    if !is_many && incoming.body.len() > config.body_bytes_max {
        return Err(Problem::too_large(config.body_bytes_max));
    }
    let options = incoming.options(&format!("/api/{collection}"))?;
    let precondition = incoming.precondition(Conditions::None)?;
    match body::json(&incoming.body)? {
        Value::Array(items) => many(&shared, &caller, &collection, items, &options).await,
        data => {
            let data = body::object(data, "")?;
            let steps = vec![step(&collection, Action::Create { data }, precondition)];
            write::one(&shared.engine.write(&caller.ctx, steps, &options).await?)
        }
    }
}

async fn many(
    shared: &Shared,
    caller: &Caller,
    collection: &str,
    items: Vec<Value>,
    options: &WriteOptions,
) -> Result<Response, Problem> {
    if items.is_empty() {
        return Err(Error::invalid(vec![FieldError::new("", "too_few", "an empty array creates nothing")]).into());
    }
    let steps = items.into_iter().enumerate().map(|(index, item)| {
        let data = body::object(item, &format!("[{index}]"))?;
        Ok(step(collection, Action::Create { data }, Precondition::None))
    });
    let steps: Vec<Step> = steps.collect::<Result<_, Error>>()?;
    let written = shared.engine.write(&caller.ctx, steps, options).await;
    let reply = written.map_err(in_array)?;
    Ok(answer::done(records(&reply), &reply))
}

/// An array in the order of the request's; null stands for a record that the writer may not read.
fn records(reply: &WriteReply) -> Response {
    if reply.written.iter().all(|written| written.reply.is_none()) {
        return answer::no_content();
    }
    let mut body = vec![b'['];
    for (index, written) in reply.written.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        match &written.reply {
            Some(record) => write_row(&mut body, &record.model, &record.projection, &record.row),
            None => body.extend_from_slice(b"null"),
        }
    }
    body.push(b']');
    answer::json(StatusCode::CREATED, body)
}

/// The engine speaks of `operations[2].name` where the client sent an array: `[2].name`.
fn in_array(mut error: Error) -> Error {
    for at in &mut error.fields {
        at.field = match at.field.strip_prefix("operations") {
            Some(place) if place.starts_with('[') => place.to_owned(),
            _ => format!("[0].{}", at.field),
        };
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_array() {
        let check = |given: &str, expected: &str| {
            let error = in_array(Error::invalid(vec![FieldError::new(given, "required", "…")]));
            assert_eq!(error.fields[0].field, expected);
        };
        check("operations[2].name", "[2].name");
        check("name", "[0].name");
        check("operations", "[0].operations");
    }
}
