//! Several nodes on one database: each tells the others what it committed, once it can be seen.
//!
//! A node has a connection of its own for this, a row in `_ninefold_node`, and a lock that the server lets go of when that
//! connection ends. As long as another row is there it posts to `_ninefold_feed` in which tables it committed, many commits at
//! once; commits themselves wait for nothing, and a node that is alone posts nothing. Numbers in the feed grow by one, and one
//! is seen only after all before it: who posts takes the next number, and again where another was quicker.
//!
//! Nothing is missed. Who finds that it is no longer alone posts first that anything may have changed: what it committed until then
//! nobody was told. Of a node that has died without taking leave the others post the same. Who can't reach the
//! database goes on from the number that it has read, or hears that anything may have changed where that is no longer kept.

use std::collections::BTreeSet;
use std::future::ready;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use engine::Model;
use engine::model::CollectionId;
use engine::ports::feed::Feed;
use engine::ports::store::{ChangeEvent, Changes};
use futures::FutureExt as _;
use futures::future::Either;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use uuid::Uuid;

/// How often it is looked who else is there.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How long any question to the database may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Before another connection is made.
const PAUSE: Duration = Duration::from_secs(1);
/// How long commits are gathered before they are posted together.
const GATHER: Duration = Duration::from_millis(10);
/// Entries that are kept for those who come back, and how many are written between two looks at that.
const KEPT: i64 = 10_000;
const TRIM_INTERVAL: i64 = 256;
/// Entries that are read at once.
pub(crate) const READ_MAX: i64 = 1_000;

/// What a node posts: the tables, by a line each; `None`: any.
pub(crate) struct Entry {
    pub(crate) number: i64,
    pub(crate) node: i64,
    pub(crate) tables: Option<String>,
}

/// Where the entries are: a connection to the database, and what it is asked. Each is one statement, committed at once.
pub(crate) trait Board: Send + 'static {
    /// Takes the lock of a node, and then writes its row.
    fn join(&mut self, node: i64) -> impl Future<Output = Result<(), String>> + Send;

    /// All nodes, and whether each still has its lock.
    fn nodes(&mut self) -> impl Future<Output = Result<Vec<(i64, bool)>, String>> + Send;

    fn forget(&mut self, node: i64) -> impl Future<Output = Result<(), String>> + Send;

    /// The last number; 0 before the first.
    fn last(&mut self) -> impl Future<Output = Result<i64, String>> + Send;

    /// `false`: another took the number.
    fn post(
        &mut self,
        number: i64,
        node: i64,
        tables: Option<&str>,
    ) -> impl Future<Output = Result<bool, String>> + Send;

    /// Entries behind a number, in order, [`READ_MAX`] at most.
    fn read(&mut self, after: i64) -> impl Future<Output = Result<Vec<Entry>, String>> + Send;

    /// Removes entries up to a number.
    fn trim(&mut self, number: i64) -> impl Future<Output = Result<(), String>> + Send;

    /// Wakes those who wait for an entry.
    fn wake(&mut self) -> impl Future<Output = Result<(), String>> + Send;

    /// Comes when somebody woke those who wait, or when it is time to look by oneself. Cancel-safe.
    fn woken(&mut self) -> impl Future<Output = ()> + Send;
}

/// Makes connections.
pub(crate) trait Boards: Send + Sync + 'static {
    type Board: Board;

    /// `None`: the database has no place for entries yet.
    fn open(&self) -> impl Future<Output = Result<Option<Self::Board>, String>> + Send;
}

/// This node's part in it, for as long as the store is open.
pub(crate) struct Node {
    number: Arc<AtomicI64>,
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

struct Member<B: Boards> {
    boards: B,
    number: Arc<AtomicI64>,
    feed: Arc<Feed>,
    model: Arc<RwLock<Arc<Model>>>,
    stopped: watch::Receiver<bool>,
    /// The last number that was read; `None` before the first look.
    read: Option<i64>,
    /// What this node commits, as long as others are to hear of it.
    own: Option<Box<dyn Changes>>,
    /// Not yet posted.
    pending: Pending,
    /// Dropped when others know of this node, or can't.
    joined: Option<oneshot::Sender<()>>,
}

#[derive(Default, PartialEq)]
enum Pending {
    #[default]
    Nothing,
    Tables(BTreeSet<String>),
    Anything,
}

impl Node {
    /// Takes a place among the nodes, if there is none yet. What it answers ends when others know of this node, or it is clear
    /// that they can't now.
    pub(crate) fn join<B: Boards>(
        place: &OnceLock<Self>,
        boards: B,
        feed: &Arc<Feed>,
        model: &Arc<RwLock<Arc<Model>>>,
    ) -> impl Future<Output = ()> + use<B> {
        let mut joined = None;
        place.get_or_init(|| {
            let (node, joining) = Self::start(boards, Arc::clone(feed), Arc::clone(model));
            joined = Some(joining);
            node
        });
        joined.map_or_else(|| Either::Left(ready(())), Either::Right)
    }

    fn start<B: Boards>(
        boards: B,
        feed: Arc<Feed>,
        model: Arc<RwLock<Arc<Model>>>,
    ) -> (Self, impl Future<Output = ()>) {
        let (stop, stopped) = watch::channel(false);
        let (joined, waiting) = oneshot::channel();
        let number = Arc::new(AtomicI64::new(0));
        let member = Member {
            boards,
            number: Arc::clone(&number),
            feed,
            model,
            stopped,
            read: None,
            own: None,
            pending: Pending::Nothing,
            joined: Some(joined),
        };
        let node = Self {
            number,
            stop,
            task: Mutex::new(Some(tokio::spawn(member.run()))),
        };
        (node, waiting.map(drop))
    }

    /// By which others know this node, from before it has its lock; 0: not yet.
    pub(crate) fn number(&self) -> Arc<AtomicI64> {
        Arc::clone(&self.number)
    }

    /// Posts what is left, and takes leave.
    pub(crate) async fn stop(&self) {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // It may have ended by itself.
            let _ = self.stop.send(true);
            if task.await.is_err() {
                tracing::error!("the exchange with other nodes panicked");
            }
        }
    }
}

impl<B: Boards> Member<B> {
    async fn run(mut self) {
        while !self.is_stopped() {
            let opened = tokio::time::timeout(PATIENCE, self.boards.open()).await;
            let board = match opened {
                Ok(Ok(Some(board))) => board,
                Ok(Ok(None)) => {
                    tracing::warn!("live queries hear of this process alone until `ninefold migrate apply` has run");
                    self.joined.take();
                    return;
                }
                Ok(Err(reason)) => {
                    self.unreachable(&reason).await;
                    continue;
                }
                Err(_) => {
                    self.unreachable("no answer in time").await;
                    continue;
                }
            };
            if let Err(reason) = self.attend(board).await {
                self.unreachable(&reason).await;
            }
        }
    }

    fn is_stopped(&self) -> bool {
        // Also when the store is gone without having been closed.
        *self.stopped.borrow() || self.stopped.has_changed().is_err()
    }

    async fn unreachable(&mut self, reason: &str) {
        self.joined.take();
        tracing::warn!(
            reason,
            "can't exchange with other nodes what was committed; trying again"
        );
        let _ = tokio::time::timeout(PAUSE, self.stopped.changed()).await;
    }

    /// Takes part until it is stopped, or the connection fails.
    async fn attend(&mut self, mut board: B::Board) -> Result<(), String> {
        let node = number();
        self.number.store(node, Ordering::Relaxed);
        within(board.join(node)).await?;
        let last = within(board.last()).await?;
        let mut others = self.look(&mut board, node).await?;
        if self.read.is_none() {
            self.read = Some(last);
            if others || last > 0 {
                // Who listened before this was not told.
                self.feed.elsewhere(None);
            }
        }
        let mut looked = Instant::now();
        self.joined.take();
        loop {
            // All that is committed by then is told below, also to those who came a moment ago.
            let is_last = self.is_stopped();
            self.take_in(&mut board, node).await?;
            if is_last || looked.elapsed() >= LOOK_INTERVAL {
                others = self.look(&mut board, node).await?;
                looked = Instant::now();
            }
            self.listen(others);
            self.post(&mut board, node).await?;
            if is_last {
                within(board.forget(node)).await?;
                return Ok(());
            }
            let waiting = async {
                tokio::select! {
                    () = board.woken() => {}
                    () = self.pending.gather(&mut self.own, &self.model) => {}
                    _ = self.stopped.changed() => {}
                }
            };
            let _ = tokio::time::timeout(LOOK_INTERVAL.saturating_sub(looked.elapsed()), waiting).await;
        }
    }

    /// Whether others are there. Of those who died the rest is told.
    async fn look(&mut self, board: &mut B::Board, node: i64) -> Result<bool, String> {
        let nodes = within(board.nodes()).await?;
        let mut others = false;
        for (other, is_alive) in nodes.iter().filter(|(other, _)| *other != node) {
            if *is_alive {
                others = true;
                continue;
            }
            append(board, *other, None).await?;
            within(board.forget(*other)).await?;
        }
        if !nodes.iter().any(|(other, _)| *other == node) {
            return Err("another node took this one for dead".to_owned());
        }
        Ok(others)
    }

    /// From now on, or no longer, others are to hear of what is committed here.
    fn listen(&mut self, others: bool) {
        if !others {
            self.own = None;
            self.pending = Pending::Nothing;
        } else if self.own.is_none() {
            self.own = Some(self.feed.listen());
            // Until now nobody heard.
            self.pending = Pending::Anything;
        }
    }

    async fn post(&mut self, board: &mut B::Board, node: i64) -> Result<(), String> {
        self.pending.take(&mut self.own, &self.model);
        let tables = match &self.pending {
            Pending::Nothing => return Ok(()),
            Pending::Tables(tables) => Some(tables.iter().map(String::as_str).collect::<Vec<_>>().join("\n")),
            Pending::Anything => None,
        };
        let number = append(board, node, tables.as_deref()).await?;
        self.pending = Pending::Nothing;
        if number % TRIM_INTERVAL == 0 {
            within(board.trim(number - KEPT)).await?;
        }
        Ok(())
    }

    /// Tells who listens here what others have posted.
    async fn take_in(&mut self, board: &mut B::Board, node: i64) -> Result<(), String> {
        loop {
            let after = self.read.unwrap_or_default();
            let entries = within(board.read(after)).await?;
            let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
                return Ok(());
            };
            if first.number != after + 1 {
                self.feed.elsewhere(None);
            }
            for entry in entries.iter().filter(|entry| entry.node != node) {
                self.feed.elsewhere(self.collections(entry.tables.as_deref()));
            }
            self.read = Some(last.number);
            if (entries.len() as i64) < READ_MAX {
                return Ok(());
            }
        }
    }

    /// `None`: any; also where there is one that this node's model doesn't know.
    fn collections(&self, tables: Option<&str>) -> Option<Arc<[CollectionId]>> {
        let model = self.model.read().unwrap_or_else(PoisonError::into_inner);
        let find = |table: &str| {
            let found = model.collections.iter().find(|collection| collection.table == table);
            found.map(|collection| collection.id)
        };
        tables?.lines().map(find).collect()
    }
}

impl Pending {
    /// Waits for a commit, and a moment longer for others. Cancel-safe.
    async fn gather(&mut self, own: &mut Option<Box<dyn Changes>>, model: &RwLock<Arc<Model>>) {
        let Some(changes) = own else {
            return std::future::pending().await;
        };
        match changes.next().await {
            Some(event) => self.add(&event, model),
            // The store is being closed; the end is told otherwise.
            None => return std::future::pending().await,
        }
        tokio::time::sleep(GATHER).await;
    }

    /// What has come already.
    fn take(&mut self, own: &mut Option<Box<dyn Changes>>, model: &RwLock<Arc<Model>>) {
        let Some(changes) = own else { return };
        while let Some(Some(event)) = changes.next().now_or_never() {
            self.add(&event, model);
        }
    }

    fn add(&mut self, event: &ChangeEvent, model: &RwLock<Arc<Model>>) {
        match event {
            ChangeEvent::Elsewhere(_) => {}
            ChangeEvent::Lagged => *self = Self::Anything,
            ChangeEvent::Committed(set) => {
                let model = model.read().unwrap_or_else(PoisonError::into_inner);
                for change in &set.changes {
                    // One that the model doesn't have is of the model before.
                    match (model.collections.get(change.collection.0 as usize), &mut *self) {
                        (_, Self::Anything) => {}
                        (None, _) => *self = Self::Anything,
                        (Some(collection), Self::Tables(tables)) => {
                            if !tables.contains(&collection.table) {
                                tables.insert(collection.table.clone());
                            }
                        }
                        (Some(collection), Self::Nothing) => {
                            *self = Self::Tables(BTreeSet::from([collection.table.clone()]));
                        }
                    }
                }
            }
        }
    }
}

/// Under the next number, which others want, too.
async fn append<B: Board>(board: &mut B, node: i64, tables: Option<&str>) -> Result<i64, String> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let number = within(board.last()).await? + 1;
        if within(board.post(number, node, tables)).await? {
            within(board.wake()).await?;
            return Ok(number);
        }
    }
    Err("others were quicker all the time".to_owned())
}

async fn within<T>(asking: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let answered = tokio::time::timeout(PATIENCE, asking).await;
    answered.unwrap_or_else(|_| Err("the database does not answer in time".to_owned()))
}

/// That no other node has.
fn number() -> i64 {
    let (high, _) = Uuid::new_v4().as_u64_pair();
    i64::from_ne_bytes(high.to_ne_bytes())
}
