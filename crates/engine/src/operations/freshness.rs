//! Reads that may be answered from a copy of the data that is a moment behind, and what they hold all the same: what
//! their caller wrote.
//!
//! A node remembers the last writes with whose they were; everybody is held to those before. Who isn't signed in
//! can't be told from others who aren't: together they are one writer. Until when a caller wrote through other nodes it
//! says itself ([`Reads::Recent`]), by those nodes' clocks.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::access::Principal;
use crate::model::{Model, Timestamp};
use crate::operations::{Ctx, Reads};
use crate::pipeline::Engine;
use crate::ports::store::StoreError;
use crate::query::{Committed, Freshness};

/// Writes of which it is remembered whose they were.
const WRITES_MAX: usize = 16_384;
/// How far apart the clocks of two nodes may be.
const CLOCKS_APART: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Writer {
    Anonymous,
    User(Uuid),
    Administrator(Uuid),
}

impl From<&Principal> for Writer {
    fn from(principal: &Principal) -> Self {
        match principal {
            Principal::Anonymous => Self::Anonymous,
            Principal::User { id, .. } => Self::User(*id),
            Principal::Administrator { id } => Self::Administrator(*id),
        }
    }
}

/// Who wrote through this node of late, and when that was acknowledged.
pub(crate) struct Writers {
    state: Mutex<State>,
    writes_max: usize,
}

#[derive(Default)]
struct State {
    last: HashMap<Writer, Instant>,
    /// The oldest first.
    writes: VecDeque<(Writer, Instant)>,
    /// The newest of those that are no longer among them.
    before: Option<Instant>,
}

impl Default for Writers {
    fn default() -> Self {
        Self::new(WRITES_MAX)
    }
}

impl Writers {
    fn new(writes_max: usize) -> Self {
        Self {
            state: Mutex::default(),
            writes_max,
        }
    }

    fn wrote(&self, writer: Writer, at: Instant) {
        let mut state = self.state();
        let last = state.last.entry(writer).or_insert(at);
        *last = at.max(*last);
        state.writes.push_back((writer, at));
        if state.writes.len() > self.writes_max
            && let Some((writer, at)) = state.writes.pop_front()
        {
            state.before = state.before.max(Some(at));
            if state.last.get(&writer) == Some(&at) {
                state.last.remove(&writer);
            }
        }
    }

    /// What was acknowledged before then has to be in what this one reads.
    fn since(&self, writer: Writer) -> Option<Instant> {
        let state = self.state();
        state.last.get(&writer).copied().max(state.before)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// From which state a read of this caller's is answered.
    pub(crate) fn freshness(&self, ctx: &Ctx) -> Freshness {
        match ctx.reads {
            Reads::Recent { written } if self.store().has_replicas() => {
                let elsewhere = written.and_then(|written| instant(written, (self.clock().now(), Instant::now())));
                let here = self.writers().since(Writer::from(&ctx.principal));
                Freshness::Recent {
                    since: here.max(elsewhere),
                }
            }
            Reads::Recent { .. } | Reads::Latest => Freshness::Latest,
        }
    }

    /// Remembers a write, and answers until when its caller has written. Who was refused finds what stood in the way, too;
    /// of those who aren't signed in all would be held to it.
    pub(crate) fn wrote(
        &self,
        principal: &Principal,
        model: &Model,
        committed: &Result<Committed, StoreError>,
    ) -> Option<Timestamp> {
        if !self.store().has_replicas() || (principal.is_anonymous() && !may_be_done(committed)) {
            return None;
        }
        let at = Instant::now();
        self.writers().wrote(principal.into(), at);
        // What others change of somebody's own record is the answer to what that one did: followed a link, say.
        if let Ok(Committed::Done { outcomes, .. }) = committed {
            let of_accounts = outcomes
                .iter()
                .filter(|outcome| Some(outcome.collection) == model.accounts);
            of_accounts
                .filter_map(|outcome| outcome.key.single()?.as_id())
                .for_each(|user| self.writers().wrote(Writer::User(user), at));
        }
        Some(self.clock().now())
    }

    /// Whoever was told of something by a live query finds it. Of those who aren't signed in all would be held to it.
    pub(crate) fn told(&self, principal: &Principal) {
        if self.store().has_replicas() && !principal.is_anonymous() {
            self.writers().wrote(principal.into(), Instant::now());
        }
    }
}

/// Whether something was written, as far as is known.
fn may_be_done(committed: &Result<Committed, StoreError>) -> bool {
    match committed {
        Ok(_) | Err(StoreError::Timeout | StoreError::Unavailable { .. } | StoreError::Failed(_)) => true,
        Err(
            StoreError::At { .. }
            | StoreError::Refused(_)
            | StoreError::UniqueViolation { .. }
            | StoreError::Referenced { .. }
            | StoreError::TooMany { .. }
            | StoreError::IdempotencyMismatch
            | StoreError::StaleEpoch,
        ) => false,
    }
}

/// A moment by another node's clock, or a little later; `None`: so long ago that this machine has no instant for it.
fn instant(written: Timestamp, (now, at): (Timestamp, Instant)) -> Option<Instant> {
    let ago = u64::try_from(now.0.saturating_sub(written.0)).unwrap_or(0);
    let ago = Duration::from_millis(ago).saturating_sub(CLOCKS_APART);
    at.checked_sub(ago)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(number: u128) -> Writer {
        Writer::User(Uuid::from_u128(number))
    }

    #[test]
    fn each_is_held_to_its_own_writes_and_all_to_those_that_are_no_longer_remembered() {
        let writers = Writers::new(3);
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        writers.wrote(user(1), at(1));
        writers.wrote(user(2), at(2));
        assert_eq!(writers.since(user(1)), Some(at(1)));
        assert_eq!(writers.since(user(3)), None);
        assert_eq!(writers.since(Writer::Anonymous), None);
        writers.wrote(user(1), at(3));
        writers.wrote(Writer::Anonymous, at(4));
        assert_eq!(writers.since(user(1)), Some(at(3)), "its last is still remembered");
        assert_eq!(writers.since(user(3)), Some(at(1)));
        writers.wrote(Writer::Anonymous, at(5));
        assert_eq!(writers.since(user(2)), Some(at(2)));
        assert_eq!(writers.since(user(3)), Some(at(2)));
        let state = writers.state();
        assert!(state.last.len() <= 3 && state.writes.len() <= 3);
    }

    #[test]
    fn what_is_told_late_does_not_take_back_what_was_told() {
        let writers = Writers::new(2);
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        writers.wrote(user(1), at(2));
        writers.wrote(user(1), at(1));
        assert_eq!(writers.since(user(1)), Some(at(2)));
        writers.wrote(user(2), at(3));
        assert_eq!(writers.since(user(1)), Some(at(2)));
    }

    #[test]
    fn another_nodes_clock_may_be_behind_or_before() {
        let now = Timestamp(1_000_000);
        let begin = Instant::now();
        let ago = |written| instant(Timestamp(written), (now, begin)).map(|at| begin - at);
        assert_eq!(ago(1_000_000), Some(Duration::ZERO));
        assert_eq!(ago(2_000_000), Some(Duration::ZERO), "of the future");
        assert_eq!(ago(999_500), Some(Duration::ZERO), "so recent that it may be of now");
        assert_eq!(ago(997_000), Some(Duration::from_secs(2)));
        let year = Duration::from_secs(365 * 24 * 60 * 60);
        assert!(ago(i64::MIN).is_none_or(|ago| ago > year));
    }
}
