//! The log of changes on MongoDB: nothing writes it; it is gathered from a change stream whenever somebody asks for it.
//!
//! A document says how far that has come ([`Log`]). What the stream tells from there on becomes entries, and then that document says where the
//! next begins ([`stream`]); a stop in between has them told twice, which does no harm. Neither that nor forgetting is a transaction: one that a
//! process has left behind would hold up whoever comes next for a minute. The stream tells what a majority has, in the order of commits, and of a
//! transaction at its commit: so one that was open when the log began, and commits later, is in it, and nobody has to be waited
//! for. It goes back as far as the server's oplog. Where that has forgotten what is asked for, or a collection went as a whole, the log is
//! worth nothing, and there is none.

use std::collections::HashMap;
use std::future::IntoFuture as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use engine::Model;
use engine::model::Value;
use engine::ports::change_log::{Begun, ChangeLog, Entry};
use engine::ports::relocation::Part;
use engine::ports::store::StoreError;
use futures::TryStreamExt;
use mongodb::bson::{Bson, Document, doc};
use mongodb::change_stream::event::ResumeToken;
use mongodb::error::Error;
use mongodb::results::{CollectionSpecification, CollectionType};
use mongodb::{Collection, IndexModel};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::compile::path::ID;
use crate::error::{is_passing, store_error, told, unavailable};
use crate::lock::Lock;
use crate::migrate::{LOCK, PATIENCE};
use crate::relocation::{MongoRelocation, Place};
use crate::system::{self, CHANGE, CHANGES, META};

mod stream;

/// How long one small question may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// How long to wait for a change of a collection's options, which waits for those who write to it.
const SETTING_TIMEOUT: Duration = Duration::from_secs(45);

/// The document [`CHANGES`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Log {
    #[serde(rename = "_id")]
    id: String,
    /// None until the log stands, and when it goes.
    note: Option<String>,
    /// All that was told before is in the entries.
    token: Option<ResumeToken>,
    /// Which log this is: its entries have it, so that who follows another touches none of them.
    log: String,
    /// The number of the next entry.
    next: i64,
    /// Collections that are followed.
    tables: Vec<String>,
    /// Those of them that keep images for the log's sake.
    imaged: Vec<String>,
}

/// Why it can't be begun.
enum Stop {
    Refused(String),
    Failed(StoreError),
}

/// Whether a move follows the database.
pub(crate) async fn is_followed(database: &mongodb::Database) -> mongodb::error::Result<bool> {
    let meta = database.collection::<Document>(META);
    Ok(meta.find_one(doc! { ID: CHANGES }).await?.is_some())
}

#[async_trait]
impl ChangeLog for MongoRelocation {
    async fn note(&mut self) -> Result<Option<String>, StoreError> {
        Ok(self.gather().await?.and_then(|log| log.note))
    }

    async fn begin(&mut self, note: String) -> Result<Begun, StoreError> {
        let turn = self.take_turn().await?;
        let begun = self.begin_log(note).await;
        let released = self.give_back(turn).await;
        let begun = begun?;
        released.map(|()| begun)
    }

    async fn renote(&mut self, from: &str, to: String) -> Result<bool, StoreError> {
        let update = doc! { "$set": { "note": to } };
        let logs = self.logs();
        let renoting = logs.update_one(doc! { ID: CHANGES, "note": from }, update);
        let renoting = renoting.session(&mut self.session).into_future();
        Ok(in_time(&self.model, renoting).await?.matched_count > 0)
    }

    async fn entries(&mut self, part: Part, after: i64, limit: u32) -> Result<Vec<Entry>, StoreError> {
        // Once, and not for each portion: what is written meanwhile is for the next time.
        let log = match after <= 0 {
            true => self.gather().await?,
            false => self.log().await?,
        };
        let Some(log) = log.filter(|log| log.note.is_some()) else {
            return Ok(Vec::new());
        };
        let model = Arc::clone(&self.model);
        let place = Place::of(&model, part);
        let pipeline = vec![
            doc! { "$match": { "log": log.log, "table": place.table, "number": { "$gt": after } } },
            doc! { "$sort": { "number": 1 } },
            doc! { "$limit": i64::from(limit) },
        ];
        let found = self.find_all(CHANGE, pipeline).await?;
        let entry = |found: &Document| {
            let (Ok(number), Ok(row)) = (found.get_i64("number"), found.get_document("row")) else {
                return Err(StoreError::Failed(format!("what {CHANGE} has is no entry of a log")));
            };
            let key = place.key_of(row)?;
            Ok(Entry { number, key })
        };
        found.iter().map(entry).collect()
    }

    async fn forget(&mut self, part: Part, numbers: Vec<i64>, from: &str, to: String) -> Result<bool, StoreError> {
        // First: what is left after a stop in between is read once more.
        if !self.renote(from, to.clone()).await? {
            return Ok(false);
        }
        let log = self.log().await?.filter(|log| log.note.as_ref() == Some(&to));
        let Some(log) = log else { return Ok(false) };
        if !numbers.is_empty() {
            let table = Place::of(&self.model, part).table;
            let these = doc! { "log": log.log, "table": table, "number": { "$in": numbers } };
            let changes = self.changes();
            let forgetting = changes.delete_many(these).session(&mut self.session);
            in_time(&self.model, forgetting.into_future()).await?;
        }
        Ok(true)
    }

    async fn stands(&mut self, _: &[Part]) -> Result<bool, StoreError> {
        // What the change stream can't tell it says, and then there is no log.
        Ok(true)
    }

    async fn end(&mut self) -> Result<bool, StoreError> {
        let turn = self.take_turn().await?;
        let ended = self.end_log().await;
        let released = self.give_back(turn).await;
        let ended = ended?;
        released.map(|()| ended)
    }
}

impl MongoRelocation {
    fn failed(&self, error: &Error) -> StoreError {
        store_error(error, &self.model)
    }

    fn logs(&self) -> Collection<Log> {
        self.shared.database.collection(META)
    }

    fn changes(&self) -> Collection<Document> {
        self.shared.database.collection(CHANGE)
    }

    /// As the session sees it: never older than what was written in it.
    async fn log(&mut self) -> Result<Option<Log>, StoreError> {
        let logs = self.logs();
        let finding = logs.find_one(doc! { ID: CHANGES }).session(&mut self.session);
        in_time(&self.model, finding.into_future()).await
    }

    /// No migration begins before it is given back.
    async fn take_turn(&self) -> Result<Lock, StoreError> {
        let taking = Lock::take(&self.shared.database, LOCK, PATIENCE);
        let taken = tokio::time::timeout(PATIENCE + ANSWER_TIMEOUT, taking).await;
        let taken = taken.map_err(|_| StoreError::Timeout)?;
        let taken = taken.map_err(|error| self.failed(&error))?;
        taken.ok_or_else(|| unavailable("another node is migrating it"))
    }

    /// Where the server doesn't answer the turn ends by itself, some moments later.
    async fn give_back(&self, turn: Lock) -> Result<(), StoreError> {
        in_time(&self.model, turn.release()).await
    }

    async fn begin_log(&mut self, note: String) -> Result<Begun, StoreError> {
        self.end_log().await?;
        match self.follow(note).await {
            Ok(without) => Ok(Begun::Without(without)),
            Err(Stop::Refused(reason)) => {
                self.end_log().await?;
                Ok(Begun::Refused(reason))
            }
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    /// Answers the parts that can't be followed.
    async fn follow(&mut self, note: String) -> Result<Vec<Part>, Stop> {
        let database = self.shared.database.clone();
        let model = Arc::clone(&self.model);
        let stopped = |error: Error| stopped(&model, &error);
        let hello = answered(database.run_command(doc! { "hello": 1 }).into_future()).await;
        let hello = hello.map_err(stopped)?;
        if hello.get_str("msg").is_ok_and(|message| message == "isdbgrid") {
            // One shard may be ahead of another: a mark of ours wouldn't tell that all before it was told.
            return Err(Stop::Refused("it is a sharded cluster".to_owned()));
        }
        let found = answered(async { database.list_collections().await?.try_collect::<Vec<_>>().await }).await;
        let found = found.map_err(stopped)?;
        let found: HashMap<_, _> = found.into_iter().map(|found| (found.name.clone(), found)).collect();
        let mut log = Log {
            id: CHANGES.to_owned(),
            note: None,
            token: None,
            log: Uuid::now_v7().to_string(),
            next: 1,
            tables: Vec::new(),
            imaged: Vec::new(),
        };
        let (mut without, mut links) = (Vec::new(), Vec::new());
        for part in Part::all(&self.model) {
            let place = Place::of(&self.model, part);
            match found.get(place.table) {
                Some(table) if table.collection_type == CollectionType::Collection => {
                    log.tables.push(place.table.to_owned());
                    if place.link_columns().is_some() && !has_images(table) {
                        links.push((part, place.table.to_owned()));
                    }
                }
                // What a view shows changes elsewhere.
                _ => without.push(part),
            }
        }
        log.imaged = links.iter().map(|(_, table)| table.clone()).collect();
        // From here on there is one that doesn't stand, and no migration.
        self.keep(&log).await.map_err(stopped)?;
        for (part, table) in links {
            // Of a link that goes only its `_id` is told, which names nothing, unless there is an image of it.
            match self.set_images(&table, true).await {
                Err(error) if told(&error).is_none() || is_passing(&error) => return Err(stopped(error)),
                Err(error) => {
                    tracing::info!(%error, table, "its changes can't be followed");
                    log.tables.retain(|followed| *followed != table);
                    without.push(part);
                }
                Ok(()) => {}
            }
        }
        answered(system::create(&database, CHANGE)).await.map_err(stopped)?;
        let index = IndexModel::builder()
            .keys(doc! { "log": 1, "table": 1, "number": 1 })
            .build();
        let changes = self.changes();
        let indexing = changes.create_index(index).into_future();
        answered(indexing).await.map_err(stopped)?;
        let opened = answered(stream::open(&database, &self.model, &log)).await;
        let opened = opened.map_err(stopped)?;
        log.token = opened.resume_token();
        if log.token.is_none() {
            return Err(Stop::Refused("it doesn't say where a change stream begins".to_owned()));
        }
        log.note = Some(note);
        // A majority has it, and so all that was committed before the stream began: whoever reads from now on sees that.
        self.keep(&log).await.map_err(stopped)?;
        Ok(without)
    }

    async fn keep(&mut self, log: &Log) -> mongodb::error::Result<()> {
        let logs = self.logs();
        let keeping = logs.replace_one(doc! { ID: CHANGES }, log).upsert(true);
        let kept = answered(keeping.session(&mut self.session).into_future()).await;
        kept.map(|_| ())
    }

    async fn set_images(&self, table: &str, enabled: bool) -> mongodb::error::Result<()> {
        let command = doc! {
            "collMod": table,
            "changeStreamPreAndPostImages": { "enabled": enabled },
            "maxTimeMS": i64::try_from(SETTING_TIMEOUT.as_millis()).unwrap_or(i64::MAX),
        };
        answered(self.shared.database.run_command(command).into_future())
            .await
            .map(|_| ())
    }

    /// Answers whether there was one.
    async fn end_log(&mut self) -> Result<bool, StoreError> {
        let there = self.log().await?;
        // Whoever follows it finds it gone before anything of it is.
        let gone = doc! { "$set": { "note": Bson::Null, "token": Bson::Null } };
        let logs = self.logs();
        let ending = logs.update_one(doc! { ID: CHANGES }, gone);
        in_time(&self.model, ending.session(&mut self.session).into_future()).await?;
        let changes = self.changes();
        in_time(&self.model, changes.drop().into_future()).await?;
        for table in there.iter().flat_map(|log| &log.imaged) {
            match self.set_images(table, false).await {
                Err(error) if told(&error).is_none() || is_passing(&error) => return Err(self.failed(&error)),
                // It is gone, or never kept any.
                Err(error) => tracing::debug!(%error, table, "it keeps no images to take away"),
                Ok(()) => {}
            }
        }
        let own = doc! { ID: { "$in": [CHANGES, stream::UNTIL] } };
        let logs = self.logs();
        let taking = logs.delete_many(own).session(&mut self.session);
        in_time(&self.model, taking.into_future()).await?;
        Ok(there.is_some())
    }
}

/// The driver itself waits for an answer for ever.
async fn answered<T>(asked: impl Future<Output = mongodb::error::Result<T>>) -> mongodb::error::Result<T> {
    let answered = tokio::time::timeout(ANSWER_TIMEOUT, asked).await;
    answered.unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))
}

async fn in_time<T>(model: &Model, asked: impl Future<Output = mongodb::error::Result<T>>) -> Result<T, StoreError> {
    answered(asked).await.map_err(|error| store_error(&error, model))
}

/// What the server itself says against it is a refusal.
fn stopped(model: &Model, error: &Error) -> Stop {
    match told(error) {
        Some((_, reason)) if !is_passing(error) => Stop::Refused(reason),
        _ => Stop::Failed(store_error(error, model)),
    }
}

fn has_images(table: &CollectionSpecification) -> bool {
    let images = table.options.change_stream_pre_and_post_images.as_ref();
    images.is_some_and(|images| images.enabled)
}

/// A document that is followed, as the log has it.
struct Row {
    table: String,
    /// What identifies it.
    row: Document,
}

impl Place<'_> {
    /// Whether a key can be told from it.
    fn has_key(&self, row: &Document) -> bool {
        self.key_of(row).is_ok_and(|key| !key.contains(&Value::Null))
    }
}
