//! Signing up: a user's record, its credential and its first session in one transaction.

use engine::model::SignUp as Policy;
use engine::operations::accounts::Newcomer;
use engine::operations::{Ctx, Data};
use engine::ports::Secret;
use engine::ports::accounts::{OneTimeToken, Purpose, Subject};
use engine::query::Effect;
use engine::{Error, ErrorCode, FieldError};

use crate::background::Job;
use crate::service::{Identity, SignedIn, Who};
use crate::token::digest;
use crate::{email, failed, limit, password, random};

pub struct SignUp {
    pub email: String,
    pub password: Secret<String>,
    /// The token of an invitation.
    pub invitation: Option<String>,
    /// The other fields of the user's record.
    pub data: Data,
    pub user_agent: Option<String>,
}

/// What came of it.
#[derive(Debug, Clone)]
pub enum SignedUp {
    SignedIn(SignedIn),
    /// The same answer whether the address is new or not: the mail tells.
    Confirm,
    /// By an administrator, for somebody else.
    Created(Who),
}

#[derive(Debug, Clone)]
pub struct Invitation {
    pub email: String,
    /// For the link; the mail has it too.
    pub token: Secret<String>,
    pub expires: engine::model::Timestamp,
}

impl Identity {
    /// An administrator signs others up, whatever the schema's policy.
    ///
    /// # Errors
    /// `Invalid`; `Forbidden` by the policy; `UniqueViolation` when the address has an account, unless addresses are to be
    /// confirmed; `RateLimited`; `Unavailable`.
    pub async fn sign_up(&self, ctx: &Ctx, request: SignUp) -> Result<SignedUp, Error> {
        let email = email::parse(&request.email);
        let context = [request.email.trim(), &self.config.application];
        let checked = password::check(&self.config.password, "password", request.password.expose(), &context);
        let own_id = self.refuse_id(&request.data);
        let email = match (email, checked, own_id) {
            (Ok(email), Ok(()), Ok(())) => email,
            (email, checked, own_id) => {
                let errors = [email.err(), checked.err(), own_id.err()];
                return Err(Error::invalid(errors.into_iter().flatten().collect()));
            }
        };
        let invitation = self.admit(ctx, &email, request.invitation.as_deref()).await?;
        let hash = self.hasher.hash(request.password).await?;
        let newcomer = Newcomer {
            id: self.clock.new_id(),
            verified: invitation.is_some(),
            email,
            data: request.data,
        };
        let signed_up = if ctx.principal.is_administrator() {
            self.create(ctx, &newcomer, hash, None).await.map(SignedUp::Created)
        } else if self.config.confirm_email && !newcomer.verified {
            self.create_to_confirm(ctx, newcomer, hash).await
        } else {
            self.create_and_sign_in(ctx, &newcomer, hash, request.user_agent.as_deref())
                .await
        }?;
        if let Some(token) = invitation {
            let redeemed = self.accounts.redeem(token.hash, Purpose::Invitation, self.clock.now());
            if let Err(error) = redeemed.await {
                // It is for one address, which now has an account: nobody can use it again anyway.
                tracing::warn!(%error, "a used invitation is left to expire");
            }
        }
        Ok(signed_up)
    }

    /// The credential hangs on the id, so it is ours to give.
    fn refuse_id(&self, data: &Data) -> Result<(), FieldError> {
        let model = self.engine.model();
        let Some(accounts) = model.accounts.map(|accounts| model.collection(accounts)) else {
            return Ok(());
        };
        let mut key = accounts.key.iter().map(|field| &accounts.field(*field).name);
        match key.find(|name| data.contains_key(*name)) {
            Some(name) => Err(FieldError::new(
                name,
                "read_only",
                "is given by the server; leave it out",
            )),
            None => Ok(()),
        }
    }

    /// Who may sign up, before it costs anything.
    async fn admit(&self, ctx: &Ctx, email: &str, invitation: Option<&str>) -> Result<Option<OneTimeToken>, Error> {
        if ctx.principal.is_administrator() {
            return Ok(None);
        }
        let now = self.clock.now();
        self.limits.sign_up.take(&limit::client(ctx.address), now)?;
        let policy = self.policy()?;
        if policy == Policy::Closed {
            return Err(Error::new(
                ErrorCode::Forbidden,
                "sign-up is closed; ask an administrator for an account",
            ));
        }
        let Some(token) = invitation else {
            return match policy {
                Policy::Invite => Err(uninvited()),
                Policy::Open | Policy::Closed => Ok(None),
            };
        };
        let token = self.accounts.one_time_token(digest(token), Purpose::Invitation, now);
        let token = token.await.map_err(failed)?.filter(|token| token.email == email);
        token.map(Some).ok_or_else(uninvited)
    }

    fn policy(&self) -> Result<Policy, Error> {
        let model = self.engine.model();
        let fields = model.accounts.and_then(|accounts| model.collection(accounts).account);
        fields.map(|fields| fields.sign_up).ok_or_else(|| {
            Error::new(
                ErrorCode::NotFound,
                "this application has no accounts; add @collection(auth: true)",
            )
        })
    }

    async fn create_and_sign_in(
        &self,
        ctx: &Ctx,
        newcomer: &Newcomer,
        hash: Secret<String>,
        user_agent: Option<&str>,
    ) -> Result<SignedUp, Error> {
        let session = self.new_session(Subject::User(newcomer.id), user_agent);
        let start = Effect::StartSession(session.clone());
        let who = self.create(ctx, newcomer, hash, Some(start)).await?;
        if !newcomer.verified {
            // Nobody waits for this mail: signing in works without it.
            let _ = self.jobs.try_send(Job::VerifyEmail { user: newcomer.id });
        }
        self.tokens(who, session.id, 0).map(SignedUp::SignedIn)
    }

    /// The answer is the same whether the address is known or not: what else a sign-up is refused for is found out
    /// for a known one, too.
    async fn create_to_confirm(&self, ctx: &Ctx, newcomer: Newcomer, hash: Secret<String>) -> Result<SignedUp, Error> {
        // Before anything is written: what can't be confirmed must not be there.
        let place = self.jobs.try_reserve().map_err(|_| too_many_mails())?;
        match self.create(ctx, &newcomer, hash, None).await {
            Ok(_) => place.send(Job::VerifyEmail { user: newcomer.id }),
            Err(error) if self.is_email_taken(&error) => {
                self.engine.rehearse_sign_up(ctx, &newcomer).await?;
                place.send(Job::AlreadyRegistered { email: newcomer.email });
            }
            Err(error) => return Err(error),
        }
        Ok(SignedUp::Confirm)
    }

    async fn create(
        &self,
        ctx: &Ctx,
        newcomer: &Newcomer,
        hash: Secret<String>,
        start: Option<Effect>,
    ) -> Result<Who, Error> {
        let id = newcomer.id;
        let effects = [Effect::SetPassword { user: id, hash }].into_iter().chain(start);
        let reply = self.engine.sign_up(ctx, newcomer, effects.collect());
        let record = reply.await?.written.pop().and_then(|written| written.reply);
        Ok(Who::User {
            id,
            record: record.map(Box::new),
        })
    }

    fn is_email_taken(&self, error: &Error) -> bool {
        let model = self.engine.model();
        let name = model.accounts.and_then(|accounts| {
            let collection = model.collection(accounts);
            Some(collection.field(collection.account?.email).name.as_str())
        });
        error.code == ErrorCode::UniqueViolation && error.fields.iter().any(|field| Some(field.field.as_str()) == name)
    }

    /// Lets one address sign up where `signUp: INVITE` keeps others out, and mails it the link.
    ///
    /// # Errors
    /// `Unauthenticated` and `Forbidden` for all but administrators; `UniqueViolation` when the address has an account.
    pub async fn invite(&self, ctx: &Ctx, address: &str) -> Result<Invitation, Error> {
        crate::administrators::require(ctx)?;
        let email = email::parse(address).map_err(|error| Error::invalid(vec![error]))?;
        self.policy()?;
        if self.accounts.account_by_email(&email).await.map_err(failed)?.is_some() {
            let mut error = Error::new(ErrorCode::UniqueViolation, "the address has an account already");
            error.fields = vec![FieldError::new("email", "taken", "has an account already")];
            return Err(error);
        }
        let place = self.jobs.try_reserve().map_err(|_| too_many_mails())?;
        let token = random::token();
        let expires = self.in_seconds(self.clock.now(), self.config.invitation_s);
        let issued = OneTimeToken {
            hash: digest(&token),
            purpose: Purpose::Invitation,
            subject: None,
            email: email.clone(),
            expires,
        };
        self.accounts.issue(issued).await.map_err(failed)?;
        let token = Secret::new(token);
        place.send(Job::Invitation {
            email: email.clone(),
            token: token.clone(),
        });
        Ok(Invitation { email, token, expires })
    }
}

fn uninvited() -> Error {
    Error::new(
        ErrorCode::Forbidden,
        "signing up takes an invitation to this address; ask an administrator for one",
    )
}

pub(crate) fn too_many_mails() -> Error {
    Error::new(
        ErrorCode::Unavailable,
        "too many mails are waiting to be sent; try again in a minute",
    )
    .retry_after(60)
}
