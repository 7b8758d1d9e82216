//! Signing in with a password.

use std::net::IpAddr;

use engine::operations::Ctx;
use engine::ports::Secret;
use engine::ports::accounts::{Account, NewSession, Subject};
use engine::{Error, ErrorCode};

use crate::background::Job;
use crate::password::Verification;
use crate::service::{Identity, SignedIn};
use crate::{email, failed, limit};

pub struct SignIn {
    pub email: String,
    pub password: Secret<String>,
    pub user_agent: Option<String>,
}

/// A try to sign in: the address that it came from, and the account that it aims at.
pub(crate) struct Attempt((Option<IpAddr>, String));

impl Identity {
    /// # Errors
    /// `Unauthenticated`, in the same words and after the same time whether the account doesn't exist or the password is
    /// wrong; `RateLimited`; `Unavailable` when too many sign in at once; `Forbidden` when the password is right but the
    /// address has to be confirmed first.
    pub async fn sign_in(&self, ctx: &Ctx, request: SignIn) -> Result<SignedIn, Error> {
        let email = email::normalize(&request.email);
        let attempt = self.attempt(ctx, &email)?;
        let account = self.accounts.account_by_email(&email).await.map_err(failed)?;
        let stored = account.as_ref().and_then(|account| account.password.clone());
        let verification = self.hasher.verify(request.password.clone(), stored.clone()).await?;
        let (Some(account), Some(stored), true) = (account, stored, verification != Verification::Wrong) else {
            return Err(self.refuse(&attempt));
        };
        self.check_confirmed(&account)?;
        let subject = Subject::User(account.id);
        let session = self.new_session(subject, request.user_agent.as_deref());
        self.begin(&session, stored.clone()).await?;
        if verification == Verification::Outdated {
            self.rehash(subject, request.password, stored).await?;
        }
        let who = self.who(ctx, subject).await?;
        self.tokens(who, session.id, 0)
    }

    /// Counts a try against its address; against the account only failures count.
    pub(crate) fn attempt(&self, ctx: &Ctx, account: &str) -> Result<Attempt, Error> {
        let (client, now) = (limit::client(ctx.address), self.clock.now());
        self.limits.sign_in_address.take(&client, now)?;
        let key = (client, account.to_owned());
        self.limits.sign_in.check(&key, now)?;
        Ok(Attempt(key))
    }

    /// A failure, counted.
    pub(crate) fn refuse(&self, attempt: &Attempt) -> Error {
        self.limits.sign_in.charge(&attempt.0, self.clock.now());
        wrong()
    }

    /// Starts the session unless the password that was shown has been replaced meanwhile.
    pub(crate) async fn begin(&self, session: &NewSession, shown: Secret<String>) -> Result<(), Error> {
        let started = self.accounts.start_session(session.clone(), Some(shown));
        if started.await.map_err(failed)? {
            Ok(())
        } else {
            Err(wrong())
        }
    }

    pub(crate) async fn rehash(
        &self,
        subject: Subject,
        password: Secret<String>,
        from: Secret<String>,
    ) -> Result<(), Error> {
        let to = self.hasher.hash(password).await?;
        self.accounts.rehash_password(subject, from, to).await.map_err(failed)
    }

    fn check_confirmed(&self, account: &Account) -> Result<(), Error> {
        if account.verified || !self.config.confirm_email {
            return Ok(());
        }
        // Told to somebody who knows the password. A full queue is no reason to say something else.
        let _ = self.jobs.try_send(Job::VerifyEmail { user: account.id });
        Err(Error::new(
            ErrorCode::Forbidden,
            "confirm your address first: we have sent you another mail with a link",
        ))
    }
}

fn wrong() -> Error {
    Error::new(ErrorCode::Unauthenticated, "the address or the password is wrong")
}
