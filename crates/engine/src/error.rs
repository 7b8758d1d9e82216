//! What can go wrong, as a closed set that every surface maps exhaustively.
//!
//! An [`Error`] keeps apart what the caller may read (`message`, `fields`) and what only the operator's log may
//! hold (`source`).

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

/// Every way in which an operation can be refused. Surfaces map this with a match that has no `_`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The request can't be read at all: malformed JSON, an unknown parameter, a broken cursor.
    BadRequest,
    /// Nobody is signed in, and that would matter.
    Unauthenticated,
    /// Signed in, and the rule needs more.
    Forbidden,
    /// No such record, or none that the caller may read.
    NotFound,
    /// A value that must be unique is taken.
    UniqueViolation,
    /// The record is still referenced by others.
    Referenced,
    /// The same idempotency key is being worked on.
    InFlight,
    /// The record changed since the version that the caller named.
    Stale,
    /// Understood, but not valid; `fields` says where.
    Invalid,
    /// The idempotency key was used for another request.
    IdempotencyMismatch,
    /// A body, page, depth or cost beyond its limit.
    TooLarge,
    /// Too many requests; `retry_after` says when to come back.
    RateLimited,
    /// The deadline passed before the work was done.
    Timeout,
    /// A server that this operation needs can't be reached, or the queue is full.
    Unavailable,
    /// Our fault. The message never says more than that.
    Internal,
}

impl ErrorCode {
    /// All codes, for tests and for generated documentation.
    pub const ALL: [ErrorCode; 15] = [
        Self::BadRequest,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::UniqueViolation,
        Self::Referenced,
        Self::InFlight,
        Self::Stale,
        Self::Invalid,
        Self::IdempotencyMismatch,
        Self::TooLarge,
        Self::RateLimited,
        Self::Timeout,
        Self::Unavailable,
        Self::Internal,
    ];

    /// The stable name that clients switch on.
    pub fn name(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::UniqueViolation => "unique_violation",
            Self::Referenced => "referenced",
            Self::InFlight => "in_flight",
            Self::Stale => "stale",
            Self::Invalid => "invalid",
            Self::IdempotencyMismatch => "idempotency_mismatch",
            Self::TooLarge => "too_large",
            Self::RateLimited => "rate_limited",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }
}

/// What is wrong with one field of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Path in the input, such as `address.city`, `members[2]` or `operations[1].data.name`.
    pub field: String,
    /// Stable, snake_case: `required`, `too_long`, `unknown_field`, `read_only` ...
    pub code: Cow<'static, str>,
    /// Lower case; says what to do about it.
    pub message: String,
}

impl FieldError {
    pub fn new(field: impl Into<String>, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            code: code.into(),
            message: message.into(),
        }
    }

    /// The same error one level further out: `name` inside `data` becomes `data.name`.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        let joint = if self.field.is_empty() || self.field.starts_with('[') {
            ""
        } else {
            "."
        };
        self.field = format!("{outer}{joint}{}", self.field);
        self
    }
}

/// A refusal or a failure, fit to be shown to the caller.
#[derive(Debug)]
pub struct Error {
    pub code: ErrorCode,
    /// Public. Lower case; says what to do about it.
    pub message: String,
    pub fields: Vec<FieldError>,
    /// In which step of a batch it happened.
    pub operation: Option<usize>,
    /// When it may be worth trying again, in seconds.
    pub retry_after_s: Option<u32>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            fields: Vec::new(),
            operation: None,
            retry_after_s: None,
            source: None,
        }
    }

    /// The input is understood and not valid.
    pub fn invalid(fields: Vec<FieldError>) -> Self {
        let mut error = Self::new(ErrorCode::Invalid, "the request is not valid; see errors");
        error.fields = fields;
        error
    }

    /// One parameter of the request can't be read.
    pub fn parameter(name: &str, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        let mut error = Self::new(ErrorCode::BadRequest, format!("{name}: {message}"));
        error.fields = vec![FieldError::new(name, code, message)];
        error
    }

    pub fn not_found() -> Self {
        Self::new(ErrorCode::NotFound, "no such record, or none that you may read")
    }

    /// A failure of ours; what happened goes to the log, never to the caller.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(
            ErrorCode::Internal,
            "something went wrong on our side; the log has it under this request id",
        )
        .because(source)
    }

    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    #[must_use]
    pub fn in_operation(mut self, index: usize) -> Self {
        self.operation = Some(index);
        self
    }

    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_ref()
            .map(|source| &**source as &(dyn StdError + 'static))
    }
}
