//! Moving a database's data, on MongoDB.
//!
//! Relations are looked after by Ninefold's own writes, not by the server; so whatever is put is taken, and the end looks for
//! what refers to nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use engine::Model;
use engine::model::{Collection, FieldKind, Value};
use engine::ports::change_log::ChangeLog;
use engine::ports::relocation::{Part, Relocation, Turn};
use engine::ports::store::StoreError;
use mongodb::bson::{Bson, DateTime, Document, doc};
use mongodb::options::ReadConcern;
use mongodb::{ClientSession, Database};

use crate::compile::Links;
use crate::compile::path::{self, ID};
use crate::error::{store_error, unavailable};
use crate::open::Shared;
use crate::session::Session;
use crate::system::{META, POSITION};
use crate::transaction::Work;

mod place;

pub(crate) use place::Place;

/// The document of [`META`] that has the mark of the move that fills the database.
const MARK: &str = "move";
/// The one that has what the end of the move has left.
const MOVED: &str = "moved";
/// Why a state can't be read to its end.
const GIVEN_UP: &str = "MongoDB gave up the state that is copied, which it keeps no longer than `transactionLifetimeLimitSeconds`; \
                        raise that, or stop the servers and use `ninefold move`";
const KEYS_PER_FIND: usize = 100;
/// How long one portion may take.
const PORTION_TIMEOUT: Duration = Duration::from_secs(60);
/// How long looking for what refers to nothing may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

pub(crate) struct MongoRelocation {
    pub(crate) shared: Arc<Shared>,
    pub(crate) model: Arc<Model>,
    /// What all is read in: a transaction, where all has to be of one moment. Otherwise no read is of an earlier state than what was
    /// written in it, even where another server has become the primary in between.
    pub(crate) session: ClientSession,
    is_still: bool,
}

pub(crate) async fn start(shared: Arc<Shared>, model: Arc<Model>) -> Result<MongoRelocation, StoreError> {
    let failed = |error: mongodb::error::Error| store_error(&error, &model);
    let is_still = shared.options.still;
    let mut session = shared.client.start_session().await.map_err(failed)?;
    if is_still {
        let begun = session.start_transaction().read_concern(ReadConcern::snapshot()).await;
        begun.map_err(failed)?;
    }
    Ok(MongoRelocation {
        shared,
        model,
        session,
        is_still,
    })
}

/// The mark of the move that fills this database.
pub(crate) async fn mark(database: &Database) -> mongodb::error::Result<Option<String>> {
    meta(database, MARK).await
}

async fn meta(database: &Database, id: &str) -> mongodb::error::Result<Option<String>> {
    let meta = database.collection::<Document>(META);
    let found = meta.find_one(doc! { ID: id }).await?;
    Ok(found.and_then(|found| found.get_str("value").ok().map(str::to_owned)))
}

impl MongoRelocation {
    /// What a pipeline finds, of one moment where that is wanted.
    pub(crate) async fn find_all(&mut self, table: &str, pipeline: Vec<Document>) -> Result<Vec<Document>, StoreError> {
        let (database, until) = (&self.shared.database, Instant::now() + PORTION_TIMEOUT);
        let mut session = Session::within(database, &self.model, &mut self.session, until);
        let found = session.aggregate(table, pipeline).await;
        match self.is_still && session.is_transient() {
            true => found.map_err(|_| unavailable(GIVEN_UP)),
            false => found,
        }
    }

    async fn write<W: Work<Done = bool>>(&self, work: W) -> Result<bool, StoreError> {
        let model = || Ok(Arc::clone(&self.model));
        let deadline = Instant::now() + PORTION_TIMEOUT;
        self.shared.write(model, deadline, work, |done, _| done).await
    }

    /// What a record of `table` refers to by `path` without its being there.
    async fn check_references(&self, table: &str, path: &str, target: &Collection) -> Result<(), StoreError> {
        let pipeline = vec![
            doc! { "$match": { path: { "$ne": Bson::Null } } },
            doc! { "$lookup": { "from": &target.table, "localField": path, "foreignField": ID, "as": "found" } },
            doc! { "$match": { "found": { "$size": 0 } } },
            doc! { "$limit": 1 },
            doc! { "$project": { ID: 1 } },
        ];
        let until = Instant::now() + CHECK_TIMEOUT;
        let mut session = Session::plain(&self.shared.database, &self.model, until);
        let dangling = session.aggregate(table, pipeline).await?;
        match dangling.is_empty() {
            true => Ok(()),
            false => Err(StoreError::Failed(format!(
                "a document of {table} refers to one of {} that isn't there",
                target.table
            ))),
        }
    }
}

#[async_trait]
impl Relocation for MongoRelocation {
    async fn alone(&mut self) -> Result<(), StoreError> {
        // MongoDB tells nobody who is connected.
        Ok(())
    }

    async fn count(&mut self, part: Part) -> Result<u64, StoreError> {
        let model = Arc::clone(&self.model);
        let place = Place::of(&model, part);
        let count = vec![doc! { "$group": { ID: Bson::Null, "count": { "$sum": 1_i64 } } }];
        let counted = self.find_all(place.table, count).await?;
        // As wide as it has to be.
        let count = counted.first().map_or(Some(0), |counted| match counted.get("count") {
            Some(Bson::Int32(count)) => Some(i64::from(*count)),
            Some(Bson::Int64(count)) => Some(*count),
            _ => None,
        });
        let count = count.ok_or_else(|| StoreError::Failed("documents can't be counted".to_owned()))?;
        Ok(count.unsigned_abs())
    }

    async fn read(&mut self, part: Part, after: Option<Vec<Value>>, limit: u32) -> Result<Vec<Vec<Value>>, StoreError> {
        let model = Arc::clone(&self.model);
        let place = Place::of(&model, part);
        let mut pipeline = Vec::new();
        if let Some(after) = &after {
            pipeline.push(doc! { "$match": place.behind(after) });
        }
        let sort: Document = place.order.iter().map(|path| (path.clone(), Bson::Int32(1))).collect();
        pipeline.push(doc! { "$sort": sort });
        pipeline.push(doc! { "$limit": i64::from(limit) });
        let found = self.find_all(place.table, pipeline).await?;
        found.iter().map(|document| place.row(document)).collect()
    }

    async fn find(&mut self, part: Part, keys: Vec<Vec<Value>>) -> Result<Vec<Vec<Value>>, StoreError> {
        let model = Arc::clone(&self.model);
        let place = Place::of(&model, part);
        let mut rows = Vec::new();
        for keys in keys.chunks(KEYS_PER_FIND) {
            let found = self
                .find_all(place.table, vec![doc! { "$match": place.among(keys) }])
                .await?;
            for document in &found {
                rows.push(place.row(document)?);
            }
        }
        Ok(rows)
    }

    fn change_log(&mut self) -> Option<&mut dyn ChangeLog> {
        // Who reads one state follows nothing.
        match self.is_still {
            true => None,
            false => Some(self),
        }
    }

    async fn mark(&mut self) -> Result<Option<String>, StoreError> {
        let found = mark(&self.shared.database).await;
        found.map_err(|error| store_error(&error, &self.model))
    }

    async fn position(&mut self) -> Result<String, StoreError> {
        // Of one moment, it doesn't change.
        let found = self.find_all(META, vec![doc! { "$match": { ID: POSITION } }]).await?;
        Ok(found.first().map(Document::to_string).unwrap_or_default())
    }

    async fn moved(&mut self) -> Result<Option<String>, StoreError> {
        let found = meta(&self.shared.database, MOVED).await;
        found.map_err(|error| store_error(&error, &self.model))
    }

    async fn begin(&mut self, mark: String) -> Result<bool, StoreError> {
        self.write(Begin { mark }).await
    }

    async fn put(
        &mut self,
        part: Part,
        gone: Vec<Vec<Value>>,
        rows: Vec<Vec<Value>>,
        turn: Turn,
    ) -> Result<bool, StoreError> {
        let place = Place::of(&self.model, part);
        self.write(Put {
            table: place.table,
            gone: gone.iter().map(|key| place.at(key)).collect(),
            documents: rows.iter().map(|row| place.document(row)).collect(),
            turn,
        })
        .await
    }

    async fn finish(&mut self, mark: &str, moved: String) -> Result<bool, StoreError> {
        for collection in &self.model.collections {
            for field in &collection.fields {
                match &field.kind {
                    FieldKind::Reference { target, .. } => {
                        let path = path::of(collection, field);
                        let target = self.model.collection(*target);
                        self.check_references(&collection.table, &path, target).await?;
                    }
                    FieldKind::Links { .. } => {
                        let links = Links::of(collection, field.id);
                        let target = self.model.collection(links.target);
                        self.check_references(links.table, links.source_column, collection)
                            .await?;
                        self.check_references(links.table, links.target_column, target).await?;
                    }
                    FieldKind::Value(_) | FieldKind::Inverse { .. } => {}
                }
            }
        }
        let mark = mark.to_owned();
        self.write(Complete { mark, moved }).await
    }
}

struct Begin {
    mark: String,
}

impl Work for Begin {
    type Done = bool;

    async fn run(&self, session: &mut Session<'_>) -> Result<bool, StoreError> {
        if session.find(META, doc! { ID: MARK }).await?.is_some() {
            return Ok(false);
        }
        session.delete(META, doc! { ID: MOVED }).await?;
        let mark = doc! { ID: MARK, "value": &self.mark };
        session.insert(META, vec![mark]).await.map(|()| true)
    }

    fn counts(done: &bool) -> bool {
        *done
    }
}

/// Rows that go and rows that come, and how far the move is with them.
struct Put<'a> {
    table: &'a str,
    /// What finds those that go.
    gone: Vec<Document>,
    documents: Vec<Document>,
    turn: Turn,
}

impl Work for Put<'_> {
    type Done = bool;

    async fn run(&self, session: &mut Session<'_>) -> Result<bool, StoreError> {
        let from = doc! { ID: MARK, "value": &self.turn.from };
        let to = doc! { "$set": { "value": &self.turn.to } };
        if session.update(META, from, to).await? == 0 {
            return Ok(false);
        }
        for filter in &self.gone {
            session.delete(self.table, filter.clone()).await?;
        }
        if !self.documents.is_empty() {
            session.insert(self.table, self.documents.clone()).await?;
        }
        Ok(true)
    }

    fn counts(done: &bool) -> bool {
        *done
    }
}

struct Complete {
    mark: String,
    moved: String,
}

impl Work for Complete {
    type Done = bool;

    async fn run(&self, session: &mut Session<'_>) -> Result<bool, StoreError> {
        if session.delete(META, doc! { ID: MARK, "value": &self.mark }).await? == 0 {
            return Ok(false);
        }
        // Behind every position of the former database: those who come back start over.
        let position = DateTime::now().timestamp_millis().saturating_mul(1000);
        let behind = doc! { ID: POSITION, "value": { "$lt": position } };
        session
            .update(META, behind, doc! { "$set": { "value": position } })
            .await?;
        session.put(META, doc! { ID: MOVED, "value": &self.moved }).await?;
        Ok(true)
    }

    fn counts(done: &bool) -> bool {
        *done
    }
}
