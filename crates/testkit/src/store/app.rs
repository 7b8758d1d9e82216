//! An engine over the store in question, and short ways to ask it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::access::Principal;
use engine::operations::{
    Action, Ctx, Data, GetRequest, ListReply, ListRequest, ShapeRequest, Step, WriteOptions, WriteReply,
};
use engine::ports::clock::SystemClock;
use engine::ports::store::Store;
use engine::query::json::write_row;
use engine::{Engine, Error, Limits, Model, Parts};
use serde_json::Value as Json;
use uuid::Uuid;

pub(super) struct App {
    pub(super) engine: Engine,
    pub(super) store: Arc<dyn Store>,
    pub(super) model: Arc<Model>,
    pub(super) ana: Principal,
    pub(super) bo: Principal,
}

pub(super) fn administrator() -> Principal {
    Principal::Administrator { id: Uuid::from_u128(1) }
}

pub(super) fn user(id: Uuid, roles: &[&str]) -> Principal {
    Principal::User {
        id,
        roles: roles.iter().map(|role| Box::from(*role)).collect(),
        claims: Arc::default(),
    }
}

pub(super) fn id_of(principal: &Principal) -> String {
    principal.user_id().expect("a user").to_string()
}

pub(super) fn ctx(principal: &Principal) -> Ctx {
    Ctx {
        principal: principal.clone(),
        request_id: "test".into(),
        deadline: Instant::now() + Duration::from_secs(60),
        address: None,
    }
}

pub(super) fn data(json: Json) -> Data {
    match json {
        Json::Object(data) => data,
        other => panic!("a record is an object, not {other}"),
    }
}

pub(super) fn step(collection: &str, action: Action) -> Step {
    Step {
        action,
        collection: collection.to_owned(),
        alias: None,
    }
}

pub(super) fn create(collection: &str, json: Json) -> Step {
    step(collection, Action::Create { data: data(json) })
}

pub(super) fn update(collection: &str, key: &str, json: Json) -> Step {
    let (key, patch) = (key.to_owned(), data(json));
    step(collection, Action::Update { key, patch })
}

pub(super) fn delete(collection: &str, key: &str) -> Step {
    step(collection, Action::Delete { key: key.to_owned() })
}

impl App {
    /// With two users.
    pub(super) async fn new(store: Arc<dyn Store>, model: Arc<Model>) -> Self {
        let engine = Engine::new(Parts {
            model: Arc::clone(&model),
            store: Arc::clone(&store),
            clock: Arc::new(SystemClock),
            limits: Limits::default(),
            cursor_key: [7; 32],
        });
        let mut app = Self {
            engine,
            store,
            model,
            ana: Principal::Anonymous,
            bo: Principal::Anonymous,
        };
        app.ana = app.sign_up("ana").await;
        app.bo = app.sign_up("bo").await;
        app
    }

    pub(super) async fn sign_up(&self, name: &str) -> Principal {
        let email = format!("{name}@example.org");
        let record = serde_json::json!({ "name": name, "email": email });
        let created = self
            .create(&administrator(), "users", record)
            .await
            .expect("a user is created");
        user(
            created["id"]
                .as_str()
                .and_then(|id| id.parse().ok())
                .expect("a user has an id"),
            &[],
        )
    }

    pub(super) async fn write_with(
        &self,
        who: &Principal,
        steps: Vec<Step>,
        options: &WriteOptions,
    ) -> Result<WriteReply, Error> {
        self.engine.write(&ctx(who), steps, options).await
    }

    pub(super) async fn write(&self, who: &Principal, steps: Vec<Step>) -> Result<WriteReply, Error> {
        self.write_with(who, steps, &WriteOptions::default()).await
    }

    /// The record as the writer may see it; null if it may not.
    pub(super) async fn create(&self, who: &Principal, collection: &str, json: Json) -> Result<Json, Error> {
        let written = self.write(who, vec![create(collection, json)]).await?.written;
        Ok(written[0]
            .reply
            .as_ref()
            .map_or(Json::Null, |reply| self.json(&reply.projection, &reply.row)))
    }

    /// Creates, and answers the id alone.
    pub(super) async fn created(&self, who: &Principal, collection: &str, json: Json) -> String {
        let written = self.write(who, vec![create(collection, json)]).await;
        written.expect("the record is created").written[0].key.to_string()
    }

    pub(super) async fn update(&self, who: &Principal, collection: &str, key: &str, json: Json) -> Result<Json, Error> {
        let written = self.write(who, vec![update(collection, key, json)]).await?.written;
        Ok(written[0]
            .reply
            .as_ref()
            .map_or(Json::Null, |reply| self.json(&reply.projection, &reply.row)))
    }

    pub(super) async fn get(&self, who: &Principal, collection: &str, key: &str) -> Result<Json, Error> {
        let request = GetRequest {
            collection: collection.to_owned(),
            key: key.to_owned(),
            shape: ShapeRequest::default(),
        };
        let reply = self.engine.get(&ctx(who), &request).await?;
        Ok(self.json(&reply.projection, &reply.row))
    }

    pub(super) async fn page(&self, who: &Principal, request: ListRequest) -> ListReply {
        self.engine
            .list(&ctx(who), &request)
            .await
            .expect("the list is answered")
    }

    pub(super) async fn list(&self, who: &Principal, request: ListRequest) -> Vec<Json> {
        let page = self.page(who, request).await;
        page.rows.iter().map(|row| self.json(&page.projection, row)).collect()
    }

    pub(super) fn json(&self, projection: &engine::query::Projection, row: &engine::model::Row) -> Json {
        let mut text = Vec::new();
        write_row(&mut text, &self.model, projection, row);
        serde_json::from_slice(&text).expect("a row is written as JSON")
    }
}
