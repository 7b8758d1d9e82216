//! Connections to a server: so many at most, made when they are needed, lent to one operation at a time.
//!
//! What is not given back is not used again: an operation that ends early, because its caller has gone or its time is
//! up, leaves a connection in an unknown state. It is given up, which undoes what it had open.
//!
//! A connection may be dead without either end having heard: a firewall forgot it, another machine has the address. So one
//! that has rested for long, or since before an operation got no answer, is asked for a sign of life before it is lent.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use engine::ports::store::StoreError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{timeout, timeout_at};

/// How long a caller should wait before it tries again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// A connection that rested longer is looked at before it is used.
const REST_MAX: Duration = Duration::from_secs(10);
/// How long a connection may take to show that it lives.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);
/// How much longer than a statement may run its caller waits: for the server to say so.
const ANSWER: Duration = Duration::from_millis(500);

pub(crate) fn unavailable(reason: &str) -> StoreError {
    StoreError::Unavailable {
        reason: reason.to_owned(),
        retry_after: RETRY_AFTER,
    }
}

/// When an operation must have its end: the caller's deadline, or when the server has ended it itself.
pub(crate) fn until(deadline: Instant, query_timeout: Duration) -> Instant {
    deadline.min(Instant::now() + query_timeout + ANSWER)
}

/// When work that its caller may have left is given up: later than the server itself ends each of a few statements.
pub(crate) fn given_up(query_timeout: Duration) -> Instant {
    Instant::now() + 2 * (query_timeout + ANSWER)
}

/// What is between us and a server, as far as a pool needs to know it.
pub(crate) trait Wire: Send + Sync + 'static {
    type Connection: Send + 'static;
    type Error: Send;

    fn connect(&self) -> impl Future<Output = Result<Self::Connection, Self::Error>> + Send;

    /// How long making a connection may take.
    fn connect_timeout(&self) -> Duration;

    /// What is said of it in the log; no password among it.
    fn described(error: &Self::Error) -> String;

    /// Whether it is known to be of no use: closed, or left in the middle of something.
    fn is_spent(connection: &Self::Connection) -> bool;

    /// The smallest question that there is.
    fn ask(connection: &mut Self::Connection) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Ends it, whatever is under way on it.
    fn give_up(self: Arc<Self>, connection: Self::Connection);

    /// Takes leave of one that nothing is under way on.
    fn end(connection: Self::Connection) -> impl Future<Output = ()> + Send;
}

pub(crate) struct Pool<W: Wire> {
    wire: Arc<W>,
    connections_max: u32,
    acquire_timeout: Duration,
    idle: Mutex<Vec<Idle<W::Connection>>>,
    permits: Arc<Semaphore>,
    /// Grows when what is there already is worth nothing any more.
    generation: AtomicU64,
    /// When an operation last got no answer.
    doubted: Mutex<Option<Instant>>,
}

struct Idle<C> {
    connection: C,
    generation: u64,
    since: Instant,
}

/// A connection that is in use.
pub(crate) struct Lease<W: Wire> {
    pool: Arc<Pool<W>>,
    /// Taken out only by what ends the lease.
    connection: Option<W::Connection>,
    generation: u64,
    _permit: OwnedSemaphorePermit,
}

impl<W: Wire> Pool<W> {
    /// Who needs a connection waits for `acquire_timeout` at most.
    pub(crate) fn new(wire: W, connections_max: usize, acquire_timeout: Duration) -> Self {
        Self {
            wire: Arc::new(wire),
            connections_max: u32::try_from(connections_max).unwrap_or(u32::MAX),
            acquire_timeout,
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(connections_max)),
            generation: AtomicU64::default(),
            doubted: Mutex::default(),
        }
    }

    /// What the connections are made by.
    pub(crate) fn wire(&self) -> &W {
        &self.wire
    }

    /// Waits for a connection until `deadline`, and never longer than for the time-out of the pool.
    pub(crate) async fn lease(self: &Arc<Self>, deadline: Instant) -> Result<Lease<W>, StoreError> {
        let now = Instant::now();
        // A time-out alone would let pass what is there at once.
        if now >= deadline {
            return Err(StoreError::Timeout);
        }
        let patience = deadline.min(now + self.acquire_timeout);
        let waited = timeout_at(patience.into(), Arc::clone(&self.permits).acquire_owned()).await;
        let permit = waited.map_err(|_| unavailable("all connections to the database are in use"))?;
        let permit = permit.map_err(|_| unavailable("the database is being closed"))?;
        // What is seldom done stands apart in memory: the future of each operation would have room for it otherwise.
        let (connection, generation) = match self.take_idle().await {
            Some(taken) => taken,
            None => Box::pin(self.connected(deadline)).await?,
        };
        Ok(Lease {
            pool: Arc::clone(self),
            connection: Some(connection),
            generation,
            _permit: permit,
        })
    }

    /// A connection that can be had without waiting.
    pub(crate) fn at_hand(self: &Arc<Self>) -> Option<Lease<W>> {
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok()?;
        let idle = self.pop_idle()?;
        if self.is_doubtful(&idle) {
            self.idle().push(idle);
            return None;
        }
        Some(Lease {
            pool: Arc::clone(self),
            connection: Some(idle.connection),
            generation: idle.generation,
            _permit: permit,
        })
    }

    /// Whether all connections are in use, so that somebody may wait for one.
    pub(crate) fn is_short(&self) -> bool {
        self.permits.available_permits() == 0
    }

    /// One that is its caller's own, beside those of the pool.
    pub(crate) async fn connect(&self) -> Result<W::Connection, W::Error> {
        self.wire.connect().await
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        self.wire.connect_timeout()
    }

    async fn connected(&self, deadline: Instant) -> Result<(W::Connection, u64), StoreError> {
        let generation = self.generation.load(Ordering::Acquire);
        match timeout_at(deadline.into(), self.wire.connect()).await {
            Ok(Ok(connection)) => Ok((connection, generation)),
            Ok(Err(error)) => {
                tracing::warn!(error = W::described(&error), "no connection to the database");
                Err(unavailable("the database can't be reached"))
            }
            Err(_) => Err(StoreError::Timeout),
        }
    }

    async fn take_idle(&self) -> Option<(W::Connection, u64)> {
        loop {
            let mut idle = self.pop_idle()?;
            if !self.is_doubtful(&idle) {
                return Some((idle.connection, idle.generation));
            }
            let asking = Box::pin(W::ask(&mut idle.connection));
            if matches!(timeout(SIGN_OF_LIFE, asking).await, Ok(Ok(()))) {
                return Some((idle.connection, idle.generation));
            }
            tracing::debug!("a connection to the database is dead; none that is older is used again");
            self.renew();
        }
    }

    fn pop_idle(&self) -> Option<Idle<W::Connection>> {
        let generation = self.generation.load(Ordering::Acquire);
        loop {
            let idle = self.idle().pop()?;
            if idle.generation == generation && !W::is_spent(&idle.connection) {
                return Some(idle);
            }
        }
    }

    fn is_doubtful(&self, idle: &Idle<W::Connection>) -> bool {
        let doubted = *self.doubted();
        !mutant!(SignOfLife)
            && (idle.since.elapsed() > REST_MAX || doubted.is_some_and(|doubted| doubted >= idle.since))
    }

    /// Connections that are there already are not used again.
    pub(crate) fn renew(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.idle().clear();
    }

    /// Lends nothing more, and waits until all is given back.
    pub(crate) async fn close(&self) {
        // Fails when another call did so before.
        if let Ok(all) = self.permits.acquire_many(self.connections_max).await {
            self.permits.close();
            drop(all);
        }
        let idle = std::mem::take(&mut *self.idle());
        for idle in idle {
            W::end(idle.connection).await;
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle<W::Connection>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn doubted(&self) -> MutexGuard<'_, Option<Instant>> {
        self.doubted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Wire> Lease<W> {
    pub(crate) fn connection_mut(&mut self) -> &mut W::Connection {
        self.connection
            .as_mut()
            .expect("a lease has its connection until it ends")
    }

    pub(crate) fn connection(&self) -> &W::Connection {
        self.connection
            .as_ref()
            .expect("a lease has its connection until it ends")
    }

    /// Something on it got no answer.
    pub(crate) fn doubt(&self) {
        *self.pool.doubted() = Some(Instant::now());
    }

    /// Connections that are as old are not used again.
    pub(crate) fn lost(&self) {
        let next = self.generation + 1;
        let renewed = self
            .pool
            .generation
            .compare_exchange(self.generation, next, Ordering::AcqRel, Ordering::Acquire);
        if renewed.is_ok() {
            self.pool.idle().clear();
        }
    }

    /// Whether what is there already is still used.
    pub(crate) fn is_current(&self) -> bool {
        self.generation == self.pool.generation.load(Ordering::Acquire) && !W::is_spent(self.connection())
    }

    /// For others to use; nothing is open on it.
    pub(crate) fn give_back(mut self) {
        if let Some(connection) = self.connection.take_if(|connection| !W::is_spent(connection)) {
            self.pool.idle().push(Idle {
                connection,
                generation: self.generation,
                since: Instant::now(),
            });
        }
    }
}

impl<W: Wire> Drop for Lease<W> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.doubt();
            Arc::clone(&self.pool.wire).give_up(connection);
        }
    }
}

/// Gives back the connection of what came to its end in time.
pub(crate) fn finish<W: Wire, T, E>(done: Result<Result<T, StoreError>, E>, lease: Lease<W>) -> Result<T, StoreError> {
    match done {
        Ok(result) => {
            lease.give_back();
            result
        }
        Err(_) => Err(StoreError::Timeout),
    }
}
