//! All surfaces as one: what every request passes on its way in and out, and who answers where.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::MethodRouter;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use tower::util::{Either, option_layer};
use tower::{Layer, ServiceExt};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tower_http::cors::{AllowOrigin, Cors, CorsLayer};

use crate::guard::{self, REQUEST_ID};
use crate::negotiate::{IDEMPOTENCY_KEY, IDEMPOTENCY_REPLAYED, LAST_EVENT_ID, WRITTEN};
use crate::{ApiConfig, Shared};

/// Below it gzip's own overhead eats what it saves.
const COMPRESSED_BYTES_MIN: u64 = 512;
/// How long a browser may keep what a preflight told it.
const PREFLIGHT_AGE: Duration = Duration::from_secs(600);

/// Who answers at which paths. Their templates are kept, for what happens before the router looks at a path.
#[derive(Default)]
pub(crate) struct Routes {
    router: Router<Shared>,
    templates: Vec<&'static str>,
}

impl Routes {
    pub(crate) fn route(self, template: &'static str, methods: MethodRouter<Shared>) -> Self {
        let mut templates = self.templates;
        templates.push(template);
        Self {
            router: self.router.route(template, methods),
            templates,
        }
    }

    pub(crate) fn merge(self, others: Self) -> Self {
        Self {
            router: self.router.merge(others.router),
            templates: [self.templates, others.templates].concat(),
        }
    }

    /// Changes what is there by now.
    pub(crate) fn with(self, change: impl FnOnce(Router<Shared>) -> Router<Shared>) -> Self {
        Self {
            router: change(self.router),
            ..self
        }
    }
}

/// What a server serves.
///
/// Layers of the router would box the request, the answer and its body at each route once more; so what is common to all
/// stands around it.
#[derive(Clone)]
pub struct Surfaces(Arc<Outside>);

struct Outside {
    shared: Shared,
    inside: Inside,
    templates: matchit::Router<&'static str>,
}

type Inside = Either<Cors<Router>, Router>;

impl Surfaces {
    pub(crate) fn new(routes: Routes, shared: Shared) -> Self {
        let mut templates = matchit::Router::new();
        for template in routes.templates {
            templates
                .insert(template, template)
                .expect("the router has taken the same templates");
        }
        let router = routes.router.with_state(shared.clone());
        let inside = option_layer(cors(&shared.config)).layer(router);
        Self(Arc::new(Outside {
            shared,
            inside,
            templates,
        }))
    }

    /// `peer` is who holds the other end of the connection: the client, or a proxy that says who is. Its address is in
    /// scope of rules and of rate limits.
    pub async fn answer(&self, peer: SocketAddr, request: Request) -> Response {
        let Outside {
            shared,
            inside,
            templates,
        } = &*self.0;
        let template = templates.at(request.uri().path()).ok().map(|found| *found.value);
        // Boxed once, as the guard moves it about.
        guard::guard(shared, (peer, template), request, |request| {
            Box::pin(inner(inside.clone(), request))
        })
        .await
    }
}

async fn inner(inside: Inside, request: Request) -> Response {
    let answered = if request.headers().contains_key(header::ACCEPT_ENCODING) {
        let compressed = Box::pin(compression().layer(inside).oneshot(request)).await;
        compressed.map(|response| response.map(Body::new))
    } else {
        let answered = inside.oneshot(request).await;
        answered.map(|mut response| {
            // It would be another for who takes it compressed.
            if !response.headers().contains_key(header::VARY) && worthwhile().should_compress(&response) {
                let depends = HeaderValue::from_static("accept-encoding");
                response.headers_mut().insert(header::VARY, depends);
            }
            response
        })
    };
    match answered {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// A stream's events have to leave at once, and pictures are compressed already.
fn compression() -> CompressionLayer<impl Predicate> {
    CompressionLayer::new().gzip(true).compress_when(worthwhile())
}

fn worthwhile() -> impl Predicate {
    SizeAbove::new(COMPRESSED_BYTES_MIN)
        .and(NotForContentType::IMAGES)
        .and(NotForContentType::SSE)
        .and(|status: StatusCode, _, _: &http::HeaderMap, _: &http::Extensions| status != StatusCode::NOT_MODIFIED)
}

fn cors(config: &ApiConfig) -> Option<CorsLayer> {
    let origins = match config.cors_origins.as_slice() {
        [] => return None,
        [any] if any == "*" => AllowOrigin::any(),
        named => AllowOrigin::list(named.iter().filter_map(|origin| HeaderValue::from_str(origin).ok())),
    };
    let methods = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ];
    let asked = [
        header::AUTHORIZATION,
        header::CONTENT_TYPE,
        header::IF_MATCH,
        header::IF_NONE_MATCH,
        IDEMPOTENCY_KEY,
        LAST_EVENT_ID,
        REQUEST_ID,
        WRITTEN,
        HeaderName::from_static("traceparent"),
    ];
    let answered = [
        header::ETAG,
        header::LOCATION,
        header::RETRY_AFTER,
        header::WWW_AUTHENTICATE,
        IDEMPOTENCY_REPLAYED,
        REQUEST_ID,
        WRITTEN,
    ];
    let cors = CorsLayer::new()
        .allow_origin(origins)
        .allow_methods(methods)
        .allow_headers(asked);
    Some(cors.expose_headers(answered).max_age(PREFLIGHT_AGE))
}
