//! How far a server is, by its own word, and whether that counts.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::Position;

pub(super) struct Standing<P> {
    heard: Mutex<Heard<P>>,
    /// How far it is; `None`: it is of no use now.
    progress: watch::Sender<Option<P>>,
}

/// What a server said of itself.
struct Heard<P> {
    last: Option<P>,
    /// Whether the primary was as far later.
    confirmed: Option<bool>,
    /// How often it was lost.
    losses: u64,
}

/// What a server said of itself last, before the primary was asked.
pub(super) struct Word<P> {
    replayed: P,
    losses: u64,
}

impl<P> Default for Heard<P> {
    fn default() -> Self {
        Self {
            last: None,
            confirmed: None,
            losses: 0,
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
    pub(super) fn hear(&self, replayed: &P) -> Option<bool> {
        let mut heard = self.heard();
        heard.last = Some(replayed.clone());
        if heard.confirmed == Some(true) {
            self.progress.send_replace(Some(replayed.clone()));
        }
        heard.confirmed
    }

    /// To be taken along before the primary is asked: by the time of its answer the server may be further.
    pub(super) fn last_word(&self) -> Option<Word<P>> {
        let heard = self.heard();
        let replayed = heard.last.clone()?;
        Some(Word {
            replayed,
            losses: heard.losses,
        })
    }

    /// The primary was asked after that word, and was so far.
    pub(super) fn compare(&self, word: &Word<P>, written: &P) {
        let mut heard = self.heard();
        // Who answers since it was lost may be another.
        if heard.losses == word.losses {
            let is_within = word.replayed.is_within(written);
            heard.confirmed = Some(is_within);
            if !is_within {
                self.progress.send_replace(None);
            }
        }
    }

    pub(super) fn lose(&self) {
        let mut heard = self.heard();
        *heard = Heard {
            losses: heard.losses + 1,
            ..Heard::default()
        };
        self.progress.send_replace(None);
    }

    fn heard(&self) -> MutexGuard<'_, Heard<P>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The primary is asked, and answers before anybody says more.
    fn ask(standing: &Standing<i64>, written: i64) {
        standing.compare(&standing.last_word().unwrap(), &written);
    }

    #[test]
    fn a_replica_counts_once_the_primary_was_as_far() {
        let standing = Standing::<i64>::new();
        let progress = || *standing.progress.borrow();
        assert!(standing.last_word().is_none());
        assert_eq!((standing.hear(&100), progress()), (None, None));
        ask(&standing, 110);
        assert_eq!((standing.hear(&120), progress()), (Some(true), Some(120)));
        // The primary is another, which never wrote as much.
        ask(&standing, 119);
        assert_eq!(progress(), None);
        assert_eq!((standing.hear(&120), progress()), (Some(false), None));
        standing.lose();
        assert_eq!((standing.hear(&120), progress()), (None, None));
    }

    #[test]
    fn an_answer_that_comes_after_the_next_word_is_about_the_one_before_the_question() {
        let standing = Standing::<i64>::new();
        let progress = || *standing.progress.borrow();
        for round in 1..4 {
            standing.hear(&(100 * round));
            let word = standing.last_word().unwrap();
            // It is further by now than the primary was when it was asked.
            standing.hear(&(100 * round + 50));
            standing.compare(&word, &(100 * round + 10));
            let next = 100 * round + 60;
            assert_eq!((standing.hear(&next), progress()), (Some(true), Some(next)));
        }
        // A stranger is found out as well.
        let word = standing.last_word().unwrap();
        standing.hear(&400);
        standing.compare(&word, &350);
        assert_eq!((standing.hear(&410), progress()), (Some(false), None));
    }

    #[test]
    fn what_was_said_before_a_loss_says_nothing_of_who_answers_since() {
        let standing = Standing::<i64>::new();
        standing.hear(&100);
        let word = standing.last_word().unwrap();
        standing.lose();
        standing.hear(&200);
        standing.compare(&word, &150);
        assert_eq!(standing.hear(&210), None);
    }
}
