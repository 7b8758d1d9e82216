//! Access tokens: EdDSA JWTs (RFC 7519, RFC 8037).
//!
//! A token says who and until when; which roles, and whether the session still lives, is looked up, so that both can be taken
//! away.

use engine::model::Timestamp;
use engine::ports::accounts::Subject;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What stands in a token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) aud: String,
    pub(crate) sub: Uuid,
    pub(crate) kind: Kind,
    /// The session.
    pub(crate) sid: Uuid,
    pub(crate) jti: Uuid,
    /// Seconds since 1970, as RFC 7519 has it.
    pub(crate) iat: i64,
    pub(crate) exp: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    User,
    Admin,
}

/// What is remembered of a verified token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bearer {
    pub(crate) subject: Subject,
    pub(crate) session: Uuid,
    pub(crate) expires: Timestamp,
}

impl Kind {
    pub(crate) fn of(subject: Subject) -> Self {
        match subject {
            Subject::User(_) => Self::User,
            Subject::Administrator(_) => Self::Admin,
        }
    }
}

impl Claims {
    pub(crate) fn bearer(&self) -> Bearer {
        let subject = match self.kind {
            Kind::User => Subject::User(self.sub),
            Kind::Admin => Subject::Administrator(self.sub),
        };
        Bearer {
            subject,
            session: self.sid,
            expires: Timestamp(self.exp.saturating_mul(1_000)),
        }
    }
}
