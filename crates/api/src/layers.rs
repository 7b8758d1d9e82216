//! What every request passes on its way in and out, outermost first.

use axum::Router;
use axum::middleware;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use std::time::Duration;
use tower::ServiceBuilder;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::guard::{self, REQUEST_ID};
use crate::negotiate::{IDEMPOTENCY_KEY, IDEMPOTENCY_REPLAYED, LAST_EVENT_ID, WRITTEN};
use crate::{ApiConfig, Shared};

/// Below it gzip's own overhead eats what it saves.
const COMPRESSED_BYTES_MIN: u64 = 512;
/// How long a browser may keep what a preflight told it.
const PREFLIGHT_AGE: Duration = Duration::from_secs(600);

/// One stack, not one layer on another: each on its own would box every request, answer and body once more.
pub(crate) fn apply(routes: Router<Shared>, shared: &Shared) -> Router<Shared> {
    let stack = ServiceBuilder::new()
        .layer(middleware::from_fn_with_state(shared.clone(), guard::guard))
        .option_layer(cors(&shared.config))
        .layer(compression());
    routes.layer(stack)
}

/// A stream's events have to leave at once, and pictures are compressed already.
fn compression() -> CompressionLayer<impl Predicate> {
    let worthwhile = SizeAbove::new(COMPRESSED_BYTES_MIN)
        .and(NotForContentType::IMAGES)
        .and(NotForContentType::SSE)
        .and(|status: StatusCode, _, _: &http::HeaderMap, _: &http::Extensions| status != StatusCode::NOT_MODIFIED);
    CompressionLayer::new().gzip(true).compress_when(worthwhile)
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
