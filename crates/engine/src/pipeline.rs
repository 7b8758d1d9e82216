//! The single path that every operation takes.
//!
//! An operation sees one [`Moment`]: a model, a time, and the caller's grants under both. A store that has moved on to
//! another model refuses the permit, and the operation is planned again under the new one.

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use uuid::Uuid;

use crate::access::Grants;
use crate::error::{Error, ErrorCode, FieldError};
use crate::expr::{Facts, RequestFacts};
use crate::model::{Collection, Epoch, Key, Model, Timestamp, Value, closest};
use crate::operations::Ctx;
use crate::operations::expressions::Expressions;
use crate::operations::freshness::Writers;
use crate::operations::idempotency::InFlight;
use crate::operations::slow::SlowQueries;
use crate::ports::clock::Clock;
use crate::ports::store::{Store, StoreError};
use crate::query::{Bindings, OwnedFacts};

/// How often an operation is planned again because the model changed under it.
const REPLANS_MAX: u32 = 3;
/// How long a model may be on its way from the store to the engine that adopts it.
const ADOPTION_PATIENCE: Duration = Duration::from_millis(100);

/// Limits of the engine; each is a key of `[limits]` in `ninefold.toml`.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Records in a page when the caller doesn't say.
    pub page_default: u32,
    pub page_max: u32,
    /// Length of a filter, in bytes.
    pub filter_bytes_max: usize,
    /// Levels of `expand`.
    pub expand_depth_max: u32,
    /// Related records of one to-many field in an answer, and in one change of it.
    pub related_max: u32,
    /// Steps of a batch, and records of an array create.
    pub batch_max: usize,
    /// Records that one delete may cascade to.
    pub cascade_max: u32,
    /// Live subscriptions at once.
    pub watch_max: usize,
    /// Idempotency keys in flight at once.
    pub in_flight_max: usize,
    /// How long an idempotency key is kept, in seconds.
    pub idempotency_s: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            page_default: 30,
            page_max: 500,
            filter_bytes_max: 8 * 1024,
            expand_depth_max: 4,
            related_max: 500,
            batch_max: 500,
            cascade_max: 10_000,
            watch_max: 10_000,
            in_flight_max: 10_000,
            idempotency_s: 24 * 60 * 60,
        }
    }
}

/// Everything that the engine stands on.
pub struct Parts {
    pub model: Arc<Model>,
    /// Has adopted the model.
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub limits: Limits,
    /// Authenticates cursors. The same on every node and after a restart.
    pub cursor_key: [u8; 32],
    /// How long a list may take before the log is told of it; `None`: it never is.
    pub slow_query: Option<Duration>,
}

/// An application at work.
pub struct Engine {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    limits: Limits,
    cursor_key: [u8; 32],
    model: watch::Sender<Arc<Model>>,
    in_flight: Arc<InFlight>,
    writers: Writers,
    watches: Arc<Semaphore>,
    expressions: Expressions,
    slow_queries: SlowQueries,
    account_listener: OnceLock<AccountListener>,
}

/// Told which user's record a write changed or deleted.
pub(crate) type AccountListener = Box<dyn Fn(Uuid) + Send + Sync>;

/// One consistent view: everything about a request is decided under the same model and the same time.
pub(crate) struct Moment {
    pub(crate) model: Arc<Model>,
    pub(crate) now: Timestamp,
}

impl Engine {
    pub fn new(parts: Parts) -> Self {
        let Parts {
            model,
            store,
            clock,
            limits,
            cursor_key,
            slow_query,
        } = parts;
        let watches = Arc::new(Semaphore::new(limits.watch_max));
        let model = watch::Sender::new(model);
        Self {
            store,
            clock,
            limits,
            cursor_key,
            model,
            in_flight: Arc::default(),
            writers: Writers::default(),
            watches,
            expressions: Expressions::default(),
            slow_queries: SlowQueries::new(slow_query),
            account_listener: OnceLock::new(),
        }
    }

    pub fn model(&self) -> Arc<Model> {
        self.model.borrow().clone()
    }

    /// The current model and every later one.
    pub fn models(&self) -> watch::Receiver<Arc<Model>> {
        self.model.subscribe()
    }

    /// Goes on with another model, whose structure the database already has.
    pub fn adopt(&self, model: Arc<Model>) {
        self.store.adopt(model.clone());
        self.model.send_replace(model);
    }

    /// Whether it can serve now; a sentence why not.
    pub async fn ready(&self) -> Result<(), String> {
        self.store.ready().await
    }

    /// Finishes what is queued and closes the store.
    pub async fn close(&self) {
        self.watches.close();
        self.store.close().await;
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    pub(crate) fn cursor_key(&self) -> &[u8; 32] {
        &self.cursor_key
    }

    pub(crate) fn in_flight(&self) -> &Arc<InFlight> {
        &self.in_flight
    }

    pub(crate) fn writers(&self) -> &Writers {
        &self.writers
    }

    pub(crate) fn watches(&self) -> &Arc<Semaphore> {
        &self.watches
    }

    pub(crate) fn expressions(&self) -> &Expressions {
        &self.expressions
    }

    pub(crate) fn slow_queries(&self) -> &SlowQueries {
        &self.slow_queries
    }

    pub(crate) fn account_listener(&self) -> &OnceLock<AccountListener> {
        &self.account_listener
    }

    pub(crate) fn moment(&self) -> Moment {
        Moment {
            model: self.model(),
            now: self.clock.now(),
        }
    }

    /// Plans and runs an operation; again, if the model changed in between.
    pub(crate) async fn retrying<T, F, Fut>(&self, operation: F) -> Result<T, Error>
    where
        F: Fn(Moment) -> Fut,
        Fut: Future<Output = Result<T, Error>>,
    {
        let mut replans = 0;
        loop {
            let moment = self.moment();
            let epoch = moment.model.epoch;
            let result = operation(moment).await;
            let is_stale = result.as_ref().is_err_and(is_stale_epoch);
            if !is_stale || replans == REPLANS_MAX || !self.moves_on_from(epoch).await {
                return result;
            }
            replans += 1;
        }
    }

    /// Whether there is another model, which the store may know of a moment before this engine does.
    async fn moves_on_from(&self, epoch: Epoch) -> bool {
        let mut models = self.models();
        let another = models.wait_for(|model| model.epoch != epoch);
        matches!(tokio::time::timeout(ADOPTION_PATIENCE, another).await, Ok(Ok(_)))
    }

    /// A store's failure in the caller's terms.
    pub(crate) fn failed(&self, grants: &Grants<'_>, error: StoreError) -> Error {
        match error {
            StoreError::At { index, source } => self.failed(grants, *source).in_operation(index),
            StoreError::Refused(refusal) => grants.refused(refusal),
            StoreError::UniqueViolation { fields } => unique_violation(fields),
            StoreError::Referenced { collection, field } => Error::new(
                ErrorCode::Referenced,
                format!("still referenced by `{field}` of {collection}; change or delete those records first"),
            ),
            StoreError::TooMany { limit } => Error::new(
                ErrorCode::TooLarge,
                format!("more than {limit} related records are involved; ask for fewer"),
            ),
            StoreError::IdempotencyMismatch => Error::new(
                ErrorCode::IdempotencyMismatch,
                "this idempotency key was used for another request; make a new one for each",
            ),
            StoreError::Timeout => Error::new(ErrorCode::Timeout, "the request took too long; ask for less or retry"),
            stale @ StoreError::StaleEpoch => Error::new(ErrorCode::Unavailable, "the schema is changing; retry")
                .retry_after(1)
                .because(stale),
            StoreError::Unavailable { reason, retry_after } => {
                let seconds = u32::try_from(retry_after.as_secs()).unwrap_or(u32::MAX).max(1);
                Error::new(ErrorCode::Unavailable, "the database can't take this now; retry")
                    .retry_after(seconds)
                    .because(reason)
            }
            failed @ StoreError::Failed(_) => Error::internal(failed),
        }
    }

    /// The same, for a transaction of so many steps: says in which, where that isn't plain.
    pub(crate) fn failed_write(&self, grants: &Grants<'_>, error: StoreError, steps: usize) -> Error {
        let mut failed = self.failed(grants, error);
        match failed.operation.take() {
            Some(index) => crate::operations::in_step(failed, index, steps),
            None => failed,
        }
    }
}

pub(crate) fn unique_violation(fields: Vec<String>) -> Error {
    let mut error = Error::new(
        ErrorCode::UniqueViolation,
        format!("`{}` is taken", fields.join("`, `")),
    );
    error.fields = fields
        .into_iter()
        .map(|field| FieldError::new(field, "taken", "is taken; choose another"))
        .collect();
    error
}

fn is_stale_epoch(error: &Error) -> bool {
    let source = std::error::Error::source(error);
    matches!(
        source.and_then(|source| source.downcast_ref()),
        Some(StoreError::StaleEpoch)
    )
}

impl Moment {
    pub(crate) fn grants<'a>(&'a self, ctx: &'a Ctx, operation: &'static str) -> Grants<'a> {
        let request = RequestFacts {
            operation,
            address: ctx.address,
        };
        Grants::new(
            &self.model,
            Facts {
                principal: &ctx.principal,
                now: self.now,
                request,
            },
        )
    }

    pub(crate) fn owned_facts(&self, ctx: &Ctx, operation: &'static str) -> OwnedFacts {
        OwnedFacts {
            principal: ctx.principal.clone(),
            now: self.now,
            operation,
            address: ctx.address,
        }
    }

    pub(crate) fn bindings(&self, ctx: &Ctx) -> Bindings {
        Bindings {
            auth_id: ctx.principal.user_id().map_or(Value::Null, Value::Id),
            auth_roles: Value::List(ctx.principal.roles().iter().cloned().map(Value::Text).collect()),
            now: self.now,
        }
    }

    pub(crate) fn collection(&self, name: &str) -> Result<&Collection, Error> {
        if let Some(collection) = self.model.by_path(name).or_else(|| self.model.by_name(name)) {
            return Ok(collection);
        }
        let mut message = format!("there is no collection `{name}`");
        let paths = self.model.collections.iter().map(|collection| collection.path.as_str());
        if let Some(close) = closest(name, paths) {
            message.push_str(&format!("; did you mean `{close}`?"));
        }
        Err(Error::new(ErrorCode::NotFound, message))
    }

    /// What can't be a key names no record.
    pub(crate) fn key(&self, collection: &Collection, text: &str) -> Result<Key, Error> {
        self.model.parse_key(collection, text).ok_or_else(Error::not_found)
    }
}
