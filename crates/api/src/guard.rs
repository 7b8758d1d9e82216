//! The outermost layer: request id, deadline, trace, panics, problem documents, access log.
//!
//! What it writes to the log is the method, the path's template, the status and the time: no query, no header and no
//! body, so no secret either.

use std::any::Any;
use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::response::Response;
use engine::Error;
use futures::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use tracing::Instrument;
use uuid::Uuid;

use crate::Shared;
use crate::config::Network;
use crate::error::Problem;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID_BYTES_MAX: usize = 128;
/// Beyond the deadline, which the engine keeps by itself: for what doesn't.
const GRACE: Duration = Duration::from_secs(5);

/// What the guard found out about a request, in its extensions.
#[derive(Debug, Clone)]
pub(crate) struct About {
    pub(crate) request_id: Arc<str>,
    pub(crate) deadline: Instant,
    pub(crate) address: IpAddr,
}

/// What the answer needs to know of the request when that is gone.
struct Asked {
    about: About,
    method: Method,
    path: String,
    /// The path's template; all that the log gets to see of it.
    template: Option<&'static str>,
    had_credentials: bool,
    started: Instant,
}

pub(crate) async fn guard<A: Future<Output = Response>>(
    shared: &Shared,
    (peer, template): (SocketAddr, Option<&'static str>),
    mut request: Request,
    answer: impl FnOnce(Request) -> A,
) -> Response {
    let asked = Asked::of(&request, shared, peer, template);
    request.extensions_mut().insert(asked.about.clone());
    // The access log has the rest, under the same id.
    let span = tracing::info_span!(
        "request",
        request_id = &*asked.about.request_id,
        trace_id = trace_id(request.headers()),
    );
    let answer = AssertUnwindSafe(tokio::time::timeout(
        shared.config.request_timeout + GRACE,
        answer(request),
    ));
    async move {
        let response = match answer.catch_unwind().await {
            Ok(Ok(response)) => response,
            Ok(Err(_)) => asked.render(&Problem::timeout()),
            Err(panic) => asked.render(&Error::internal(panic_message(&*panic)).into()),
        };
        let response = asked.finish(response);
        asked.log(&response);
        response
    }
    .instrument(span)
    .await
}

impl Asked {
    fn of(request: &Request, shared: &Shared, peer: SocketAddr, template: Option<&'static str>) -> Self {
        let started = Instant::now();
        let headers = request.headers();
        Self {
            about: About {
                request_id: request_id(headers),
                deadline: started + shared.config.request_timeout,
                address: client_address(peer.ip(), headers, &shared.config.trusted_proxies),
            },
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            template,
            had_credentials: headers.contains_key(header::AUTHORIZATION),
            started,
        }
    }

    fn finish(&self, mut response: Response) -> Response {
        if self.method == Method::OPTIONS && response.status() == StatusCode::METHOD_NOT_ALLOWED {
            response = options(&response);
        }
        if let Some(problem) = problem(&response) {
            let mut rendered = self.render(&problem);
            // What the inner layers said besides: `Allow`, `Vary`, the CORS headers.
            for (name, value) in response.headers() {
                if !matches!(*name, header::CONTENT_TYPE | header::CONTENT_LENGTH) {
                    rendered.headers_mut().append(name, value.clone());
                }
            }
            response = rendered;
        }
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::from_str(&self.about.request_id) {
            headers.insert(REQUEST_ID, id);
        }
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        // The router took away the body of what it answered itself; over HTTP/2 nobody else would take away a refusal's.
        if self.method == Method::HEAD {
            let length = response.body().size_hint().exact().filter(|length| *length > 0);
            if let Some(length) = length {
                response
                    .headers_mut()
                    .entry(header::CONTENT_LENGTH)
                    .or_insert(length.into());
            }
            *response.body_mut() = Body::empty();
        }
        response
    }

    fn render(&self, problem: &Problem) -> Response {
        if let Some(source) = problem.source() {
            tracing::error!(code = problem.code().name(), error = %chain(source), "refused for a reason of ours");
        }
        problem.render(&self.about.request_id, &self.path, self.had_credentials)
    }

    fn log(&self, response: &Response) {
        tracing::info!(
            target: "ninefold::access",
            parent: None,
            request_id = &*self.about.request_id,
            method = %self.method,
            route = self.template.unwrap_or("none"),
            status = response.status().as_u16(),
            duration_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX),
        );
    }
}

/// What a path takes, when asked: the router has said so to refuse the method.
fn options(refused: &Response) -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    for allowed in refused.headers().get_all(header::ALLOW) {
        response.headers_mut().append(header::ALLOW, allowed.clone());
    }
    response
}

/// The problem that a handler answered, or that stands for a refusal of the framework's without a document.
fn problem(response: &Response) -> Option<Arc<Problem>> {
    if let Some(problem) = response.extensions().get::<Arc<Problem>>() {
        return Some(problem.clone());
    }
    let kind = response.headers().get(header::CONTENT_TYPE);
    let silent = kind.is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if silent {
        Problem::of_status(response.status()).map(Arc::new)
    } else {
        None
    }
}

fn request_id(headers: &HeaderMap) -> Arc<str> {
    let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let usable =
        |id: &&str| (1..=REQUEST_ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    given
        .filter(usable)
        .map_or_else(|| Uuid::now_v7().to_string().into(), Arc::from)
}

/// The nearest address that isn't one of our own proxies'.
fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut nearest = peer;
    let forwarded = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|line| line.to_str().ok());
    let mut hops: Vec<_> = forwarded.flat_map(|line| line.split(',')).map(str::trim).collect();
    while is_trusted(nearest)
        && let Some(hop) = hops.pop().and_then(|hop| hop.parse().ok())
    {
        nearest = hop;
    }
    nearest.to_canonical()
}

/// The trace that the caller is part of (W3C Trace Context).
fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let mut parts = headers.get("traceparent")?.to_str().ok()?.split('-');
    let (version, trace, parent) = (parts.next()?, parts.next()?, parts.next()?);
    let hex =
        |text: &str, length| text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let known = hex(version, 2) && version != "ff" && hex(trace, 32) && hex(parent, 16);
    (known && trace.bytes().any(|byte| byte != b'0')).then_some(trace)
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().map(Cow::Borrowed);
    let text = text.or_else(|| panic.downcast_ref::<String>().map(|text| Cow::Borrowed(text.as_str())));
    format!(
        "a handler panicked: {}",
        text.unwrap_or(Cow::Borrowed("without a message"))
    )
}

/// An error and all that caused it, in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}

#[cfg(test)]
mod tests;
