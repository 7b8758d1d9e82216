//! The keys that sign access tokens, and their turns.
//!
//! The next key is made and published a while before it signs, and each is kept until the last token that it signed has
//! expired: whoever reads `/.well-known/jwks.json` now and then always has the one that is needed.

use std::sync::{Arc, PoisonError, RwLock};

use engine::model::Timestamp;
use engine::ports::Secret;
use engine::ports::accounts::{AccountStore, SigningKey, Subject};
use engine::ports::clock::Clock;
use engine::{Error, ErrorCode};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{Jwk, JwkSet, KeyAlgorithm, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use uuid::Uuid;

use super::access::{Bearer, Claims, Kind};
use super::crypto;
use crate::config::Config;
use crate::{failed, random};

/// An unknown key may be another node's, so the keys are read again, but a flood of made-up ones doesn't reach the database.
const RELOAD_MS: i64 = 1_000;

pub(crate) struct Keyring {
    store: Arc<dyn AccountStore>,
    clock: Arc<dyn Clock>,
    issuer: String,
    audience: String,
    token_ms: i64,
    turn_ms: i64,
    keys: RwLock<Arc<Keys>>,
    loaded: tokio::sync::Mutex<Timestamp>,
    /// Two turns at once would each make the next key.
    turning: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Keys(Vec<Key>);

struct Key {
    id: String,
    starts: Timestamp,
    expires: Timestamp,
    signing: EncodingKey,
    verifying: DecodingKey,
    public: Jwk,
}

impl Keyring {
    /// Reads the keys, and makes the first if there is none.
    pub(crate) async fn open(
        store: Arc<dyn AccountStore>,
        clock: Arc<dyn Clock>,
        config: &Config,
    ) -> Result<Self, Error> {
        let keyring = Self {
            store,
            clock,
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            token_ms: i64::from(config.access_token_s) * 1_000,
            turn_ms: i64::from(config.signing_key_s) * 1_000,
            keys: RwLock::default(),
            loaded: tokio::sync::Mutex::new(Timestamp(i64::MIN)),
            turning: tokio::sync::Mutex::default(),
        };
        keyring.turn().await?;
        Ok(keyring)
    }

    /// Makes the key whose turn it is, or soon will be. To be called now and then.
    pub(crate) async fn turn(&self) -> Result<(), Error> {
        let _alone = self.turning.lock().await;
        self.load().await?;
        let now = self.clock.now().0;
        let latest = self.keys().0.iter().map(|key| key.starts.0).max();
        let starts = match latest {
            Some(latest) if latest + self.turn_ms <= now => now,
            Some(latest) if latest <= now && latest + self.turn_ms - self.notice_ms() <= now => latest + self.turn_ms,
            Some(_) => return Ok(()),
            None => now,
        };
        self.store
            .add_signing_key(self.make(Timestamp(starts))?)
            .await
            .map_err(failed)?;
        self.load().await
    }

    /// How long before its turn a key is published: a day, or a tenth of a shorter turn.
    fn notice_ms(&self) -> i64 {
        (self.turn_ms / 10).min(24 * 60 * 60 * 1_000)
    }

    fn make(&self, starts: Timestamp) -> Result<SigningKey, Error> {
        let seed = random::bytes::<32>();
        let (_, public) = parse(&seed)?;
        let id = public.thumbprint(ThumbprintHash::SHA256).map_err(Error::internal)?;
        // The successor may come late, while nothing runs that would make it.
        let spare_ms = self.turn_ms;
        Ok(SigningKey {
            id,
            seed: Secret::new(seed),
            starts,
            expires: Timestamp(starts.0 + self.turn_ms + self.token_ms + spare_ms),
        })
    }

    async fn load(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let stored = self.store.signing_keys(now).await.map_err(failed)?;
        let keys = stored.into_iter().map(Key::read).collect::<Result<_, _>>()?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Keys(keys));
        Ok(())
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// An access token.
    pub(crate) fn sign(&self, subject: Subject, session: Uuid) -> Result<String, Error> {
        let now = self.clock.now();
        let keys = self.keys();
        let key = keys
            .signer(now)
            .ok_or_else(|| Error::internal("no signing key has its turn"))?;
        let iat = now.0.div_euclid(1_000);
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: subject.id(),
            kind: Kind::of(subject),
            sid: session,
            jti: self.clock.new_id(),
            iat,
            exp: iat + self.token_ms / 1_000,
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(key.id.clone());
        encode(&header, &claims, &key.signing).map_err(Error::internal)
    }

    /// Whose token this is; it may have been revoked since.
    ///
    /// # Errors
    /// `Unauthenticated`, with the reason.
    pub(crate) async fn verify(&self, token: &str) -> Result<Bearer, Error> {
        let header = decode_header(token).map_err(|_| refused("the access token can't be read"))?;
        let kid = header.kid.ok_or_else(|| refused("the access token names no key"))?;
        let now = self.clock.now();
        let mut keys = self.keys();
        if keys.find(&kid, now).is_none() {
            self.reload(now).await?;
            keys = self.keys();
        }
        let key = keys
            .find(&kid, now)
            .ok_or_else(|| refused("the access token was signed by a key that is not in use"))?;
        let claims = decode::<Claims>(token, &key.verifying, &self.validation()).map_err(|error| why(&error))?;
        let bearer = claims.claims.bearer();
        if bearer.expires <= now {
            return Err(expired());
        }
        Ok(bearer)
    }

    /// Time is judged by our own clock, after the signature.
    fn validation(&self) -> Validation {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&[&self.audience]);
        validation.set_issuer(&[&self.issuer]);
        validation.validate_exp = false;
        validation
    }

    async fn reload(&self, now: Timestamp) -> Result<(), Error> {
        let mut loaded = self.loaded.lock().await;
        // A clock that was set back shows a reload in the future, which counts for nothing.
        if (0..RELOAD_MS).contains(&now.0.saturating_sub(loaded.0)) {
            return Ok(());
        }
        self.load().await?;
        *loaded = now;
        Ok(())
    }

    /// The public keys (RFC 7517), those whose turn is yet to come included.
    pub(crate) fn jwks(&self) -> JwkSet {
        let now = self.clock.now();
        let keys = self.keys();
        let valid = keys.0.iter().filter(|key| key.expires > now);
        JwkSet {
            keys: valid.map(|key| key.public.clone()).collect(),
        }
    }
}

impl Keys {
    /// The one that began last; nodes agree on it by the id if two began at once. Where the clock was set back to before
    /// the first, that one: everybody has it already.
    fn signer(&self, now: Timestamp) -> Option<&Key> {
        let turn = |key: &&Key| (key.starts, key.id.clone());
        let valid = || self.0.iter().filter(|key| key.expires > now);
        valid()
            .filter(|key| key.starts <= now)
            .max_by_key(turn)
            .or_else(|| valid().min_by_key(turn))
    }

    fn find(&self, id: &str, now: Timestamp) -> Option<&Key> {
        self.0.iter().find(|key| key.id == id && key.expires > now)
    }
}

impl Key {
    fn read(stored: SigningKey) -> Result<Self, Error> {
        let (signing, mut public) = parse(stored.seed.expose())?;
        let verifying = DecodingKey::from_jwk(&public).map_err(Error::internal)?;
        public.common.key_id = Some(stored.id.clone());
        Ok(Self {
            id: stored.id,
            starts: stored.starts,
            expires: stored.expires,
            signing,
            verifying,
            public,
        })
    }
}

fn parse(seed: &[u8; 32]) -> Result<(EncodingKey, Jwk), Error> {
    let signing = crypto::signing_key(seed);
    let mut public = Jwk::from_encoding_key(&signing, Algorithm::EdDSA).map_err(Error::internal)?;
    public.common.public_key_use = Some(PublicKeyUse::Signature);
    public.common.key_algorithm = Some(KeyAlgorithm::EdDSA);
    Ok((signing, public))
}

fn why(error: &jsonwebtoken::errors::Error) -> Error {
    match error.kind() {
        ErrorKind::InvalidSignature => refused("the access token's signature is wrong"),
        ErrorKind::InvalidIssuer | ErrorKind::InvalidAudience => refused("the access token is for something else"),
        _ => refused("the access token can't be read"),
    }
}

fn refused(reason: &str) -> Error {
    Error::new(ErrorCode::Unauthenticated, format!("{reason}; sign in again"))
}

pub(crate) fn expired() -> Error {
    Error::new(
        ErrorCode::Unauthenticated,
        "the access token has expired; get another with the refresh token",
    )
}

#[cfg(test)]
mod tests;
