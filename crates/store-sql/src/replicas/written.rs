//! How far the primary's log went, and when that was asked.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Of the last `lag_max`, the oldest first.
pub(super) struct Written<P> {
    answers: VecDeque<(Instant, P)>,
    lag_max: Duration,
    /// What was asked before is not enough.
    since: Option<Instant>,
}

impl<P: Clone> Written<P> {
    pub(super) fn new(lag_max: Duration) -> Self {
        Self {
            answers: VecDeque::new(),
            lag_max,
            since: None,
        }
    }

    /// All that was acknowledged before `asked` is in `written`.
    pub(super) fn add(&mut self, asked: Instant, written: P) {
        // There may be nobody who reads.
        self.forget(asked);
        if self.since.is_none_or(|since| asked >= since) {
            self.answers.push_back((asked, written));
        }
    }

    /// From now on all that was acknowledged until `now` has to be there.
    pub(super) fn begin_anew(&mut self, now: Instant) {
        self.answers.clear();
        self.since = Some(now);
    }

    /// How far a replica has to be that is read from: no further behind than the limit, and with all that was
    /// acknowledged before `since`. `None`: nobody knows, yet.
    pub(super) fn needed(&mut self, now: Instant, since: Option<Instant>) -> Option<P> {
        self.forget(now);
        let since = since.filter(|_| !mutant!(OwnWrites));
        let first = since.map_or(0, |since| self.answers.partition_point(|(asked, _)| *asked < since));
        self.answers.get(first).map(|(_, written)| written.clone())
    }

    /// What was asked longer ago than the limit.
    fn forget(&mut self, now: Instant) {
        while self
            .answers
            .front()
            .is_some_and(|(asked, _)| now.saturating_duration_since(*asked) > self.lag_max && !mutant!(LagLimit))
        {
            self.answers.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_has_what_was_acknowledged_before_the_primary_was_asked() {
        let mut written = Written::new(Duration::from_millis(100));
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        assert_eq!(written.needed(at(0), None), None, "nobody was asked");
        for (ms, place) in [(0, 10), (50, 20), (100, 30)] {
            written.add(at(ms), place);
        }
        let mut check = |now, since: Option<u64>, expected| {
            assert_eq!(written.needed(at(now), since.map(at)), expected, "{now} {since:?}");
        };
        check(100, None, Some(10));
        check(100, Some(0), Some(10));
        check(100, Some(1), Some(20));
        check(100, Some(50), Some(20));
        check(100, Some(99), Some(30));
        check(100, Some(101), None);
        // The oldest is too old by now.
        check(101, None, Some(20));
        check(101, Some(0), Some(20));
        check(200, None, Some(30));
        check(201, None, None);
    }

    #[test]
    fn no_more_is_kept_than_of_the_limit_while_nobody_reads() {
        let mut written = Written::new(Duration::from_millis(100));
        let begin = Instant::now();
        for ms in (0..10_000).step_by(50) {
            written.add(begin + Duration::from_millis(ms), ms);
        }
        let kept: Vec<_> = written.answers.iter().map(|(_, place)| *place).collect();
        assert_eq!(kept, [9850, 9900, 9950]);
    }

    #[test]
    fn what_was_asked_before_it_begins_anew_does_not_count() {
        let mut written = Written::new(Duration::from_secs(100));
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        written.add(at(0), 10);
        written.begin_anew(at(5));
        // Asked before, answered later.
        written.add(at(4), 15);
        assert_eq!(written.needed(at(6), None), None);
        written.add(at(5), 20);
        written.add(at(7), 30);
        assert_eq!(written.needed(at(8), None), Some(20));
    }
}
