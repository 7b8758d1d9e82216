//! `PUT /api/{collection}/{id}`: creates the record, or replaces it.

use axum::extract::{Request, State};
use axum::response::Response;
use engine::operations::Action;

use super::write::{self, Incoming, step};
use super::{InPath, SHAPE};
use crate::Shared;
use crate::body::{self, Accepts};
use crate::caller::Caller;
use crate::error::Problem;
use crate::negotiate::Conditions;

pub(super) async fn replace(
    State(shared): State<Shared>,
    caller: Caller,
    InPath((collection, key)): InPath<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let limit = shared.config.body_bytes_max;
    let mut incoming = Incoming::read(request, &caller, SHAPE, Accepts::Json, limit).await?;
    let options = incoming.options(&format!("/api/{collection}/{{id}}"))?;
    let data = body::object(body::json(&incoming.body)?, "")?;
    let precondition = incoming.precondition(Conditions::MatchOrAbsent)?;
    let steps = vec![step(&collection, Action::Upsert { key, data }, precondition)];
    write::one(&shared.engine.write(&caller.ctx, steps, &options).await?)
}
