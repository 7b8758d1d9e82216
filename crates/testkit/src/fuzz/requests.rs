//! Requests made of any text: filters, sorts, fields, cursors, keys, and bodies of writes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::access::Principal;
use engine::operations::{Action, Ctx, GetRequest, ListRequest, Precondition, Reads, ShapeRequest, Step, WriteOptions};
use engine::ports::clock::SystemClock;
use engine::ports::store::Store;
use engine::{Engine, Error, ErrorCode, Limits, Model, Parts};
use futures::executor::block_on;
use uuid::Uuid;

use crate::expr;

/// What the store must serve.
pub fn model() -> Arc<Model> {
    expr::model()
}

/// An application to be asked anything.
pub struct Requests {
    pub(super) engine: Engine,
    /// The path of its richest collection.
    pub(super) path: String,
}

impl Requests {
    pub fn on(store: Arc<dyn Store>) -> Self {
        let model = model();
        let path = expr::rich().root().path.clone();
        let engine = Engine::new(Parts {
            model,
            store,
            clock: Arc::new(SystemClock),
            limits: Limits::default(),
            cursor_key: [7; 32],
            slow_query: None,
        });
        let requests = Self { engine, path };
        requests.reset();
        requests
    }

    /// The first byte says what the rest is. A refusal is the caller's mistake, never ours.
    ///
    /// # Panics
    /// Where it is ours.
    pub fn run(&self, input: &[u8]) {
        let Some((kind, rest)) = input.split_first() else {
            return;
        };
        let Ok(text) = std::str::from_utf8(rest) else { return };
        let ctx = administrator();
        let list = |request: ListRequest| block_on(self.engine.list_json(&ctx, &request));
        let base = || ListRequest {
            collection: self.path.clone(),
            limit: Some(3),
            ..ListRequest::default()
        };
        let text = text.to_owned();
        let some = Some(text.clone());
        let shape = |fields, expand| ShapeRequest { fields, expand };
        match kind % 8 {
            0 => fair(rest, list(ListRequest { filter: some, ..base() })),
            1 => fair(rest, list(ListRequest { sort: some, ..base() })),
            2 => fair(rest, list(ListRequest { cursor: some, ..base() })),
            3 => fair(
                rest,
                list(ListRequest {
                    shape: shape(some, None),
                    ..base()
                }),
            ),
            4 => fair(
                rest,
                list(ListRequest {
                    shape: shape(None, some),
                    ..base()
                }),
            ),
            5 => {
                let request = GetRequest {
                    collection: self.path.clone(),
                    key: text.clone(),
                    shape: ShapeRequest::default(),
                };
                fair(rest, block_on(self.engine.get(&ctx, &request)));
            }
            kind => {
                let Ok(data) = serde_json::from_str(&text) else { return };
                let key = "01990000-0000-7000-8000-000000000001".to_owned();
                let action = match kind {
                    6 => Action::Create { data },
                    _ => Action::Upsert { key, data },
                };
                let step = Step {
                    action,
                    collection: self.path.clone(),
                    precondition: Precondition::None,
                    alias: None,
                };
                fair(
                    rest,
                    block_on(self.engine.write(&ctx, vec![step], &WriteOptions::default())),
                );
            }
        }
    }
}

/// Who may ask for everything.
pub(super) fn administrator() -> Ctx {
    Ctx {
        principal: Principal::Administrator { id: Uuid::nil() },
        request_id: "fuzz".into(),
        deadline: Instant::now() + Duration::from_secs(10),
        address: None,
        reads: Reads::Latest,
    }
}

pub(super) fn fair<T>(input: &[u8], outcome: Result<T, Error>) {
    if let Err(error) = outcome {
        let input = String::from_utf8_lossy(input);
        assert_ne!(error.code, ErrorCode::Internal, "{input:?}: {error:?}");
    }
}
