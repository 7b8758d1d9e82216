//! Opening a database, and what an open store is made of.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use engine::Model;
use engine::model::Epoch;
use engine::ports::feed::Feed;
use engine::ports::store::StoreError;
use mongodb::bson::{Document, doc};
use mongodb::options::{Acknowledgment, ClientOptions, ReadConcern, SelectionCriteria, WriteConcern};
use mongodb::{Client, Database};
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::task::JoinHandle;

use crate::error::unavailable;
use crate::system::{self, META, POSITION};
use crate::{MongoOptions, OpenError, relocation};

/// Connections beside those that operations use: for looking at what others commit, whether the server answers, and for
/// ending what got no answer.
const CONNECTIONS_BESIDE: u32 = 4;
/// How often a server is looked for that is gone, and one that was there until now.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// A connection that rested for so long may be forgotten by what lies between, without anybody's being told.
const REST_MAX: Duration = Duration::from_secs(60);

/// A database of an application. Cheap to clone the parts of; one per process is enough.
pub struct MongoStore {
    pub(crate) shared: Arc<Shared>,
    poll: Mutex<Option<Poll>>,
}

/// Looks for what other nodes commit.
struct Poll {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

pub(crate) struct Shared {
    pub(crate) client: Client,
    pub(crate) database: Database,
    pub(crate) options: MongoOptions,
    model: RwLock<Arc<Model>>,
    pub(crate) feed: Feed,
    /// One transaction at a time writes on this node: two would only make each other begin anew.
    pub(crate) writer: tokio::sync::Mutex<()>,
    /// Places in the writer's queue.
    pub(crate) places: Semaphore,
    /// Connections that are free.
    pub(crate) connections: Semaphore,
    /// The position of the last commit that this node knows of.
    pub(crate) last: AtomicU64,
    pub(crate) closed: AtomicBool,
}

impl MongoStore {
    /// Connects, and makes Ninefold's own collections where they aren't there. The application's are the migrator's.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(url: &str, options: &MongoOptions) -> Result<Self, OpenError> {
        let mut client_options = ClientOptions::parse(url)
            .await
            .map_err(|error| OpenError::Url(error.to_string()))?;
        client_options.app_name.get_or_insert_with(|| "ninefold".to_owned());
        client_options.max_pool_size = Some(options.connections_max.saturating_add(CONNECTIONS_BESIDE));
        client_options.max_idle_time.get_or_insert(REST_MAX);
        client_options.heartbeat_freq.get_or_insert(HEARTBEAT);
        client_options.server_selection_timeout = Some(options.connect_timeout);
        client_options.connect_timeout = Some(options.connect_timeout);
        // What is acknowledged survives the loss of a server, and what is read can't be taken back.
        client_options.write_concern = Some(
            WriteConcern::builder()
                .w(Acknowledgment::Majority)
                .journal(true)
                .build(),
        );
        client_options.read_concern = Some(ReadConcern::majority());
        client_options.selection_criteria = Some(SelectionCriteria::ReadPreference(
            mongodb::options::ReadPreference::Primary,
        ));
        let name = client_options.default_database.clone().ok_or(OpenError::NoDatabase)?;
        let host = client_options
            .hosts
            .first()
            .map(ToString::to_string)
            .unwrap_or_default();
        let client = Client::with_options(client_options).map_err(|error| OpenError::Url(error.to_string()))?;
        let database = client.database(&name);
        let hello = database
            .run_command(doc! { "hello": 1 })
            .await
            .map_err(|error| OpenError::Unreachable(error.to_string()))?;
        let is_router = hello.get_str("msg").is_ok_and(|message| message == "isdbgrid");
        if !hello.contains_key("setName") && !is_router {
            return Err(OpenError::Standalone { host });
        }
        let other = |error: mongodb::error::Error| OpenError::Other(error.to_string());
        system::prepare(&database).await.map_err(other)?;
        if !options.incomplete && relocation::mark(&database).await.map_err(other)?.is_some() {
            return Err(OpenError::Incomplete);
        }
        let last = position(&database).await.map_err(other)?;
        let shared = Arc::new(Shared {
            client,
            database,
            options: options.clone(),
            model: RwLock::default(),
            feed: Feed::new(options.changes_kept_max, options.changes_behind_max),
            writer: tokio::sync::Mutex::default(),
            places: Semaphore::new(options.write_queue_max),
            connections: Semaphore::new(options.connections_max.max(1) as usize),
            last: AtomicU64::new(last),
            closed: AtomicBool::new(false),
        });
        let poll = Poll::start(&shared);
        Ok(Self {
            shared,
            poll: Mutex::new(Some(poll)),
        })
    }

    /// Stops looking for what others commit.
    pub(crate) async fn stop_polling(&self) {
        let poll = self.poll.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(poll) = poll {
            // It may have ended by itself.
            let _ = poll.stop.send(true);
            if poll.task.await.is_err() {
                tracing::error!("looking for other nodes' commits panicked");
            }
        }
    }
}

impl Poll {
    fn start(shared: &Arc<Shared>) -> Self {
        let (stop, mut stopped) = watch::channel(false);
        let (watched, interval) = (Arc::downgrade(shared), shared.options.poll_interval);
        let task = tokio::spawn(async move {
            // Ends with the store, also where nobody closes it.
            while tokio::time::timeout(interval, stopped.changed()).await.is_err() {
                if !look(&watched, interval).await {
                    return;
                }
            }
        });
        Self { stop, task }
    }
}

/// Whether the store is still there.
async fn look(shared: &Weak<Shared>, patience: Duration) -> bool {
    let Some(shared) = shared.upgrade() else { return false };
    // Between two commits of our own, so that theirs can be told apart.
    let Ok(_turn) = tokio::time::timeout(patience, shared.writer.lock()).await else {
        return true;
    };
    match tokio::time::timeout(shared.options.query_timeout, position(&shared.database)).await {
        Ok(Ok(position)) => {
            if shared.last.swap(position, Ordering::AcqRel) != position {
                shared.feed.start_over();
            }
        }
        Ok(Err(error)) => tracing::warn!(%error, "can't see what other nodes commit"),
        Err(_) => tracing::warn!("can't see what other nodes commit: the database does not answer in time"),
    }
    true
}

async fn position(database: &Database) -> mongodb::error::Result<u64> {
    let counter = database
        .collection::<Document>(META)
        .find_one(doc! { "_id": POSITION })
        .await?;
    let value = counter.and_then(|counter| counter.get_i64("value").ok()).unwrap_or(0);
    Ok(value.unsigned_abs())
}

impl Shared {
    pub(crate) fn current(&self) -> Arc<Model> {
        Arc::clone(&self.model.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn adopt(&self, model: Arc<Model>) {
        *self.model.write().unwrap_or_else(PoisonError::into_inner) = model;
    }

    /// The adopted model, if it is the one that a permit was made under.
    pub(crate) fn model(&self, epoch: Epoch) -> Result<Arc<Model>, StoreError> {
        let model = self.current();
        if model.epoch == epoch {
            Ok(model)
        } else {
            Err(StoreError::StaleEpoch)
        }
    }

    /// The right to use a connection.
    pub(crate) async fn connection(&self, deadline: Instant) -> Result<SemaphorePermit<'_>, StoreError> {
        let until = deadline.min(Instant::now() + self.options.acquire_timeout);
        let waited = tokio::time::timeout_at(until.into(), self.connections.acquire()).await;
        let permit = waited.map_err(|_| unavailable("all connections to the database are in use"))?;
        permit.map_err(|_| unavailable("it is being closed"))
    }

    pub(crate) fn check_open(&self) -> Result<(), StoreError> {
        if self.closed.load(Ordering::Acquire) {
            Err(unavailable("it is being closed"))
        } else {
            Ok(())
        }
    }
}
