//! The migrator's port, on SQLite: on the writing thread, between two groups, so that no write is under way meanwhile.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use engine::Model;
use engine::model::migration::{Folder, Target};
use engine::ports::migrator::{MigrateError, Migrator, Options, RenderedPlan, Report, Status};
use engine::ports::store::StoreError;
use rusqlite::Connection;

use super::SqliteStore;
use crate::migrate::sqlite as migrate;

/// How long it may wait for its turn; it may run as long as it takes.
const START_TIMEOUT: Duration = Duration::from_secs(60);

#[async_trait]
impl Migrator for SqliteStore {
    async fn status(&self, model: &Model, folder: &Folder, options: Options) -> Result<Status, MigrateError> {
        self.alone(model, folder, move |connection, target, folder| {
            migrate::status(connection, target, folder, options)
        })
        .await
    }

    async fn plan(&self, model: &Model, folder: &Folder, options: Options) -> Result<RenderedPlan, MigrateError> {
        self.alone(model, folder, move |connection, target, folder| {
            migrate::plan(connection, target, folder, options)
        })
        .await
    }

    async fn apply(&self, model: &Model, folder: &Folder, options: Options) -> Result<Report, MigrateError> {
        self.alone(model, folder, move |connection, target, folder| {
            migrate::apply(connection, target, folder, options)
        })
        .await
    }
}

impl SqliteStore {
    async fn alone<T: Send + 'static>(
        &self,
        model: &Model,
        folder: &Folder,
        work: impl FnOnce(&Connection, &Target, &Folder) -> Result<T, MigrateError> + Send + 'static,
    ) -> Result<T, MigrateError> {
        let (target, folder) = (Target::of(model), folder.clone());
        let job = move |connection: &Connection| Ok(work(connection, &target, &folder));
        let answer = self.writer().run_alone(Instant::now() + START_TIMEOUT, job).await;
        answer.unwrap_or_else(|error| match error {
            StoreError::Unavailable { reason, .. } => Err(MigrateError::Unavailable(reason)),
            StoreError::Timeout => Err(MigrateError::Unavailable("too many writes are waiting".to_owned())),
            other => Err(MigrateError::Failed(other.to_string())),
        })
    }
}

#[cfg(test)]
mod tests;
