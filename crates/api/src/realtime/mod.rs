//! Live answers: the same question as a plain read, with its changes.

mod frame;
mod session;
mod sse;

use std::sync::Arc;

use axum::response::Response;
use engine::operations::{GetRequest, ListRequest};

use crate::Shared;
use crate::caller::Caller;
use crate::error::Problem;
use session::Session;
use sse::Listener;

/// What a stream's snapshot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    /// `{"items":[…]}`
    List,
    /// `{"item":{…}}`, null when it is gone.
    Record,
}

/// A page, live; `path` is the request's.
pub(crate) async fn list(
    shared: &Shared,
    caller: Caller,
    path: &str,
    asked: &ListRequest,
) -> Result<Response, Problem> {
    let listener = Listener::new(shared, &caller, path, Subject::List);
    let session = Arc::new(Session::new(shared, caller.bearer));
    let (watch, rows) = shared.engine.watch_list(&caller.ctx, asked, session).await?;
    Ok(listener.respond(watch, &rows))
}

/// A record, live; `path` is the request's.
pub(crate) async fn record(
    shared: &Shared,
    caller: Caller,
    path: &str,
    asked: &GetRequest,
) -> Result<Response, Problem> {
    let listener = Listener::new(shared, &caller, path, Subject::Record);
    let session = Arc::new(Session::new(shared, caller.bearer));
    let (watch, rows) = shared.engine.watch_record(&caller.ctx, asked, session).await?;
    Ok(listener.respond(watch, &rows))
}
