//! `PATCH /api/{collection}/{id}`: a JSON merge patch (RFC 7396).

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

pub(super) async fn update(
    State(shared): State<Shared>,
    caller: Caller,
    InPath((collection, key)): InPath<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let limit = shared.config.body_bytes_max;
    let mut incoming = Incoming::read(request, &caller, SHAPE, Accepts::MergePatch, limit).await?;
    let options = incoming.options(&format!("/api/{collection}/{{id}}"))?;
    let patch = body::object(body::json(&incoming.body)?, "")?;
    let precondition = incoming.precondition(Conditions::Match)?;
    let steps = vec![step(&collection, Action::Update { key, patch }, precondition)];
    write::one(&shared.engine.write(&caller.ctx, steps, &options).await?)
}
