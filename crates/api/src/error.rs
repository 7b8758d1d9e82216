//! Refusals as RFC 9457 problem documents.
//!
//! A handler answers `Err(Problem)`. The problem travels in the response's extensions until
//! [`guard`](crate::guard) writes the document, because only there the request id and the path are known; so do the
//! framework's own refusals (an unknown path, a wrong method), and nothing leaves without a document.

use std::error::Error as StdError;
use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use engine::{Error, ErrorCode};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

/// Every code that a problem document can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    Engine(ErrorCode),
    MethodNotAllowed,
    UnsupportedMediaType,
    RequestTimeout,
}

/// What a code means, once and for all its occurrences.
pub(crate) struct Meaning {
    pub(crate) status: StatusCode,
    pub(crate) title: &'static str,
    /// What to do about it, for the documentation.
    pub(crate) advice: &'static str,
}

impl Code {
    pub(crate) fn all() -> impl Iterator<Item = Code> {
        let own = [Self::MethodNotAllowed, Self::UnsupportedMediaType, Self::RequestTimeout];
        ErrorCode::ALL.into_iter().map(Self::Engine).chain(own)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Engine(code) => code.name(),
            Self::MethodNotAllowed => "method_not_allowed",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::RequestTimeout => "request_timeout",
        }
    }

    pub(crate) fn status(self) -> StatusCode {
        self.meaning().status
    }

    pub(crate) fn meaning(self) -> Meaning {
        let (status, title, advice) = match self {
            Self::Engine(code) => engine_meaning(code),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "Method not allowed",
                "The path exists, but not for this method. `Allow` names those that it takes.",
            ),
            Self::UnsupportedMediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Unsupported media type",
                "Send the body as `Content-Type: application/json`, uncompressed. `Accept` names what the path takes.",
            ),
            Self::RequestTimeout => (
                StatusCode::REQUEST_TIMEOUT,
                "Request timeout",
                "The body did not arrive in time. Nothing was done; send the request again.",
            ),
        };
        Meaning { status, title, advice }
    }
}

/// Exhaustive on purpose: a code that the engine gains has to be given its status here.
fn engine_meaning(code: ErrorCode) -> (StatusCode, &'static str, &'static str) {
    match code {
        ErrorCode::BadRequest => (
            StatusCode::BAD_REQUEST,
            "Bad request",
            "The request can't be read: malformed JSON, an unknown or repeated parameter, a filter that doesn't \
             compile, a cursor of another query. `errors` names the parameter. Don't repeat it unchanged.",
        ),
        ErrorCode::Unauthenticated => (
            StatusCode::UNAUTHORIZED,
            "Not signed in",
            "Nobody is signed in, or the access token has expired or was revoked. Refresh it or sign in, and send \
             `Authorization: Bearer …`.",
        ),
        ErrorCode::Forbidden => (
            StatusCode::FORBIDDEN,
            "Forbidden",
            "You are signed in, and the access rule of this operation or field asks for more.",
        ),
        ErrorCode::NotFound => (
            StatusCode::NOT_FOUND,
            "Not found",
            "There is no such path or record, or none that you may read: the two are not told apart.",
        ),
        ErrorCode::UniqueViolation => (
            StatusCode::CONFLICT,
            "Already taken",
            "Another record has this value in a field, or group of fields, that must be unique. `errors` names it.",
        ),
        ErrorCode::Referenced => (
            StatusCode::CONFLICT,
            "Still referenced",
            "Other records refer to this one. Change or delete those first.",
        ),
        ErrorCode::InFlight => (
            StatusCode::CONFLICT,
            "In flight",
            "A request with this idempotency key is being worked on. Wait a moment and send it again for its answer.",
        ),
        ErrorCode::Stale => (
            StatusCode::PRECONDITION_FAILED,
            "Stale",
            "The record is not in the state that `If-Match` or `If-None-Match` names. Read it again, and decide anew.",
        ),
        ErrorCode::Invalid => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "Invalid",
            "The request was understood, and breaks a constraint of the schema. `errors` says for each field what.",
        ),
        ErrorCode::IdempotencyMismatch => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "Idempotency key reused",
            "This idempotency key was used for another request. Make a new one for each thing that you want done.",
        ),
        ErrorCode::TooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "Too large",
            "A body, page, depth or cost goes beyond its limit, which the detail names. Send or ask for less.",
        ),
        ErrorCode::RateLimited => (
            StatusCode::TOO_MANY_REQUESTS,
            "Too many requests",
            "Come back after the seconds that `Retry-After` says.",
        ),
        ErrorCode::Timeout => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Timeout",
            "The work was not done before the deadline. Ask for less, or try again. Whether a write took place is open: \
             repeat it with its idempotency key.",
        ),
        ErrorCode::Unavailable => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Unavailable",
            "Something that this operation needs can't be reached, or is too busy. Try again after `Retry-After`.",
        ),
        ErrorCode::Internal => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "Internal error",
            "A mistake of ours. The server's log has what happened, under the request id of the answer.",
        ),
    }
}

/// A refusal on its way out.
#[derive(Debug)]
pub(crate) struct Problem {
    code: Code,
    /// Its `code` counts only where ours is [`Code::Engine`].
    error: Error,
    /// `Accept` of a 415: what would have been taken.
    accepted: Option<&'static str>,
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self {
            code: Code::Engine(error.code),
            error,
            accepted: None,
        }
    }
}

impl Problem {
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Error::new(ErrorCode::BadRequest, message).into()
    }

    pub(crate) fn no_such_path() -> Self {
        Error::new(
            ErrorCode::NotFound,
            "there is nothing at this path; /docs lists what there is",
        )
        .into()
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        Error::new(
            ErrorCode::TooLarge,
            format!("the body is larger than {limit} bytes; send less at once"),
        )
        .into()
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::own(
            Code::MethodNotAllowed,
            "this path doesn't take this method; Allow names those that it does",
        )
    }

    pub(crate) fn unsupported_media_type(accepted: &'static str, message: impl Into<String>) -> Self {
        Self {
            accepted: Some(accepted),
            ..Self::own(Code::UnsupportedMediaType, message)
        }
    }

    pub(crate) fn request_timeout() -> Self {
        Self::own(
            Code::RequestTimeout,
            "the body did not arrive in time; send the request again",
        )
    }

    pub(crate) fn timeout() -> Self {
        Error::new(ErrorCode::Timeout, "the request took too long; ask for less or retry")
            .retry_after(1)
            .into()
    }

    /// What the framework refused without a document of its own. `None`: not a refusal that we know.
    pub(crate) fn of_status(status: StatusCode) -> Option<Self> {
        Some(match status {
            StatusCode::NOT_FOUND => Self::no_such_path(),
            StatusCode::METHOD_NOT_ALLOWED => Self::method_not_allowed(),
            StatusCode::BAD_REQUEST => Self::bad_request("the request can't be read"),
            StatusCode::INTERNAL_SERVER_ERROR => Error::internal("answered 500 without saying why").into(),
            _ => return None,
        })
    }

    /// What one looks like, for the documentation.
    pub(crate) fn example(code: Code) -> Self {
        Self::own(code, code.meaning().title.to_lowercase())
    }

    fn own(code: Code, message: impl Into<String>) -> Self {
        // The engine's code is never looked at; see `error`.
        Self {
            code,
            error: Error::new(ErrorCode::BadRequest, message),
            accepted: None,
        }
    }

    pub(crate) fn code(&self) -> Code {
        self.code
    }

    /// What only the operator's log may hold.
    pub(crate) fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error.source()
    }

    /// The document, for the request with this id to this path.
    pub(crate) fn document(&self, request_id: &str, instance: &str) -> Vec<u8> {
        let mut document = json!({
            "type": format!("/docs/errors#{}", self.code.name()),
            "title": self.code.meaning().title,
            "status": self.code.status().as_u16(),
            "detail": self.error.message,
            "instance": instance,
            "code": self.code.name(),
            "requestId": request_id,
        });
        let members = document.as_object_mut().expect("it was written as an object");
        self.more(members);
        document.to_string().into_bytes()
    }

    fn more(&self, members: &mut Map<String, Value>) {
        if !self.error.fields.is_empty() {
            let errors = self.error.fields.iter();
            let errors = errors.map(|at| json!({"field": at.field, "code": at.code, "message": at.message}));
            members.insert("errors".to_owned(), errors.collect());
        }
        if let Some(operation) = self.error.operation {
            members.insert("operation".to_owned(), operation.into());
        }
        if mutant!(ClosedAnswer) {
            members.insert("hint".to_owned(), "undescribed".into());
        }
    }

    /// The answer, complete.
    pub(crate) fn render(&self, request_id: &str, instance: &str, had_credentials: bool) -> Response {
        let status = match self.code.status() {
            StatusCode::NOT_FOUND if mutant!(DescribedStatus) => StatusCode::GONE,
            status => status,
        };
        let mut response = (status, self.document(request_id, instance)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_s() {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if let Some(accepted) = self.accepted {
            headers.insert(header::ACCEPT, HeaderValue::from_static(accepted));
        }
        if self.code == Code::Engine(ErrorCode::Unauthenticated) {
            headers.insert(header::WWW_AUTHENTICATE, challenge(had_credentials));
        }
        response
    }

    /// Every 429 and 503 says when to come back.
    fn retry_after_s(&self) -> Option<u32> {
        let waits = matches!(
            self.code.status(),
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
        );
        self.error.retry_after_s.or(waits.then_some(1))
    }
}

/// RFC 6750 §3: an error is named only to those who sent a token.
fn challenge(had_credentials: bool) -> HeaderValue {
    HeaderValue::from_static(if had_credentials {
        r#"Bearer realm="ninefold", error="invalid_token""#
    } else {
        r#"Bearer realm="ninefold""#
    })
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

#[cfg(test)]
mod tests;
