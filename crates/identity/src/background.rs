//! What identity does between requests: mail, following changes of accounts, housekeeping.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use engine::Error;
use engine::operations::accounts::ChangedAccounts;
use engine::ports::Secret;
use engine::ports::accounts::{Account, OneTimeToken, Purpose, Subject};
use engine::ports::mail::Mail;
use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;
use tokio::time::{interval, timeout};
use uuid::Uuid;

use crate::letters::Letter;
use crate::service::Identity;
use crate::token::digest;
use crate::{failed, random};

/// One mail may take this long.
const MAIL_TIMEOUT: Duration = Duration::from_secs(30);
/// What is left in the queue when the server stops may take this long altogether.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two rounds of housekeeping; much shorter than any key's notice.
const ROUND: Duration = Duration::from_secs(10 * 60);

/// A mail to be made. Whether there is anybody to get it is found out here, where nobody can measure it.
pub(crate) enum Job {
    PasswordReset { email: String },
    VerifyEmail { user: Uuid },
    AlreadyRegistered { email: String },
    Invitation { email: String, token: Secret<String> },
}

pub struct Background {
    identity: Arc<Identity>,
    mail: Arc<dyn Mail>,
    jobs: Receiver<Job>,
}

impl Background {
    pub(crate) fn new(identity: Arc<Identity>, mail: Arc<dyn Mail>, jobs: Receiver<Job>) -> Self {
        Self { identity, mail, jobs }
    }

    /// Works until told to stop, and then sends what waits.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let identity = Arc::clone(&self.identity);
        let (running, stopped) = oneshot::channel();
        let mut mails = pin!(self.send_mails(stopped));
        tokio::select! {
            () = stop => {}
            () = &mut mails => {}
            () = follow(&identity) => {}
            () = keep_house(&identity) => {}
        }
        drop(running);
        if timeout(DRAIN_TIMEOUT, mails).await.is_err() {
            tracing::error!("the server stopped before all mails were sent");
        }
    }

    /// Until `stopped`, and then what waits. A mail that is being sent is never cut off in between.
    async fn send_mails(mut self, mut stopped: oneshot::Receiver<()>) {
        loop {
            let job = tokio::select! {
                biased;
                _ = &mut stopped => break,
                job = self.jobs.recv() => job,
            };
            let Some(job) = job else { return };
            self.carry_out(job).await;
        }
        self.jobs.close();
        while let Some(job) = self.jobs.recv().await {
            self.carry_out(job).await;
        }
    }

    async fn carry_out(&self, job: Job) {
        match timeout(MAIL_TIMEOUT, self.send(job)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(error = %error, source = ?std::error::Error::source(&error), "a mail was not sent")
            }
            Err(_) => tracing::error!("a mail was not sent in time"),
        }
    }

    async fn send(&self, job: Job) -> Result<(), Error> {
        let identity = &self.identity;
        match job {
            Job::Invitation { email, token } => {
                let letter = Letter::Invitation { token: token.expose() };
                self.post(&email, &letter).await
            }
            Job::PasswordReset { email } => {
                let account = identity.accounts.account_by_email(&email).await.map_err(failed)?;
                self.send_token(account, Purpose::PasswordReset).await
            }
            Job::VerifyEmail { user } => {
                let account = identity.accounts.account(user).await.map_err(failed)?;
                self.send_token(account, Purpose::VerifyEmail).await
            }
            Job::AlreadyRegistered { email } => {
                let account = identity.accounts.account_by_email(&email).await.map_err(failed)?;
                match account {
                    Some(account) if account.verified => {
                        if self.may_write(&email) {
                            self.post(&email, &Letter::AlreadyRegistered).await?;
                        }
                        Ok(())
                    }
                    unverified => self.send_token(unverified, Purpose::VerifyEmail).await,
                }
            }
        }
    }

    async fn send_token(&self, account: Option<Account>, purpose: Purpose) -> Result<(), Error> {
        let Some(account) = account.filter(|account| self.may_write(&account.email)) else {
            return Ok(());
        };
        let identity = &self.identity;
        let (token, now) = (random::token(), identity.clock.now());
        let (letter, seconds) = match purpose {
            Purpose::PasswordReset => (
                Letter::PasswordReset { token: &token },
                identity.config.password_reset_s,
            ),
            _ => (Letter::VerifyEmail { token: &token }, identity.config.verify_email_s),
        };
        let issued = OneTimeToken {
            hash: digest(&token),
            purpose,
            subject: Some(Subject::User(account.id)),
            email: account.email.clone(),
            expires: identity.in_seconds(now, seconds),
        };
        identity.accounts.issue(issued).await.map_err(failed)?;
        self.post(&account.email, &letter).await
    }

    /// What strangers can set off doesn't flood anybody's mailbox.
    fn may_write(&self, to: &str) -> bool {
        let identity = &self.identity;
        let allowed = identity.limits.mail.take(&to, identity.clock.now()).is_ok();
        if !allowed {
            tracing::warn!("a mail was left out: its recipient had too many of them");
        }
        allowed
    }

    async fn post(&self, to: &str, letter: &Letter<'_>) -> Result<(), Error> {
        let message = letter.write(&self.identity.config, to);
        self.mail.send(message).await.map_err(Error::internal)
    }
}

/// Changes that no write here names, such as a cascade's.
async fn follow(identity: &Identity) {
    let mut changes = identity.engine.account_changes();
    while let Some(changed) = changes.next().await {
        match changed {
            ChangedAccounts::All => identity.known.forget_all(),
            ChangedAccounts::Some(users) => {
                for (user, _) in users {
                    identity.known.forget(Subject::User(user));
                }
            }
        }
    }
}

/// Signing keys take turns, and what has expired goes.
async fn keep_house(identity: &Identity) {
    let mut rounds = interval(ROUND);
    loop {
        rounds.tick().await;
        if let Err(error) = identity.keep_house().await {
            tracing::warn!(error = %error, source = ?std::error::Error::source(&error), "housekeeping failed; it is tried again");
        }
    }
}

impl Identity {
    /// One round of housekeeping: the next signing key, if it is time, and a sweep.
    ///
    /// # Errors
    /// The store's.
    pub async fn keep_house(&self) -> Result<(), Error> {
        self.keyring.turn().await?;
        self.accounts.sweep(self.clock.now()).await.map_err(failed)
    }

    /// The public keys of access tokens (RFC 7517).
    pub fn jwks(&self) -> crate::JwkSet {
        self.keyring.jwks()
    }
}
