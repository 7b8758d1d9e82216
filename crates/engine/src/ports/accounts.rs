//! Identity's own reserved records: credentials, sessions, administrators, keys.

use uuid::Uuid;

use crate::model::Timestamp;

/// Who a session belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    User(Uuid),
    Administrator(Uuid),
}

/// A sign-in: one family of refresh tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSession {
    pub id: Uuid,
    pub subject: Subject,
    pub created: Timestamp,
    pub expires: Timestamp,
    /// As the client named itself, cut to 300 characters.
    pub user_agent: Option<String>,
}
