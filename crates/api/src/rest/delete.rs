//! `DELETE /api/{collection}/{id}`.

use axum::extract::{Request, State};
use axum::response::Response;
use engine::operations::Action;

use super::InPath;
use super::write::{self, Incoming, step};
use crate::Shared;
use crate::caller::Caller;
use crate::error::Problem;
use crate::negotiate::Conditions;

pub(super) async fn delete(
    State(shared): State<Shared>,
    caller: Caller,
    InPath((collection, key)): InPath<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let mut incoming = Incoming::without_body(request)?;
    let options = incoming.options(&format!("/api/{collection}/{{id}}"))?;
    let precondition = incoming.precondition(Conditions::Match)?;
    let steps = vec![step(&collection, Action::Delete { key }, precondition)];
    write::one(&shared.engine.write(&caller.ctx, steps, &options).await?)
}
