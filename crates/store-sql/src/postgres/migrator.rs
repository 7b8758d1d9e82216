//! The migrator's port, on PostgreSQL: on a connection of its own, for it may take as long as it takes.

use async_trait::async_trait;
use engine::Model;
use engine::model::migration::{Folder, Target};
use engine::ports::migrator::{MigrateError, Migrator, Options, RenderedPlan, Report, Status};

use super::PostgresStore;
use super::error::described;
use super::pool::Connection;
use crate::migrate::postgres as migrate;

#[async_trait]
impl Migrator for PostgresStore {
    async fn status(&self, model: &Model, folder: &Folder, options: Options) -> Result<Status, MigrateError> {
        let connection = self.alone().await?;
        migrate::status(&connection.client, &Target::of(model), folder, options).await
    }

    async fn plan(&self, model: &Model, folder: &Folder, options: Options) -> Result<RenderedPlan, MigrateError> {
        let connection = self.alone().await?;
        migrate::plan(&connection.client, &Target::of(model), folder, options).await
    }

    async fn apply(&self, model: &Model, folder: &Folder, options: Options) -> Result<Report, MigrateError> {
        let connection = self.alone().await?;
        let applied = migrate::apply(&connection.client, &Target::of(model), folder, options).await;
        // Also after a failure: legs that ran before it stay.
        self.pool.renew();
        applied
    }
}

impl PostgresStore {
    async fn alone(&self) -> Result<Connection, MigrateError> {
        let connected = tokio::time::timeout(self.pool.connect_timeout(), self.pool.connect()).await;
        let connected = connected.map_err(|_| MigrateError::Unavailable("no answer in time".to_owned()))?;
        connected.map_err(|error| MigrateError::Unavailable(described(&error)))
    }
}
