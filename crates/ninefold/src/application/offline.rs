//! An application's data without its surfaces and accounts: for what the operator does with it on the command line.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::access::Principal;
use engine::operations::Ctx;
use engine::{Engine, Parts};
use uuid::Uuid;

use crate::config::Config;
use crate::failure::Failure;
use crate::structure::{self, Structure};
use crate::{schema, wiring};

/// How long one request of the operator's may take.
const PATIENCE: Duration = Duration::from_secs(600);

pub(crate) struct Offline {
    engine: Engine,
}

impl Offline {
    /// Opens the database, beside a process that serves it if there is one.
    ///
    /// # Errors
    /// A sentence for people: the database is behind the schema, mostly.
    pub(crate) async fn open(dir: &Path, config: &Config) -> Result<Self, Failure> {
        let model = Arc::new(schema::read(dir)?);
        let ports = wiring::open_beside(dir, &config.database)?;
        if let Err(failure) = structure::bring(&ports, &model, dir, Structure::Require).await {
            ports.store.close().await;
            return Err(failure);
        }
        ports.store.adopt(model.clone());
        let engine = Engine::new(Parts {
            model,
            store: ports.store,
            clock: ports.clock,
            limits: config.engine_limits(),
            // No cursor leaves the process.
            cursor_key: [0; 32],
        });
        Ok(Self { engine })
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) async fn close(self) {
        self.engine.close().await;
    }
}

/// The operator, an administrator who is nobody in particular. `command` is for the log.
pub(crate) fn operator(command: &str) -> Ctx {
    Ctx {
        principal: Principal::Administrator { id: Uuid::nil() },
        request_id: command.into(),
        deadline: Instant::now() + PATIENCE,
        address: None,
    }
}
