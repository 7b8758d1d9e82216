//! Passwords changed and forgotten, and addresses confirmed.

use engine::access::Principal;
use engine::operations::{Action, Ctx, Precondition, Step, WriteOptions};
use engine::ports::Secret;
use engine::ports::accounts::{Account, Purpose, Subject};
use engine::{Error, ErrorCode, FieldError};
use serde_json::Value;
use uuid::Uuid;

use crate::authenticate::{Caller, signed_out};
use crate::background::Job;
use crate::password::Verification;
use crate::service::Identity;
use crate::sign_up::too_many_mails;
use crate::token::digest;
use crate::{email, failed, limit, password};

impl Identity {
    /// Ends the caller's other sessions. Who has no password yet, as an administrator by a link, needs none to set one.
    ///
    /// # Errors
    /// `Invalid`, also when the current password is wrong; `RateLimited`; `Unavailable`.
    pub async fn change_password(
        &self,
        ctx: &Ctx,
        caller: &Caller,
        current: Option<Secret<String>>,
        new: Secret<String>,
    ) -> Result<(), Error> {
        let (address, stored) = self.credential(caller.subject).await?;
        let context = [address.as_str(), &self.config.application];
        self.check_password("newPassword", &new, &context)?;
        if let Some(stored) = stored {
            self.check_current(ctx, &address, current, stored).await?;
        }
        let hash = self.hasher.hash(new).await?;
        let ended = self.accounts.set_password(caller.subject, hash, Some(caller.session));
        self.known.forget_sessions(&ended.await.map_err(failed)?);
        Ok(())
    }

    async fn check_current(
        &self,
        ctx: &Ctx,
        address: &str,
        current: Option<Secret<String>>,
        stored: Secret<String>,
    ) -> Result<(), Error> {
        let wrong = |code, message| Error::invalid(vec![FieldError::new("currentPassword", code, message)]);
        let current = current.ok_or_else(|| wrong("required", "is required"))?;
        let attempt = self.attempt(ctx, address)?;
        if self.hasher.verify(current, Some(stored)).await? == Verification::Wrong {
            self.refuse(&attempt);
            return Err(wrong("wrong", "is wrong"));
        }
        Ok(())
    }

    async fn credential(&self, subject: Subject) -> Result<(String, Option<Secret<String>>), Error> {
        let found = match subject {
            Subject::User(id) => {
                let account = self.accounts.account(id).await.map_err(failed)?;
                account.map(|account| (account.email, account.password))
            }
            Subject::Administrator(id) => {
                let administrator = self.accounts.administrator(id).await.map_err(failed)?;
                administrator.map(|administrator| (administrator.email, administrator.password))
            }
        };
        found.ok_or_else(signed_out)
    }

    pub(crate) fn check_password(
        &self,
        field: &'static str,
        password: &Secret<String>,
        context: &[&str],
    ) -> Result<(), Error> {
        password::check(&self.config.password, field, password.expose(), context)
            .map_err(|error| Error::invalid(vec![error]))
    }

    /// Mails a link to set a new password, if the address has an account. That is found out later: here nothing depends
    /// on it.
    ///
    /// # Errors
    /// `RateLimited` by the caller's own address; `Unavailable` when too many mails wait.
    pub fn request_password_reset(&self, ctx: &Ctx, address: &str) -> Result<(), Error> {
        let client = limit::client(ctx.address);
        self.limits.sign_in_address.take(&client, self.clock.now())?;
        let email = email::normalize(address);
        self.jobs
            .try_send(Job::PasswordReset { email })
            .map_err(|_| too_many_mails())
    }

    /// Sets a new password by the token of a mail, and ends all sessions. The address counts as confirmed.
    ///
    /// # Errors
    /// `Invalid`: the token is used or expired, or the password not good enough; `RateLimited`; `Unavailable`.
    pub async fn reset_password(&self, ctx: &Ctx, token: &str, new: Secret<String>) -> Result<(), Error> {
        let now = self.clock.now();
        self.limits.sign_in_address.take(&limit::client(ctx.address), now)?;
        let token = digest(token);
        let issued = self.accounts.one_time_token(token, Purpose::PasswordReset, now);
        let issued = issued.await.map_err(failed)?.ok_or_else(used_up)?;
        self.check_password("password", &new, &[&issued.email, &self.config.application])?;
        let hash = self.hasher.hash(new).await?;
        let reset = self.accounts.reset_password(token, hash, now).await.map_err(failed)?;
        let reset = reset.ok_or_else(used_up)?;
        self.known.forget_sessions(&reset.ended);
        match reset.subject {
            Subject::User(user) => self.confirm(ctx, user, &issued.email).await,
            Subject::Administrator(_) => Ok(()),
        }
    }

    /// Confirms an address by the token of a mail.
    ///
    /// # Errors
    /// `Invalid`: the token is used or expired, or the account has another address now; `RateLimited`.
    pub async fn verify_email(&self, ctx: &Ctx, token: &str) -> Result<(), Error> {
        let now = self.clock.now();
        self.limits.sign_in_address.take(&limit::client(ctx.address), now)?;
        let token = digest(token);
        let issued = self.accounts.one_time_token(token, Purpose::VerifyEmail, now);
        let issued = issued.await.map_err(failed)?.ok_or_else(used_up)?;
        let Some(Subject::User(user)) = issued.subject else {
            return Err(used_up());
        };
        self.confirm(ctx, user, &issued.email).await?;
        // Last: a token whose work failed can be tried again.
        let redeemed = self.accounts.redeem(token, Purpose::VerifyEmail, now);
        redeemed.await.map_err(failed)?.map(|_| ()).ok_or_else(used_up)
    }

    /// Marks the account as verified, if it still has the address.
    async fn confirm(&self, ctx: &Ctx, user: Uuid, address: &str) -> Result<(), Error> {
        let account = self.accounts.account(user).await.map_err(failed)?;
        match account.filter(|account| account.email == address) {
            None => Err(used_up()),
            Some(Account { verified: true, .. }) => Ok(()),
            Some(_) => self.write_verified(ctx, user).await,
        }
    }

    /// A write like any other, by Ninefold itself.
    async fn write_verified(&self, ctx: &Ctx, user: Uuid) -> Result<(), Error> {
        let model = self.engine.model();
        let Some(collection) = model.accounts.map(|accounts| model.collection(accounts)) else {
            return Err(used_up());
        };
        let Some(fields) = collection.account else {
            return Err(used_up());
        };
        let verified = collection.field(fields.verified).name.clone();
        let step = Step {
            action: Action::Update {
                key: user.to_string(),
                patch: [(verified, Value::Bool(true))].into_iter().collect(),
            },
            collection: collection.path.clone(),
            precondition: Precondition::None,
            alias: None,
        };
        let own = Ctx {
            principal: Principal::Administrator { id: Uuid::nil() },
            ..ctx.clone()
        };
        self.engine
            .write(&own, vec![step], &WriteOptions::default())
            .await
            .map(|_| ())
    }
}

fn used_up() -> Error {
    let message = "has expired or was used before; ask for another";
    let mut error = Error::new(ErrorCode::Invalid, format!("the link {message}"));
    error.fields = vec![FieldError::new("token", "invalid_token", message)];
    error
}
