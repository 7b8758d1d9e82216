//! Reading the change stream up to now.
//!
//! How far "now" is: a document of our own is written, and the stream read until it tells of that.

use std::collections::HashSet;
use std::future::IntoFuture as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::Model;
use engine::ports::relocation::Part;
use engine::ports::store::StoreError;
use mongodb::Database;
use mongodb::bson::{Bson, Document, doc};
use mongodb::change_stream::ChangeStream;
use mongodb::change_stream::event::ResumeToken;
use mongodb::error::Error;
use mongodb::options::FullDocumentBeforeChangeType;
use uuid::Uuid;

use super::{Log, Row, in_time};
use crate::compile::path::ID;
use crate::error::{told, unavailable};
use crate::relocation::{MongoRelocation, Place};
use crate::system::{CHANGE, CHANGES, META};

/// The document of [`META`] that is written so that the stream tells of it.
pub(super) const UNTIL: &str = "changes_until";
/// How long to wait for the next that is told: the server may have to look through much that is none of ours.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long one question to the stream waits for something to be told.
const AWAITED: Duration = Duration::from_millis(500);
/// Rows that are written to the log at once.
const ROWS_MAX: usize = 1000;
/// How often to begin anew where somebody else gathers at the same time.
const ATTEMPTS_MAX: usize = 10;
/// `ChangeStreamHistoryLost`, `ChangeStreamFatalError`, `InvalidResumeToken`, `FailedToParse`, `CappedPositionLost`,
/// `NoMatchingDocument`, `BSONObjectTooLarge`
const LOST: [i32; 7] = [286, 280, 260, 9, 136, 47, 10_334];
const NOT_RESUMABLE: &str = "NonResumableChangeStreamError";

/// What came of reading.
enum Read {
    /// All that was told until now is in the log.
    All,
    /// Somebody else has gathered some of it, or the log is another.
    Overtaken,
    /// Something may have changed without being told; why, for people.
    Lost(String),
}

/// What one event comes to.
enum Told {
    Rows(Vec<Row>),
    /// All before what was written for it was told.
    Now,
    Nothing,
    Lost(String),
}

/// A stream of what concerns the log, from its token on.
pub(super) async fn open(
    database: &Database,
    model: &Model,
    log: &Log,
) -> mongodb::error::Result<ChangeStream<Document>> {
    let parts = Part::all(model).into_iter().map(|part| Place::of(model, part));
    let links = parts.filter(|place| place.link_columns().is_some());
    // Those of which more is wanted than what is in `_id`.
    let mut told: Vec<_> = links.map(|place| place.table).collect();
    // Servers that know no images refuse the option.
    let keeps_images = told
        .iter()
        .any(|table| log.tables.iter().any(|followed| followed == table));
    let as_a_whole = ["drop", "rename", "dropDatabase", "invalidate"];
    let concerns = doc! { "$match": { "$or": [
        { "operationType": { "$in": &as_a_whole[2..] } },
        { "operationType": { "$in": &as_a_whole[..] }, "ns.coll": CHANGE },
        { "ns.coll": { "$in": &log.tables } },
        { "to.coll": { "$in": &log.tables } },
        { "ns.coll": META, "documentKey._id": UNTIL },
    ] } };
    // The documents themselves may be larger together than what a server sends at once.
    let content = doc! {
        "before": "$fullDocumentBeforeChange",
        "after": "$fullDocument",
        "changed": "$updateDescription.updatedFields",
    };
    told.push(META);
    let is_wanted = doc! { "$in": [{ "$ifNull": ["$ns.coll", ""] }, told] };
    let less = doc! { "$project": {
        "operationType": 1, "ns": 1, "to": 1, "documentKey": 1,
        "content": { "$cond": [is_wanted, content, "$$REMOVE"] },
    } };
    let stream = database
        .watch()
        .pipeline([concerns, less])
        .resume_after(log.token.clone())
        .batch_size(u32::try_from(ROWS_MAX).unwrap_or(u32::MAX))
        .max_await_time(AWAITED);
    let stream = match keeps_images {
        true => stream.full_document_before_change(FullDocumentBeforeChangeType::WhenAvailable),
        false => stream,
    };
    Ok(stream.await?.with_type())
}

impl MongoRelocation {
    /// Brings the log up to now. `None` where there is none that stands, also from now on.
    pub(super) async fn gather(&mut self) -> Result<Option<Log>, StoreError> {
        for _ in 0..ATTEMPTS_MAX {
            let Some(log) = self.log().await?.filter(|log| log.note.is_some()) else {
                return Ok(None);
            };
            match self.read_stream(&log).await? {
                Read::All => return self.log().await,
                Read::Overtaken => {}
                Read::Lost(reason) => {
                    tracing::warn!(reason, "the log of changes is worth nothing any more");
                    self.lose(&log).await?;
                }
            }
        }
        Err(unavailable("others are following the database"))
    }

    /// Takes the log away, if it is still this one.
    async fn lose(&mut self, log: &Log) -> Result<(), StoreError> {
        let turn = self.take_turn().await?;
        let is_same = self.log().await?.is_some_and(|found| found.token == log.token);
        let ended = match is_same {
            true => self.end_log().await.map(|_| ()),
            false => Ok(()),
        };
        let released = self.give_back(turn).await;
        ended.and(released)
    }

    async fn read_stream(&mut self, log: &Log) -> Result<Read, StoreError> {
        let Some(mut from) = log.token.clone() else {
            return Ok(Read::Lost("it doesn't say where it was".to_owned()));
        };
        let model = Arc::clone(&self.model);
        let watched = Watched::of(&model);
        let opened = tokio::time::timeout(PATIENCE, open(&self.shared.database, &model, log)).await;
        let mut stream = match opened.map_err(|_| late())? {
            Ok(stream) => stream,
            Err(error) => return self.lost(&error),
        };
        let now = self.write_until().await?;
        loop {
            let (mut rows, mut named, mut is_all) = (Vec::new(), HashSet::new(), false);
            while !is_all && rows.len() < ROWS_MAX {
                let event = match next(&mut stream).await? {
                    Ok(Some(event)) => event,
                    Ok(None) => return Ok(Read::Lost("its change stream has ended".to_owned())),
                    Err(error) => return self.lost(&error),
                };
                match watched.told(&event, &now) {
                    Told::Rows(told) => {
                        // Once is enough, of what is changed again and again.
                        rows.extend(
                            told.into_iter()
                                .filter(|row| named.insert(row.row.to_string() + &row.table)),
                        );
                    }
                    Told::Now => is_all = true,
                    Told::Nothing => {}
                    Told::Lost(reason) => return Ok(Read::Lost(reason)),
                }
            }
            let Some(to) = stream.resume_token() else {
                return Ok(Read::Lost("its change stream doesn't say where it is".to_owned()));
            };
            if !self.gathered(log, rows, &from, &to).await? {
                return Ok(Read::Overtaken);
            }
            if is_all {
                return Ok(Read::All);
            }
            from = to;
        }
    }

    /// Keeps what was told between two tokens. Answers whether nobody else has come that far.
    async fn gathered(
        &mut self,
        log: &Log,
        rows: Vec<Row>,
        from: &ResumeToken,
        to: &ResumeToken,
    ) -> Result<bool, StoreError> {
        let logs = self.logs();
        let here = doc! { ID: CHANGES, "log": &log.log, "token": bson(from)? };
        let mut numbers = 0..0;
        if !rows.is_empty() {
            // Numbers of its own, whoever else gathers.
            let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
            let counting = logs.find_one_and_update(here.clone(), doc! { "$inc": { "next": count } });
            let counting = counting.session(&mut self.session).into_future();
            let Some(found) = in_time(&self.model, counting).await? else {
                return Ok(false);
            };
            numbers = found.next..found.next + count;
            let entries = numbers.clone().zip(rows);
            let entries = entries.map(
                |(number, Row { table, row })| doc! { "log": &log.log, "table": table, "number": number, "row": row },
            );
            let changes = self.changes();
            let inserting = changes.insert_many(entries).session(&mut self.session);
            in_time(&self.model, inserting.into_future()).await?;
        }
        let moving = logs.update_one(here, doc! { "$set": { "token": bson(to)? } });
        let moving = moving.session(&mut self.session).into_future();
        if in_time(&self.model, moving).await?.matched_count > 0 {
            return Ok(true);
        }
        if !numbers.is_empty() {
            // The other has told the same. Of a log that has gone nobody else would take them away.
            let these = doc! { "log": &log.log, "number": { "$gte": numbers.start, "$lt": numbers.end } };
            let changes = self.changes();
            let taking = changes.delete_many(these).session(&mut self.session);
            in_time(&self.model, taking.into_future()).await?;
        }
        Ok(false)
    }

    fn lost(&self, error: &Error) -> Result<Read, StoreError> {
        let is_lost = told(error).is_some_and(|(code, _)| LOST.contains(&code)) || error.contains_label(NOT_RESUMABLE);
        match is_lost {
            true => Ok(Read::Lost(error.to_string())),
            false => Err(self.failed(error)),
        }
    }

    /// Answers what the stream will tell when all before it was told. Whoever reads in this session afterwards sees all of that.
    async fn write_until(&mut self) -> Result<String, StoreError> {
        let now = Uuid::now_v7().to_string();
        let meta = self.shared.database.collection::<Document>(META);
        let document = doc! { ID: UNTIL, "value": &now };
        let writing = meta.replace_one(doc! { ID: UNTIL }, document).upsert(true);
        let writing = writing.session(&mut self.session).into_future();
        in_time(&self.model, writing).await?;
        Ok(now)
    }
}

fn bson(token: &ResumeToken) -> Result<Bson, StoreError> {
    let written = mongodb::bson::serialize_to_bson(token);
    written.map_err(|error| StoreError::Failed(error.to_string()))
}

/// `None` at the stream's end.
async fn next(stream: &mut ChangeStream<Document>) -> Result<Result<Option<Document>, Error>, StoreError> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        let next = tokio::time::timeout_at(until.into(), stream.next_if_any()).await;
        match next.map_err(|_| late())? {
            Ok(None) if stream.is_alive() => {}
            other => return Ok(other),
        }
    }
    Err(late())
}

fn late() -> StoreError {
    unavailable("its change stream doesn't come to what was just written")
}

/// The places of all parts.
struct Watched<'a>(Vec<Place<'a>>);

impl<'a> Watched<'a> {
    fn of(model: &'a Model) -> Self {
        Self(
            Part::all(model)
                .into_iter()
                .map(|part| Place::of(model, part))
                .collect(),
        )
    }

    fn told(&self, event: &Document, now: &str) -> Told {
        let operation = event.get_str("operationType").unwrap_or_default();
        let table = event.get_document("ns").and_then(|ns| ns.get_str("coll"));
        let table = table.unwrap_or_default();
        let content = event.get_document("content").ok();
        if !["insert", "update", "replace", "delete"].contains(&operation) {
            return Told::Lost(format!("there was a {operation} of {table}"));
        }
        if table == META {
            let written = |from: &str| content?.get_document(from).ok()?.get_str("value").ok();
            return match written("after").or_else(|| written("changed")) == Some(now) {
                true => Told::Now,
                false => Told::Nothing,
            };
        }
        let Some(place) = self.0.iter().find(|place| place.table == table) else {
            return Told::Nothing;
        };
        let rows = match place.link_columns() {
            None => event.get_document("documentKey").ok().and_then(identified),
            Some(columns) => content.and_then(|content| linked(content, columns, operation)),
        };
        match rows {
            Some(rows) if rows.iter().all(|row| place.has_key(row)) => {
                let row = |row| Row {
                    table: table.to_owned(),
                    row,
                };
                Told::Rows(rows.into_iter().map(row).collect())
            }
            _ => Told::Lost(format!("which document of {table} has changed is not told")),
        }
    }
}

fn identified(key: &Document) -> Option<Vec<Document>> {
    Some(vec![doc! { ID: key.get(ID)?.clone() }])
}

/// The links that came and went.
fn linked(content: &Document, columns: [&str; 2], operation: &str) -> Option<Vec<Document>> {
    let part = |name: &str| content.get_document(name).ok();
    let link = |from: &[Option<&Document>]| {
        let value = |column: &str| from.iter().flatten().find_map(|document| document.get(column)).cloned();
        let [source, target] = columns;
        Some(doc! { source: value(source)?, target: value(target)? })
    };
    let [before, after, changed] = ["before", "after", "changed"].map(part);
    match operation {
        "insert" => Some(vec![link(&[after])?]),
        "delete" => Some(vec![link(&[before])?]),
        _ => {
            let old = link(&[before])?;
            let new = link(&[after, changed, before])?;
            Some(if old == new { vec![old] } else { vec![old, new] })
        }
    }
}
