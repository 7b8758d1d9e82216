//! What a database says of itself, in a few documents of [`system::META`].

use engine::model::migration::{FileId, Leg, Step};
use engine::model::{Structure, Timestamp};
use mongodb::Database;
use mongodb::bson::{Document, doc};
use serde::{Deserialize, Serialize};

use super::Failed;
use crate::system::META;

const STRUCTURE: &str = "structure";
const APPLIED: &str = "applied";
const UNDER_WAY: &str = "migration";

/// A leg that has begun. MongoDB changes collections outside of transactions; so whoever comes after an interruption finds here
/// what is left to do, and does it first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct UnderWay {
    pub(super) steps: Vec<Step>,
    pub(super) before: Structure,
    pub(super) after: Structure,
    files: Vec<(u32, String, [u8; 32])>,
    now: i64,
    /// The step that is next.
    pub(super) next: usize,
}

impl UnderWay {
    pub(super) fn of(leg: &Leg, now: Timestamp) -> Self {
        let files = leg
            .files
            .iter()
            .map(|file| (file.number, file.name.clone(), file.checksum));
        Self {
            steps: leg.steps.clone(),
            before: leg.before.clone(),
            after: leg.after.clone(),
            files: files.collect(),
            now: now.0,
            next: 0,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp(self.now)
    }

    pub(super) fn files(&self) -> Vec<FileId> {
        let files = self.files.iter().cloned();
        files
            .map(|(number, name, checksum)| FileId { number, name, checksum })
            .collect()
    }
}

pub(super) async fn structure(database: &Database) -> Result<Option<Structure>, Failed> {
    read(database, STRUCTURE).await
}

/// Files that the database has run, in order.
pub(super) async fn applied(database: &Database) -> Result<Vec<FileId>, Failed> {
    let files: Option<Vec<(u32, String, [u8; 32])>> = read(database, APPLIED).await?;
    let files = files.unwrap_or_default().into_iter();
    Ok(files
        .map(|(number, name, checksum)| FileId { number, name, checksum })
        .collect())
}

pub(super) async fn under_way(database: &Database) -> Result<Option<UnderWay>, Failed> {
    read(database, UNDER_WAY).await
}

pub(super) async fn keep(database: &Database, under_way: &UnderWay) -> Result<(), Failed> {
    write(database, UNDER_WAY, under_way).await
}

/// Told in an order in which an interruption does no harm: what is written twice is the same.
pub(super) async fn finish(database: &Database, done: &UnderWay) -> Result<(), Failed> {
    let mut files = applied(database).await?;
    for file in done.files() {
        if !files.contains(&file) {
            files.push(file);
        }
    }
    let files: Vec<_> = files
        .into_iter()
        .map(|file| (file.number, file.name, file.checksum))
        .collect();
    write(database, APPLIED, &files).await?;
    write(database, STRUCTURE, &done.after).await?;
    let meta = database.collection::<Document>(META);
    meta.delete_one(doc! { "_id": UNDER_WAY }).await?;
    Ok(())
}

async fn read<T: for<'de> Deserialize<'de>>(database: &Database, name: &str) -> Result<Option<T>, Failed> {
    let found = database
        .collection::<Document>(META)
        .find_one(doc! { "_id": name })
        .await?;
    let Some(found) = found else { return Ok(None) };
    let text = found.get_str("json").unwrap_or_default();
    serde_json::from_str(text)
        .map(Some)
        .map_err(|error| Failed::Other(format!("what {META} has as {name} can't be read: {error}")))
}

async fn write<T: Serialize>(database: &Database, name: &str, value: &T) -> Result<(), Failed> {
    let json = serde_json::to_string(value).map_err(|error| Failed::Other(error.to_string()))?;
    let meta = database.collection::<Document>(META);
    let document = doc! { "_id": name, "json": json };
    meta.replace_one(doc! { "_id": name }, document).upsert(true).await?;
    Ok(())
}
