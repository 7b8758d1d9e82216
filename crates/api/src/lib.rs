//! The surfaces: REST, live streams, OpenAPI and its pages, and the accounts' endpoints.
//!
//! Thin on purpose: a handler parses, calls the engine or identity, and answers. Nothing here decides what a caller
//! may do, and nothing here reaches data but through [`Engine`].
//!
//! Entry point: [`surfaces`]. Invariants:
//! - every answer passes `guard`: it has a request id, a place in the access log, and, where it is a refusal, a
//!   problem document;
//! - every request has a deadline, and every body and stream a limit ([`ApiConfig`]).

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use engine::Engine;
use identity::Identity;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use error::Problem;
use surfaces::Routes;

/// Whether a defence is taken out by a test; never, but in the tests' own build.
macro_rules! mutant {
    ($name:ident) => {{
        #[cfg(feature = "mutants")]
        let active = $crate::mutants::is_active($crate::mutants::Mutant::$name);
        #[cfg(not(feature = "mutants"))]
        let active = false;
        active
    }};
}

/// The same for a limit.
macro_rules! unlimited {
    ($name:ident) => {{
        #[cfg(feature = "mutants")]
        let lifted = $crate::mutants::limits::is_active($crate::mutants::limits::Mutant::$name);
        #[cfg(not(feature = "mutants"))]
        let lifted = false;
        lifted
    }};
}

mod auth;
mod body;
mod caller;
mod config;
mod error;
mod guard;
mod health;
#[cfg(feature = "mutants")]
pub mod mutants;
mod negotiate;
mod openapi;
mod params;
mod realtime;
mod rest;
mod surfaces;

pub use config::{ApiConfig, Network};
pub use surfaces::Surfaces;

/// What the surfaces stand on.
pub struct Api {
    pub engine: Arc<Engine>,
    pub identity: Arc<Identity>,
    pub config: ApiConfig,
    /// Cancelled when the server stops: live streams end.
    pub shutdown: CancellationToken,
    /// Live streams run on it; the server waits for it when it stops.
    pub tasks: TaskTracker,
    /// Answers what no surface does: the application's own pages.
    pub pages: Option<Router>,
}

/// What handlers share.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Everything>);

struct Everything {
    api: Api,
    document: openapi::Document,
}

impl Shared {
    fn new(api: Api) -> Self {
        let document = openapi::Document::default();
        Self(Arc::new(Everything { api, document }))
    }

    pub(crate) fn document(&self) -> &openapi::Document {
        &self.0.document
    }
}

impl std::ops::Deref for Shared {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.0.api
    }
}

/// All surfaces of an application.
pub fn surfaces(mut api: Api) -> Surfaces {
    let pages = api.pages.take();
    let routes = Routes::default()
        .merge(rest::routes())
        .merge(auth::routes())
        .merge(openapi::routes())
        .merge(health::routes());
    let routes = routes.with(|router| match pages {
        Some(pages) => router.fallback(move |request: Request| page(pages.clone(), request)),
        None => router.fallback(async || Problem::no_such_path()),
    });
    Surfaces::new(routes, Shared::new(api))
}

/// The application's own pages, but not below the surfaces' prefixes: there an unknown path is a mistake of a client's,
/// which wants a problem document and not a page.
async fn page(pages: Router, request: Request) -> Response {
    let prefix = request.uri().path().split('/').nth(1).unwrap_or_default();
    if matches!(prefix, "api" | "auth" | "docs") {
        return Problem::no_such_path().into_response();
    }
    match pages.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
