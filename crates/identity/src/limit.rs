//! How often something may be tried: leaky buckets in bounded memory.
//!
//! A key falls into one slot of each of two rows, by a keyed hash; it is refused only when both slots are full. So nobody can
//! push another's count out of memory, sharing a slot by chance does little harm, and the table never grows. A bucket always
//! leaks, so nobody is locked out for good; it counts names, known or not, so a refusal doesn't tell whether an account exists.

use std::hash::{BuildHasher, Hash, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use engine::model::Timestamp;
use engine::{Error, ErrorCode};

use crate::config::Quota;

const SLOTS: usize = 8_192;

pub(crate) struct Limiter {
    every_ms: i64,
    /// How much a bucket holds: that many milliseconds of leaking, before the last one.
    burst_ms: i64,
    hashers: [RandomState; 2],
    /// When each bucket will be empty, in milliseconds since 1970.
    rows: Mutex<[Box<[i64]>; 2]>,
}

impl Limiter {
    pub(crate) fn new(quota: Quota) -> Self {
        let every_ms = i64::from(quota.every_ms);
        let row = || vec![i64::MIN; SLOTS].into_boxed_slice();
        Self {
            every_ms,
            burst_ms: every_ms * (i64::from(quota.burst) - 1),
            hashers: [RandomState::new(), RandomState::new()],
            rows: Mutex::new([row(), row()]),
        }
    }

    /// Counts one.
    ///
    /// # Errors
    /// `RateLimited`, with the seconds until there is room for one.
    pub(crate) fn take(&self, key: &impl Hash, now: Timestamp) -> Result<(), Error> {
        self.with_slots(key, |slots| {
            self.room(slots, now)?;
            self.fill(slots, now);
            Ok(())
        })
    }

    /// Whether there is room for one, for what is counted only if it fails.
    ///
    /// # Errors
    /// As [`Limiter::take`].
    pub(crate) fn check(&self, key: &impl Hash, now: Timestamp) -> Result<(), Error> {
        self.with_slots(key, |slots| self.room(slots, now))
    }

    /// Counts one that [`Limiter::check`] let pass. Many may have passed at once: the bucket then overflows, and takes as
    /// much longer to leak.
    pub(crate) fn charge(&self, key: &impl Hash, now: Timestamp) {
        self.with_slots(key, |slots| self.fill(slots, now));
    }

    fn room(&self, slots: &[&mut i64; 2], now: Timestamp) -> Result<(), Error> {
        let empty_at = slots.iter().map(|slot| **slot).min().unwrap_or(now.0).max(now.0);
        let wait_ms = empty_at - now.0 - self.burst_ms;
        if wait_ms > 0 { Err(refusal(wait_ms)) } else { Ok(()) }
    }

    fn fill(&self, slots: &mut [&mut i64; 2], now: Timestamp) {
        for slot in slots {
            **slot = (**slot).max(now.0) + self.every_ms;
        }
    }

    /// The key's two slots.
    fn with_slots<T>(&self, key: &impl Hash, work: impl FnOnce(&mut [&mut i64; 2]) -> T) -> T {
        let place = |hasher: &RandomState| (hasher.hash_one(key) % SLOTS as u64) as usize;
        let places = [place(&self.hashers[0]), place(&self.hashers[1])];
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let [first, second] = &mut *rows;
        work(&mut [&mut first[places[0]], &mut second[places[1]]])
    }
}

fn refusal(wait_ms: i64) -> Error {
    let seconds = u32::try_from((wait_ms + 999) / 1_000).unwrap_or(u32::MAX);
    let message = format!("too many attempts; try again in {seconds} seconds");
    Error::new(ErrorCode::RateLimited, message).retry_after(seconds)
}

/// What counts as one client: an IPv4 address, or an IPv6 network of 64 bits, as one customer usually has.
pub(crate) fn client(address: Option<IpAddr>) -> Option<IpAddr> {
    address.map(|address| match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address => address,
    })
}

#[cfg(test)]
mod tests;
