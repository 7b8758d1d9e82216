//! Sessions: renewing, listing and ending them.

use engine::model::Timestamp;
use engine::operations::Ctx;
use engine::ports::accounts::{Rotated, Rotation, Session, Subject};
use engine::{Error, ErrorCode};
use uuid::Uuid;

use crate::authenticate::{Caller, signed_out};
use crate::failed;
use crate::service::{Identity, SignedIn, Who};

/// A place where somebody is signed in.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionInfo {
    pub id: Uuid,
    pub created: Timestamp,
    /// When it was last refreshed.
    pub refreshed: Timestamp,
    pub expires: Timestamp,
    pub user_agent: Option<String>,
    /// Whether it is the one that asks.
    pub current: bool,
}

impl Identity {
    /// The next tokens of a session. Of many who come at once with the same token each gets the same child.
    ///
    /// # Errors
    /// `Unauthenticated`: not one of ours, expired, or used before, which ends the session: somebody has a copy.
    pub async fn refresh(&self, ctx: &Ctx, refresh_token: &str) -> Result<SignedIn, Error> {
        let token = self.refresh_key.read(refresh_token).ok_or_else(not_ours)?;
        let rotation = Rotation {
            session: token.session,
            generation: token.generation,
            now: self.clock.now(),
            race_ms: i64::from(self.config.refresh_race_s) * 1_000,
            idle_ms: i64::from(self.config.session_idle_s) * 1_000,
        };
        match self.accounts.rotate(rotation).await.map_err(failed)? {
            Rotated::Current(session) => self.tokens_of(ctx, &session).await,
            Rotated::Gone => Err(signed_out()),
            Rotated::Reused(subject) => {
                self.known.forget_sessions(&[token.session]);
                tracing::warn!(session = %token.session, subject = %subject.id(), "a refresh token was used again; its session was ended");
                Err(Error::new(
                    ErrorCode::Unauthenticated,
                    "the refresh token was used before, so the session was ended for safety; sign in again",
                ))
            }
        }
    }

    /// The caller as itself may see it.
    ///
    /// # Errors
    /// `Unauthenticated` when it is gone meanwhile.
    pub async fn me(&self, ctx: &Ctx, caller: &Caller) -> Result<Who, Error> {
        self.who(ctx, caller.subject).await
    }

    /// Ends the caller's session.
    ///
    /// # Errors
    /// The store's.
    pub async fn sign_out(&self, caller: &Caller) -> Result<(), Error> {
        self.end(caller.subject, caller.session).await.map(|_| ())
    }

    /// Ends the session of a refresh token, which may be older than the current one; it may have ended already.
    ///
    /// # Errors
    /// `Unauthenticated`: not one of ours.
    pub async fn sign_out_by_token(&self, refresh_token: &str) -> Result<(), Error> {
        let token = self.refresh_key.read(refresh_token).ok_or_else(not_ours)?;
        let session = self.accounts.session(token.session, self.clock.now());
        match session.await.map_err(failed)? {
            Some(session) => self.end(session.subject, session.id).await.map(|_| ()),
            None => Ok(()),
        }
    }

    /// Where the caller is signed in, most recently refreshed first.
    ///
    /// # Errors
    /// The store's.
    pub async fn sessions(&self, caller: &Caller) -> Result<Vec<SessionInfo>, Error> {
        let sessions = self.accounts.sessions(caller.subject, self.clock.now());
        let info = |session: Session| SessionInfo {
            id: session.id,
            created: session.created,
            refreshed: session.rotated,
            expires: session.idle_until,
            user_agent: session.user_agent,
            current: session.id == caller.session,
        };
        Ok(sessions.await.map_err(failed)?.into_iter().map(info).collect())
    }

    /// # Errors
    /// `NotFound`, also for somebody else's.
    pub async fn end_session(&self, caller: &Caller, session: Uuid) -> Result<(), Error> {
        if self.end(caller.subject, session).await? {
            Ok(())
        } else {
            Err(Error::new(ErrorCode::NotFound, "you have no such session"))
        }
    }

    /// All of the caller's but the one that asks.
    ///
    /// # Errors
    /// The store's.
    pub async fn end_other_sessions(&self, caller: &Caller) -> Result<(), Error> {
        let ended = self.accounts.end_sessions(caller.subject, Some(caller.session));
        self.known.forget_sessions(&ended.await.map_err(failed)?);
        Ok(())
    }

    async fn end(&self, subject: Subject, session: Uuid) -> Result<bool, Error> {
        let ended = self.accounts.end_session(subject, session).await;
        self.known.forget_sessions(&[session]);
        ended.map_err(failed)
    }
}

fn not_ours() -> Error {
    Error::new(
        ErrorCode::Unauthenticated,
        "the refresh token is not one of ours; sign in again",
    )
}
