//! What all writes share: how a request is read, and how one record's outcome is answered.

use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use engine::Error;
use engine::operations::{Action, Precondition, Step, WriteOptions, WriteReply};
use engine::query::OutcomeKind;
use http::request::Parts;
use http::{StatusCode, header};

use super::{answer, shape};
use crate::body::{self, Accepts};
use crate::caller::Caller;
use crate::error::Problem;
use crate::negotiate::{self, Conditions};
use crate::params::Params;

/// A write as it arrived.
pub(super) struct Incoming {
    parts: Parts,
    params: Params,
    pub(super) body: Bytes,
}

impl Incoming {
    /// # Errors
    /// 400 for a parameter that isn't one of `params`; those of [`body::read`].
    pub(super) async fn read(
        request: Request,
        caller: &Caller,
        params: &[&'static str],
        accepts: Accepts,
        limit: usize,
    ) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let params = Params::parse(parts.uri.query(), params)?;
        let body = body::read(caller.ctx.deadline, &parts.headers, body, accepts, limit).await?;
        Ok(Self { parts, params, body })
    }

    /// A request whose body, if there is one, says nothing.
    pub(super) fn without_body(request: Request) -> Result<Self, Problem> {
        let (parts, _) = request.into_parts();
        let params = Params::parse(parts.uri.query(), &[])?;
        Ok(Self {
            parts,
            params,
            body: Bytes::new(),
        })
    }

    pub(super) fn precondition(&self, conditions: Conditions) -> Result<Precondition, Error> {
        conditions.read(&self.parts.headers)
    }

    /// `template` is the path's: the scope of an idempotency key.
    pub(super) fn options(&mut self, template: &str) -> Result<WriteOptions, Error> {
        Ok(WriteOptions {
            shape: shape(&mut self.params),
            idempotency: negotiate::idempotency(&self.parts, template, &self.body)?,
        })
    }
}

pub(super) fn step(collection: &str, action: Action, precondition: Precondition) -> Step {
    Step {
        action,
        collection: collection.to_owned(),
        precondition,
        alias: None,
    }
}

/// The answer to a write of one record.
pub(super) fn one(reply: &WriteReply) -> Result<Response, Problem> {
    let written = reply
        .written
        .first()
        .ok_or_else(|| Error::internal("a write of one record wrote none"))?;
    let response = match (&written.reply, written.kind) {
        (Some(record), OutcomeKind::Created) => {
            let mut response = answer::record(StatusCode::CREATED, record)?;
            let location = answer::location(&written.collection, &written.key)?;
            response.headers_mut().insert(header::LOCATION, location);
            response
        }
        (Some(record), OutcomeKind::Updated) => answer::record(StatusCode::OK, record)?,
        (Some(_), OutcomeKind::Deleted) | (None, _) => answer::no_content(),
    };
    Ok(answer::done(response, reply))
}
