//! The accounts' endpoints: signing up, in and out, sessions, passwords and invitations; and the public keys.
//!
//! Invariants: nothing here is kept by any cache; an idempotency key is refused, since an answer with tokens in it must never be
//! stored; bodies are small and closed.

use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use http::{HeaderValue, header};

use crate::error::Problem;
use crate::negotiate::refuse_idempotency;
use crate::params::Params;
use crate::surfaces::Routes;

mod answer;
mod callers;
mod input;
mod keys;
mod passwords;
mod sessions;
mod sign_in;
mod sign_up;

pub(crate) fn routes() -> Routes {
    Routes::default()
        .route("/auth/sign-up", post(sign_up::sign_up))
        .route("/auth/sign-in", post(sign_in::sign_in))
        .route("/auth/admin/sign-in", post(sign_in::administrator))
        .route("/auth/refresh", post(sign_in::refresh))
        .route("/auth/sign-out", post(sessions::sign_out))
        .route("/auth/me", get(sessions::me))
        .route("/auth/sessions", get(sessions::list).delete(sessions::end_others))
        .route("/auth/sessions/{id}", delete(sessions::end))
        .route("/auth/password", post(passwords::change))
        .route("/auth/password-reset", post(passwords::request_reset))
        .route("/auth/password-reset/confirm", post(passwords::reset))
        .route("/auth/verify-email", post(passwords::verify_email))
        .route("/auth/invitations", post(sign_up::invite))
        .with(|router| router.route_layer(middleware::from_fn(uncached)))
        .route("/.well-known/jwks.json", get(keys::jwks))
}

async fn uncached(request: Request, next: Next) -> Response {
    let read = refuse_idempotency(request.headers()).and_then(|()| Params::parse(request.uri().query(), &[]));
    if let Err(refusal) = read {
        return Problem::from(refusal).into_response();
    }
    let mut response = next.run(request).await;
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, no_store);
    response
}
