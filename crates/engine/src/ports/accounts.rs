//! Identity's own reserved records: credentials, sessions, one-time tokens, administrators, keys.
//!
//! The accounts themselves are ordinary records of the model's accounts collection; a store reads `email`, `verified`
//! and `roles` of them here, and never writes them. When [`Store`](super::store::Store) deletes an account's record, the
//! credential, sessions and tokens go in the same transaction. Contract, checked by the conformance suite in `testkit`:
//! - Each method is atomic, and durable when it returns `Ok`.
//! - Nothing that has expired at the `now` of a call is ever returned; [`AccountStore::sweep`] removes it.
//! - What is decided about a refresh token is decided by [`Session::judge`] under the write lock, so that no store has an
//!   opinion of its own.
//! - Only hashes of passwords and of one-time tokens come here.
//! - A call takes no deadline: a store bounds each by a few seconds of its own.

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::Secret;
use crate::model::Timestamp;

/// Who signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    User(Uuid),
    Administrator(Uuid),
}

impl Subject {
    pub fn id(self) -> Uuid {
        match self {
            Self::User(id) | Self::Administrator(id) => id,
        }
    }
}

/// What identity needs to know of a user.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    pub id: Uuid,
    pub email: String,
    pub verified: bool,
    pub roles: Vec<Box<str>>,
    /// PHC string; `None` for an account that has never had a password.
    pub password: Option<Secret<String>>,
}

/// Who runs the application; no user of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Administrator {
    pub id: Uuid,
    /// Lower case.
    pub email: String,
    pub created: Timestamp,
    pub password: Option<Secret<String>>,
}

/// A sign-in: the beginning of one family of refresh tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSession {
    pub id: Uuid,
    pub subject: Subject,
    pub created: Timestamp,
    /// When it ends, whatever happens.
    pub expires: Timestamp,
    /// When it ends unless refreshed; not after `expires`.
    pub idle_until: Timestamp,
    /// As the client named itself, cut to 300 characters.
    pub user_agent: Option<String>,
    /// How many sessions its subject may have; the least recently used ones beyond it are ended.
    pub sessions_max: u32,
}

/// A sign-in that lasts.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    pub id: Uuid,
    pub subject: Subject,
    pub created: Timestamp,
    pub expires: Timestamp,
    pub idle_until: Timestamp,
    /// Which refresh token of the family is the current one; the first is 0.
    pub generation: u32,
    /// When that one came to be.
    pub rotated: Timestamp,
    pub user_agent: Option<String>,
}

/// A refresh token presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    pub session: Uuid,
    pub generation: u32,
    pub now: Timestamp,
    /// How long after a rotation its direct parent may still come, as from a second tab.
    pub race_ms: i64,
    pub idle_ms: i64,
}

/// What a refresh token is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The current one: the next generation begins.
    Advance {
        idle_until: Timestamp,
    },
    /// Its parent, just now: the same child again.
    Repeat,
    /// Used before, so somebody has a copy: the family ends.
    Reuse,
    Expired,
}

impl Session {
    /// What a presented token means for this session.
    pub fn judge(&self, rotation: &Rotation) -> Verdict {
        let now = rotation.now.0;
        if now >= self.idle_until.0 || now >= self.expires.0 {
            return Verdict::Expired;
        }
        if rotation.generation == self.generation {
            let idle_until = now.saturating_add(rotation.idle_ms).min(self.expires.0);
            return Verdict::Advance {
                idle_until: Timestamp(idle_until),
            };
        }
        let is_parent = rotation.generation.checked_add(1) == Some(self.generation);
        if is_parent && now.saturating_sub(self.rotated.0) <= rotation.race_ms {
            return Verdict::Repeat;
        }
        Verdict::Reuse
    }
}

/// What came of a [`Rotation`].
#[derive(Debug, Clone, PartialEq)]
pub enum Rotated {
    /// The session as it now is; its generation is the one to hand out.
    Current(Session),
    /// The family was ended by this call.
    Reused(Subject),
    /// No such session, or it has expired.
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    PasswordReset,
    VerifyEmail,
    Invitation,
    AdministratorLink,
}

impl Purpose {
    /// As it is stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::PasswordReset => "password_reset",
            Self::VerifyEmail => "verify_email",
            Self::Invitation => "invitation",
            Self::AdministratorLink => "administrator_link",
        }
    }
}

/// Something mailed that may be used once.
#[derive(Debug, Clone, PartialEq)]
pub struct OneTimeToken {
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    pub purpose: Purpose,
    /// Whom it is for; `None` of an invitation.
    pub subject: Option<Subject>,
    /// The address it was sent to.
    pub email: String,
    pub expires: Timestamp,
}

/// What came of redeeming a [`Purpose::PasswordReset`].
#[derive(Debug, Clone, PartialEq)]
pub struct PasswordReset {
    pub subject: Subject,
    /// The sessions that it ended.
    pub ended: Vec<Uuid>,
}

/// A key that signs access tokens (Ed25519).
#[derive(Debug, Clone, PartialEq)]
pub struct SigningKey {
    pub id: String,
    /// The private key, RFC 8032 §5.1.5.
    pub seed: Secret<[u8; 32]>,
    /// From when on it signs.
    pub starts: Timestamp,
    /// When the last token that it signed has expired.
    pub expires: Timestamp,
}

#[derive(Debug, thiserror::Error)]
pub enum AccountStoreError {
    /// Another administrator has the address.
    #[error("the address is taken")]
    EmailTaken,
    #[error("the database did not answer in time")]
    Timeout,
    #[error("the database is not available: {reason}")]
    Unavailable { reason: String, retry_after: Duration },
    /// Unexpected; for the log only.
    #[error("the database failed: {0}")]
    Failed(String),
}

type Result<T> = std::result::Result<T, AccountStoreError>;

#[async_trait]
pub trait AccountStore: Send + Sync {
    async fn account(&self, id: Uuid) -> Result<Option<Account>>;

    /// By the address exactly as it is stored.
    async fn account_by_email(&self, email: &str) -> Result<Option<Account>>;

    async fn administrator(&self, id: Uuid) -> Result<Option<Administrator>>;

    async fn administrator_by_email(&self, email: &str) -> Result<Option<Administrator>>;

    /// # Errors
    /// [`AccountStoreError::EmailTaken`] by another administrator.
    async fn create_administrator(&self, administrator: Administrator) -> Result<()>;

    /// The one that was created first.
    async fn first_administrator(&self) -> Result<Option<Administrator>>;

    /// Replaces the hash (PHC string), forgets password resets that wait, and ends all of the subject's sessions but
    /// `keep`. Answers which were ended.
    async fn set_password(&self, subject: Subject, hash: Secret<String>, keep: Option<Uuid>) -> Result<Vec<Uuid>>;

    /// Replaces the hash if it still is `from`: the same password under other parameters.
    async fn rehash_password(&self, subject: Subject, from: Secret<String>, to: Secret<String>) -> Result<()>;

    /// `proof`: the hash that the subject's password was verified by; `false`, and nothing is started, if it has been
    /// replaced since.
    async fn start_session(&self, session: NewSession, proof: Option<Secret<String>>) -> Result<bool>;

    async fn session(&self, id: Uuid, now: Timestamp) -> Result<Option<Session>>;

    /// Most recently refreshed first.
    async fn sessions(&self, subject: Subject, now: Timestamp) -> Result<Vec<Session>>;

    /// Judges a refresh token and acts on it, in one step.
    async fn rotate(&self, rotation: Rotation) -> Result<Rotated>;

    /// Whether the subject had such a session.
    async fn end_session(&self, subject: Subject, id: Uuid) -> Result<bool>;

    /// Ends all but `keep`, and answers which.
    async fn end_sessions(&self, subject: Subject, keep: Option<Uuid>) -> Result<Vec<Uuid>>;

    async fn issue(&self, token: OneTimeToken) -> Result<()>;

    async fn one_time_token(&self, hash: [u8; 32], purpose: Purpose, now: Timestamp) -> Result<Option<OneTimeToken>>;

    /// Takes it: of two who come at once, one gets it.
    async fn redeem(&self, hash: [u8; 32], purpose: Purpose, now: Timestamp) -> Result<Option<OneTimeToken>>;

    /// Redeems a [`Purpose::PasswordReset`] and sets its subject's password, ending all sessions; `None` when there is
    /// no such token.
    async fn reset_password(
        &self,
        token: [u8; 32],
        hash: Secret<String>,
        now: Timestamp,
    ) -> Result<Option<PasswordReset>>;

    async fn signing_keys(&self, now: Timestamp) -> Result<Vec<SigningKey>>;

    async fn add_signing_key(&self, key: SigningKey) -> Result<()>;

    /// The secret of this name; `candidate` becomes it if there is none.
    async fn secret(&self, name: &str, candidate: Secret<[u8; 32]>) -> Result<Secret<[u8; 32]>>;

    /// Removes what has expired.
    async fn sweep(&self, now: Timestamp) -> Result<()>;
}

#[cfg(test)]
mod tests;
