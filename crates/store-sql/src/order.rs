//! The order of commits, and their positions.
//!
//! A transaction takes a ticket right before it commits, while it holds the locks of all that it wrote. So of two that
//! wrote, or read, the same record, the one that came later has the later ticket. Commits themselves run side by side,
//! so that the server can make many durable at once; what they changed is told in the order of tickets.
//!
//! An insert that commits by itself has no moment before its commit. It takes its ticket when its answer is there, unless
//! somebody else has changed the record by then: who found it as it was inserted knows that it is committed, and gives it
//! the ticket before its own. So nobody's answer waits for an insert that waits for a lock. Only who wrote the record is ordered in this way, not
//! who merely read it: listeners ask again at each change, and find both.
//!
//! Tickets are this process's, and so is the order: of what other nodes commit [`nodes`](crate::nodes) tells when it can be
//! seen.
//!
//! Positions are never used twice over all runs: the database holds a mark that no position given out is beyond, and each
//! run takes the next block behind it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::model::CollectionId;
use engine::ports::feed::Feed;
use engine::ports::store::StoreError;
use engine::query::{Change, Committed, Image, Position};
use tokio::sync::oneshot;

use crate::pool::unavailable;
use crate::write::Written;

/// How many positions a block has.
pub(crate) const BLOCK: u64 = 1_000_000;

pub(crate) struct Order {
    state: Mutex<State>,
    feed: Arc<Feed>,
}

#[derive(Default)]
struct State {
    next_ticket: u64,
    /// The ticket whose turn it is to be told.
    next_told: u64,
    /// What tickets behind that came to.
    settled: BTreeMap<u64, Fate>,
    next_insert: u64,
    inserting: Vec<Inserting>,
    /// The last position that was given out, and the end of the block.
    last: u64,
    end: u64,
}

/// A record that is being inserted by a statement that commits by itself.
struct Inserting {
    number: u64,
    collection: CollectionId,
    image: Image,
    /// Given by the first who has seen it.
    ticket: Option<u64>,
}

enum Fate {
    Committed(Vec<Change>, oneshot::Sender<Position>),
    RolledBack,
    /// The connection was lost in between.
    Unknown,
}

/// A place in the order. One that is dropped may or may not have been committed.
pub(crate) struct Ticket {
    order: Arc<Order>,
    number: u64,
    is_settled: bool,
}

/// Of an insert that commits by itself: becomes its ticket when it is known what came of it.
pub(crate) struct Insert {
    order: Arc<Order>,
    number: u64,
    is_over: bool,
}

impl Order {
    pub(crate) fn new(feed: Arc<Feed>) -> Self {
        Self {
            state: Mutex::default(),
            feed,
        }
    }

    /// Whether another block should be taken before the next commit.
    pub(crate) fn needs_block(&self) -> bool {
        let state = self.state();
        state.last + BLOCK / 2 > state.end
    }

    /// Takes a block that ends with `end`.
    pub(crate) fn take_block(&self, end: u64) {
        let mut state = self.state();
        let begin = end.saturating_sub(BLOCK);
        if begin != state.end {
            // It is the first, or another run has the one between.
            state.last = state.last.max(begin);
        }
        state.end = state.end.max(end);
    }

    /// For a transaction that has made these changes, right before its commit.
    pub(crate) fn ticket(self: &Arc<Self>, changes: &[Change]) -> Ticket {
        let mut state = self.state();
        state.order_inserts(changes);
        let number = state.take_ticket();
        drop(state);
        self.numbered(number)
    }

    /// Before the record is sent whose insert commits by itself.
    pub(crate) fn insert(self: &Arc<Self>, collection: CollectionId, image: Image) -> Insert {
        let mut state = self.state();
        let number = state.next_insert;
        state.next_insert += 1;
        state.inserting.push(Inserting {
            number,
            collection,
            image,
            ticket: None,
        });
        Insert {
            order: Arc::clone(self),
            number,
            is_over: false,
        }
    }

    fn numbered(self: &Arc<Self>, number: u64) -> Ticket {
        Ticket {
            order: Arc::clone(self),
            number,
            is_settled: false,
        }
    }

    fn settle(&self, number: u64, fate: Fate) {
        let mut state = self.state();
        state.settled.insert(number, fate);
        loop {
            let turn = state.next_told;
            let Some(fate) = state.settled.remove(&turn) else {
                return;
            };
            state.next_told += 1;
            match fate {
                Fate::Committed(changes, position) => {
                    state.last += 1;
                    self.feed.publish(Position(state.last), changes);
                    // Its caller may have gone.
                    let _ = position.send(Position(state.last));
                }
                Fate::RolledBack => {}
                Fate::Unknown => self.feed.start_over(),
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take_ticket(&mut self) -> u64 {
        let number = self.next_ticket;
        self.next_ticket += 1;
        number
    }

    /// What others have changed was there: its insert comes before.
    fn order_inserts(&mut self, changes: &[Change]) {
        let next_ticket = &mut self.next_ticket;
        for inserting in self.inserting.iter_mut().filter(|inserting| inserting.ticket.is_none()) {
            if changes.iter().any(|change| inserting.was_found(change)) {
                inserting.ticket = Some(*next_ticket);
                *next_ticket += 1;
            }
        }
    }
}

impl Inserting {
    fn was_found(&self, change: &Change) -> bool {
        change.collection == self.collection && change.before.as_ref() == Some(&self.image)
    }
}

impl Insert {
    /// What came of it is known now. One that is dropped instead may or may not have been committed.
    pub(crate) fn ticket(mut self) -> Ticket {
        self.end()
    }

    fn end(&mut self) -> Ticket {
        self.is_over = true;
        let mut state = self.order.state();
        let place = state
            .inserting
            .iter()
            .position(|inserting| inserting.number == self.number);
        let given = place.and_then(|place| state.inserting.swap_remove(place).ticket);
        let number = given.unwrap_or_else(|| state.take_ticket());
        drop(state);
        self.order.numbered(number)
    }
}

impl Drop for Insert {
    fn drop(&mut self) {
        if !self.is_over {
            drop(self.end());
        }
    }
}

impl Ticket {
    /// The position comes when all that have earlier tickets are settled.
    fn committed(mut self, changes: Vec<Change>) -> oneshot::Receiver<Position> {
        let (sender, receiver) = oneshot::channel();
        self.is_settled = true;
        self.order.settle(self.number, Fate::Committed(changes, sender));
        receiver
    }

    /// The answer of what was committed, when it is told.
    pub(crate) async fn concluded(self, written: Written) -> Result<Committed, StoreError> {
        let Written { outcomes, changes } = written;
        let position = self.committed(changes).await;
        let position = position.map_err(|_| unavailable("the database is being closed"))?;
        Ok(Committed::Done { position, outcomes })
    }

    pub(crate) fn rolled_back(mut self) {
        self.is_settled = true;
        self.order.settle(self.number, Fate::RolledBack);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.is_settled {
            self.order.settle(self.number, Fate::Unknown);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::slice;

    use engine::model::{Key, Value};
    use uuid::Uuid;

    use super::*;

    fn order() -> Arc<Order> {
        Arc::new(Order::new(Arc::new(Feed::new(8, 8))))
    }

    #[test]
    fn what_commits_first_waits_for_who_came_first() {
        let order = order();
        order.take_block(BLOCK);
        let (first, second, third) = (order.ticket(&[]), order.ticket(&[]), order.ticket(&[]));
        let mut third = third.committed(Vec::new());
        assert!(third.try_recv().is_err());
        let mut first = first.committed(Vec::new());
        assert_eq!(first.try_recv(), Ok(Position(1)));
        assert!(third.try_recv().is_err());
        second.rolled_back();
        assert_eq!(third.try_recv(), Ok(Position(2)));
    }

    #[test]
    fn what_may_have_been_committed_makes_listeners_start_over() {
        let order = order();
        order.take_block(BLOCK);
        drop(order.ticket(&[]).committed(Vec::new()));
        assert_eq!(order.feed.since(Position(0)).map(|sets| sets.len()), Some(1));
        drop(order.ticket(&[]));
        assert!(order.feed.since(Position(1)).is_none());
    }

    #[test]
    fn an_insert_comes_before_what_others_did_to_its_record() {
        let order = order();
        order.take_block(BLOCK);
        let (collection, image) = (CollectionId(0), Image(vec![Value::Int(1)]));
        let change = |before: &Image| Change {
            collection,
            key: Key::id(Uuid::nil()),
            before: Some(before.clone()),
            after: None,
            links: Vec::new(),
        };
        let update = change(&image);
        let insert = order.insert(collection, image.clone());
        let mut other = order.ticket(&[]).committed(Vec::new());
        assert_eq!(
            other.try_recv(),
            Ok(Position(1)),
            "who has nothing to do with it waits for nothing"
        );
        let mut updated = order.ticket(slice::from_ref(&update)).committed(Vec::new());
        assert!(updated.try_recv().is_err(), "told before the record was there");
        let mut inserted = insert.ticket().committed(Vec::new());
        assert_eq!(
            (inserted.try_recv(), updated.try_recv()),
            (Ok(Position(2)), Ok(Position(3)))
        );

        // A record that was there before, and whose key the insert waits for.
        let insert = order.insert(collection, image);
        let mut deleted = order.ticket(&[change(&Image::default())]).committed(Vec::new());
        assert_eq!(deleted.try_recv(), Ok(Position(4)), "it was waited for");
        drop(insert);
        assert!(order.feed.since(Position(4)).is_none(), "it may have been committed");
        let mut again = order.ticket(&[update]).committed(Vec::new());
        assert_eq!(again.try_recv(), Ok(Position(5)));
    }

    #[test]
    fn positions_go_on_in_the_next_block_and_never_in_another_runs() {
        let order = order();
        assert!(order.needs_block());
        order.take_block(3 * BLOCK);
        assert!(!order.needs_block());
        let next = |order: &Arc<Order>| order.ticket(&[]).committed(Vec::new()).try_recv().unwrap().0;
        assert_eq!(next(&order), 2 * BLOCK + 1);
        order.take_block(4 * BLOCK);
        assert_eq!(next(&order), 2 * BLOCK + 2);
        order.take_block(6 * BLOCK);
        assert_eq!(next(&order), 5 * BLOCK + 1);
    }
}
