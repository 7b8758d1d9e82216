//! Relations by a unique field of the target: `"country.code": "DE"`, or `"country": {"code": "DE"}`.
//!
//! Asked in bulk, a batch of records at a time, and remembered within a bound.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use serde_json::Value as Json;

use super::{Draft, Import, QUESTION_TIMEOUT, Rejected};
use crate::access::Permit;
use crate::error::{Error, FieldError};
use crate::model::{Collection, CollectionId, Field, FieldId, FieldKind, Model, Value, closest};
use crate::operations::Data;
use crate::query::{Alias, Comparison, Freshness, Item, ListPlan, Pred, Projection, Shape, SortKey, Term};

/// Values remembered per column; beyond it all are forgotten at once.
const REMEMBERED_MAX: usize = 100_000;
/// Values in one question.
const ASKED_MAX: usize = 256;

/// What a member of a record is about.
#[derive(Debug, Clone)]
pub(super) enum Column {
    /// A field of the collection, or what is refused as such.
    Plain,
    By(By),
}

/// A relation, and the unique field of its target by which it is named.
#[derive(Debug, Clone)]
pub struct By {
    pub relation: String,
    pub many: bool,
    pub target: CollectionId,
    pub field: FieldId,
}

impl By {
    /// What a member such as `country.code` is about; `None` where it is no such member.
    pub fn of(model: &Model, collection: &Collection, name: &str) -> Option<Self> {
        match Column::of(model, collection, name) {
            Ok(Column::By(by)) => Some(by),
            // The record's own parser refuses what isn't known.
            Ok(Column::Plain) | Err(_) => None,
        }
    }
}

/// What is known of the columns that records had so far.
#[derive(Debug, Default)]
pub(super) struct Relations {
    columns: HashMap<String, Known>,
}

#[derive(Debug, Default)]
struct Known {
    by: Option<By>,
    /// The target's key as JSON by the text of the value; `None`: there is no such record.
    keys: HashMap<String, Option<Json>>,
}

impl Column {
    /// # Errors
    /// The name means nothing.
    pub(super) fn of(model: &Model, collection: &Collection, name: &str) -> Result<Self, FieldError> {
        let unknown = |message: String| FieldError::new(name, "unknown_field", message);
        let Some((relation, by)) = name.split_once('.') else {
            return match collection.field_named(name) {
                Some(_) => Ok(Self::Plain),
                None => Err(unknown(no_such_field(collection, name))),
            };
        };
        let field = collection
            .field_named(relation)
            .ok_or_else(|| unknown(no_such_field(collection, relation)))?;
        let many = matches!(field.kind, FieldKind::Links { .. });
        let target = match field.kind {
            FieldKind::Reference { target, .. } | FieldKind::Links { target, .. } => model.collection(target),
            FieldKind::Value(_) | FieldKind::Inverse { .. } => {
                return Err(unknown(format!("`{relation}` is no relation of {}", collection.name)));
            }
        };
        let unique = |field: &&Field| is_unique(target, field);
        match target.field_named(by).filter(unique) {
            Some(field) => Ok(Self::By(By {
                relation: relation.to_owned(),
                many,
                target: target.id,
                field: field.id,
            })),
            None => {
                let names: Vec<_> = target.fields.iter().filter(unique).map(|field| &*field.name).collect();
                Err(unknown(format!(
                    "a {} is named by a unique field of it: {}",
                    target.name,
                    names.join(", ")
                )))
            }
        }
    }
}

fn no_such_field(collection: &Collection, name: &str) -> String {
    let names = collection.fields.iter().map(|field| field.name.as_str());
    let hint = closest(name, names).map_or(String::new(), |close| format!("; did you mean `{close}`?"));
    format!("{} has no such field{hint}", collection.name)
}

/// Whether one value of the field names one record at most.
fn is_unique(collection: &Collection, field: &Field) -> bool {
    let alone = |index: &&crate::model::Index| index.unique && index.only.is_none() && index.fields == [field.id];
    field.unique || collection.key == [field.id] || collection.indexes.iter().any(|index| alone(&index))
}

impl Import<'_> {
    /// Puts keys in the place of what names records by a unique field; takes out the records where that can't be done.
    pub(super) async fn resolve(&mut self, drafts: &mut Vec<Draft>) -> Result<Vec<Rejected>, Error> {
        let mut asked = Vec::new();
        for draft in drafts.iter_mut() {
            self.flatten(&mut draft.data);
            for (name, json) in &draft.data {
                self.learn(name);
                let known = &self.relations.columns[name];
                if known.by.is_some() {
                    let missing = texts(json).filter(|text| !known.keys.contains_key(&**text));
                    asked.extend(missing.map(|text| (name.clone(), text.into_owned())));
                }
            }
        }
        if !self.relations.columns.values().any(|known| known.by.is_some()) {
            return Ok(Vec::new());
        }
        asked.sort_unstable();
        asked.dedup();
        for group in asked.chunk_by(|one, other| one.0 == other.0) {
            for some in group.chunks(ASKED_MAX) {
                let texts: Vec<_> = some.iter().map(|(_, text)| text.as_str()).collect();
                self.ask(&some[0].0, &texts).await?;
            }
        }
        let mut rejected = Vec::new();
        let columns = &self.relations.columns;
        let model = &self.moment.model;
        drafts.retain_mut(|draft| match settle(&mut draft.data, columns, model) {
            Ok(()) => true,
            Err(errors) => {
                let error = Error::invalid(errors);
                rejected.push(Rejected {
                    place: draft.place,
                    error,
                });
                false
            }
        });
        for known in self.relations.columns.values_mut() {
            if known.keys.len() > REMEMBERED_MAX {
                known.keys.clear();
            }
        }
        Ok(rejected)
    }

    /// `"country": {"code": "DE"}` as `"country.code": "DE"`.
    fn flatten(&self, data: &mut Data) {
        let collection = self.collection();
        let nested: Vec<String> = data
            .iter()
            .filter(|(name, json)| {
                let relation = |field: &Field| matches!(field.kind, FieldKind::Reference { .. });
                json.as_object().is_some_and(|object| object.len() == 1)
                    && collection.field_named(name).is_some_and(relation)
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in nested {
            if let Some(Json::Object(object)) = data.shift_remove(&name) {
                data.extend(object.into_iter().map(|(by, value)| (format!("{name}.{by}"), value)));
            }
        }
    }

    fn learn(&mut self, name: &str) {
        if self.relations.columns.contains_key(name) {
            return;
        }
        let by = By::of(&self.moment.model, self.collection(), name);
        self.relations.columns.insert(
            name.to_owned(),
            Known {
                by,
                keys: HashMap::new(),
            },
        );
    }

    /// Finds the records that these values name.
    async fn ask(&mut self, name: &str, texts: &[&str]) -> Result<(), Error> {
        let Some(By { target, field, .. }) = self.relations.columns.get(name).and_then(|known| known.by.clone()) else {
            return Ok(());
        };
        let found = self.find(target, field, texts).await?;
        let known = self.relations.columns.entry(name.to_owned()).or_default();
        known.keys.extend(found);
        Ok(())
    }

    async fn find(
        &self,
        target: CollectionId,
        field: FieldId,
        texts: &[&str],
    ) -> Result<Vec<(String, Option<Json>)>, Error> {
        let model = &self.moment.model;
        let collection = model.collection(target);
        let by = collection.field(field);
        // What is no value of the field names nothing.
        let typed = texts.iter().map(|text| by.accept(model, &json_of(by, text)).ok());
        let typed: Vec<Option<Value>> = typed.collect();
        let wanted: Vec<Value> = typed.iter().flatten().cloned().collect();
        let mut found = HashMap::new();
        if !wanted.is_empty() {
            let plan = self.question(collection, field, wanted);
            let page = self.engine.store().list(Permit::seal(plan, model.epoch)).await;
            for row in page.map_err(|error| self.failed(error))?.rows.into_values() {
                if let [key, value] = row.0.as_slice() {
                    found.insert(shown(value), shown(key));
                }
            }
        }
        let keys = texts.iter().zip(typed).map(|(text, value)| {
            let key = value.and_then(|value| found.get(&shown(&value)).cloned());
            ((*text).to_owned(), key.map(Json::String))
        });
        Ok(keys.collect())
    }

    /// All rules of the caller's grant it: it is an administrator.
    fn question(&self, collection: &Collection, field: FieldId, wanted: Vec<Value>) -> ListPlan {
        let item = |field: FieldId| Item {
            field,
            visible: Pred::Const(true),
            shape: Shape::Value,
        };
        let key = collection.key[0];
        let limit = u32::try_from(wanted.len()).unwrap_or(u32::MAX);
        let term = Term::Field(Alias::ROOT, field);
        let any = wanted
            .into_iter()
            .map(|value| Pred::Compare(Comparison::Eq, term.clone(), Term::Const(value)));
        ListPlan {
            collection: collection.id,
            guard: Pred::Or(any.collect()),
            sort: vec![SortKey {
                term: Term::Field(Alias::ROOT, key),
                descending: false,
            }],
            after: None,
            limit,
            count: false,
            projection: Arc::new(Projection {
                collection: collection.id,
                items: vec![item(key), item(field)],
            }),
            as_json: false,
            bindings: self.moment.bindings(&self.ctx),
            freshness: Freshness::Latest,
            deadline: Instant::now() + QUESTION_TIMEOUT,
        }
    }
}

/// The values by which records are named here.
fn texts(json: &Json) -> impl Iterator<Item = Cow<'_, str>> {
    let items = match json {
        Json::Array(items) => items.as_slice(),
        single => std::slice::from_ref(single),
    };
    items.iter().filter_map(text)
}

/// A text, or a number as a text.
fn text(json: &Json) -> Option<Cow<'_, str>> {
    match json {
        Json::String(text) => Some(Cow::Borrowed(text)),
        Json::Number(number) => Some(Cow::Owned(number.to_string())),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

/// A value of the field, as JSON has it, of its text.
fn json_of(field: &Field, text: &str) -> Json {
    use crate::model::{Scalar, ValueType};
    match field.kind {
        FieldKind::Value(ValueType::Scalar(Scalar::Int | Scalar::Long | Scalar::Float)) => {
            serde_json::from_str(text).unwrap_or_else(|_| text.into())
        }
        _ => text.into(),
    }
}

/// A value as text that is its own alone.
fn shown(value: &Value) -> String {
    match value {
        Value::Id(id) => id.hyphenated().to_string(),
        Value::Text(text) | Value::Json(text) => text.to_string(),
        other => format!("{other:?}"),
    }
}

fn settle(data: &mut Data, columns: &HashMap<String, Known>, model: &Model) -> Result<(), Vec<FieldError>> {
    let named: Vec<String> = data
        .keys()
        .filter(|name| columns.get(*name).is_some_and(|known| known.by.is_some()))
        .cloned()
        .collect();
    let mut errors = Vec::new();
    for name in named {
        let known = &columns[&name];
        let (Some(by), Some(json)) = (&known.by, data.shift_remove(&name)) else {
            continue;
        };
        match keys(&json, by, known) {
            Ok(keys) => {
                data.insert(by.relation.clone(), keys);
            }
            Err(text) => {
                let target = model.collection(by.target);
                let field = &target.field(by.field).name;
                let message = format!("there is no {} whose {field} is {text}", target.name);
                errors.push(FieldError::new(name, "no_such_record", message));
            }
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// # Errors
/// The value that names nothing.
fn keys(json: &Json, by: &By, known: &Known) -> Result<Json, String> {
    let key = |json: &Json| match text(json).and_then(|text| known.keys.get(&*text)) {
        Some(Some(key)) => Ok(key.clone()),
        Some(None) | None => Err(json.to_string()),
    };
    match json {
        Json::Null => Ok(Json::Null),
        Json::Array(items) if by.many => items.iter().map(key).collect::<Result<_, _>>().map(Json::Array),
        single if by.many => key(single).map(|key| Json::Array(vec![key])),
        single => key(single),
    }
}
