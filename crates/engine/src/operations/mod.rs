//! What can be asked: one file per operation, its request and its answer.
//!
//! Requests carry what the caller wrote, as text or JSON, so that every surface means the same; names, types and
//! rights are settled in the pipeline.

pub mod accounts;
mod create;
mod cursor;
mod delete;
pub(crate) mod etag;
pub mod explain;
pub mod export;
pub(crate) mod expressions;
pub(crate) mod freshness;
mod get;
pub(crate) mod idempotency;
pub mod import;
mod input;
mod list;
pub mod relocate;
mod shape;
pub(crate) mod slow;
mod update;
mod write;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use serde_json::Map;

use crate::access::Principal;
use crate::model::{Key, Model, Row, Timestamp};
use crate::query::{OutcomeKind, Projection};

pub(crate) use create::touch;
pub(crate) use write::in_step;

/// JSON as a caller sent it.
pub type Data = Map<String, serde_json::Value>;

/// Who asks, and under which limits.
#[derive(Debug, Clone)]
pub struct Ctx {
    pub principal: Principal,
    pub request_id: Arc<str>,
    pub deadline: Instant,
    pub address: Option<IpAddr>,
    pub reads: Reads,
}

/// From which state of the data a caller's reads are answered. Its own writes through this node are always in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    Latest,
    /// One of a moment ago will do, where the store has such; with all that the caller wrote through other nodes until
    /// then ([`WriteReply::acknowledged`]).
    Recent {
        written: Option<Timestamp>,
    },
}

/// Which fields an answer holds: `fields=id,body,author.name`, `expand=author,room.members`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ShapeRequest {
    pub fields: Option<String>,
    pub expand: Option<String>,
}

#[derive(Debug, Clone)]
pub struct GetRequest {
    /// The collection's path segment.
    pub collection: String,
    /// As it stands in the path.
    pub key: String,
    pub shape: ShapeRequest,
}

#[derive(Debug, Clone, Default)]
pub struct ListRequest {
    pub collection: String,
    /// CEL.
    pub filter: Option<String>,
    /// `-sent,id`.
    pub sort: Option<String>,
    pub limit: Option<u32>,
    pub cursor: Option<String>,
    pub count: bool,
    pub shape: ShapeRequest,
}

/// `If-Match` and `If-None-Match`, as opaque tags without quotes; `*` is `Any`.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Precondition {
    #[default]
    None,
    /// Must exist with one of these tags.
    Match(Vec<String>),
    /// Must exist.
    MatchAny,
    /// Must not exist yet.
    NoneMatchAny,
}

/// An idempotency key and what it stands for.
#[derive(Debug, Clone)]
pub struct IdempotencyRequest {
    pub key: String,
    /// Method and path template: `POST /api/messages`.
    pub route: String,
    /// SHA-256 of the path and the body as sent.
    pub fingerprint: [u8; 32],
}

/// How a write is to be carried out and answered.
#[derive(Debug, Clone, Default)]
pub struct WriteOptions {
    pub shape: ShapeRequest,
    pub idempotency: Option<IdempotencyRequest>,
}

/// One step of a write.
#[derive(Debug, Clone)]
pub struct Step {
    pub action: Action,
    /// The collection's path segment, or its type name.
    pub collection: String,
    /// Of the record as the steps before left it.
    pub precondition: Precondition,
    /// A name for `{"$ref": "name.id"}` in later steps.
    pub alias: Option<String>,
}

#[derive(Debug, Clone)]
pub enum Action {
    Create {
        data: Data,
    },
    /// RFC 7396 merge patch.
    Update {
        key: String,
        patch: Data,
    },
    /// Creates or replaces.
    Upsert {
        key: String,
        data: Data,
    },
    Delete {
        key: String,
    },
}

/// One record as the caller may see it.
#[derive(Debug, Clone)]
pub struct Reply {
    pub model: Arc<Model>,
    pub projection: Arc<Projection>,
    pub row: Row,
    /// Without quotes. The version, or a hash of the body where `fields`, `expand` or rights shape it.
    pub etag: String,
}

#[derive(Debug, Clone)]
pub struct ListReply {
    pub model: Arc<Model>,
    pub projection: Arc<Projection>,
    pub rows: Vec<Row>,
    pub next: Option<String>,
    pub total: Option<u64>,
}

/// A page of records as JSON.
#[derive(Debug, Clone)]
pub struct JsonPage {
    /// An array of objects.
    pub items: Vec<u8>,
    pub next: Option<String>,
    pub total: Option<u64>,
}

#[derive(Debug, Clone)]
pub struct Written {
    pub kind: OutcomeKind,
    /// Path segment of the collection.
    pub collection: String,
    pub key: Key,
    /// `None`: deleted, or the writer may not read the result (204).
    pub reply: Option<Reply>,
    pub alias: Option<String>,
}

#[derive(Debug, Clone)]
pub struct WriteReply {
    /// One per step, in order.
    pub written: Vec<Written>,
    /// The answer to an earlier request with the same idempotency key.
    pub replayed: bool,
    /// By this node's clock; for reads of the caller's through other nodes, where those may be of a moment ago.
    pub acknowledged: Option<Timestamp>,
}
