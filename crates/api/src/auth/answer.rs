//! Answers: who it is, and tokens.

use axum::body::Body;
use axum::response::Response;
use engine::query::json::{write_row, write_text};
use http::{HeaderValue, StatusCode, header};
use identity::{SignedIn, Who};
use serde_json::Value;

/// Enough for tokens and a small record.
const BYTES: usize = 1024;

/// `{"user":{…},"accessToken":…,"refreshToken":…,"expiresIn":900}`
pub(super) fn signed_in(status: StatusCode, signed_in: &SignedIn) -> Response {
    let mut body = begin(&signed_in.who);
    body.extend_from_slice(b",\"accessToken\":");
    write_text(&mut body, signed_in.access_token.expose());
    body.extend_from_slice(b",\"refreshToken\":");
    write_text(&mut body, signed_in.refresh_token.expose());
    body.extend_from_slice(format!(",\"expiresIn\":{}}}", signed_in.expires_in_s).as_bytes());
    json(status, body)
}

/// `{"user":{…}}` or `{"administrator":{…}}`
pub(super) fn who(status: StatusCode, who: &Who) -> Response {
    let mut body = begin(who);
    body.push(b'}');
    json(status, body)
}

/// An object that is still open.
fn begin(who: &Who) -> Vec<u8> {
    let mut body = Vec::with_capacity(BYTES);
    match who {
        Who::User {
            record: Some(reply), ..
        } => {
            body.extend_from_slice(b"{\"user\":");
            write_row(&mut body, &reply.model, &reply.projection, &reply.row);
        }
        Who::User { id, record: None } => body.extend_from_slice(format!("{{\"user\":{{\"id\":\"{id}\"}}").as_bytes()),
        Who::Administrator { id, email } => {
            body.extend_from_slice(format!("{{\"administrator\":{{\"id\":\"{id}\",\"email\":").as_bytes());
            write_text(&mut body, email);
            body.push(b'}');
        }
    }
    body
}

pub(super) fn value(status: StatusCode, value: &Value) -> Response {
    json(status, value.to_string().into_bytes())
}

fn json(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}
