//! A connection in use: within a transaction or not, until a deadline.

use std::time::Instant;

use engine::Model;
use engine::model::Value;
use engine::ports::store::StoreError;
use engine::query::trace::Outcome;
use futures::TryStreamExt;
use mongodb::bson::Document;
use mongodb::error::Error;
use mongodb::{ClientSession, Collection, Database};

use crate::compile::{Statement, column};
use crate::error::{is_gone, is_passing, store_error};
use crate::value::decode;

/// One row of a result, as the statement's columns have it.
pub(crate) type Columns = Vec<Value>;

/// Keys that one statement names at most.
pub(crate) const KEYS_MAX: usize = 1000;
/// Documents that one command writes at most.
const WRITTEN_MAX: usize = 1000;

pub(crate) struct Session<'a> {
    database: &'a Database,
    model: &'a Model,
    session: Option<&'a mut ClientSession>,
    deadline: Instant,
    /// Whether a statement failed for reasons that may be gone when all is done again.
    transient: bool,
    /// What was asked, where somebody wants to know.
    recorded: Option<Vec<(Statement, Outcome)>>,
}

impl<'a> Session<'a> {
    /// Each statement by itself.
    pub(crate) fn plain(database: &'a Database, model: &'a Model, deadline: Instant) -> Self {
        Self {
            database,
            model,
            session: None,
            deadline,
            transient: false,
            recorded: None,
        }
    }

    /// Each statement by itself, and written down.
    pub(crate) fn recording(database: &'a Database, model: &'a Model, deadline: Instant) -> Self {
        Self {
            recorded: Some(Vec::new()),
            ..Self::plain(database, model, deadline)
        }
    }

    pub(crate) fn recorded(self) -> Vec<(Statement, Outcome)> {
        self.recorded.unwrap_or_default()
    }

    /// Within the transaction that `session` has open.
    pub(crate) fn within(
        database: &'a Database,
        model: &'a Model,
        session: &'a mut ClientSession,
        deadline: Instant,
    ) -> Self {
        Self {
            session: Some(session),
            ..Self::plain(database, model, deadline)
        }
    }

    pub(crate) fn is_transient(&self) -> bool {
        self.transient
    }

    pub(crate) fn model(&self) -> &'a Model {
        self.model
    }

    pub(crate) async fn query(&mut self, statement: Statement) -> Result<Vec<Columns>, StoreError> {
        if let Some(recorded) = &mut self.recorded {
            recorded.push((statement.clone(), Outcome::Interrupted));
        }
        let began = Instant::now();
        let Statement {
            collection,
            pipeline,
            columns,
        } = statement;
        let documents = self.aggregate(&collection, pipeline).await?;
        if let Some((_, outcome)) = self.recorded.as_mut().and_then(|recorded| recorded.last_mut()) {
            *outcome = Outcome::Rows {
                count: documents.len(),
                took: began.elapsed(),
            };
        }
        let read = |document: Document| {
            let values = columns.iter().enumerate();
            values
                .map(|(place, kind)| decode(document.get(column(place)), *kind))
                .collect()
        };
        documents.into_iter().map(read).collect()
    }

    pub(crate) async fn aggregate(
        &mut self,
        collection: &str,
        pipeline: Vec<Document>,
    ) -> Result<Vec<Document>, StoreError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(StoreError::Timeout);
        }
        let collection = self.collection(collection);
        let asked = collection.aggregate(pipeline).allow_disk_use(true).max_time(left);
        let found = match self.session.as_deref_mut() {
            Some(session) => match asked.session(&mut *session).await {
                Ok(mut cursor) => cursor.stream(session).try_collect().await,
                Err(error) => Err(error),
            },
            None => match asked.await {
                Ok(cursor) => cursor.try_collect().await,
                Err(error) => Err(error),
            },
        };
        found.map_err(|error| self.failed(&error))
    }

    pub(crate) async fn insert(&mut self, collection: &str, documents: Vec<Document>) -> Result<(), StoreError> {
        let collection = self.collection(collection);
        for documents in documents.chunks(WRITTEN_MAX) {
            let inserted = match (documents, self.session.as_deref_mut()) {
                ([one], Some(session)) => collection.insert_one(one).session(session).await.map(|_| ()),
                ([one], None) => collection.insert_one(one).await.map(|_| ()),
                (many, Some(session)) => collection.insert_many(many).session(session).await.map(|_| ()),
                (many, None) => collection.insert_many(many).await.map(|_| ()),
            };
            inserted.map_err(|error| self.failed(&error))?;
        }
        Ok(())
    }

    /// Answers how many were found.
    pub(crate) async fn update(
        &mut self,
        collection: &str,
        filter: Document,
        update: Document,
    ) -> Result<u64, StoreError> {
        let updating = self.collection(collection);
        let updating = updating.update_many(filter, update);
        let updated = match self.session.as_deref_mut() {
            Some(session) => updating.session(session).await,
            None => updating.await,
        };
        updated
            .map(|updated| updated.matched_count)
            .map_err(|error| self.failed(&error))
    }

    /// Puts the document in the place of the one with its `_id`, or beside the others.
    pub(crate) async fn put(&mut self, collection: &str, document: Document) -> Result<(), StoreError> {
        let id = document.get("_id").cloned().unwrap_or_default();
        let putting = self.collection(collection);
        let putting = putting
            .replace_one(mongodb::bson::doc! { "_id": id }, document)
            .upsert(true);
        let put = match self.session.as_deref_mut() {
            Some(session) => putting.session(session).await,
            None => putting.await,
        };
        put.map(|_| ()).map_err(|error| self.failed(&error))
    }

    /// Answers how many are gone.
    pub(crate) async fn delete(&mut self, collection: &str, filter: Document) -> Result<u64, StoreError> {
        let deleting = self.collection(collection);
        let deleting = deleting.delete_many(filter);
        let deleted = match self.session.as_deref_mut() {
            Some(session) => deleting.session(session).await,
            None => deleting.await,
        };
        deleted
            .map(|deleted| deleted.deleted_count)
            .map_err(|error| self.failed(&error))
    }

    /// The first that a filter finds, in no order.
    pub(crate) async fn find(&mut self, collection: &str, filter: Document) -> Result<Option<Document>, StoreError> {
        let finding = self.collection(collection);
        let finding = finding.find_one(filter);
        let found = match self.session.as_deref_mut() {
            Some(session) => finding.session(session).await,
            None => finding.await,
        };
        found.map_err(|error| self.failed(&error))
    }

    fn collection(&self, name: &str) -> Collection<Document> {
        self.database.collection(name)
    }

    pub(crate) fn parts(&mut self, collection: &str) -> (Collection<Document>, Option<&mut ClientSession>) {
        (self.collection(collection), self.session.as_deref_mut())
    }

    pub(crate) fn failed(&mut self, error: &Error) -> StoreError {
        // Where no server was found for so long there is none now either.
        self.transient |= is_passing(error) && !is_gone(error);
        store_error(error, self.model)
    }
}
