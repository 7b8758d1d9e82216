//! Answers that many operations share: one for each status of a refusal, and the headers.

use http::StatusCode;
use serde_json::{Map, Value as Json, json};

use super::components::PROBLEM;
use super::value::reference;
use crate::error::{Code, Problem};

/// Refused before the request has a path or an id, by the connection itself: without a document.
const HEADLESS: [u16; 2] = [414, 431];

/// What `$ref` of a refusal with this status is.
pub(super) fn refusal(status: u16) -> (String, Json) {
    (
        status.to_string(),
        json!({"$ref": format!("#/components/responses/{}", name(status))}),
    )
}

/// Those of an operation, in order; and those that every operation has.
pub(super) fn refusals(statuses: &[u16]) -> impl Iterator<Item = (String, Json)> {
    statuses.iter().chain(&HEADLESS).map(|status| refusal(*status))
}

/// `404` is `NotFound`.
fn name(status: u16) -> String {
    let reason = StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason());
    reason
        .unwrap_or("Refusal")
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect()
}

/// A component for every status that some code has.
pub(super) fn components() -> Map<String, Json> {
    let mut statuses: Vec<u16> = Code::all().map(|code| code.status().as_u16()).collect();
    statuses.sort_unstable();
    statuses.dedup();
    let own = statuses.into_iter().map(|status| (name(status), component(status)));
    own.chain(HEADLESS.map(|status| (name(status), headless()))).collect()
}

fn headless() -> Json {
    json!({
        "description": "The request's line and headers go beyond what the server takes (`limits.header_bytes_max`), so that it \
                        doesn't know what is asked for. Ask for less at once: a shorter `filter`, fewer `fields`.",
    })
}

fn component(status: u16) -> Json {
    let codes: Vec<Code> = Code::all().filter(|code| code.status().as_u16() == status).collect();
    let lines: Vec<_> = codes
        .iter()
        .map(|code| format!("`{}`: {}", code.name(), code.meaning().advice))
        .collect();
    let mut headers = json!({"X-Request-Id": header("X-Request-Id")});
    match status {
        401 => headers["WWW-Authenticate"] = header("WWW-Authenticate"),
        405 => headers["Allow"] = header("Allow"),
        415 => headers["Accept"] = header("Accept"),
        429 | 503 => headers["Retry-After"] = header("Retry-After"),
        _ => {}
    }
    let examples: Map<_, _> = codes
        .iter()
        .map(|code| (code.name().to_owned(), json!({"value": example(*code)})))
        .collect();
    json!({
        "description": lines.join("\n\n"),
        "headers": headers,
        "content": {"application/problem+json": {"schema": reference(PROBLEM), "examples": examples}},
    })
}

fn example(code: Code) -> Json {
    let document = Problem::example(code).document("01939e5c-7d3a-7c41-9f7e-3d1f0a5b8c21", "/api/…");
    serde_json::from_slice(&document).expect("a problem document is JSON")
}

pub(super) fn header(name: &str) -> Json {
    json!({"$ref": format!("#/components/headers/{name}")})
}

pub(super) fn headers() -> Json {
    let text = |description: &str| json!({"description": description, "schema": {"type": "string"}});
    json!({
        "X-Request-Id": text("The request's id: the one that was sent, or a new one. The log has it too."),
        "ETag": text("The record's state, for `If-Match` and `If-None-Match`."),
        "Location": text("Where the new record is."),
        "Idempotency-Replayed": {
            "description": "Present where this is the answer to an earlier request with the same `Idempotency-Key`.",
            "schema": {"const": "true"},
        },
        "Ninefold-Written": text(
            "Present where reads may be answered by read replicas: when it was done, to be sent with reads that have to hold it.",
        ),
        "WWW-Authenticate": text("How to sign in (RFC 6750)."),
        "Allow": text("The methods that the path takes."),
        "Accept": text("The types of body that the path takes."),
        "Retry-After": {"description": "Seconds to wait.", "required": true, "schema": {"type": "integer", "minimum": 0}},
        "Cache-Control": text("Who may keep the answer."),
    })
}
