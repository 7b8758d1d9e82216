//! `GET /.well-known/jwks.json`: the keys by which others check access tokens (RFC 7517).

use axum::extract::State;
use axum::response::Response;
use engine::Error;
use http::{HeaderValue, StatusCode, header};

use super::answer;
use crate::Shared;
use crate::error::Problem;

/// Much shorter than a key's notice before it signs.
const MAX_AGE: HeaderValue = HeaderValue::from_static("public, max-age=300");

pub(super) async fn jwks(State(shared): State<Shared>) -> Result<Response, Problem> {
    let keys = serde_json::to_value(shared.identity.jwks()).map_err(Error::internal)?;
    let mut response = answer::value(StatusCode::OK, &keys);
    response.headers_mut().insert(header::CACHE_CONTROL, MAX_AGE);
    Ok(response)
}
