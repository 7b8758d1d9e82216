//! The migrator's port, on MySQL: on a connection of its own, for it may take as long as it takes.

use async_trait::async_trait;
use engine::Model;
use engine::model::migration::{Folder, Target};
use engine::ports::migrator::{MigrateError, Migrator, Options, RenderedPlan, Report, Status};

use super::MySqlStore;
use super::error::described;
use super::pool::Connection;
use crate::migrate::mysql as migrate;

#[async_trait]
impl Migrator for MySqlStore {
    async fn status(&self, model: &Model, folder: &Folder, options: Options) -> Result<Status, MigrateError> {
        let mut connection = self.alone().await?;
        migrate::status(&mut connection, &Target::of(model), folder, options).await
    }

    async fn plan(&self, model: &Model, folder: &Folder, options: Options) -> Result<RenderedPlan, MigrateError> {
        let mut connection = self.alone().await?;
        migrate::plan(&mut connection, &Target::of(model), folder, options).await
    }

    async fn apply(&self, model: &Model, folder: &Folder, options: Options) -> Result<Report, MigrateError> {
        let mut connection = self.alone().await?;
        let applied = migrate::apply(&mut connection, &Target::of(model), folder, options).await;
        // Also after a failure: steps that ran before it stay.
        self.pool.renew();
        applied
    }
}

impl MySqlStore {
    async fn alone(&self) -> Result<Connection, MigrateError> {
        let connected = tokio::time::timeout(self.pool.connect_timeout(), self.pool.connect()).await;
        let connected = connected.map_err(|_| MigrateError::Unavailable("no answer in time".to_owned()))?;
        connected.map_err(|error| MigrateError::Unavailable(described(&error)))
    }
}
