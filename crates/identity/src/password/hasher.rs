//! argon2id, on threads of its own and under a bound.
//!
//! A hash takes 19 MiB and some 20 ms of one processor, by design. So only as many run at once as there are
//! processors, a bounded number waits, and whoever comes then is told to come back: a hundred sign-ins at once cost
//! time, not memory. Whether an account exists is not told by time: an unknown one is verified against a dummy.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::available_parallelism;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use engine::ports::Secret;
use engine::{Error, ErrorCode};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::config::PasswordConfig;
use crate::random;

/// argon2's parameters as configured.
pub(crate) fn parameters(config: &PasswordConfig) -> Result<Params, argon2::Error> {
    Params::new(config.memory_kib, config.passes, config.lanes, None)
}

/// What came of comparing a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verification {
    Wrong,
    Right,
    /// Right, and hashed under other parameters than today's.
    Outdated,
}

pub(crate) struct Hasher {
    parameters: Params,
    turns: Arc<Semaphore>,
    waiting: AtomicU32,
    waiting_max: u32,
    dummy: Secret<String>,
}

impl Hasher {
    /// Hashes once: the dummy.
    ///
    /// # Errors
    /// Parameters that argon2 can't work with.
    pub(crate) fn new(config: &PasswordConfig) -> Result<Self, Error> {
        let parameters = parameters(config).map_err(Error::internal)?;
        let processors = || available_parallelism().map_or(1, usize::from);
        let concurrent = match config.concurrent_max {
            0 => processors(),
            given => given as usize,
        };
        let dummy = hash(&parameters, random::token().as_bytes())?;
        Ok(Self {
            parameters,
            turns: Arc::new(Semaphore::new(concurrent)),
            waiting: AtomicU32::new(0),
            waiting_max: config.waiting_max,
            dummy,
        })
    }

    /// A PHC string with a salt of its own.
    ///
    /// # Errors
    /// `Unavailable` when too many wait.
    pub(crate) async fn hash(&self, password: Secret<String>) -> Result<Secret<String>, Error> {
        let parameters = self.parameters.clone();
        let place = Place::take(&self.waiting, self.waiting_max)?;
        self.in_turn(Some(place), move || hash(&parameters, password.expose().as_bytes()))
            .await?
    }

    /// For whoever runs the server, with many at once: waits as long as it takes.
    pub(crate) async fn hash_patiently(&self, password: Secret<String>) -> Result<Secret<String>, Error> {
        let parameters = self.parameters.clone();
        self.in_turn(None, move || hash(&parameters, password.expose().as_bytes()))
            .await?
    }

    /// Compares with a PHC string; without one with a dummy, which takes as long and is always wrong.
    ///
    /// # Errors
    /// `Unavailable` when too many wait.
    pub(crate) async fn verify(
        &self,
        password: Secret<String>,
        stored: Option<Secret<String>>,
    ) -> Result<Verification, Error> {
        let exists = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.dummy.clone());
        let parameters = self.parameters.clone();
        let place = Place::take(&self.waiting, self.waiting_max)?;
        let verification = self
            .in_turn(Some(place), move || {
                verify(&parameters, password.expose().as_bytes(), stored.expose())
            })
            .await??;
        Ok(if exists { verification } else { Verification::Wrong })
    }

    /// Gives the place in the queue back when the wait is over.
    async fn in_turn<T: Send + 'static>(
        &self,
        place: Option<Place<'_>>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let turn = Arc::clone(&self.turns)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        drop(place);
        spawn_blocking(move || {
            // Held by the work itself: a caller who goes away doesn't free a turn that is still computed.
            let _turn = turn;
            work()
        })
        .await
        .map_err(Error::internal)
    }
}

/// A place in the queue, given back however the wait ends.
struct Place<'a>(&'a AtomicU32);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicU32, max: u32) -> Result<Self, Error> {
        if waiting.fetch_add(1, Ordering::Relaxed) < max {
            return Ok(Self(waiting));
        }
        waiting.fetch_sub(1, Ordering::Relaxed);
        Err(Error::new(
            ErrorCode::Unavailable,
            "too many people are signing in at this moment; try again in a few seconds",
        )
        .retry_after(2))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn hash(parameters: &Params, password: &[u8]) -> Result<Secret<String>, Error> {
    let salt: [u8; 16] = random::bytes();
    let hash: PasswordHash = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters.clone())
        .hash_password_with_salt(password, &salt)
        .map_err(|error| Error::internal(error.to_string()))?;
    Ok(Secret::new(hash.to_string()))
}

fn verify(parameters: &Params, password: &[u8], stored: &str) -> Result<Verification, Error> {
    let unreadable = |what: &dyn std::fmt::Display| Error::internal(format!("a stored password hash: {what}"));
    let stored = PasswordHash::new(stored).map_err(|error| unreadable(&error))?;
    let used = Params::try_from(&stored).map_err(|error| unreadable(&error))?;
    if Argon2::default().verify_password(password, &stored).is_err() {
        return Ok(Verification::Wrong);
    }
    let cost = |parameters: &Params| (parameters.m_cost(), parameters.t_cost(), parameters.p_cost());
    Ok(if cost(&used) == cost(parameters) {
        Verification::Right
    } else {
        Verification::Outdated
    })
}

#[cfg(test)]
mod tests;
