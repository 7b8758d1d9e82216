//! Answers: rows as JSON, with the headers that say what they are and who may keep them.

use axum::body::Body;
use axum::response::Response;
use engine::Error;
use engine::model::Key;
use engine::operations::{JsonPage, Reply, WriteReply};
use engine::query::json::{RECORD_BYTES, write_row, write_text};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::negotiate::{IDEMPOTENCY_REPLAYED, WRITTEN, quoted};

/// What stands in a path segment as it is: RFC 3986's unreserved characters, and the comma between a key's parts.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b',');

/// One record.
pub(super) fn record(status: StatusCode, reply: &Reply) -> Result<Response, Error> {
    let mut body = Vec::with_capacity(RECORD_BYTES);
    write_row(&mut body, &reply.model, &reply.projection, &reply.row);
    let mut response = json(status, body);
    response.headers_mut().insert(header::ETAG, quoted(&reply.etag)?);
    Ok(response)
}

/// The client has it already.
pub(super) fn unchanged(reply: &Reply) -> Result<Response, Error> {
    let mut response = empty(StatusCode::NOT_MODIFIED);
    response.headers_mut().insert(header::ETAG, quoted(&reply.etag)?);
    Ok(response)
}

/// `{"items":[…],"next":"…"|null,"total":n?}`
pub(super) fn page(page: JsonPage) -> Response {
    let mut body = page.items;
    body.splice(0..0, *b"{\"items\":");
    body.extend_from_slice(b",\"next\":");
    match &page.next {
        Some(cursor) => write_text(&mut body, cursor),
        None => body.extend_from_slice(b"null"),
    }
    if let Some(total) = page.total {
        body.extend_from_slice(format!(",\"total\":{total}").as_bytes());
    }
    body.push(b'}');
    json(StatusCode::OK, body)
}

/// Nothing to show: deleted, or not the writer's to read.
pub(super) fn no_content() -> Response {
    empty(StatusCode::NO_CONTENT)
}

pub(crate) fn json(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    private(headers);
    response
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::default();
    *response.status_mut() = status;
    private(response.headers_mut());
    response
}

/// An answer is one caller's: kept by nobody between, and asked for again before it is used.
pub(crate) fn private(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(
        header::VARY,
        HeaderValue::from_static("authorization, accept, accept-encoding"),
    );
}

/// Says whether it is the answer to an earlier request with the same idempotency key, and, where reads may be of a moment
/// ago, when it was done.
pub(super) fn done(mut response: Response, reply: &WriteReply) -> Response {
    let headers = response.headers_mut();
    if reply.replayed {
        headers.insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
    let acknowledged = reply.acknowledged.map(|moment| moment.to_string());
    if let Some(moment) = acknowledged.and_then(|moment| HeaderValue::try_from(moment).ok()) {
        headers.insert(WRITTEN, moment);
    }
    response
}

/// Where a record is found.
pub(super) fn location(collection: &str, key: &Key) -> Result<HeaderValue, Error> {
    let key = key.to_string();
    HeaderValue::try_from(format!("/api/{collection}/{}", utf8_percent_encode(&key, ENCODED))).map_err(Error::internal)
}
