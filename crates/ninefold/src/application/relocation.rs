//! Two databases of one application, for moving all data from one to the other.

use std::path::Path;
use std::sync::Arc;

use engine::operations::relocate::{Extent, Moved, Told};
use engine::{Engine, Model, Parts};

use super::{Ports, operator};
use crate::config::Config;
use crate::failure::Failure;
use crate::schema;
use crate::structure::{self, Structure};
use crate::wiring::{self, Side};

pub(crate) struct Relocation {
    from: Engine,
    to: Engine,
    name: String,
    extent: Extent,
}

impl Relocation {
    /// Opens both databases. The one that is moved must be as the schema needs it; an empty one gets its structure, one
    /// that an earlier run began to fill has it.
    ///
    /// # Errors
    /// A sentence for people.
    pub(crate) async fn open(dir: &Path, from: &Config, to: &Config, extent: Extent) -> Result<Self, Failure> {
        let side = match extent {
            Extent::Whole => Side::From,
            Extent::Ahead => Side::FromServed,
        };
        Self::open_from(dir, from, side, to, extent).await
    }

    /// The same, of a database that is copied as it is at one moment, while it may be served.
    ///
    /// # Errors
    /// A sentence for people.
    pub(crate) async fn of_one_moment(dir: &Path, from: &Config, to: &Config) -> Result<Self, Failure> {
        Self::open_from(dir, from, Side::FromStill, to, Extent::Whole).await
    }

    /// With another name for the database that is moved, by which an interrupted move goes on.
    pub(crate) fn named(self, name: String) -> Self {
        Self { name, ..self }
    }

    async fn open_from(dir: &Path, from: &Config, side: Side, to: &Config, extent: Extent) -> Result<Self, Failure> {
        let name = wiring::name(dir, &from.database)?;
        if name == wiring::name(dir, &to.database)? {
            return Err(Failure::mistake("both databases are the same"));
        }
        let model = Arc::new(schema::read(dir)?);
        let ports = wiring::open_to_move(dir, &from.database, side).await?;
        let store = ports.store.clone();
        let from = match Self::source(dir, from, &model, ports).await {
            Ok(from) => from,
            Err(failure) => {
                store.close().await;
                return Err(failure);
            }
        };
        match Self::target(dir, to, &model).await {
            Ok(to) => Ok(Self { from, to, name, extent }),
            Err(failure) => {
                from.close().await;
                Err(failure)
            }
        }
    }

    async fn source(dir: &Path, config: &Config, model: &Arc<Model>, ports: Ports) -> Result<Engine, Failure> {
        structure::bring(&ports, model, dir, Structure::Require).await?;
        Ok(engine(config, model, ports))
    }

    async fn target(dir: &Path, config: &Config, model: &Arc<Model>) -> Result<Engine, Failure> {
        let ports = wiring::open_to_move(dir, &config.database, Side::To).await?;
        let target = engine(config, model, ports.clone());
        let brought = match target.is_incomplete(&operator("move")).await {
            Ok(true) => Ok(()),
            Ok(false) => structure::bring(&ports, model, dir, Structure::Require)
                .await
                .map(|_| ()),
            Err(error) => Err(Failure::engine(&error)),
        };
        match brought {
            Ok(()) => Ok(target),
            Err(failure) => {
                target.close().await;
                Err(failure)
            }
        }
    }

    /// Which database is moved, without its password.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) async fn run(&self, told: Told<'_>) -> Result<Moved, Failure> {
        let ctx = operator("move");
        let moved = self.from.relocate(&ctx, &self.to, &self.name, self.extent, told).await;
        moved.map_err(|error| Failure::engine(&error))
    }

    /// Gives up a move of this database, on which servers may go on. Answers whether there was one that was kept here.
    ///
    /// # Errors
    /// A sentence for people.
    pub(crate) async fn abandon(dir: &Path, from: &Config) -> Result<bool, Failure> {
        let model = Arc::new(schema::read(dir)?);
        let ports = wiring::open_to_move(dir, &from.database, Side::FromServed).await?;
        let from = engine(from, &model, ports);
        let abandoned = from.abandon_move(&operator("move")).await;
        from.close().await;
        abandoned.map_err(|error| Failure::engine(&error))
    }

    pub(crate) async fn close(self) {
        self.from.close().await;
        self.to.close().await;
    }
}

fn engine(config: &Config, model: &Arc<Model>, ports: Ports) -> Engine {
    ports.store.adopt(model.clone());
    Engine::new(Parts {
        model: model.clone(),
        store: ports.store,
        clock: ports.clock,
        limits: config.engine_limits(),
        // No cursor leaves the process.
        cursor_key: [0; 32],
        slow_query: None,
    })
}
