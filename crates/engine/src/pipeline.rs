//! The single path that every operation takes.

use std::sync::Arc;

use crate::error::Error;
use crate::live::Watch;
use crate::model::Model;
use crate::operations::{Ctx, GetRequest, ListReply, ListRequest, Reply, Step, WriteOptions, WriteReply};
use crate::ports::clock::Clock;
use crate::ports::store::Store;

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
    /// Related records of one to-many field in an answer.
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
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub limits: Limits,
    /// Authenticates cursors. The same on every node and after a restart.
    pub cursor_key: [u8; 32],
}

/// An application at work.
pub struct Engine {
    parts: Parts,
}

impl Engine {
    pub fn new(parts: Parts) -> Self {
        Self { parts }
    }

    pub fn model(&self) -> Arc<Model> {
        self.parts.model.clone()
    }

    /// Goes on with another model, whose structure the database already has.
    pub fn adopt(&self, _model: Arc<Model>) {
        unimplemented!()
    }

    pub async fn get(&self, _ctx: &Ctx, _request: &GetRequest) -> Result<Reply, Error> {
        unimplemented!()
    }

    pub async fn list(&self, _ctx: &Ctx, _request: &ListRequest) -> Result<ListReply, Error> {
        unimplemented!()
    }

    /// Every write: one step or a batch, all or nothing. Errors of a batch of more than one carry `operation`.
    pub async fn write(&self, _ctx: &Ctx, _steps: Vec<Step>, _options: &WriteOptions) -> Result<WriteReply, Error> {
        unimplemented!()
    }

    /// A record or a list, live.
    pub async fn watch_list(&self, _ctx: &Ctx, _request: &ListRequest) -> Result<Watch, Error> {
        unimplemented!()
    }

    pub async fn watch_record(&self, _ctx: &Ctx, _request: &GetRequest) -> Result<Watch, Error> {
        unimplemented!()
    }
}
