//! Administrators: principals of their own, no users of the application.

use engine::operations::Ctx;
use engine::ports::Secret;
use engine::ports::accounts::{Administrator, OneTimeToken, Purpose, Subject};
use engine::{Error, ErrorCode, FieldError};
use uuid::Uuid;

use crate::password::Verification;
use crate::service::{Identity, SignedIn};
use crate::token::digest;
use crate::{email, failed, limit, random};

/// The first administrator's address, until somebody makes another.
const FIRST: &str = "admin@localhost";

pub enum AdministratorSignIn {
    Password {
        email: String,
        password: Secret<String>,
    },
    /// The token of an [`AdministratorLink`].
    Link {
        token: String,
    },
}

/// Signs one administrator in, once.
#[derive(Debug, Clone)]
pub struct AdministratorLink {
    pub email: String,
    pub token: Secret<String>,
    pub expires: engine::model::Timestamp,
}

impl Identity {
    /// # Errors
    /// `Invalid`; `UniqueViolation` when there is one with this address.
    pub async fn create_administrator(&self, address: &str, password: Secret<String>) -> Result<Uuid, Error> {
        let email = email::parse(address).map_err(|error| Error::invalid(vec![error]))?;
        self.check_password("password", &password, &[&email, &self.config.application])?;
        let hash = self.hasher.hash(password).await?;
        self.add(email, Some(hash)).await.map(|administrator| administrator.id)
    }

    async fn add(&self, email: String, password: Option<Secret<String>>) -> Result<Administrator, Error> {
        let administrator = Administrator {
            id: self.clock.new_id(),
            email,
            created: self.clock.now(),
            password,
        };
        let created = self.accounts.create_administrator(administrator.clone());
        created.await.map_err(failed)?;
        Ok(administrator)
    }

    /// For whoever runs the server: signs the first administrator in without a password, and makes it if there is none.
    ///
    /// # Errors
    /// The store's.
    pub async fn administrator_link(&self) -> Result<AdministratorLink, Error> {
        let administrator = match self.accounts.first_administrator().await.map_err(failed)? {
            Some(administrator) => administrator,
            None => self.add(FIRST.to_owned(), None).await?,
        };
        let token = random::token();
        let expires = self.in_seconds(self.clock.now(), self.config.administrator_link_s);
        let issued = OneTimeToken {
            hash: digest(&token),
            purpose: Purpose::AdministratorLink,
            subject: Some(Subject::Administrator(administrator.id)),
            email: administrator.email.clone(),
            expires,
        };
        self.accounts.issue(issued).await.map_err(failed)?;
        Ok(AdministratorLink {
            email: administrator.email,
            token: Secret::new(token),
            expires,
        })
    }

    /// # Errors
    /// As [`Identity::sign_in`]; `Invalid` for a link that was used or has expired.
    pub async fn administrator_sign_in(
        &self,
        ctx: &Ctx,
        request: AdministratorSignIn,
        user_agent: Option<&str>,
    ) -> Result<SignedIn, Error> {
        match request {
            AdministratorSignIn::Password { email, password } => {
                self.by_password(ctx, &email::normalize(&email), password, user_agent)
                    .await
            }
            AdministratorSignIn::Link { token } => self.by_link(ctx, &token, user_agent).await,
        }
    }

    async fn by_password(
        &self,
        ctx: &Ctx,
        email: &str,
        password: Secret<String>,
        user_agent: Option<&str>,
    ) -> Result<SignedIn, Error> {
        // Apart from users: an administrator may be a user with the same address as well.
        let attempt = self.attempt(ctx, &format!("administrator {email}"))?;
        let found = self.accounts.administrator_by_email(email).await.map_err(failed)?;
        let stored = found.as_ref().and_then(|administrator| administrator.password.clone());
        let verification = self.hasher.verify(password.clone(), stored.clone()).await?;
        let (Some(administrator), Some(stored), true) = (found, stored, verification != Verification::Wrong) else {
            return Err(self.refuse(&attempt));
        };
        let subject = Subject::Administrator(administrator.id);
        let session = self.new_session(subject, user_agent);
        self.begin(&session, stored.clone()).await?;
        if verification == Verification::Outdated {
            self.rehash(subject, password, stored).await?;
        }
        self.tokens(administrator.into(), session.id, 0)
    }

    async fn by_link(&self, ctx: &Ctx, token: &str, user_agent: Option<&str>) -> Result<SignedIn, Error> {
        let now = self.clock.now();
        self.limits.sign_in_address.take(&limit::client(ctx.address), now)?;
        let redeemed = self.accounts.redeem(digest(token), Purpose::AdministratorLink, now);
        let subject = redeemed.await.map_err(failed)?.and_then(|token| token.subject);
        let subject = subject.ok_or_else(|| {
            let message = "has expired or was used before; start the server again for another";
            Error::invalid(vec![FieldError::new("token", "invalid_token", message)])
        })?;
        let who = self.who(ctx, subject).await?;
        let session = self.new_session(subject, user_agent);
        self.accounts
            .start_session(session.clone(), None)
            .await
            .map_err(failed)?;
        self.tokens(who, session.id, 0)
    }
}

/// What only administrators may do.
pub(crate) fn require(ctx: &Ctx) -> Result<(), Error> {
    if ctx.principal.is_administrator() {
        Ok(())
    } else if ctx.principal.is_anonymous() {
        Err(Error::new(ErrorCode::Unauthenticated, "sign in as an administrator"))
    } else {
        Err(Error::new(ErrorCode::Forbidden, "only administrators may do this"))
    }
}
