//! Lists that take long, told to the log once in a while, with the index that they miss.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::access::Permit;
use crate::expr::without_values;
use crate::operations::ListRequest;
use crate::pipeline::{Engine, Moment};
use crate::query::{ListPlan, Question};

/// What the caller of a slow list waits more, at most, while the database is asked which index would help.
pub(super) const ADVICE_PATIENCE: Duration = Duration::from_millis(500);
/// How long nothing more is said about lists that ask the same.
const SILENCE: Duration = Duration::from_secs(10 * 60);
/// Lists that are remembered as told; the log stays quiet about more of them than that.
const TOLD_MAX: usize = 256;

#[derive(Debug)]
pub(crate) struct SlowQueries {
    threshold: Option<Duration>,
    told: Mutex<HashMap<u64, Instant>>,
}

impl SlowQueries {
    pub(crate) fn new(threshold: Option<Duration>) -> Self {
        Self {
            threshold,
            told: Mutex::default(),
        }
    }

    pub(super) fn are_like(&self, took: Duration) -> bool {
        self.threshold.is_some_and(|threshold| took >= threshold)
    }

    /// Whether it is time to tell of what asks this.
    fn is_news(&self, asked: &impl Hash, now: Instant) -> bool {
        let mut hasher = DefaultHasher::new();
        asked.hash(&mut hasher);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|_, since| now.duration_since(*since) < SILENCE);
        if told.len() >= TOLD_MAX || told.contains_key(&hasher.finish()) {
            return false;
        }
        told.insert(hasher.finish(), now);
        true
    }
}

impl Engine {
    /// Once for lists that differ in nothing but their values.
    pub(super) async fn tell_slow(&self, moment: &Moment, request: &ListRequest, plan: ListPlan, took: Duration) {
        let collection = &moment.model.collection(plan.collection).name;
        let filter = request.filter.as_deref().map(without_values).unwrap_or_default();
        let sort = request.sort.as_deref().unwrap_or_default();
        let asked = (collection, &filter, sort, request.count);
        if !self.slow_queries().is_news(&asked, Instant::now()) {
            return;
        }
        let question = Question::Advise(Permit::seal(plan, moment.model.epoch));
        let advice = match self.store().explain(question).await {
            Ok(trace) => trace.advice.into_iter().next(),
            // There is something to tell all the same.
            Err(_) => None,
        };
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        match advice {
            Some(advice) => tracing::warn!(
                collection,
                filter,
                sort,
                count = request.count,
                took_ms,
                add_to_type = %advice.directive(&moment.model),
                "a slow list misses an index"
            ),
            None => tracing::warn!(collection, filter, sort, count = request.count, took_ms, "a slow list"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_told_once_in_a_while() {
        let slow = SlowQueries::new(Some(Duration::from_millis(100)));
        assert!(slow.are_like(Duration::from_millis(100)) && !slow.are_like(Duration::from_millis(99)));
        let now = Instant::now();
        assert!(slow.is_news(&"a", now) && !slow.is_news(&"a", now + SILENCE / 2));
        assert!(slow.is_news(&"b", now) && slow.is_news(&"a", now + SILENCE));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let slow = SlowQueries::new(Some(Duration::ZERO));
        let now = Instant::now();
        let news = (0..2 * TOLD_MAX).filter(|asked| slow.is_news(asked, now)).count();
        assert_eq!(news, TOLD_MAX);
    }

    #[test]
    fn nothing_is_slow_where_nothing_is_to_be_told() {
        assert!(!SlowQueries::new(None).are_like(Duration::MAX));
    }
}
