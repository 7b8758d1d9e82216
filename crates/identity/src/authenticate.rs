//! From an access token to a principal, for every request: three look-ups in memory, as a rule.

use std::sync::Arc;

use engine::access::Principal;
use engine::model::Timestamp;
use engine::ports::accounts::{Account, Subject};
use engine::{Error, ErrorCode};
use uuid::Uuid;

use crate::cache::Cache;
use crate::config::Config;
use crate::failed;
use crate::service::Identity;
use crate::token::{Bearer, digest, expired};

/// Somebody who is signed in, and by which session.
#[derive(Debug, Clone)]
pub struct Caller {
    pub principal: Principal,
    pub subject: Subject,
    pub session: Uuid,
}

/// What is remembered between requests. It is told of what changes here, and asks again after a while.
pub(crate) struct Known {
    /// By the token's SHA-256.
    tokens: Cache<[u8; 32], Bearer>,
    sessions: Cache<Uuid, Checked<Timestamp>>,
    principals: Cache<Subject, Checked<Principal>>,
    recheck_ms: i64,
}

#[derive(Clone)]
struct Checked<T> {
    value: T,
    at: Timestamp,
}

impl Known {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            tokens: Cache::new(config.cache_max),
            sessions: Cache::new(config.cache_max),
            principals: Cache::new(config.cache_max),
            recheck_ms: i64::from(config.recheck_s) * 1_000,
        }
    }

    /// Roles or address changed, or the record is gone.
    pub(crate) fn forget(&self, subject: Subject) {
        self.principals.invalidate(&subject);
    }

    pub(crate) fn forget_all(&self) {
        self.principals.clear();
        self.sessions.clear();
    }

    pub(crate) fn forget_sessions(&self, sessions: &[Uuid]) {
        for session in sessions {
            self.sessions.invalidate(session);
        }
    }

    fn is_fresh<T>(&self, checked: &Checked<T>, now: Timestamp) -> bool {
        (0..self.recheck_ms).contains(&now.0.saturating_sub(checked.at.0))
    }
}

impl Identity {
    /// Who calls, by the access token of `Authorization: Bearer …`.
    ///
    /// # Errors
    /// `Unauthenticated` for a token that is no longer good, with the reason.
    pub async fn authenticate(&self, token: Option<&str>) -> Result<Principal, Error> {
        match token {
            None => Ok(Principal::Anonymous),
            Some(token) => Ok(self.caller(token).await?.principal),
        }
    }

    /// As [`Identity::authenticate`], with the session.
    ///
    /// # Errors
    /// `Unauthenticated` for a token that is no longer good, with the reason.
    pub async fn caller(&self, token: &str) -> Result<Caller, Error> {
        let Bearer { subject, session, .. } = self.bearer(token).await?;
        self.check_session(session).await?;
        Ok(Caller {
            principal: self.principal(subject).await?,
            subject,
            session,
        })
    }

    async fn bearer(&self, token: &str) -> Result<Bearer, Error> {
        let digest = digest(token);
        if let Some(bearer) = self.known.tokens.get(&digest) {
            let is_valid = self.clock.now() < bearer.expires;
            return if is_valid { Ok(bearer) } else { Err(expired()) };
        }
        let bearer = self.keyring.verify(token).await?;
        self.known.tokens.put(digest, bearer);
        Ok(bearer)
    }

    async fn check_session(&self, id: Uuid) -> Result<(), Error> {
        let now = self.clock.now();
        let known = &self.known;
        if let Some(idle_until) = known.sessions.get(&id)
            && known.is_fresh(&idle_until, now)
            && now < idle_until.value
        {
            return Ok(());
        }
        let ticket = known.sessions.begin(id);
        let session = self.accounts.session(id, now).await.map_err(failed)?;
        let session = session.ok_or_else(signed_out)?;
        let checked = Checked {
            value: session.idle_until,
            at: now,
        };
        known.sessions.finish(ticket, checked);
        Ok(())
    }

    /// The subject with its roles as they are now.
    ///
    /// # Errors
    /// `Unauthenticated` when it is gone.
    pub(crate) async fn principal(&self, subject: Subject) -> Result<Principal, Error> {
        let now = self.clock.now();
        let known = &self.known;
        if let Some(checked) = known.principals.get(&subject)
            && known.is_fresh(&checked, now)
        {
            return Ok(checked.value);
        }
        let ticket = known.principals.begin(subject);
        let value = self.read_principal(subject).await?.ok_or_else(signed_out)?;
        let checked = Checked {
            value: value.clone(),
            at: now,
        };
        known.principals.finish(ticket, checked);
        Ok(value)
    }

    async fn read_principal(&self, subject: Subject) -> Result<Option<Principal>, Error> {
        match subject {
            Subject::User(id) => {
                let account = self.accounts.account(id).await.map_err(failed)?;
                Ok(account.map(user))
            }
            Subject::Administrator(id) => {
                let administrator = self.accounts.administrator(id).await.map_err(failed)?;
                Ok(administrator.map(|_| Principal::Administrator { id }))
            }
        }
    }
}

/// `auth` in rules; claims as OpenID Connect Core §5.1 names them.
fn user(account: Account) -> Principal {
    let claims = [
        ("email".to_owned(), account.email.into()),
        ("email_verified".to_owned(), account.verified.into()),
    ];
    Principal::User {
        id: account.id,
        roles: account.roles.into(),
        claims: Arc::new(claims.into_iter().collect()),
    }
}

pub(crate) fn signed_out() -> Error {
    Error::new(
        ErrorCode::Unauthenticated,
        "this session has ended, or the account is gone; sign in again",
    )
}
