//! What was committed, for those who listen and for those who come back.
//!
//! Positions grow by one with each commit and are never used twice: they begin, at each start, behind a mark that is
//! kept in the database and moved on once in a million commits. So a position of an earlier run is recognized as such.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::CollectionId;
use crate::ports::store::{ChangeEvent, ChangeSet, Changes};
use crate::query::{Change, Position};
use async_trait::async_trait;
use tokio::sync::broadcast::{self, error::RecvError};

pub struct Feed {
    /// `None` once closed.
    sender: Mutex<Option<broadcast::Sender<ChangeEvent>>>,
    behind_max: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    sets: VecDeque<Arc<ChangeSet>>,
    /// Records changed in all of `sets`, and how many there may be.
    changes: usize,
    changes_max: usize,
    /// The last position before the first of `sets`; `None` before the first commit of this run.
    since: Option<Position>,
    /// Changes that are not among `sets` lie between the last commit and the next.
    gap: bool,
}

impl Kept {
    fn keep(&mut self, set: &Arc<ChangeSet>) {
        if std::mem::take(&mut self.gap) {
            self.since = Some(set.position);
            return;
        }
        if self.since.is_none() {
            self.since = Some(Position(set.position.0 - 1));
        }
        self.changes += weight(set);
        self.sets.push_back(Arc::clone(set));
        while self.changes > self.changes_max
            && let Some(gone) = self.sets.pop_front()
        {
            self.changes -= weight(&gone);
            self.since = Some(gone.position);
        }
    }
}

impl Feed {
    /// Keeps commits until more than `kept_max` records were changed by them; a listener may be `behind_max` commits
    /// behind.
    pub fn new(kept_max: usize, behind_max: usize) -> Self {
        Self {
            sender: Mutex::new(Some(broadcast::Sender::new(behind_max.max(1)))),
            behind_max,
            kept: Mutex::new(Kept {
                changes_max: kept_max,
                ..Kept::default()
            }),
        }
    }

    /// Called in the order of positions, after the commit.
    pub fn publish(&self, position: Position, changes: Vec<Change>) {
        let set = Arc::new(ChangeSet { position, changes });
        {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.keep(&set);
        }
        self.tell(ChangeEvent::Committed(set));
    }

    /// Much was changed that isn't told one by one: who listens or comes back starts over.
    pub fn start_over(&self) {
        self.forget();
        self.tell(ChangeEvent::Lagged);
    }

    /// Other nodes committed, in these collections, or in any.
    pub fn elsewhere(&self, collections: Option<Arc<[CollectionId]>>) {
        self.forget();
        self.tell(ChangeEvent::Elsewhere(collections));
    }

    /// What comes next doesn't follow what is kept.
    fn forget(&self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Kept {
            changes_max: kept.changes_max,
            gap: true,
            ..Kept::default()
        };
    }

    fn tell(&self, event: ChangeEvent) {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = &*sender {
            // Nobody may be listening.
            let _ = sender.send(event);
        }
    }

    pub fn listen(&self) -> Box<dyn Changes> {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        // Of a closed feed: a listener that hears at once that there is nothing more.
        let receiver = match &*sender {
            Some(sender) => sender.subscribe(),
            None => broadcast::Sender::new(self.behind_max.max(1)).subscribe(),
        };
        Box::new(Listener(receiver))
    }

    pub fn since(&self, position: Position) -> Option<Vec<Arc<ChangeSet>>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let last = kept.sets.back().map(|set| set.position).or(kept.since)?;
        if position < kept.since? || position > last {
            return None;
        }
        Some(
            kept.sets
                .iter()
                .filter(|set| set.position > position)
                .cloned()
                .collect(),
        )
    }

    pub fn close(&self) {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// What a commit counts against the limit; an empty one is kept too.
fn weight(set: &ChangeSet) -> usize {
    set.changes.len().max(1)
}

struct Listener(broadcast::Receiver<ChangeEvent>);

#[async_trait]
impl Changes for Listener {
    async fn next(&mut self) -> Option<ChangeEvent> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(RecvError::Lagged(_)) => Some(ChangeEvent::Lagged),
            Err(RecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(feed: &Feed, since: u64) -> Option<Vec<u64>> {
        let sets = feed.since(Position(since))?;
        Some(sets.iter().map(|set| set.position.0).collect())
    }

    #[test]
    fn only_what_is_kept_without_a_gap_is_given() {
        let feed = Feed::new(3, 8);
        assert_eq!(positions(&feed, 0), None);
        for position in 101..=105 {
            feed.publish(Position(position), Vec::new());
        }
        assert_eq!(positions(&feed, 101), None);
        assert_eq!(positions(&feed, 102), Some(vec![103, 104, 105]));
        assert_eq!(positions(&feed, 105), Some(vec![]));
        assert_eq!(positions(&feed, 106), None);
    }

    #[tokio::test]
    async fn what_is_not_told_one_by_one_makes_all_start_over() {
        let feed = Feed::new(8, 8);
        let mut listener = feed.listen();
        feed.publish(Position(1), Vec::new());
        feed.start_over();
        assert_eq!(positions(&feed, 1), None);
        feed.publish(Position(2), Vec::new());
        feed.publish(Position(3), Vec::new());
        assert_eq!(positions(&feed, 1), None);
        assert_eq!(positions(&feed, 2), Some(vec![3]));
        assert!(matches!(listener.next().await, Some(ChangeEvent::Committed(_))));
        assert!(matches!(listener.next().await, Some(ChangeEvent::Lagged)));
        assert!(matches!(listener.next().await, Some(ChangeEvent::Committed(_))));
    }

    #[tokio::test]
    async fn what_others_commit_is_told_and_lies_between_what_is_kept() {
        let feed = Feed::new(8, 8);
        let mut listener = feed.listen();
        feed.publish(Position(1), Vec::new());
        feed.elsewhere(Some(Arc::from([CollectionId(3)])));
        assert_eq!(positions(&feed, 1), None);
        assert!(matches!(listener.next().await, Some(ChangeEvent::Committed(_))));
        let told = listener.next().await;
        assert!(matches!(told, Some(ChangeEvent::Elsewhere(Some(collections))) if *collections == [CollectionId(3)]));
    }

    #[tokio::test]
    async fn a_slow_listener_is_told_and_a_closed_feed_ends() {
        let feed = Feed::new(3, 2);
        let mut listener = feed.listen();
        for position in 1..=5 {
            feed.publish(Position(position), Vec::new());
        }
        assert!(matches!(listener.next().await, Some(ChangeEvent::Lagged)));
        assert!(matches!(listener.next().await, Some(ChangeEvent::Committed(set)) if set.position == Position(4)));
        assert!(matches!(listener.next().await, Some(ChangeEvent::Committed(_))));
        feed.close();
        assert!(listener.next().await.is_none());
        assert!(feed.listen().next().await.is_none());
    }
}
