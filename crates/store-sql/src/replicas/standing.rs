//! How far a server is, by its own word, and whether that counts.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use super::Position;

pub(super) struct Standing<P> {
    heard: Mutex<Heard<P>>,
    /// How far it is; `None`: it is of no use now.
    progress: watch::Sender<Option<P>>,
}

/// What a server said of itself.
struct Heard<P> {
    last: Option<(Instant, P)>,
    /// Whether the primary was as far later.
    confirmed: Option<bool>,
}

impl<P> Default for Heard<P> {
    fn default() -> Self {
        Self {
            last: None,
            confirmed: None,
        }
    }
}

impl<P: Position> Standing<P> {
    pub(super) fn new() -> Self {
        Self {
            heard: Mutex::default(),
            progress: watch::Sender::new(None),
        }
    }

    /// Whether it has all that is needed, as far as is known.
    pub(super) fn has(&self, needed: &P) -> bool {
        let progress = self.progress.borrow();
        progress.as_ref().is_some_and(|progress| progress.has(needed))
    }

    /// Ends when it is of no use any more. Cancel-safe.
    pub(super) async fn lost(&self) {
        let mut progress = self.progress.subscribe();
        // The sender is our own.
        let _ = progress.wait_for(Option::is_none).await;
    }

    /// It said now how far it is; whether the primary was as far the last time, where that is known.
    pub(super) fn hear(&self, now: Instant, replayed: &P) -> Option<bool> {
        let mut heard = self.heard();
        heard.last = Some((now, replayed.clone()));
        if heard.confirmed == Some(true) {
            self.progress.send_replace(Some(replayed.clone()));
        }
        heard.confirmed
    }

    /// The primary was asked then, and was so far.
    pub(super) fn compare(&self, asked: Instant, written: &P) {
        let mut heard = self.heard();
        if let Some((said, replayed)) = &heard.last
            && *said <= asked
        {
            let is_within = replayed.is_within(written);
            heard.confirmed = Some(is_within);
            if !is_within {
                self.progress.send_replace(None);
            }
        }
    }

    pub(super) fn lose(&self) {
        *self.heard() = Heard::default();
        self.progress.send_replace(None);
    }

    fn heard(&self) -> MutexGuard<'_, Heard<P>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_replica_counts_once_the_primary_was_as_far() {
        let standing = Standing::<i64>::new();
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let progress = || *standing.progress.borrow();
        assert_eq!(standing.hear(at(10), &100), None);
        // Asked before the replica was.
        standing.compare(at(9), &50);
        assert_eq!((standing.hear(at(20), &110), progress()), (None, None));
        standing.compare(at(25), &110);
        assert_eq!((standing.hear(at(30), &120), progress()), (Some(true), Some(120)));
        // It may be further than what the primary said before.
        standing.compare(at(29), &110);
        assert_eq!(progress(), Some(120));
        // The primary is another, which never wrote as much.
        standing.compare(at(35), &119);
        assert_eq!(progress(), None);
        assert_eq!((standing.hear(at(40), &120), progress()), (Some(false), None));
        standing.lose();
        assert_eq!((standing.hear(at(50), &120), progress()), (None, None));
    }
}
