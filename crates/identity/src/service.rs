//! The service itself: what it stands on, and what its operations share.

use std::sync::Arc;

use engine::model::Timestamp;
use engine::operations::{Ctx, GetRequest, Reads, Reply};
use engine::ports::Secret;
use engine::ports::accounts::{AccountStore, Administrator, NewSession, Session, Subject};
use engine::ports::clock::Clock;
use engine::ports::mail::Mail;
use engine::{Engine, Error, ErrorCode};
use uuid::Uuid;

use crate::authenticate::Known;
use crate::background::{Background, Job};
use crate::config::Config;
use crate::limit::Limiter;
use crate::password::Hasher;
use crate::token::{Keyring, RefreshKey, RefreshToken, derive};
use crate::{failed, random};

/// A longer name of a client is cut.
const USER_AGENT_CHARS_MAX: usize = 300;

/// What identity stands on.
pub struct Parts {
    pub accounts: Arc<dyn AccountStore>,
    pub engine: Arc<Engine>,
    pub clock: Arc<dyn Clock>,
    pub mail: Arc<dyn Mail>,
    pub config: Config,
}

/// Signs people in and says who calls.
pub struct Identity {
    pub(crate) accounts: Arc<dyn AccountStore>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: Config,
    pub(crate) hasher: Hasher,
    pub(crate) keyring: Keyring,
    pub(crate) refresh_key: RefreshKey,
    pub(crate) known: Arc<Known>,
    pub(crate) limits: Limits,
    pub(crate) jobs: tokio::sync::mpsc::Sender<Job>,
}

pub(crate) struct Limits {
    pub(crate) sign_in: Limiter,
    pub(crate) sign_in_address: Limiter,
    pub(crate) sign_up: Limiter,
    pub(crate) mail: Limiter,
}

/// Who signed in.
#[derive(Debug, Clone)]
pub enum Who {
    User {
        id: Uuid,
        /// The record as its owner may see it; `None` when the rules hide it from its owner.
        record: Option<Box<Reply>>,
    },
    Administrator {
        id: Uuid,
        email: String,
    },
}

/// What signing in and refreshing give.
#[derive(Debug, Clone)]
pub struct SignedIn {
    pub who: Who,
    pub access_token: Secret<String>,
    pub refresh_token: Secret<String>,
    /// Of the access token, in seconds.
    pub expires_in_s: u32,
}

/// The server's secret for one purpose: derived from the configured one, or made once and kept in the store.
///
/// # Errors
/// The store's.
pub async fn server_secret(
    store: &dyn AccountStore,
    config: &Config,
    purpose: &str,
) -> Result<Secret<[u8; 32]>, Error> {
    if let Some(secret) = &config.secret {
        return Ok(derive(secret.expose().as_bytes(), purpose));
    }
    store
        .secret(purpose, Secret::new(random::bytes()))
        .await
        .map_err(failed)
}

impl Identity {
    /// Reads or makes the keys. The background is to be run for as long as the identity is used.
    ///
    /// # Errors
    /// The store's, and a configuration that doesn't [validate](Config::validate).
    pub async fn open(parts: Parts) -> Result<(Arc<Self>, Background), Error> {
        let Parts {
            accounts,
            engine,
            clock,
            mail,
            config,
        } = parts;
        config.validate().map_err(Error::internal)?;
        let (jobs, waiting) = tokio::sync::mpsc::channel(config.mail_queue_max as usize);
        let identity = Arc::new(Self {
            hasher: Hasher::new(&config.password)?,
            keyring: Keyring::open(Arc::clone(&accounts), Arc::clone(&clock), &config).await?,
            refresh_key: RefreshKey::new(&server_secret(&*accounts, &config, "refresh").await?),
            known: Arc::new(Known::new(&config)),
            limits: Limits {
                sign_in: Limiter::new(config.limits.sign_in),
                sign_in_address: Limiter::new(config.limits.sign_in_address),
                sign_up: Limiter::new(config.limits.sign_up),
                mail: Limiter::new(config.limits.mail),
            },
            accounts,
            engine,
            clock,
            config,
            jobs,
        });
        let known = Arc::clone(&identity.known);
        identity
            .engine
            .on_account_change(move |user| known.forget(Subject::User(user)));
        let background = Background::new(Arc::clone(&identity), mail, waiting);
        Ok((identity, background))
    }

    /// The hash of a password that whoever runs the server gives somebody, whatever it is.
    ///
    /// # Errors
    /// None but our own.
    pub async fn hash_password(&self, password: &str) -> Result<Secret<String>, Error> {
        self.hasher.hash_patiently(Secret::new(password.to_owned())).await
    }

    /// A session that begins now.
    pub(crate) fn new_session(&self, subject: Subject, user_agent: Option<&str>) -> NewSession {
        let now = self.clock.now();
        let expires = self.in_seconds(now, self.config.session_s);
        NewSession {
            id: self.clock.new_id(),
            subject,
            created: now,
            expires,
            idle_until: self.in_seconds(now, self.config.session_idle_s).min(expires),
            user_agent: user_agent.map(|text| text.chars().take(USER_AGENT_CHARS_MAX).collect()),
            sessions_max: self.config.sessions_max,
        }
    }

    pub(crate) fn in_seconds(&self, now: Timestamp, seconds: u32) -> Timestamp {
        Timestamp(now.0.saturating_add(i64::from(seconds) * 1_000))
    }

    /// Both tokens of a session at one generation.
    pub(crate) fn tokens(&self, who: Who, session: Uuid, generation: u32) -> Result<SignedIn, Error> {
        let refresh = RefreshToken { session, generation };
        Ok(SignedIn {
            access_token: Secret::new(self.keyring.sign(who.subject(), session)?),
            refresh_token: Secret::new(self.refresh_key.write(refresh)),
            expires_in_s: self.config.access_token_s,
            who,
        })
    }

    pub(crate) async fn tokens_of(&self, ctx: &Ctx, session: &Session) -> Result<SignedIn, Error> {
        let who = self.who(ctx, session.subject).await?;
        self.tokens(who, session.id, session.generation)
    }

    /// The subject as itself may see it.
    ///
    /// # Errors
    /// `Unauthenticated` when it is gone.
    pub(crate) async fn who(&self, ctx: &Ctx, subject: Subject) -> Result<Who, Error> {
        let principal = self.principal(subject).await?;
        let id = match subject {
            Subject::Administrator(id) => return self.administrator(id).await,
            Subject::User(id) => id,
        };
        let model = self.engine.model();
        let Some(accounts) = model.accounts else {
            return Ok(Who::User { id, record: None });
        };
        let own = Ctx {
            principal,
            reads: Reads::Latest,
            ..ctx.clone()
        };
        let request = GetRequest {
            collection: model.collection(accounts).path.clone(),
            key: id.to_string(),
            shape: Default::default(),
        };
        match self.engine.get(&own, &request).await {
            Ok(reply) => Ok(Who::User {
                id,
                record: Some(Box::new(reply)),
            }),
            Err(error) if matches!(error.code, ErrorCode::NotFound | ErrorCode::Forbidden) => {
                Ok(Who::User { id, record: None })
            }
            Err(error) => Err(error),
        }
    }

    async fn administrator(&self, id: Uuid) -> Result<Who, Error> {
        let found = self.accounts.administrator(id).await.map_err(failed)?;
        found.map(Who::from).ok_or_else(crate::authenticate::signed_out)
    }
}

impl Who {
    pub(crate) fn subject(&self) -> Subject {
        match self {
            Self::User { id, .. } => Subject::User(*id),
            Self::Administrator { id, .. } => Subject::Administrator(*id),
        }
    }
}

impl From<Administrator> for Who {
    fn from(administrator: Administrator) -> Self {
        Self::Administrator {
            id: administrator.id,
            email: administrator.email,
        }
    }
}
