//! Who watches what: changes in, notifications out.
//!
//! A [`Watch`] is a question that stays open. When a commit touches what it reads — its collection, what its rules and
//! filter pass through, what it expands — it is asked again under the caller's rights as they are then, and the
//! difference to what the subscriber has is what it is told. So a live answer is right by the same pipeline as any other, deletions
//! and lost rights included; what it costs is one page per relevant commit, with commits that came meanwhile taken together.

mod reads;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::access::Principal;
use crate::error::{Error, ErrorCode};
use crate::model::{Key, Model, Row, Value};
use crate::operations::{Ctx, GetRequest, ListReply, ListRequest, Reads};
use crate::pipeline::Engine;
use crate::ports::store::{ChangeEvent, Changes};
use crate::query::{Position, Projection};
use reads::ReadSet;

/// How often a question that depends on `now` is asked again, and a subscriber's rights are looked at.
const CLOCK_INTERVAL: Duration = Duration::from_secs(5);
/// How long one evaluation may take.
const EVALUATION_TIMEOUT: Duration = Duration::from_secs(30);

/// Says who the subscriber is now: roles change and sessions end while it listens.
#[async_trait]
pub trait Renew: Send + Sync {
    /// # Errors
    /// When the subscriber is nobody any more; that ends the subscription.
    async fn principal(&self) -> Result<Principal, Error>;
}

#[derive(Debug, Clone)]
enum Question {
    List(ListRequest),
    Record(GetRequest),
}

/// What the subscriber gets to see of its result.
#[derive(Debug, Clone)]
pub enum Notification {
    /// The whole result: to begin with, after changes were missed, and under a new model.
    Snapshot(Vec<Row>),
    /// In the result now, and wasn't.
    Created(Row),
    Updated(Row),
    /// Deleted, no longer matching, no longer readable, or pushed out of the page.
    Removed(Key),
}

/// One subscription. Dropping it ends it.
pub struct Watch {
    engine: Arc<Engine>,
    ctx: Ctx,
    renew: Arc<dyn Renew>,
    question: Question,
    changes: Box<dyn Changes>,
    models: watch::Receiver<Arc<Model>>,
    /// The newest commit that the result takes in.
    position: Position,
    /// What the subscriber has, by key. `None`: nothing yet, or nothing that can be built on.
    known: Option<HashMap<String, (Key, Row)>>,
    asked: Option<Asked>,
    _admitted: OwnedSemaphorePermit,
}

/// Why a watch woke up.
#[derive(Debug, Clone, Copy)]
enum Wake {
    Changed,
    Irrelevant,
    /// Time has passed: `now` has moved on, and the caller may be somebody else.
    Tick,
}

/// The question as it was last asked.
struct Asked {
    model: Arc<Model>,
    projection: Arc<Projection>,
    reads: ReadSet,
}

impl Engine {
    /// A list, live. The first of its notifications is a snapshot; what would refuse the list refuses the subscription.
    pub async fn watch_list(
        self: &Arc<Self>,
        ctx: &Ctx,
        request: &ListRequest,
        renew: Arc<dyn Renew>,
    ) -> Result<(Watch, Vec<Row>), Error> {
        if request.cursor.is_some() || request.count {
            return Err(Error::new(
                ErrorCode::BadRequest,
                "a live list takes neither cursor nor count",
            ));
        }
        self.watch(ctx, Question::List(request.clone()), renew).await
    }

    /// A record, live; a snapshot without rows when it goes.
    pub async fn watch_record(
        self: &Arc<Self>,
        ctx: &Ctx,
        request: &GetRequest,
        renew: Arc<dyn Renew>,
    ) -> Result<(Watch, Vec<Row>), Error> {
        self.watch(ctx, Question::Record(request.clone()), renew).await
    }

    async fn watch(
        self: &Arc<Self>,
        ctx: &Ctx,
        question: Question,
        renew: Arc<dyn Renew>,
    ) -> Result<(Watch, Vec<Row>), Error> {
        let admitted = self.watches().clone().try_acquire_owned().map_err(|_| {
            Error::new(ErrorCode::Unavailable, "too many live subscriptions; retry later").retry_after(5)
        })?;
        let mut watch = Watch {
            engine: self.clone(),
            // What a commit woke it for has to be there.
            ctx: Ctx {
                reads: Reads::Latest,
                ..ctx.clone()
            },
            renew,
            question,
            // Listening begins before the first look, so that nothing falls between.
            changes: self.store().changes(),
            models: self.models(),
            position: Position::default(),
            known: None,
            asked: None,
            _admitted: admitted,
        };
        let rows = watch.ask().await?;
        watch.remember(&rows);
        self.told(&watch.ctx.principal);
        Ok((watch, rows))
    }
}

impl Watch {
    pub fn model(&self) -> &Arc<Model> {
        &self.asked().model
    }

    pub fn projection(&self) -> &Arc<Projection> {
        &self.asked().projection
    }

    pub fn position(&self) -> Position {
        self.position
    }

    fn asked(&self) -> &Asked {
        self.asked
            .as_ref()
            .expect("a watch is handed out after it was asked once")
    }

    /// The next notifications; `None` when the engine stops. An `Err` ends the subscription: the caller may no longer
    /// ask at all. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<Vec<Notification>, Error>> {
        loop {
            let wake = self.wake().await?;
            match self.answer(wake).await {
                Ok(notifications) if notifications.is_empty() => {}
                result => {
                    self.engine.told(&self.ctx.principal);
                    return Some(result);
                }
            }
        }
    }

    /// Waits for something that may change the answer; takes what else has come together with it.
    async fn wake(&mut self) -> Option<Wake> {
        let event = tokio::select! {
            event = self.changes.next() => event?,
            changed = self.models.changed() => {
                changed.ok()?;
                self.known = None;
                return Some(Wake::Changed);
            }
            () = tokio::time::sleep(CLOCK_INTERVAL) => return Some(Wake::Tick),
        };
        let mut relevant = self.take(event);
        while let Some(event) = self.changes.next().now_or_never() {
            relevant |= self.take(event?);
        }
        Some(if relevant { Wake::Changed } else { Wake::Irrelevant })
    }

    async fn answer(&mut self, wake: Wake) -> Result<Vec<Notification>, Error> {
        if matches!(wake, Wake::Irrelevant) {
            return Ok(Vec::new());
        }
        let principal = self.renew.principal().await?;
        let same = principal == self.ctx.principal;
        self.ctx.principal = principal;
        if same && matches!(wake, Wake::Tick) && !self.asked().reads.now {
            return Ok(Vec::new());
        }
        self.evaluate().await
    }

    fn take(&mut self, event: ChangeEvent) -> bool {
        match event {
            ChangeEvent::Lagged => {
                self.known = None;
                true
            }
            ChangeEvent::Elsewhere(None) => true,
            ChangeEvent::Elsewhere(Some(collections)) => {
                let reads = &self.asked().reads;
                collections.iter().any(|collection| reads.has(*collection))
            }
            ChangeEvent::Committed(set) => {
                self.position = self.position.max(set.position);
                set.changes.iter().any(|change| self.asked().reads.touches(change))
            }
        }
    }

    async fn evaluate(&mut self) -> Result<Vec<Notification>, Error> {
        let rows = match self.ask().await {
            Ok(rows) => rows,
            Err(error) if error.code == ErrorCode::NotFound && matches!(self.question, Question::Record(_)) => {
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        let Some(known) = self.known.take() else {
            self.remember(&rows);
            return Ok(vec![Notification::Snapshot(rows)]);
        };
        let notifications = difference(known, &rows, |row| self.key(row));
        self.remember(&rows);
        Ok(notifications)
    }

    /// The result now.
    async fn ask(&mut self) -> Result<Vec<Row>, Error> {
        self.ctx.deadline = Instant::now() + EVALUATION_TIMEOUT;
        self.models.mark_unchanged();
        let engine = self.engine.clone();
        let (reads, reply) = match &self.question {
            Question::List(request) => engine.ask_list(&self.ctx, request).await?,
            Question::Record(request) => engine.ask_record(&self.ctx, request).await?,
        };
        self.asked = Some(Asked {
            model: reply.model,
            projection: reply.projection,
            reads,
        });
        Ok(reply.rows)
    }

    fn remember(&mut self, rows: &[Row]) {
        let keyed = rows.iter().map(|row| {
            let key = self.key(row);
            (key.to_string(), (key, row.clone()))
        });
        self.known = Some(keyed.collect());
    }

    /// The key fields are in every live projection.
    fn key(&self, row: &Row) -> Key {
        let asked = self.asked();
        let collection = asked.model.collection(asked.projection.collection);
        let part = |field| {
            let position = asked.projection.items.iter().position(|item| item.field == field);
            position
                .and_then(|position| row.0.get(position))
                .cloned()
                .unwrap_or(Value::Null)
        };
        Key(collection.key.iter().map(|field| part(*field)).collect())
    }
}

/// What turns `known` into `rows`: removals first, then the rest in the order of the result.
fn difference(mut known: HashMap<String, (Key, Row)>, rows: &[Row], key: impl Fn(&Row) -> Key) -> Vec<Notification> {
    let mut changed = Vec::new();
    for row in rows {
        match known.remove(&key(row).to_string()) {
            None => changed.push(Notification::Created(row.clone())),
            Some((_, before)) if before != *row => changed.push(Notification::Updated(row.clone())),
            Some(_) => {}
        }
    }
    let mut notifications: Vec<_> = known.into_values().map(|(key, _)| Notification::Removed(key)).collect();
    notifications.extend(changed);
    notifications
}

impl Engine {
    async fn ask_list(&self, ctx: &Ctx, request: &ListRequest) -> Result<(ReadSet, ListReply), Error> {
        self.retrying(|moment| async move {
            let (question, reply) = self.page(ctx, &moment, request).await?;
            let reads = ReadSet::of(&reply.model, &reply.projection, question.filter.as_deref());
            with_key(&reply)?;
            Ok((reads, reply))
        })
        .await
    }

    async fn ask_record(&self, ctx: &Ctx, request: &GetRequest) -> Result<(ReadSet, ListReply), Error> {
        let reply = self.get(ctx, request).await?;
        let reads = ReadSet::of(&reply.model, &reply.projection, None);
        let rows = vec![reply.row];
        let reply = ListReply {
            model: reply.model,
            projection: reply.projection,
            rows,
            next: None,
            total: None,
        };
        with_key(&reply)?;
        Ok((reads, reply))
    }
}

/// A subscriber tells records apart by their key.
fn with_key(reply: &ListReply) -> Result<(), Error> {
    let collection = reply.model.collection(reply.projection.collection);
    let has = |field| reply.projection.items.iter().any(|item| item.field == field);
    if collection.key.iter().all(|field| has(*field)) {
        return Ok(());
    }
    Err(Error::parameter(
        "fields",
        "missing_key",
        "a live answer needs the record's id among its fields",
    ))
}

#[cfg(test)]
mod tests;
