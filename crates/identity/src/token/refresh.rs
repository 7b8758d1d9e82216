//! Refresh tokens: the session and the generation, authenticated by the server's secret.
//!
//! So a forged token is refused without touching the session it names, and a genuine older one is recognised for what it
//! is: a copy. Every generation has exactly one text, which is how all who race get the same child.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use engine::ports::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

/// For those who scan for leaked secrets, and for versions to come.
const PREFIX: &str = "nfr_";
const ID: usize = 16;
const BODY: usize = ID + 4;
const LENGTH: usize = BODY + 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RefreshToken {
    pub(crate) session: Uuid,
    pub(crate) generation: u32,
}

pub(crate) struct RefreshKey(Hmac<Sha256>);

impl RefreshKey {
    pub(crate) fn new(key: &Secret<[u8; 32]>) -> Self {
        Self(Hmac::new_from_slice(key.expose()).expect("HMAC takes a key of any length"))
    }

    pub(crate) fn write(&self, token: RefreshToken) -> String {
        let mut bytes = [0; LENGTH];
        bytes[..ID].copy_from_slice(token.session.as_bytes());
        bytes[ID..BODY].copy_from_slice(&token.generation.to_be_bytes());
        let mac = self.0.clone().chain_update(&bytes[..BODY]).finalize().into_bytes();
        bytes[BODY..].copy_from_slice(&mac);
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// `None`: not one of ours.
    pub(crate) fn read(&self, text: &str) -> Option<RefreshToken> {
        let mut bytes = [0; LENGTH];
        let written = URL_SAFE_NO_PAD
            .decode_slice(text.strip_prefix(PREFIX)?, &mut bytes)
            .ok()?;
        if written != LENGTH {
            return None;
        }
        let (body, mac) = bytes.split_at(BODY);
        self.0.clone().chain_update(body).verify_slice(mac).ok()?;
        let (session, generation) = body.split_at(ID);
        Some(RefreshToken {
            session: Uuid::from_slice(session).ok()?,
            generation: u32::from_be_bytes(generation.try_into().ok()?),
        })
    }
}

#[cfg(test)]
mod tests;
