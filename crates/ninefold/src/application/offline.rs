//! An application's data without its surfaces and accounts: for what the operator does with it on the command line.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::access::Principal;
use engine::operations::{Ctx, Reads};
use engine::{Engine, Parts};
use uuid::Uuid;

use super::Ports;
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
    /// Opens the database, beside a process that serves it if there is one. One that isn't there is made.
    ///
    /// # Errors
    /// A sentence for people: the database is behind the schema, mostly.
    pub(crate) async fn open(dir: &Path, config: &Config) -> Result<Self, Failure> {
        Self::start(dir, config, wiring::open_beside(dir, &config.database)).await
    }

    /// As [`Offline::open`], to look at what is there: a database that isn't there is not made.
    ///
    /// # Errors
    /// As [`Offline::open`], or there is no database.
    pub(crate) async fn open_existing(dir: &Path, config: &Config) -> Result<Self, Failure> {
        Self::start(dir, config, wiring::open_existing(dir, &config.database)).await
    }

    async fn start(
        dir: &Path,
        config: &Config,
        open: impl Future<Output = Result<Ports, Failure>>,
    ) -> Result<Self, Failure> {
        let model = Arc::new(schema::read(dir)?);
        let ports = open.await?;
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
            slow_query: None,
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
        reads: Reads::Latest,
    }
}
