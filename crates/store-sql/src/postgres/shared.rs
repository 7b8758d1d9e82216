//! Connections that several reads have at once.
//!
//! To find a record by its key takes the server less time than to wake the process that serves a connection. So such
//! reads don't wait for a connection of their own: they are sent on one, each behind the other, and are answered in that
//! order. Each waits for those before it; so only what is found by keys is read like this, and by so many at once. All else
//! that can go wrong is as with a connection of one's own: one that somebody got no answer on is given up, once the others
//! have left it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use engine::ports::store::StoreError;

use super::pool::{Connection, Lease, Pool};

/// Reads on one connection at once.
const READERS_MAX: usize = 16;
/// Reads that a connection takes, one after another, while somebody waits for one.
const TURN: usize = READERS_MAX;
/// A connection without an answer for so long takes no more: what is read there may wait for a lock.
const STALL: Duration = Duration::from_millis(20);

/// Those of a pool that are shared at the moment.
pub(super) struct SharedConnections {
    pool: Arc<Pool>,
    /// Connections to share before the first takes a second reader: what the server can do at once is more than one.
    few: usize,
    open: Mutex<Vec<Shared>>,
}

struct Shared {
    lease: Arc<Lease>,
    readers: usize,
    /// Since somebody may have begun to wait for a connection.
    taken: usize,
    /// When it last had an answer, or no reader.
    moved: Instant,
    /// Whether all who left it had their answers.
    is_sound: bool,
}

/// A reader's place on a connection.
pub(super) struct Seat<'p> {
    connections: &'p SharedConnections,
    /// Taken out only by what ends it.
    lease: Option<Arc<Lease>>,
    is_answered: bool,
}

impl SharedConnections {
    pub(super) fn new(pool: Arc<Pool>) -> Self {
        Self {
            pool,
            few: available_parallelism().map_or(1, usize::from),
            open: Mutex::default(),
        }
    }

    /// Waits until `deadline` at most.
    pub(super) async fn seat(&self, deadline: Instant) -> Result<Seat<'_>, StoreError> {
        if Instant::now() >= deadline {
            return Err(StoreError::Timeout);
        }
        if let Some(lease) = self.at_once() {
            return Ok(self.seated(lease));
        }
        // Apart in memory: most find one.
        let mut shared = Shared::new(Box::pin(self.pool.lease(deadline)).await?);
        let lease = shared.take(self.pool.is_short());
        self.open().push(shared);
        Ok(self.seated(lease))
    }

    fn seated(&self, lease: Arc<Lease>) -> Seat<'_> {
        Seat {
            connections: self,
            lease: Some(lease),
            is_answered: false,
        }
    }

    /// What can be had without waiting.
    fn at_once(&self) -> Option<Arc<Lease>> {
        let mut open = self.open();
        let is_short = self.pool.is_short();
        let count = open.len();
        let fitting = open.iter_mut().filter(|shared| shared.takes_more(is_short));
        let freest = fitting.min_by_key(|shared| shared.readers);
        // Where all are in use none is at hand.
        let new = if count < self.few || freest.is_none() {
            self.pool.at_hand()
        } else {
            None
        };
        let Some(lease) = new else {
            return freest.map(|shared| shared.take(is_short));
        };
        let mut shared = Shared::new(lease);
        let lease = shared.take(is_short);
        open.push(shared);
        Some(lease)
    }

    fn leave(&self, lease: Arc<Lease>, is_answered: bool) {
        let mut open = self.open();
        let place = open.iter().position(|shared| Arc::ptr_eq(&shared.lease, &lease));
        drop(lease);
        let place = place.expect("a connection is shared until its last reader has left");
        let shared = &mut open[place];
        shared.readers -= 1;
        shared.moved = Instant::now();
        if !is_answered && shared.is_sound {
            shared.is_sound = false;
            shared.lease.doubt();
        }
        if shared.readers > 0 {
            return;
        }
        let last = open.swap_remove(place);
        drop(open);
        if let Some(lease) = Arc::into_inner(last.lease)
            && last.is_sound
        {
            lease.give_back();
        }
    }

    fn open(&self) -> MutexGuard<'_, Vec<Shared>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn new(lease: Lease) -> Self {
        Self {
            lease: Arc::new(lease),
            readers: 0,
            taken: 0,
            moved: Instant::now(),
            is_sound: true,
        }
    }

    /// Whether another reader may join. Who waits for a connection, as writes do, gets one nevertheless.
    fn takes_more(&self, is_short: bool) -> bool {
        let has_turn = self.taken < TURN || !is_short;
        let moves = self.moved.elapsed() < STALL;
        self.is_sound && self.readers < READERS_MAX && has_turn && moves && self.lease.is_current()
    }

    fn take(&mut self, is_short: bool) -> Arc<Lease> {
        self.readers += 1;
        self.taken = if is_short { self.taken + 1 } else { 0 };
        Arc::clone(&self.lease)
    }
}

impl Seat<'_> {
    pub(super) fn connection(&self) -> &Connection {
        self.lease().connection()
    }

    /// The connection is as good as it was.
    pub(super) fn answered(mut self) {
        self.is_answered = true;
    }

    /// Its connection is lost, and those as old are with it.
    pub(super) fn lost(self) {
        self.lease().lost();
    }

    fn lease(&self) -> &Lease {
        self.lease.as_ref().expect("a reader has its place until it leaves")
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.connections.leave(lease, self.is_answered);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::PostgresOptions;
    use crate::postgres::pool;
    use crate::postgres::testing::Schema;

    const FAR: Duration = Duration::from_secs(60);

    fn shared(schema: &Schema, connections_max: usize) -> SharedConnections {
        let options = PostgresOptions {
            connections_max,
            acquire_timeout: FAR,
            ..PostgresOptions::default()
        };
        let pool = pool::of(&schema.url(), &options).expect("a URL of the tests' own");
        SharedConnections {
            few: 2,
            ..SharedConnections::new(Arc::new(pool))
        }
    }

    async fn seats(connections: &SharedConnections, count: usize) -> Vec<Seat<'_>> {
        let mut seats = Vec::new();
        for _ in 0..count {
            // As one that was just answered: making a connection may take long.
            connections
                .open()
                .iter_mut()
                .for_each(|shared| shared.moved = Instant::now());
            seats.push(connections.seat(Instant::now() + FAR).await.unwrap());
        }
        seats
    }

    fn readers(connections: &SharedConnections) -> Vec<usize> {
        connections.open().iter().map(|shared| shared.readers).collect()
    }

    #[tokio::test]
    async fn readers_spread_over_few_connections_and_then_over_more() {
        let schema = Schema::new();
        let connections = shared(&schema, 8);
        // There, so that they are at hand.
        let both = [(); 2].map(|()| connections.pool.lease(Instant::now() + FAR));
        for lease in futures::future::join_all(both).await {
            lease.unwrap().give_back();
        }
        let few = seats(&connections, 6).await;
        assert_eq!(readers(&connections), [3, 3]);
        let full = seats(&connections, 2 * READERS_MAX - 6).await;
        let more = seats(&connections, 1).await;
        assert_eq!(readers(&connections), [READERS_MAX, READERS_MAX, 1]);
        for seat in few.into_iter().chain(full).chain(more) {
            seat.answered();
        }
        assert_eq!(readers(&connections), [0; 0]);
        assert!(connections.pool.at_hand().is_some(), "all were given back");
    }

    #[tokio::test]
    async fn who_waits_for_a_connection_gets_one_though_reads_never_cease() {
        let schema = Schema::new();
        let connections = shared(&schema, 1);
        let mut seat = connections.seat(Instant::now() + FAR).await.unwrap();
        let mut waiting = std::pin::pin!(connections.pool.lease(Instant::now() + FAR));
        assert!(futures::poll!(&mut waiting).is_pending());
        // Each begins before the one before it ends.
        for _ in 1..TURN {
            let next = connections.seat(Instant::now() + FAR).await.unwrap();
            std::mem::replace(&mut seat, next).answered();
        }
        let mut late = std::pin::pin!(connections.seat(Instant::now() + FAR));
        assert!(futures::poll!(&mut late).is_pending());
        seat.answered();
        waiting.await.unwrap().give_back();
        late.await.unwrap().answered();
    }

    #[tokio::test]
    async fn a_connection_that_somebody_got_no_answer_on_is_given_up_when_the_last_has_left_it() {
        let schema = Schema::new();
        let connections = shared(&schema, 1);
        let mut seats = seats(&connections, 3).await;
        let client = &seats[0].connection().client;
        let backend = "SELECT pg_backend_pid()";
        let before: i32 = client.query_one(backend, &[]).await.unwrap().get(0);
        drop(seats.pop());
        let mut late = std::pin::pin!(connections.seat(Instant::now() + FAR));
        assert!(futures::poll!(&mut late).is_pending(), "it takes nobody in any more");
        for seat in seats {
            let alive = seat.connection().client.query_one(backend, &[]).await;
            assert_eq!(alive.unwrap().get::<_, i32>(0), before);
            seat.answered();
        }
        let seat = late.await.unwrap();
        let after = seat.connection().client.query_one(backend, &[]).await;
        assert_ne!(after.unwrap().get::<_, i32>(0), before);
    }

    #[tokio::test]
    async fn what_waits_for_a_lock_takes_nobody_along() {
        let schema = Schema::new();
        let connections = shared(&schema, 2);
        let first = seats(&connections, 1).await;
        connections.open()[0].moved = Instant::now().checked_sub(STALL).unwrap();
        let second = connections.seat(Instant::now() + FAR).await.unwrap();
        assert_eq!(readers(&connections), [1, 1]);
        drop((first, second));
    }
}
