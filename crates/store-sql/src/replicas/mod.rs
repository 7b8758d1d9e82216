//! Servers that follow the primary, and which of them is far enough for a read.
//!
//! The primary is asked all the time how far its log goes. Whoever has replayed as much has all that was acknowledged, by
//! any node, before that was asked. So a read that has to hold what was acknowledged before some moment needs a replica
//! as far as the first answer to what was asked after it, and no read may be answered by one that is not as far as the oldest
//! answer within the limit. By what a replica said of itself last it is only chosen: how far it is each read asks
//! once more, on its own connection and before its first statement, and goes to the primary if that is not enough.
//!
//! A server is a replica as long as it follows another, has the primary's identity and has replayed nothing that the primary
//! had not written later: one that has has followed a primary that is no more. How servers are asked, and what they answer, is
//! the database's own: [`Probe`], [`Position`].

mod replica;
mod standing;
mod written;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use engine::ports::store::StoreError;
use futures::future::{join, join_all};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::pool::{Lease, Pool, Wire};
use replica::Replica;
use written::Written;

/// How often each server is asked.
const INTERVAL: Duration = Duration::from_millis(50);
/// Before another connection is made.
const PAUSE: Duration = Duration::from_secs(1);
/// How long any question may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// How far a server's log goes. Of two neither may be further than the other.
pub(crate) trait Position: Clone + Send + Sync + 'static {
    /// Whether who has replayed this has all that was written.
    fn has(&self, written: &Self) -> bool;

    /// Whether nothing is replayed in it that was not written.
    fn is_within(&self, written: &Self) -> bool;
}

/// What a server is asked, over a connection of the probe's own. The errors are for the log; who waits has a limit.
pub(crate) trait Probe: Sized + Send + 'static {
    type Wire: Wire;
    type Position: Position;
    /// By what copies of the same data are known.
    type Identity: Clone + PartialEq + Send + Sync;

    fn of_primary(pool: &Pool<Self::Wire>) -> impl Future<Output = Result<Self, String>> + Send;

    fn of_follower(pool: &Pool<Self::Wire>) -> impl Future<Output = Result<Self, String>> + Send;

    fn identity(&self) -> &Self::Identity;

    /// How far the primary's log goes; fails on a server that only reads.
    fn written(&mut self) -> impl Future<Output = Result<Self::Position, String>> + Send;

    /// How far a server has replayed the log of the one that it follows; fails where it follows none.
    fn replayed(&mut self) -> impl Future<Output = Result<Self::Position, String>> + Send;
}

/// What a replica answered: on which connection, how far it was before, and what was read.
pub(crate) type Answered<P, T> = (
    Lease<<P as Probe>::Wire>,
    Option<<P as Probe>::Position>,
    Result<T, StoreError>,
);

pub(crate) struct Replicas<P: Probe> {
    shared: Arc<Shared<P>>,
    /// Whose turn it is.
    next: AtomicUsize,
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

struct Shared<P: Probe> {
    primary: Arc<Pool<P::Wire>>,
    written: Mutex<Written<P::Position>>,
    /// The primary's, as long as it can be reached.
    identity: watch::Sender<Option<P::Identity>>,
    replicas: Vec<Replica<P>>,
}

impl<P: Probe> Replicas<P> {
    /// `None` where there are none. They are watched from when there is something to be read.
    pub(crate) fn new(primary: &Arc<Pool<P::Wire>>, replicas: Vec<Pool<P::Wire>>, lag_max: Duration) -> Option<Self> {
        if replicas.is_empty() {
            return None;
        }
        let numbered = replicas.into_iter().zip(1..);
        let shared = Shared {
            primary: Arc::clone(primary),
            written: Mutex::new(Written::new(lag_max)),
            identity: watch::Sender::new(None),
            replicas: numbered.map(|(pool, number)| Replica::new(number, pool)).collect(),
        };
        Some(Self {
            shared: Arc::new(shared),
            next: AtomicUsize::default(),
            stop: watch::Sender::new(false),
            task: Mutex::default(),
        })
    }

    /// The primary's, as long as it can be reached.
    pub(crate) fn identity(&self) -> Option<P::Identity> {
        self.shared.identity.borrow().clone()
    }

    /// Has one answer that is far enough for what was acknowledged before `since`; `None`: none can, and the primary has to.
    /// `work` asks it how far it is before it reads.
    pub(crate) async fn read<T, F>(
        &self,
        since: Option<Instant>,
        deadline: Instant,
        work: impl FnOnce(Lease<P::Wire>) -> F,
    ) -> Option<Result<T, StoreError>>
    where
        F: Future<Output = Answered<P, T>>,
    {
        let (replica, needed) = self.choose(since)?;
        replica.read(&needed, deadline, work).await
    }

    /// One that is far enough, as far as is known, and how far that is.
    fn choose(&self, since: Option<Instant>) -> Option<(&Replica<P>, P::Position)> {
        let needed = self.shared.written().needed(Instant::now(), since)?;
        let replicas = &self.shared.replicas;
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % replicas.len();
        let (later, first) = replicas.split_at(turn);
        let mut in_turn = first.iter().chain(later);
        let found = in_turn.find(|replica| replica.standing.has(&needed))?;
        Some((found, needed))
    }

    /// Whatever was acknowledged until now has to be in all that is read from now on, such as the tables of another model.
    pub(crate) fn begin_anew(&self) {
        self.shared.written().begin_anew(Instant::now());
        for replica in &self.shared.replicas {
            replica.pool.renew();
        }
        self.task().get_or_insert_with(|| self.watch());
    }

    fn watch(&self) -> JoinHandle<()> {
        let (shared, mut stopped) = (Arc::clone(&self.shared), self.stop.subscribe());
        tokio::spawn(async move {
            tokio::select! {
                // Also when the store is gone without having been closed.
                _ = stopped.wait_for(|stopped| *stopped) => {}
                _ = join(shared.watch_primary(), shared.watch_replicas()) => {}
            }
        })
    }

    pub(crate) async fn close(&self) {
        self.stop.send_replace(true);
        let task = self.task().take();
        if let Some(task) = task
            && task.await.is_err()
        {
            tracing::error!("what watches the replicas panicked");
        }
        for replica in &self.shared.replicas {
            replica.pool.close().await;
        }
    }

    fn task(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Probe> Shared<P> {
    async fn watch_primary(&self) {
        loop {
            if let Err(reason) = self.attend_primary().await {
                tracing::warn!(
                    reason,
                    "the primary can't be asked how far it is; no replica is read from until it can"
                );
            }
            // What was known of it, and with it who its replicas are.
            self.identity.send_replace(None);
            self.written().begin_anew(Instant::now());
            self.replicas.iter().for_each(|replica| replica.standing.lose());
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn attend_primary(&self) -> Result<(), String> {
        let patience = self.primary.connect_timeout() + PATIENCE;
        let mut primary = within(patience, P::of_primary(&self.primary)).await?;
        self.identity.send_replace(Some(primary.identity().clone()));
        loop {
            let words: Vec<_> = self
                .replicas
                .iter()
                .map(|replica| replica.standing.last_word())
                .collect();
            let asked = Instant::now();
            let written = within(PATIENCE, primary.written()).await?;
            for (replica, word) in self.replicas.iter().zip(words) {
                if let Some(word) = word {
                    replica.standing.compare(&word, &written);
                }
            }
            self.written().add(asked, written);
            tokio::time::sleep(INTERVAL).await;
        }
    }

    async fn watch_replicas(&self) {
        join_all(self.replicas.iter().map(|replica| self.watch(replica))).await;
    }

    async fn watch(&self, replica: &Replica<P>) {
        // What was last said of it, so that the log hears of each change once.
        let mut told = None;
        loop {
            if let Err(reason) = self.attend(replica, &mut told).await {
                replica.standing.lose();
                replica.tell(&mut told, reason);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn attend(&self, replica: &Replica<P>, told: &mut Option<String>) -> Result<(), String> {
        // Who isn't known has no replicas. The sender is our own.
        let _ = self.identity.subscribe().wait_for(Option::is_some).await;
        let patience = replica.pool.connect_timeout() + PATIENCE;
        let mut follower = within(patience, P::of_follower(&replica.pool)).await?;
        loop {
            let is_ours = self
                .identity
                .borrow()
                .as_ref()
                .map(|identity| identity == follower.identity());
            if is_ours == Some(false) {
                return Err("it holds another database".to_owned());
            }
            let replayed = within(PATIENCE, follower.replayed()).await?;
            // Who may be of another primary has nothing to say.
            if is_ours.is_some() {
                let confirmed = replica.standing.hear(&replayed);
                let needed = self.written().needed(Instant::now(), None);
                match (confirmed, needed) {
                    (Some(false), _) => return Err("it is further than the primary: it follows another".to_owned()),
                    (Some(true), Some(needed)) if !replayed.has(&needed) => {
                        replica.tell(told, "it is too far behind".to_owned());
                    }
                    (Some(true), Some(_)) if told.take().is_some() => {
                        tracing::info!(replica = replica.number, "a replica is read from again");
                    }
                    (Some(true) | None, _) => {}
                }
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    fn written(&self) -> MutexGuard<'_, Written<P::Position>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn within<T>(patience: Duration, asking: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let answered = tokio::time::timeout(patience, asking).await;
    answered.unwrap_or_else(|_| Err("no answer in time".to_owned()))
}
