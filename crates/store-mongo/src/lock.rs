//! One node at a time: it holds a document for a while, and says again and again that it goes on.

use std::time::Duration;

use mongodb::Database;
use mongodb::bson::{DateTime, Document, doc};
use mongodb::options::ReturnDocument;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::error::is_duplicate;
use crate::system::META;

/// A node that has died holds others up no longer than this.
const LEASE_MS: i64 = 15_000;
const RENEWED_EVERY: Duration = Duration::from_secs(5);
const ASKED_EVERY: Duration = Duration::from_millis(250);

pub(crate) struct Lock {
    database: Database,
    lock: &'static str,
    holder: String,
    renewing: JoinHandle<()>,
}

impl Lock {
    /// Waits until no other node has it; `None` if that takes too long.
    pub(crate) async fn take(
        database: &Database,
        lock: &'static str,
        patience: Duration,
    ) -> mongodb::error::Result<Option<Self>> {
        let until = tokio::time::Instant::now() + patience;
        loop {
            if let Some(taken) = Self::try_take(database, lock).await? {
                return Ok(Some(taken));
            }
            if tokio::time::Instant::now() >= until {
                return Ok(None);
            }
            tokio::time::sleep(ASKED_EVERY).await;
        }
    }

    /// `None` where another node has it.
    pub(crate) async fn try_take(database: &Database, lock: &'static str) -> mongodb::error::Result<Option<Self>> {
        let holder = Uuid::now_v7().to_string();
        if !hold(database, lock, &holder).await? {
            return Ok(None);
        }
        let (renewed, name) = (database.clone(), holder.clone());
        let renewing = tokio::spawn(async move {
            loop {
                tokio::time::sleep(RENEWED_EVERY).await;
                if let Err(error) = hold(&renewed, lock, &name).await {
                    tracing::warn!(%error, lock, "a lock could not be renewed");
                }
            }
        });
        Ok(Some(Self {
            database: database.clone(),
            lock,
            holder,
            renewing,
        }))
    }

    pub(crate) async fn release(self) -> mongodb::error::Result<()> {
        self.renewing.abort();
        let meta = self.database.collection::<Document>(META);
        meta.delete_one(doc! { "_id": self.lock, "holder": &self.holder })
            .await?;
        Ok(())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

/// Whether the lock is this holder's. The time is the server's, the same for all nodes.
async fn hold(database: &Database, lock: &str, holder: &str) -> mongodb::error::Result<bool> {
    // As numbers: not every server that speaks MongoDB's protocol compares a date that is kept with the one of now.
    let is_over = doc! { "$lt": [{ "$toLong": "$until" }, { "$toLong": "$$NOW" }] };
    let free = doc! { "_id": lock, "$or": [{ "holder": holder }, { "$expr": is_over }] };
    let update = vec![doc! { "$set": { "holder": holder, "until": { "$add": ["$$NOW", LEASE_MS] } } }];
    let meta = database.collection::<Document>(META);
    let held = meta
        .find_one_and_update(free, update)
        .return_document(ReturnDocument::After)
        .await?;
    if held.is_some() {
        return Ok(true);
    }
    // Nobody has had it yet, or somebody has it: then the key is taken.
    let first = doc! { "_id": lock, "holder": holder, "until": DateTime::from_millis(0) };
    match meta.insert_one(first).await {
        Ok(_) => Box::pin(hold(database, lock, holder)).await,
        Err(error) if is_duplicate(&error) => Ok(false),
        Err(error) => Err(error),
    }
}
