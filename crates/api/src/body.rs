//! Bodies of requests: read within a limit and a deadline, of a known type, as JSON.

use std::time::Instant;

use axum::body::Body;
use bytes::Bytes;
use engine::operations::Data;
use engine::{Error, FieldError};
use http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;

use crate::error::Problem;

/// Which types of body a path takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepts {
    Json,
    /// RFC 7396, under its own name or as plain JSON.
    MergePatch,
}

impl Accepts {
    fn types(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::MergePatch => "application/merge-patch+json, application/json",
        }
    }

    fn check(self, headers: &HeaderMap) -> Result<(), Problem> {
        if let Some(coding) = headers
            .get(header::CONTENT_ENCODING)
            .filter(|coding| *coding != "identity")
        {
            let message = format!(
                "a body encoded as {} isn't taken; send it as it is",
                coding.to_str().unwrap_or("?")
            );
            return Err(Problem::unsupported_media_type(self.types(), message));
        }
        let wrong = || {
            let message = format!(
                "send the body with Content-Type: {}",
                self.types().replace(", ", " or ")
            );
            Problem::unsupported_media_type(self.types(), message)
        };
        let kind = headers
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .ok_or_else(wrong)?;
        let mut parts = kind.split(';').map(str::trim);
        let essence = parts.next().unwrap_or_default();
        let known = self
            .types()
            .split(", ")
            .any(|known| essence.eq_ignore_ascii_case(known));
        if known && parts.all(is_harmless) {
            Ok(())
        } else {
            Err(wrong())
        }
    }
}

/// A parameter of the type that changes nothing: no other charset than the one that JSON has.
fn is_harmless(parameter: &str) -> bool {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    !name.trim().eq_ignore_ascii_case("charset") || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
}

/// The body, whole.
///
/// # Errors
/// 415 for another type, 413 past `limit`, 408 past the deadline, 400 when the connection breaks off.
pub(crate) async fn read(
    deadline: Instant,
    headers: &HeaderMap,
    body: Body,
    accepts: Accepts,
    limit: usize,
) -> Result<Bytes, Problem> {
    accepts.check(headers)?;
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) && !unlimited!(AnnouncedBytes) {
        return Err(Problem::too_large(limit));
    }
    let collected = tokio::time::timeout_at(deadline.into(), Limited::new(body, limit).collect()).await;
    match collected {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::too_large(limit)),
        Ok(Err(_)) => Err(Problem::bad_request("the body broke off before its end")),
        Err(_) => Err(Problem::request_timeout()),
    }
}

/// # Errors
/// 400 with line and column. Nesting is limited by the parser, to 128 levels.
pub(crate) fn json(body: &[u8]) -> Result<Value, Problem> {
    #[cfg(feature = "mutants")]
    if let Some(json) = unlimited_json(body) {
        return Ok(json);
    }
    let text = std::str::from_utf8(body).map_err(|error| {
        Problem::bad_request(format!(
            "the body is not UTF-8 at byte {}; JSON is sent as UTF-8",
            error.valid_up_to()
        ))
    })?;
    if text.trim_ascii().is_empty() {
        return Err(Problem::bad_request("the body is empty; send JSON"));
    }
    serde_json::from_str(text).map_err(|error| Problem::bad_request(format!("the body is not JSON: {error}")))
}

/// As [`json`] without one of its limits; `None` where none is lifted, or it is no JSON then either.
#[cfg(feature = "mutants")]
fn unlimited_json(body: &[u8]) -> Option<Value> {
    use serde::Deserialize;
    let text = match unlimited!(BodyUtf8) {
        true => String::from_utf8_lossy(body),
        false => std::str::from_utf8(body).ok()?.into(),
    };
    let mut json = serde_json::Deserializer::from_str(&text);
    if unlimited!(BodyDepth) {
        json.disable_recursion_limit();
    } else if !unlimited!(BodyUtf8) && !unlimited!(BodyEnd) {
        return None;
    }
    Value::deserialize(&mut json).ok()
}

/// # Errors
/// 422 at `place` when it is something else.
pub(crate) fn object(value: Value, place: &str) -> Result<Data, Error> {
    match value {
        Value::Object(data) => Ok(data),
        other => {
            let message = format!("must be an object, such as {{\"name\": …}}; this is {}", kind(&other));
            Err(Error::invalid(vec![FieldError::new(place, "wrong_type", message)]))
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests;
