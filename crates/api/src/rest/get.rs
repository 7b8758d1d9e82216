//! `GET /api/{collection}/{id}`: one record, or, as a stream of events, one record as it changes.

use axum::extract::{Request, State};
use axum::response::Response;
use engine::operations::GetRequest;
use http::StatusCode;

use super::{InPath, SHAPE, answer, shape};
use crate::Shared;
use crate::caller::Caller;
use crate::error::Problem;
use crate::negotiate::{is_unchanged, wants_events};
use crate::params::Params;
use crate::realtime;

pub(super) async fn get(
    State(shared): State<Shared>,
    caller: Caller,
    InPath((collection, key)): InPath<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let mut params = Params::parse(request.uri().query(), SHAPE)?;
    let asked = GetRequest {
        collection,
        key,
        shape: shape(&mut params),
    };
    if wants_events(request.method(), request.headers()) {
        return realtime::record(&shared, caller, request.uri().path(), &asked).await;
    }
    let reply = shared.engine.get(&caller.ctx, &asked).await?;
    if is_unchanged(request.headers(), &reply.etag)? {
        return Ok(answer::unchanged(&reply)?);
    }
    Ok(answer::record(StatusCode::OK, &reply)?)
}
