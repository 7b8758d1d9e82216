//! Plans that read: get, list.

use std::sync::Arc;
use std::time::Instant;

use super::predicate::{Param, Pred, Term};
use crate::model::{CollectionId, FieldId, Key, Row, Timestamp, Value};

/// The values of a plan's parameters.
#[derive(Debug, Clone)]
pub struct Bindings {
    /// `Id` or `Null`.
    pub auth_id: Value,
    /// `List` of `Text`.
    pub auth_roles: Value,
    pub now: Timestamp,
}

impl Bindings {
    /// `None` for what a store itself supplies: the row before the change.
    pub fn value(&self, param: Param) -> Option<Value> {
        match param {
            Param::AuthId => Some(self.auth_id.clone()),
            Param::AuthRoles => Some(self.auth_roles.clone()),
            Param::Now => Some(Value::DateTime(self.now)),
            Param::Before(_) => None,
        }
    }
}

/// What an answer holds, in order. A [`Row`] has one value for each item.
#[derive(Debug, Clone, PartialEq)]
pub struct Projection {
    pub collection: CollectionId,
    pub items: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    pub field: FieldId,
    /// Where it doesn't hold for a record the value is [`Value::Hidden`]. `Const(true)` costs nothing.
    pub visible: Pred,
    pub shape: Shape,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// The stored value; of a reference the target's key.
    Value,
    /// The target's record in place of the key ([`Value::Record`]); the key itself when `nested.guard` fails for it;
    /// null when the reference is.
    One(Box<Nested>),
    /// `Value::List` of `Value::Record`, or of keys when `nested.projection` is `None`.
    Many(Box<Nested>),
}

/// A relation's other end.
#[derive(Debug, Clone, PartialEq)]
pub struct Nested {
    /// The target collection's read rule for this caller; its row is `Alias::ROOT` here: aliases
    /// are counted from there anew at each level, and a store that joins levels tells them apart.
    pub guard: Pred,
    /// `None`: keys only.
    pub projection: Option<Projection>,
    /// The projection is of the key's fields, and stands for the key: of records that have several such.
    pub is_key: bool,
    /// At most so many per record, by key ascending. A store reads `limit + 1`, and fails with
    /// [`StoreError::TooMany`](crate::ports::store::StoreError::TooMany) when there are more.
    pub limit: u32,
}

/// Which state of the data a read is to be answered from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// With all that was acknowledged before it was asked.
    Latest,
    /// One of a moment ago will do, as far back as the store's own settings let it be, with all that was acknowledged
    /// before this instant. A store that has no copies of its data answers as ever.
    Recent { since: Option<Instant> },
}

#[derive(Debug, Clone)]
pub struct GetPlan {
    pub collection: CollectionId,
    pub key: Key,
    /// The read rule, on `Alias::ROOT`.
    pub guard: Pred,
    pub projection: Arc<Projection>,
    pub bindings: Bindings,
    pub freshness: Freshness,
    pub deadline: Instant,
}

#[derive(Debug, Clone)]
pub struct ListPlan {
    pub collection: CollectionId,
    /// Read rule and filter, on `Alias::ROOT`.
    pub guard: Pred,
    /// Ends with the key, so that the order is total.
    pub sort: Vec<SortKey>,
    /// Values of the sort keys of the last record seen: the page starts behind it. Same length as `sort`.
    pub after: Option<Vec<Value>>,
    pub limit: u32,
    /// Count all that match `guard`, whatever the page.
    pub count: bool,
    pub projection: Arc<Projection>,
    /// The rows are for an answer in JSON, and for nothing else.
    pub as_json: bool,
    pub bindings: Bindings,
    pub freshness: Freshness,
    pub deadline: Instant,
}

/// Nulls come first ascending and last descending, on every engine. Text sorts by code point.
#[derive(Debug, Clone, PartialEq)]
pub struct SortKey {
    pub term: Term,
    pub descending: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    pub rows: Rows,
    /// The sort keys' values of the last row, where there is at least one more behind it: what cursors are made of.
    pub next: Option<Vec<Value>>,
    pub total: Option<u64>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Rows {
    Values(Vec<Row>),
    /// An array of objects, as [`write_rows`](crate::query::json::write_rows) writes it. Only where the plan says
    /// `as_json`, and there only from a store that can write rows as it reads them.
    Json(Vec<u8>),
}

impl Rows {
    /// # Panics
    /// The plan asked for JSON.
    pub fn into_values(self) -> Vec<Row> {
        match self {
            Self::Values(rows) => rows,
            Self::Json(_) => unreachable!("no JSON was asked for"),
        }
    }
}
