//! Moving a database's data, on MongoDB.
//!
//! Relations are looked after by Ninefold's own writes, not by the server; so whatever is put is taken, and the end looks for
//! what refers to nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use engine::Model;
use engine::model::kind::Kind;
use engine::model::{Collection, FieldKind, Key, Value};
use engine::ports::change_log::ChangeLog;
use engine::ports::relocation::{Part, Relocation, Reserved};
use engine::ports::store::StoreError;
use engine::query::Image;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, DateTime, Document, doc};
use mongodb::options::ReadConcern;
use mongodb::{ClientSession, Database};
use uuid::Uuid;

use crate::compile::path::{self, ID};
use crate::compile::{self, Links};
use crate::error::{store_error, unavailable};
use crate::open::Shared;
use crate::session::Session;
use crate::system::{self, META, POSITION};
use crate::transaction::Work;
use crate::value::{decode, encode};

/// The document of [`META`] that has the mark of the move that fills the database.
const MARK: &str = "move";
/// Why a state can't be read to its end.
const GIVEN_UP: &str = "MongoDB gave up the state that is copied, which it keeps no longer than `transactionLifetimeLimitSeconds`; \
                        raise that, or stop the servers and use `ninefold move`";
const KEYS_PER_FIND: usize = 100;
/// How long one portion may take.
const PORTION_TIMEOUT: Duration = Duration::from_secs(60);
/// How long looking for what refers to nothing may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

pub(crate) struct MongoRelocation {
    shared: Arc<Shared>,
    model: Arc<Model>,
    /// The transaction within which all is read, where all has to be of one moment.
    still: Option<ClientSession>,
}

pub(crate) async fn start(shared: Arc<Shared>, model: Arc<Model>) -> Result<MongoRelocation, StoreError> {
    let failed = |error: mongodb::error::Error| store_error(&error, &model);
    let mut still = None;
    if shared.options.still {
        let mut client = shared.client.start_session().await.map_err(failed)?;
        let begun = client.start_transaction().read_concern(ReadConcern::snapshot()).await;
        begun.map_err(failed)?;
        still = Some(client);
    }
    Ok(MongoRelocation { shared, model, still })
}

/// The mark of the move that fills this database.
pub(crate) async fn mark(database: &Database) -> mongodb::error::Result<Option<String>> {
    let meta = database.collection::<Document>(META);
    let found = meta.find_one(doc! { ID: MARK }).await?;
    Ok(found.and_then(|found| found.get_str("value").ok().map(str::to_owned)))
}

impl MongoRelocation {
    /// What a pipeline finds, of one moment where that is wanted.
    async fn find_all(&mut self, table: &str, pipeline: Vec<Document>) -> Result<Vec<Document>, StoreError> {
        let (database, until) = (&self.shared.database, Instant::now() + PORTION_TIMEOUT);
        let Some(client) = &mut self.still else {
            let mut session = Session::plain(database, &self.model, until);
            return session.aggregate(table, pipeline).await;
        };
        let mut session = Session::within(database, &self.model, client, until);
        let found = session.aggregate(table, pipeline).await;
        match session.is_transient() {
            true => found.map_err(|_| unavailable(GIVEN_UP)),
            false => found,
        }
    }

    async fn write<W: Work<Done = ()>>(&self, work: W) -> Result<(), StoreError> {
        let model = || Ok(Arc::clone(&self.model));
        let deadline = Instant::now() + PORTION_TIMEOUT;
        self.shared.write(model, deadline, work, |(), _| ()).await
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
        None
    }

    async fn mark(&mut self) -> Result<Option<String>, StoreError> {
        let found = mark(&self.shared.database).await;
        found.map_err(|error| store_error(&error, &self.model))
    }

    async fn begin(&mut self, mark: String) -> Result<(), StoreError> {
        self.write(Put {
            table: META,
            gone: Vec::new(),
            documents: Vec::new(),
            mark,
        })
        .await
    }

    async fn put(
        &mut self,
        part: Part,
        gone: Vec<Vec<Value>>,
        rows: Vec<Vec<Value>>,
        mark: String,
    ) -> Result<(), StoreError> {
        let place = Place::of(&self.model, part);
        self.write(Put {
            table: place.table,
            gone: gone.iter().map(|key| place.at(key)).collect(),
            documents: rows.iter().map(|row| place.document(row)).collect(),
            mark,
        })
        .await
    }

    async fn finish(&mut self) -> Result<(), StoreError> {
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
        self.write(Complete).await
    }
}

/// Rows that go and rows that come, and how far the move is with them.
struct Put<'a> {
    table: &'a str,
    /// What finds those that go.
    gone: Vec<Document>,
    documents: Vec<Document>,
    mark: String,
}

impl Work for Put<'_> {
    type Done = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), StoreError> {
        for filter in &self.gone {
            session.delete(self.table, filter.clone()).await?;
        }
        if !self.documents.is_empty() {
            session.insert(self.table, self.documents.clone()).await?;
        }
        session.put(META, doc! { ID: MARK, "value": &self.mark }).await
    }

    fn counts((): &()) -> bool {
        true
    }
}

struct Complete;

impl Work for Complete {
    type Done = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), StoreError> {
        // Behind every position of the former database: those who come back start over.
        let position = DateTime::now().timestamp_millis().saturating_mul(1000);
        let behind = doc! { ID: POSITION, "value": { "$lt": position } };
        session
            .update(META, behind, doc! { "$set": { "value": position } })
            .await?;
        session.delete(META, doc! { ID: MARK }).await.map(|_| ())
    }

    fn counts((): &()) -> bool {
        true
    }
}

/// Where a part is, and how its rows are documents.
struct Place<'a> {
    table: &'a str,
    /// What it is read in the order of.
    order: Vec<String>,
    layout: Layout<'a>,
}

enum Layout<'a> {
    Records(&'a Model, &'a Collection),
    Links(Links<'a>, [Kind; 2]),
    Reserved(&'static [(&'static str, How)]),
}

/// How a value of identity's is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Text,
    Id,
    Bytes,
    Moment,
    Number,
}

impl<'a> Place<'a> {
    fn of(model: &'a Model, part: Part) -> Self {
        match part {
            Part::Records(collection) => {
                let collection = model.collection(collection);
                Self {
                    table: &collection.table,
                    order: vec![ID.to_owned()],
                    layout: Layout::Records(model, collection),
                }
            }
            Part::Links(collection, field) => {
                let collection = model.collection(collection);
                let links = Links::of(collection, field);
                let kinds = [
                    Kind::of_key(model, collection),
                    Kind::of_key(model, model.collection(links.target)),
                ];
                Self {
                    table: links.table,
                    order: vec![links.source_column.to_owned(), links.target_column.to_owned()],
                    layout: Layout::Links(links, kinds),
                }
            }
            Part::Reserved(reserved) => {
                let (table, fields) = reserved_place(reserved);
                let key = fields[..reserved.key_fields()].iter();
                Self {
                    table,
                    order: key.map(|(path, _)| (*path).to_owned()).collect(),
                    layout: Layout::Reserved(fields),
                }
            }
        }
    }

    /// A key, as what the part is read in the order of.
    fn key(&self, key: &[Value]) -> Vec<Bson> {
        match self.layout {
            Layout::Records(_, collection) => vec![path::id(collection, &Key(key.to_vec()))],
            Layout::Links(..) => key.iter().map(encode).collect(),
            Layout::Reserved(fields) => {
                let values = fields.iter().zip(key);
                values.map(|((_, how), value)| how.encode(value)).collect()
            }
        }
    }

    /// What finds the document with a key.
    fn at(&self, key: &[Value]) -> Document {
        self.order.iter().cloned().zip(self.key(key)).collect()
    }

    /// What finds the documents with one of these keys.
    fn among(&self, keys: &[Vec<Value>]) -> Document {
        if let [path] = self.order.as_slice() {
            let keys: Vec<_> = keys.iter().flat_map(|key| self.key(key)).collect();
            return doc! { path: { "$in": keys } };
        }
        doc! { "$or": keys.iter().map(|key| self.at(key)).collect::<Vec<_>>() }
    }

    /// What finds the documents behind a key.
    fn behind(&self, after: &[Value]) -> Document {
        let key = self.key(after);
        // All that is equal up to one place, and greater there.
        let at = |place: usize| {
            let mut condition = Document::new();
            for (path, value) in self.order.iter().zip(&key).take(place) {
                condition.insert(path.clone(), value.clone());
            }
            condition.insert(self.order[place].clone(), doc! { "$gt": key[place].clone() });
            Bson::Document(condition)
        };
        doc! { "$or": (0..key.len()).map(at).collect::<Vec<_>>() }
    }

    fn row(&self, document: &Document) -> Result<Vec<Value>, StoreError> {
        match &self.layout {
            Layout::Records(model, collection) => {
                let fields = collection.stored();
                let read = fields.map(|field| {
                    let stored = at(document, &path::of(collection, field));
                    decode(stored, Kind::of_field(model, field))
                });
                read.collect()
            }
            Layout::Links(links, kinds) => [links.source_column, links.target_column]
                .into_iter()
                .zip(kinds)
                .map(|(column, kind)| decode(document.get(column), *kind))
                .collect(),
            Layout::Reserved(fields) => fields
                .iter()
                .map(|(path, how)| how.decode(at(document, path)))
                .collect(),
        }
    }

    fn document(&self, row: &[Value]) -> Document {
        match &self.layout {
            Layout::Records(_, collection) => {
                let key = collection.key.iter().filter_map(|field| collection.slot(*field));
                let key = Key(key.map(|slot| row[slot].clone()).collect());
                compile::document(collection, &key, &Image(row.to_vec()))
            }
            Layout::Links(links, _) => links.link(&row[0], &row[1]),
            Layout::Reserved(fields) => {
                let mut document = Document::new();
                for ((path, how), value) in fields.iter().zip(row) {
                    put(&mut document, path, how.encode(value));
                }
                document
            }
        }
    }
}

impl How {
    fn encode(self, value: &Value) -> Bson {
        match (self, value) {
            (Self::Moment, Value::Int(ms)) => Bson::DateTime(DateTime::from_millis(*ms)),
            (Self::Bytes, Value::Bytes(bytes)) => Bson::Binary(Binary {
                subtype: BinarySubtype::Generic,
                bytes: bytes.to_vec(),
            }),
            (_, value) => encode(value),
        }
    }

    fn decode(self, stored: Option<&Bson>) -> Result<Value, StoreError> {
        match (self, stored) {
            (_, None | Some(Bson::Null)) => Ok(Value::Null),
            (Self::Text, Some(Bson::String(text))) => Ok(Value::text(text.as_str())),
            (Self::Id, Some(Bson::String(text))) if Uuid::parse_str(text).is_ok() => {
                Ok(Uuid::parse_str(text).map_or(Value::Null, Value::Id))
            }
            (Self::Bytes, Some(Bson::Binary(binary))) => Ok(Value::Bytes(binary.bytes.as_slice().into())),
            (Self::Moment, Some(Bson::DateTime(moment))) => Ok(Value::Int(moment.timestamp_millis())),
            (Self::Number, Some(Bson::Int64(number))) => Ok(Value::Int(*number)),
            (Self::Number, Some(Bson::Int32(number))) => Ok(Value::Int(i64::from(*number))),
            (how, Some(stored)) => Err(StoreError::Failed(format!(
                "{stored} is stored where a {how:?} should be"
            ))),
        }
    }
}

/// As [`Reserved::fields`] has them: where each is.
fn reserved_place(reserved: Reserved) -> (&'static str, &'static [(&'static str, How)]) {
    use How::{Bytes, Id, Moment, Number, Text};
    match reserved {
        Reserved::Credentials => (
            system::CREDENTIAL,
            &[("_id.kind", Text), ("_id.id", Id), ("hash", Text)],
        ),
        Reserved::Sessions => (
            system::SESSION,
            &[
                (ID, Id),
                ("subject.kind", Text),
                ("subject.id", Id),
                ("created", Moment),
                ("expires", Moment),
                ("idle_until", Moment),
                ("generation", Number),
                ("rotated", Moment),
                ("user_agent", Text),
            ],
        ),
        Reserved::OneTimeTokens => (
            system::TOKEN,
            &[
                (ID, Bytes),
                ("purpose", Text),
                ("subject.kind", Text),
                ("subject.id", Id),
                ("email", Text),
                ("expires", Moment),
            ],
        ),
        Reserved::Administrators => (system::ADMINISTRATOR, &[(ID, Id), ("email", Text), ("created", Moment)]),
        Reserved::SigningKeys => (
            system::SIGNING_KEY,
            &[(ID, Text), ("seed", Bytes), ("starts", Moment), ("expires", Moment)],
        ),
        Reserved::Secrets => (system::SECRET, &[(ID, Text), ("value", Bytes)]),
    }
}

fn at<'d>(document: &'d Document, path: &str) -> Option<&'d Bson> {
    match path.split_once('.') {
        None => document.get(path),
        Some((outer, inner)) => document.get_document(outer).ok()?.get(inner),
    }
}

/// Nothing stands for a document all of whose fields are null.
fn put(document: &mut Document, path: &str, value: Bson) {
    match path.split_once('.') {
        None => drop(document.insert(path, value)),
        Some((outer, inner)) => match document.get_mut(outer) {
            Some(Bson::Document(within)) => drop(within.insert(inner, value)),
            _ if value == Bson::Null => drop(document.insert(outer, Bson::Null)),
            _ => drop(document.insert(outer, doc! { inner: value })),
        },
    }
}
