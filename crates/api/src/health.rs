//! For whoever runs the server: is it alive, can it serve?

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use engine::{Error, ErrorCode};
use http::{HeaderValue, StatusCode, header};

use crate::Shared;
use crate::error::Problem;
use crate::rest::json;
use crate::surfaces::Routes;

pub(crate) fn routes() -> Routes {
    Routes::default()
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
}

async fn alive() -> Response {
    status("alive")
}

/// Not while the database can't answer, nor while the server stops: a balancer is to send nobody here then.
async fn ready(State(shared): State<Shared>) -> Result<Response, Problem> {
    let not_ready = |reason: String| Error::new(ErrorCode::Unavailable, "not ready; the log says why").because(reason);
    if shared.shutdown.is_cancelled() {
        return Err(not_ready("the server is stopping".to_owned()).into());
    }
    shared.engine.ready().await.map_err(not_ready)?;
    Ok(status("ready"))
}

fn status(status: &str) -> Response {
    let mut response = json(StatusCode::OK, format!("{{\"status\":\"{status}\"}}").into_bytes());
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
