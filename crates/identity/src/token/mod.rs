//! Tokens: short-lived ones that say who calls, and the opaque ones that renew them.

mod access;
mod crypto;
mod keys;
mod refresh;

pub(crate) use access::Bearer;
pub(crate) use keys::{Keyring, expired};
pub(crate) use refresh::{RefreshKey, RefreshToken};

use engine::ports::Secret;
use sha2::{Digest, Sha256};

/// What is kept of a token that may be used once, and by what a verified one is found again.
pub(crate) fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// A key of its own for one purpose, made of a secret for all.
pub(crate) fn derive(secret: &[u8], purpose: &str) -> Secret<[u8; 32]> {
    use hmac::{KeyInit, Mac};
    let mut mac = hmac::Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
    mac.update(purpose.as_bytes());
    Secret::new(mac.finalize().into_bytes().into())
}
