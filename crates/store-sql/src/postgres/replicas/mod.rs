//! Servers that follow the primary, and which of them is far enough for a read.
//!
//! The primary is asked all the time how far its log goes. Whoever has replayed as much has all that was acknowledged, by
//! any node, before that was asked. So a read that has to hold what was acknowledged before some moment needs a replica
//! as far as the first answer to what was asked after it, and no read may be answered by one that is not as far as the oldest
//! answer within the limit. By what a replica said of itself last it is only chosen: how far it is each read asks
//! once more, on its own connection and before its first statement, and goes to the primary if that is not enough.
//!
//! A server is a replica as long as it follows another, has the primary's identity and is never further than the primary
//! was later: one that is has followed a primary that is no more.

mod probe;
mod written;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::future::{join, join_all};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::options::{PostgresOpenError, PostgresOptions};
use super::pool::{self, Pool};
use probe::{Follower, Identity, Primary};
use written::Written;

pub(super) use probe::PROGRESS;
pub(super) use written::Lsn;

/// How often each server is asked.
const INTERVAL: Duration = Duration::from_millis(50);
/// Before another connection is made.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Replicas {
    shared: Arc<Shared>,
    /// Whose turn it is.
    next: AtomicUsize,
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    written: Mutex<Written>,
    /// The primary's, as long as it can be reached.
    identity: Mutex<Option<Identity>>,
    replicas: Vec<Replica>,
}

pub(super) struct Replica {
    /// As they stand in the configuration, from 1.
    number: usize,
    pub(super) pool: Arc<Pool>,
    heard: Mutex<Heard>,
    /// How far it is; `None`: it is of no use now.
    progress: watch::Sender<Option<Lsn>>,
}

/// What a server said of itself.
#[derive(Default)]
struct Heard {
    last: Option<(Instant, Lsn)>,
    /// Whether the primary was as far later.
    confirmed: Option<bool>,
}

impl Replicas {
    /// Begins to watch them; `None` where the options name none.
    pub(super) fn start(primary: &Arc<Pool>, options: &PostgresOptions) -> Result<Option<Self>, PostgresOpenError> {
        if options.replicas.is_empty() {
            return Ok(None);
        }
        let options = PostgresOptions {
            reads_only: true,
            ..options.clone()
        };
        let numbered = options.replicas.iter().zip(1..);
        let replicas = numbered.map(|(url, number)| Replica::new(number, url, &options));
        let shared = Arc::new(Shared {
            written: Mutex::new(Written::new(options.replica_lag_max)),
            identity: Mutex::default(),
            replicas: replicas.collect::<Result<_, _>>()?,
        });
        let (stop, mut stopped) = watch::channel(false);
        let (watching, primary) = (Arc::clone(&shared), Arc::clone(primary));
        let task = tokio::spawn(async move {
            tokio::select! {
                // Also when the store is gone without having been closed.
                _ = stopped.wait_for(|stopped| *stopped) => {}
                _ = join(watching.watch_primary(&primary), watching.watch_replicas()) => {}
            }
        });
        Ok(Some(Self {
            shared,
            next: AtomicUsize::default(),
            stop,
            task: Mutex::new(Some(task)),
        }))
    }

    /// One that is far enough, as far as is known, and how far that is.
    pub(super) fn choose(&self, since: Option<Instant>) -> Option<(&Replica, Lsn)> {
        let needed = self.shared.written().needed(Instant::now(), since)?;
        let replicas = &self.shared.replicas;
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % replicas.len();
        let (later, first) = replicas.split_at(turn);
        let mut in_turn = first.iter().chain(later);
        let found = in_turn.find(|replica| replica.progress.borrow().is_some_and(|progress| progress >= needed))?;
        Some((found, needed))
    }

    /// Whatever was acknowledged until now has to be in all that is read from now on, such as the tables of another model.
    pub(super) fn begin_anew(&self) {
        self.shared.written().begin_anew(Instant::now());
        for replica in &self.shared.replicas {
            replica.pool.renew();
        }
    }

    pub(super) async fn close(&self) {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            let _ = self.stop.send(true);
            if task.await.is_err() {
                tracing::error!("what watches the replicas panicked");
            }
        }
        for replica in &self.shared.replicas {
            replica.pool.close().await;
        }
    }
}

impl Shared {
    async fn watch_primary(&self, pool: &Pool) {
        loop {
            if let Err(reason) = self.attend_primary(pool).await {
                tracing::warn!(
                    reason,
                    "the primary can't be asked how far it is; no replica is read from until it can"
                );
            }
            // What was known of it, and with it who its replicas are.
            self.set_identity(None);
            self.written().begin_anew(Instant::now());
            self.replicas.iter().for_each(Replica::lose);
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn attend_primary(&self, pool: &Pool) -> Result<(), String> {
        let primary = Primary::connect(pool).await?;
        self.set_identity(Some(primary.identity().clone()));
        loop {
            let asked = Instant::now();
            let written = primary.written().await?;
            self.replicas.iter().for_each(|replica| replica.compare(asked, written));
            self.written().add(asked, written);
            tokio::time::sleep(INTERVAL).await;
        }
    }

    async fn watch_replicas(&self) {
        join_all(self.replicas.iter().map(|replica| self.watch(replica))).await;
    }

    async fn watch(&self, replica: &Replica) {
        // What was last said of it, so that the log hears of each change once.
        let mut told = None;
        loop {
            if let Err(reason) = self.attend(replica, &mut told).await {
                replica.lose();
                replica.tell(&mut told, reason);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn attend(&self, replica: &Replica, told: &mut Option<String>) -> Result<(), String> {
        let follower = Follower::connect(&replica.pool).await?;
        loop {
            let is_ours = self.identity().as_ref().map(|identity| identity == follower.identity());
            if is_ours == Some(false) {
                return Err("it holds another database".to_owned());
            }
            let replayed = follower.replayed().await?;
            // Who may be of another primary has nothing to say.
            if is_ours.is_some() {
                let confirmed = replica.hear(Instant::now(), replayed);
                let needed = self.written().needed(Instant::now(), None);
                match (confirmed, needed) {
                    (Some(false), _) => return Err("it is further than the primary: it follows another".to_owned()),
                    (Some(true), Some(needed)) if replayed < needed => {
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

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn identity(&self) -> MutexGuard<'_, Option<Identity>> {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_identity(&self, identity: Option<Identity>) {
        *self.identity() = identity;
    }
}

impl Replica {
    fn new(number: usize, url: &str, options: &PostgresOptions) -> Result<Self, PostgresOpenError> {
        let wrong = |reason| PostgresOpenError::Replica { number, reason };
        let pool = pool::of(url, options).map_err(|error| match error {
            PostgresOpenError::Url(reason) => wrong(reason),
            other => other,
        })?;
        if pool.wire().hosts() != 1 {
            return Err(wrong("it names several servers; give each a URL of its own".to_owned()));
        }
        Ok(Self {
            number,
            pool: Arc::new(pool),
            heard: Mutex::default(),
            progress: watch::Sender::new(None),
        })
    }

    /// Ends when it is of no use any more. Cancel-safe.
    pub(super) async fn lost(&self) {
        let mut progress = self.progress.subscribe();
        // The sender is our own.
        let _ = progress.wait_for(Option::is_none).await;
    }

    /// It said now how far it is; whether the primary was as far the last time, where that is known.
    fn hear(&self, now: Instant, replayed: Lsn) -> Option<bool> {
        let mut heard = self.heard();
        heard.last = Some((now, replayed));
        if heard.confirmed == Some(true) {
            self.progress.send_replace(Some(replayed));
        }
        heard.confirmed
    }

    /// The primary was asked then, and was so far.
    fn compare(&self, asked: Instant, written: Lsn) {
        let mut heard = self.heard();
        if let Some((said, replayed)) = heard.last
            && said <= asked
        {
            heard.confirmed = Some(replayed <= written);
            if replayed > written {
                self.progress.send_replace(None);
            }
        }
    }

    /// Says why it isn't read from, unless that was the last that was said.
    fn tell(&self, told: &mut Option<String>, reason: String) {
        if told.as_ref() != Some(&reason) {
            tracing::warn!(replica = self.number, reason, "a replica is not read from");
            *told = Some(reason);
        }
    }

    fn lose(&self) {
        *self.heard() = Heard::default();
        self.progress.send_replace(None);
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica() -> Replica {
        let url = "postgresql://nobody@127.0.0.1:1/nothing";
        Replica::new(1, url, &PostgresOptions::default()).unwrap()
    }

    #[test]
    fn a_replica_counts_once_the_primary_was_as_far() {
        let replica = replica();
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let progress = |replica: &Replica| *replica.progress.borrow();
        assert_eq!(replica.hear(at(10), 100), None);
        // Asked before the replica was.
        replica.compare(at(9), 50);
        assert_eq!((replica.hear(at(20), 110), progress(&replica)), (None, None));
        replica.compare(at(25), 110);
        assert_eq!((replica.hear(at(30), 120), progress(&replica)), (Some(true), Some(120)));
        // It may be further than what the primary said before.
        replica.compare(at(29), 110);
        assert_eq!(progress(&replica), Some(120));
        // The primary is another, which never wrote as much.
        replica.compare(at(35), 119);
        assert_eq!(progress(&replica), None);
        assert_eq!((replica.hear(at(40), 120), progress(&replica)), (Some(false), None));
        replica.lose();
        assert_eq!((replica.hear(at(50), 120), progress(&replica)), (None, None));
    }

    #[test]
    fn a_url_names_one_server() {
        let url = "postgresql://nobody@one.example,two.example/shop";
        let refused = Replica::new(3, url, &PostgresOptions::default()).err().unwrap();
        let refused = refused.to_string();
        assert!(
            refused.contains("replica 3") && refused.contains("several servers"),
            "{refused}"
        );
    }
}
