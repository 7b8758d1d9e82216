//! An application to ask: its engine, its callers, and what they ask for.

use std::future::IntoFuture;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use engine::access::Principal;
use engine::model::Timestamp;
use engine::operations::{
    Action, Ctx, Data, GetRequest, IdempotencyRequest, ListRequest, Precondition, Reads, ShapeRequest, Step,
    WriteOptions,
};
use engine::ports::clock::Clock;
use engine::ports::store::Store;
use engine::{Engine, Error, Limits, Model, Parts};
use serde_json::Value as Json;
use uuid::Uuid;

use super::Db;
use super::answers::{Page, Record};

/// 2024-05-01T12:00:00Z, when every check begins.
pub(super) const START: i64 = 1_714_564_800_000;

/// Time that passes when a check says so.
pub(super) struct TestClock(AtomicI64);

impl TestClock {
    pub(super) fn pass(&self, time: Duration) {
        let ms = i64::try_from(time.as_millis()).expect("a short time");
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn new_id(&self) -> Uuid {
        Uuid::now_v7()
    }
}

/// Ids that a check can name and that sort by their number.
pub(super) fn id(number: u32) -> String {
    format!("00000000-0000-7000-8000-{number:012x}")
}

pub(super) fn model(schema: &str) -> Arc<Model> {
    match Model::read(schema, "schema.graphql") {
        Ok(model) => Arc::new(model),
        Err(report) => panic!("the check's schema is wrong:\n{report}"),
    }
}

/// An application on a database of its own.
#[derive(Clone)]
pub(super) struct App {
    pub(super) engine: Arc<Engine>,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<TestClock>,
}

impl App {
    pub(super) async fn open(database: &Db, schema: &str) -> Self {
        Self::limited(database, schema, Limits::default()).await
    }

    pub(super) async fn limited(database: &Db, schema: &str, limits: Limits) -> Self {
        let model = model(schema);
        let store = database.open(model.clone()).await;
        Self::on(store, model, limits, Arc::new(TestClock(AtomicI64::new(START))))
    }

    fn on(store: Arc<dyn Store>, model: Arc<Model>, limits: Limits, clock: Arc<TestClock>) -> Self {
        let parts = Parts {
            model,
            store: store.clone(),
            clock: clock.clone(),
            limits,
            cursor_key: [7; 32],
            slow_query: None,
        };
        let engine = Arc::new(Engine::new(parts));
        Self { engine, store, clock }
    }

    /// Another engine over the same store and clock, as it were another node.
    pub(super) fn beside(&self) -> Self {
        let limits = self.engine.limits().clone();
        Self::on(self.store.clone(), self.engine.model(), limits, self.clock.clone())
    }

    pub(super) fn admin(&self) -> Caller {
        let id = Uuid::from_u128(0xad);
        self.caller(Principal::Administrator { id })
    }

    pub(super) fn nobody(&self) -> Caller {
        self.caller(Principal::Anonymous)
    }

    /// A user with that id, whether or not there is a record of it.
    pub(super) fn user(&self, id: &str) -> Caller {
        self.member(id, &[])
    }

    pub(super) fn member(&self, id: &str, roles: &[&str]) -> Caller {
        self.caller(Principal::User {
            id: id.parse().expect("an id"),
            roles: roles.iter().map(|role| Box::from(*role)).collect(),
            claims: Arc::default(),
        })
    }

    fn caller(&self, principal: Principal) -> Caller {
        Caller {
            engine: self.engine.clone(),
            principal,
            patience: Duration::from_secs(60),
        }
    }
}

/// Somebody who asks.
#[derive(Clone)]
pub(super) struct Caller {
    engine: Arc<Engine>,
    pub(super) principal: Principal,
    patience: Duration,
}

type Answer<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

impl Caller {
    pub(super) fn ctx(&self) -> Ctx {
        Ctx {
            principal: self.principal.clone(),
            request_id: Arc::from("check"),
            deadline: Instant::now() + self.patience,
            address: None,
            reads: Reads::Recent { written: None },
        }
    }

    /// The same, waiting no longer than this for an answer.
    pub(super) fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    pub(super) fn get(&self, collection: &str, key: &str) -> Get {
        let request = GetRequest {
            collection: collection.to_owned(),
            key: key.to_owned(),
            shape: ShapeRequest::default(),
        };
        Get {
            caller: self.clone(),
            request,
        }
    }

    pub(super) fn list(&self, collection: &str) -> List {
        let request = ListRequest {
            collection: collection.to_owned(),
            ..ListRequest::default()
        };
        List {
            caller: self.clone(),
            request,
        }
    }

    pub(super) fn create(&self, collection: &str, data: Json) -> Write {
        self.batch([create(collection, data)])
    }

    pub(super) fn update(&self, collection: &str, key: &str, patch: Json) -> Write {
        self.batch([update(collection, key, patch)])
    }

    pub(super) fn replace(&self, collection: &str, key: &str, data: Json) -> Write {
        self.batch([replace(collection, key, data)])
    }

    pub(super) fn delete(&self, collection: &str, key: &str) -> Write {
        self.batch([delete(collection, key)])
    }

    pub(super) fn batch(&self, steps: impl IntoIterator<Item = Step>) -> Write {
        Write {
            caller: self.clone(),
            steps: steps.into_iter().collect(),
            options: WriteOptions::default(),
        }
    }
}

fn data(json: Json) -> Data {
    match json {
        Json::Object(data) => data,
        other => panic!("a record is an object, not {other}"),
    }
}

fn step(collection: &str, action: Action) -> Step {
    Step {
        action,
        collection: collection.to_owned(),
        precondition: Precondition::None,
        alias: None,
    }
}

pub(super) fn create(collection: &str, json: Json) -> Step {
    step(collection, Action::Create { data: data(json) })
}

pub(super) fn update(collection: &str, key: &str, patch: Json) -> Step {
    let (key, patch) = (key.to_owned(), data(patch));
    step(collection, Action::Update { key, patch })
}

pub(super) fn replace(collection: &str, key: &str, json: Json) -> Step {
    let (key, data) = (key.to_owned(), data(json));
    step(collection, Action::Upsert { key, data })
}

pub(super) fn delete(collection: &str, key: &str) -> Step {
    step(collection, Action::Delete { key: key.to_owned() })
}

/// A step that is only done to a record with this tag.
pub(super) fn matching(tag: &str, step: Step) -> Step {
    Step {
        precondition: Precondition::Match(vec![tag.to_owned()]),
        ..step
    }
}

/// A step that later ones refer to as `{"$ref": "name.id"}`.
pub(super) fn named(name: &str, step: Step) -> Step {
    Step {
        alias: Some(name.to_owned()),
        ..step
    }
}

#[derive(Clone)]
pub(super) struct Get {
    caller: Caller,
    request: GetRequest,
}

impl Get {
    pub(super) fn fields(mut self, fields: &str) -> Self {
        self.request.shape.fields = Some(fields.to_owned());
        self
    }

    pub(super) fn expand(mut self, expand: &str) -> Self {
        self.request.shape.expand = Some(expand.to_owned());
        self
    }
}

impl IntoFuture for Get {
    type Output = Result<Record, Error>;
    type IntoFuture = Answer<Record>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let reply = self.caller.engine.get(&self.caller.ctx(), &self.request).await?;
            Ok(Record::read(&reply))
        })
    }
}

#[derive(Clone)]
pub(super) struct List {
    caller: Caller,
    pub(super) request: ListRequest,
}

impl List {
    pub(super) fn filter(mut self, filter: &str) -> Self {
        self.request.filter = Some(filter.to_owned());
        self
    }

    pub(super) fn sort(mut self, sort: &str) -> Self {
        self.request.sort = Some(sort.to_owned());
        self
    }

    pub(super) fn limit(mut self, limit: u32) -> Self {
        self.request.limit = Some(limit);
        self
    }

    pub(super) fn after(mut self, cursor: &str) -> Self {
        self.request.cursor = Some(cursor.to_owned());
        self
    }

    pub(super) fn count(mut self) -> Self {
        self.request.count = true;
        self
    }

    pub(super) fn fields(mut self, fields: &str) -> Self {
        self.request.shape.fields = Some(fields.to_owned());
        self
    }

    pub(super) fn expand(mut self, expand: &str) -> Self {
        self.request.shape.expand = Some(expand.to_owned());
        self
    }

    /// Asked for values instead of JSON.
    pub(super) async fn in_values(self) -> Result<Page, Error> {
        let reply = self.caller.engine.list(&self.caller.ctx(), &self.request).await?;
        Ok(Page::written(reply))
    }

    /// Page by page to the end; the items of all.
    pub(super) async fn walk(self) -> Result<Vec<Json>, Error> {
        let mut items = Vec::new();
        let mut list = self;
        loop {
            let page = list.clone().await?;
            items.extend(page.items);
            match page.next {
                Some(next) => list = list.after(&next),
                None => return Ok(items),
            }
        }
    }
}

impl IntoFuture for List {
    type Output = Result<Page, Error>;
    type IntoFuture = Answer<Page>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let page = self.caller.engine.list_json(&self.caller.ctx(), &self.request).await?;
            Ok(Page::read(page))
        })
    }
}

#[derive(Clone)]
pub(super) struct Write {
    caller: Caller,
    steps: Vec<Step>,
    options: WriteOptions,
}

impl Write {
    pub(super) fn fields(mut self, fields: &str) -> Self {
        self.options.shape.fields = Some(fields.to_owned());
        self
    }

    pub(super) fn expand(mut self, expand: &str) -> Self {
        self.options.shape.expand = Some(expand.to_owned());
        self
    }

    pub(super) fn if_match(self, tag: &str) -> Self {
        self.precondition(Precondition::Match(vec![tag.to_owned()]))
    }

    pub(super) fn precondition(mut self, precondition: Precondition) -> Self {
        for step in &mut self.steps {
            step.precondition = precondition.clone();
        }
        self
    }

    /// With an idempotency key.
    pub(super) fn key(mut self, key: &str) -> Self {
        let mut hash = DefaultHasher::new();
        format!("{:?}", self.steps).hash(&mut hash);
        let mut fingerprint = [0; 32];
        fingerprint[..8].copy_from_slice(&hash.finish().to_le_bytes());
        self.options.idempotency = Some(IdempotencyRequest {
            key: key.to_owned(),
            route: "POST /api/check".to_owned(),
            fingerprint,
        });
        self
    }

    /// On another route, where the same key is another one.
    pub(super) fn route(mut self, route: &str) -> Self {
        let request = self.options.idempotency.as_mut().expect("a key first");
        request.route = route.to_owned();
        self
    }

    /// The outcome of every step.
    pub(super) async fn all(self) -> Result<Vec<Record>, Error> {
        let ctx = self.caller.ctx();
        let reply = self.caller.engine.write(&ctx, self.steps, &self.options).await?;
        let replayed = reply.replayed;
        let records = reply.written.iter().map(|written| Record::written(written, replayed));
        Ok(records.collect())
    }
}

impl IntoFuture for Write {
    type Output = Result<Record, Error>;
    type IntoFuture = Answer<Record>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let mut records = self.all().await?;
            Ok(records.pop().expect("a write has a step"))
        })
    }
}
