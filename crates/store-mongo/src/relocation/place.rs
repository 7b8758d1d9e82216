//! Where a part is in the database, and how its rows and keys are documents there.

use engine::Model;
use engine::model::kind::Kind;
use engine::model::{Collection, Key, Value};
use engine::ports::relocation::{Part, Reserved};
use engine::ports::store::StoreError;
use engine::query::Image;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, DateTime, Document, doc};
use uuid::Uuid;

use crate::compile::path::{self, ID};
use crate::compile::{self, Links};
use crate::system;
use crate::value::{decode, encode};

/// Where a part is, and how its rows are documents.
pub(crate) struct Place<'a> {
    pub(crate) table: &'a str,
    /// What it is read in the order of.
    pub(crate) order: Vec<String>,
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
    pub(crate) fn of(model: &'a Model, part: Part) -> Self {
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
    pub(crate) fn at(&self, key: &[Value]) -> Document {
        self.order.iter().cloned().zip(self.key(key)).collect()
    }

    /// What finds the documents with one of these keys.
    pub(crate) fn among(&self, keys: &[Vec<Value>]) -> Document {
        if let [path] = self.order.as_slice() {
            let keys: Vec<_> = keys.iter().flat_map(|key| self.key(key)).collect();
            return doc! { path: { "$in": keys } };
        }
        doc! { "$or": keys.iter().map(|key| self.at(key)).collect::<Vec<_>>() }
    }

    /// What finds the documents behind a key.
    pub(crate) fn behind(&self, after: &[Value]) -> Document {
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

    /// The columns of a link, where the part is one of links: what identifies a row there isn't `_id`.
    pub(crate) fn link_columns(&self) -> Option<[&'a str; 2]> {
        match &self.layout {
            Layout::Links(links, _) => Some([links.source_column, links.target_column]),
            Layout::Records(..) | Layout::Reserved(_) => None,
        }
    }

    /// The key that a document has, of which there need be no more than what identifies it.
    pub(crate) fn key_of(&self, document: &Document) -> Result<Vec<Value>, StoreError> {
        match &self.layout {
            Layout::Records(model, collection) => {
                let fields = collection.key.iter().map(|field| collection.field(*field));
                let read = fields.map(|field| {
                    let stored = at(document, &path::of(collection, field));
                    decode(stored, Kind::of_field(model, field))
                });
                read.collect()
            }
            Layout::Links(..) => self.row(document),
            Layout::Reserved(fields) => fields[..self.order.len()]
                .iter()
                .map(|(path, how)| how.decode(at(document, path)))
                .collect(),
        }
    }

    pub(crate) fn row(&self, document: &Document) -> Result<Vec<Value>, StoreError> {
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

    pub(crate) fn document(&self, row: &[Value]) -> Document {
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
