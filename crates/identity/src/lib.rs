//! Who is calling: accounts, passwords, sessions and tokens.
//!
//! Entry point: [`Identity`]; [`Background`] is what it does between requests. Invariants:
//! - Nothing here tells whether an address has an account, by an answer or by time, but for the unique conflict of a plain sign-up.
//! - An access token says who; whether its session lives and which roles its user has is looked up, in bounded caches
//!   that are told of every change, and read again after a while in case another node made it.
//! - Passwords and tokens are [`Secret`](engine::ports::Secret)s, and only hashes of them are kept.
//! - Identity's own records are reached through [`AccountStore`](engine::ports::accounts::AccountStore) alone, users'
//!   records through the [`Engine`](engine::Engine) alone.

mod administrators;
mod authenticate;
mod background;
mod cache;
pub mod config;
mod email;
mod letters;
mod limit;
mod password;
mod random;
mod recovery;
mod service;
mod sessions;
mod sign_in;
mod sign_up;
mod token;

pub use administrators::{AdministratorLink, AdministratorSignIn};
pub use authenticate::Caller;
pub use background::Background;
pub use config::Config;
pub use jsonwebtoken::jwk::JwkSet;
pub use service::{Identity, Parts, SignedIn, Who, server_secret};
pub use sessions::SessionInfo;
pub use sign_in::SignIn;
pub use sign_up::{Invitation, SignUp, SignedUp};

use engine::ports::accounts::AccountStoreError;
use engine::{Error, ErrorCode};

/// A store's failure in the caller's terms.
fn failed(error: AccountStoreError) -> Error {
    match error {
        AccountStoreError::EmailTaken => Error::new(ErrorCode::UniqueViolation, "the address is taken"),
        AccountStoreError::Timeout => {
            Error::new(ErrorCode::Timeout, "the database did not answer in time; try again").because(error)
        }
        AccountStoreError::Unavailable { retry_after, .. } => {
            let seconds = u32::try_from(retry_after.as_secs()).unwrap_or(u32::MAX).max(1);
            Error::new(ErrorCode::Unavailable, "the database can't take this now; try again")
                .retry_after(seconds)
                .because(error)
        }
        AccountStoreError::Failed(_) => Error::internal(error),
    }
}
