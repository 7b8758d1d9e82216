//! `GET /api/{collection}`: a page, or, as a stream of events, the page as it changes.

use axum::extract::{Request, State};
use axum::response::Response;
use engine::Error;
use engine::operations::ListRequest;

use super::{InPath, answer, shape};
use crate::Shared;
use crate::caller::Caller;
use crate::error::Problem;
use crate::negotiate::wants_events;
use crate::params::Params;
use crate::realtime;

const PARAMS: &[&str] = &["filter", "sort", "fields", "expand", "limit", "cursor", "count"];

pub(super) async fn list(
    State(shared): State<Shared>,
    caller: Caller,
    InPath(collection): InPath<String>,
    request: Request,
) -> Result<Response, Problem> {
    let asked = read(collection, request.uri().query())?;
    if wants_events(request.method(), request.headers()) {
        return realtime::list(&shared, caller, request.uri().path(), &asked).await;
    }
    let page = shared.engine.list_json(&caller.ctx, &asked).await?;
    Ok(answer::page(page))
}

fn read(collection: String, query: Option<&str>) -> Result<ListRequest, Error> {
    let mut params = Params::parse(query, PARAMS)?;
    Ok(ListRequest {
        collection,
        filter: params.text("filter"),
        sort: params.text("sort"),
        limit: params.number("limit")?,
        cursor: params.text("cursor"),
        count: params.flag("count")?,
        shape: shape(&mut params),
    })
}
