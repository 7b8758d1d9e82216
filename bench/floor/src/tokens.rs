//! Access tokens: EdDSA, with the key that Ninefold made in its database, and a cache of those seen.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, Signer, SigningKey};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::draft::now_ms;

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: Uuid,
    kind: String,
    sid: Uuid,
    jti: Uuid,
    iat: i64,
    exp: i64,
}

pub struct Tokens {
    key: SigningKey,
    key_id: String,
    /// Who, and until when in milliseconds.
    seen: RwLock<HashMap<String, (Uuid, i64)>>,
}

impl Tokens {
    pub fn new(key_id: String, seed: &[u8; 32]) -> Self {
        Self {
            key: SigningKey::from_bytes(seed),
            key_id,
            seen: RwLock::default(),
        }
    }

    /// Verified once, then remembered.
    pub fn user(&self, token: &str) -> Result<Uuid> {
        let known = self
            .seen
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(token)
            .copied();
        let (user, until) = match known {
            Some(known) => known,
            None => {
                let claims = self.claims(token)?;
                let fresh = (claims.sub, claims.exp * 1000);
                let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
                seen.insert(token.to_owned(), fresh);
                fresh
            }
        };
        ensure!(now_ms() < until, "the token has expired");
        Ok(user)
    }

    fn claims(&self, token: &str) -> Result<Claims> {
        let (signed, signature) = token.rsplit_once('.').context("the token is no JWT")?;
        let (_, payload) = signed.split_once('.').context("the token is no JWT")?;
        let signature = Signature::from_slice(&URL_SAFE_NO_PAD.decode(signature)?)?;
        self.key.verifying_key().verify_strict(signed.as_bytes(), &signature)?;
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload)?)?;
        ensure!(claims.aud == "ninefold", "the token is for somebody else");
        Ok(claims)
    }

    pub fn token(&self, user: Uuid, session: Uuid) -> Result<String> {
        let iat = now_ms() / 1000;
        let claims = Claims {
            iss: "ninefold".to_owned(),
            aud: "ninefold".to_owned(),
            sub: user,
            kind: "user".to_owned(),
            sid: session,
            jti: Uuid::now_v7(),
            iat,
            exp: iat + 900,
        };
        let header = serde_json::json!({ "typ": "JWT", "alg": "EdDSA", "kid": self.key_id });
        let header = URL_SAFE_NO_PAD.encode(header.to_string());
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims)?));
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes()).to_bytes());
        Ok(format!("{signed}.{signature}"))
    }
}
