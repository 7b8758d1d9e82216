//! The migrator's port, on PostgreSQL: on a connection of its own, for it may take as long as it takes.

use std::time::Duration;

use async_trait::async_trait;
use engine::Model;
use engine::model::migration::{Folder, Target};
use engine::ports::migrator::{MigrateError, Migrator, Options, RenderedPlan, Report, Status};

use super::PostgresStore;
use super::error::described;
use super::pool::Connection;
use crate::migrate::postgres as migrate;

/// Most migrations are over by then.
const LOOKED_AFTER: Duration = Duration::from_secs(2);

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
        let target = Target::of(model);
        let pid = connection.client.query_one("SELECT pg_backend_pid()", &[]).await;
        let pid = pid.and_then(|row| row.try_get(0));
        let pid = pid.map_err(|error| MigrateError::Unavailable(described(&error)))?;
        let applied = tokio::select! {
            applied = migrate::apply(&connection.client, &target, folder, options) => applied,
            () = self.tell_waits(pid) => unreachable!("it doesn't end"),
        };
        // Also after a failure: legs that ran before it stay.
        self.pool.renew();
        applied
    }
}

impl PostgresStore {
    /// Says in the log whom the migration on that connection waits for, which it can't say itself while it does; doesn't end.
    /// Where there is no room for another connection, nothing is said.
    async fn tell_waits(&self, pid: i32) {
        tokio::time::sleep(LOOKED_AFTER).await;
        match self.alone().await {
            Ok(looking) => {
                let told = migrate::tell_waits(&looking.client, pid).await;
                tracing::debug!(?told, "nobody looks any more whom the migration waits for");
            }
            Err(error) => tracing::debug!(%error, "nobody looks whom the migration waits for"),
        }
        std::future::pending().await
    }

    async fn alone(&self) -> Result<Connection, MigrateError> {
        let connected = tokio::time::timeout(self.pool.connect_timeout(), self.pool.connect()).await;
        let connected = connected.map_err(|_| MigrateError::Unavailable("no answer in time".to_owned()))?;
        connected.map_err(|error| MigrateError::Unavailable(described(&error)))
    }
}
