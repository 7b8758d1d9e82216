//! Where data lives. Fit for SQL databases and document stores alike: nothing here speaks SQL.
//!
//! Contract, checked by the conformance suite in `testkit`:
//! - Data is reached by a [`Permit`] alone; one of another epoch than the adopted model's is [`StoreError::StaleEpoch`].
//! - [`Store::commit`] is atomic and durable: when it returns `Ok`, the transaction survives `kill -9` and power loss.
//! - Mutations run in order; a later one sees the earlier. The first failure undoes all.
//! - For an update a store reads the row under its lock, takes `before` judgements in order and `captures`, calls
//!   [`UpdatePlan::apply`](crate::query::UpdatePlan), checks references, writes, changes links, takes `after`
//!   judgements in order on the row as it now is, and reads the answer. A link change bumps `version` and `updated` (which `apply` does).
//! - A read with [`Freshness::Latest`](crate::query::Freshness) sees all that was acknowledged before, by whichever node. One that may be
//!   [`Recent`](crate::query::Freshness) sees one state that held at some moment of the near past, with all that was
//!   acknowledged before the instant that it names; never the structure of another model than the adopted one's.
//! - Every commit has one [`Position`]; its changes reach [`Store::changes`] in that order, after the commit. Of what other
//!   nodes commit, [`ChangeEvent::Elsewhere`] is told when it can be seen.

use std::time::Duration;

use async_trait::async_trait;

use crate::access::Permit;
use crate::model::{CollectionId, Row};
use crate::ports::capabilities::Capabilities;
use crate::ports::relocation::{Relocate, Relocation};
use crate::ports::staging::{StagePlan, Staging};
use crate::query::{Change, Committed, GetPlan, ListPlan, Page, Position, Question, Refusal, Trace, Transaction};

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// In which mutation of the transaction it happened, and what.
    #[error("mutation {index}: {source}")]
    At { index: usize, source: Box<StoreError> },
    #[error("refused: {0:?}")]
    Refused(Refusal),
    /// A unique value is taken; the fields of the index.
    #[error("unique violation of {fields:?}")]
    UniqueViolation { fields: Vec<String> },
    /// A record of this collection still refers to what would be deleted.
    #[error("still referenced by {collection}.{field}")]
    Referenced { collection: String, field: String },
    #[error("a cascade or relation goes beyond {limit} records")]
    TooMany { limit: u32 },
    #[error("the idempotency key was used for another request")]
    IdempotencyMismatch,
    #[error("the model has changed; try again")]
    StaleEpoch,
    #[error("the deadline passed")]
    Timeout,
    /// The queue is full, the connection is lost, the disk is full: worth trying again after a while.
    #[error("the database is not available: {reason}")]
    Unavailable { reason: String, retry_after: Duration },
    /// Unexpected; for the log only.
    #[error("the database failed: {0}")]
    Failed(String),
}

/// Changes of one commit, shared between all who listen.
#[derive(Debug)]
pub struct ChangeSet {
    pub position: Position,
    pub changes: Vec<Change>,
}

/// What a listener gets next.
#[derive(Debug, Clone)]
pub enum ChangeEvent {
    Committed(std::sync::Arc<ChangeSet>),
    /// The listener was too slow and lost some: start over from a snapshot.
    Lagged,
    /// Other nodes committed, and no more is known of it than in which collections; `None`: in any.
    Elsewhere(Option<std::sync::Arc<[CollectionId]>>),
}

#[async_trait]
pub trait Changes: Send {
    /// `None` when the store is closed. Cancel-safe.
    async fn next(&mut self) -> Option<ChangeEvent>;
}

#[async_trait]
pub trait Store: Send + Sync {
    /// What of all that a schema can ask for this kind of database has.
    fn capabilities(&self) -> Capabilities;

    /// `Ok(None)` when there is no such record or the guard fails.
    async fn get(&self, permit: Permit<GetPlan>) -> Result<Option<Row>, StoreError>;

    async fn list(&self, permit: Permit<ListPlan>) -> Result<Page, StoreError>;

    /// Carries a question out, and tells how. For the operator.
    async fn explain(&self, question: Question) -> Result<Trace, StoreError>;

    async fn commit(&self, transaction: Transaction) -> Result<Committed, StoreError>;

    /// Begins an import; see [`Staging`] for the rest of the contract. What it publishes makes every listener of
    /// [`Store::changes`] start over.
    async fn stage(&self, permit: Permit<StagePlan>) -> Result<Box<dyn Staging>, StoreError>;

    /// Opens the way to all that is stored, for moving it; see [`Relocation`] for the rest of the contract. Nobody serves
    /// the database meanwhile.
    async fn relocation(&self, permit: Permit<Relocate>) -> Result<Box<dyn Relocation>, StoreError>;

    /// All commits from now on. Bounded: a slow listener gets [`ChangeEvent::Lagged`].
    fn changes(&self) -> Box<dyn Changes>;

    /// Commits after `position` that are still kept, oldest first; `None` when some of them no longer are.
    async fn changes_since(&self, position: Position) -> Result<Option<Vec<std::sync::Arc<ChangeSet>>>, StoreError>;

    /// Takes on a model whose structure the database already has. Permits of the former are refused from then on.
    fn adopt(&self, model: std::sync::Arc<crate::Model>);

    /// Whether reads that may be [`Recent`](crate::query::Freshness) are answered by others than who writes.
    fn has_replicas(&self) -> bool {
        false
    }

    /// Whether it can answer now; a sentence why not.
    async fn ready(&self) -> Result<(), String>;

    /// Finishes what is queued, checkpoints and closes.
    async fn close(&self);
}
