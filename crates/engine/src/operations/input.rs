//! What a caller sent for one record, settled field by field: known, writable, valid.

use serde_json::Value as Json;

use crate::access::{Grants, Operation};
use crate::error::FieldError;
use crate::expr::{Aliases, Decision};
use crate::model::{Collection, Field, FieldId, FieldKind, Generated, Key, Value, closest};
use crate::operations::Data;
use crate::operations::shape::askable;
use crate::query::{Alias, Assignment, LinkChange, LinkOperation, Pred};

/// How the record comes to be, which decides what `null` and absence mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Create,
    /// Absent is unchanged.
    Patch,
    /// Absent is the default.
    Replace,
}

/// Records by the names that earlier steps of a batch gave.
pub(crate) type Named = std::collections::HashMap<String, (crate::model::CollectionId, NamedKey)>;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum NamedKey {
    Known(Value),
    /// The database will give it to the record of the step with this number.
    Later(usize),
}

/// A record's input, typed.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    /// Parts of the key that were given; those of a create.
    pub(crate) key: Vec<(FieldId, Value)>,
    pub(crate) assignments: Vec<(FieldId, Assignment)>,
    pub(crate) links: Vec<LinkChange>,
    /// To-one relations, parts of the key among them, to records of earlier steps whose keys the database will give.
    pub(crate) earlier: Vec<(FieldId, usize)>,
    /// Stored fields of a new record whose values the database gives.
    pub(crate) given: Vec<FieldId>,
    /// Fields whose own write rule this caller fails whatever the record.
    pub(crate) forbidden: Vec<FieldError>,
    /// Fields whose own write rule depends on the record.
    pub(crate) guarded: Vec<FieldId>,
    pub(crate) errors: Vec<FieldError>,
}

impl Parsed {
    /// Says of each part of the key that was given that it must be the one in the path, if it isn't.
    pub(crate) fn match_key(&mut self, collection: &Collection, key: &Key) {
        for (field, value) in &self.key {
            let place = collection.key.iter().position(|part| part == field);
            if place.and_then(|place| key.0.get(place)) != Some(value) {
                let name = &collection.field(*field).name;
                let message = format!("must be the {name} in the path, or left out");
                self.errors.push(FieldError::new(name, "mismatch", message));
            }
        }
    }

    /// Says that a field must be given, unless something was and is refused already.
    pub(crate) fn miss(&mut self, field: &Field) {
        let is_of = |error: &FieldError| {
            let rest = error.field.strip_prefix(field.name.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        if !self.errors.iter().chain(&self.forbidden).any(is_of) {
            self.errors.push(required(field));
        }
    }
}

pub(crate) struct Parser<'a> {
    pub(crate) grants: &'a Grants<'a>,
    pub(crate) collection: &'a Collection,
    pub(crate) named: &'a Named,
    pub(crate) links_max: usize,
}

impl Parser<'_> {
    pub(crate) fn parse(&self, data: &Data, mode: Mode) -> Parsed {
        let mut parsed = Parsed::default();
        for (name, json) in data {
            match self.collection.field_named(name) {
                None if unlimited!(UnknownField) => {}
                None => parsed.errors.push(self.unknown(name)),
                Some(field) => self.field(&mut parsed, field, json, mode),
            }
        }
        parsed
    }

    fn unknown(&self, name: &str) -> FieldError {
        let names = self
            .collection
            .fields
            .iter()
            .filter(|field| askable(self.collection, &field.name).is_some());
        let hint = closest(name, names.map(|field| field.name.as_str()))
            .map_or(String::new(), |close| format!("; did you mean `{close}`?"));
        FieldError::new(
            name,
            "unknown_field",
            format!("{} has no such field{hint}", self.collection.name),
        )
    }

    fn field(&self, parsed: &mut Parsed, field: &Field, json: &Json, mode: Mode) {
        if self.collection.key.contains(&field.id) {
            return self.key_field(parsed, field, json, mode);
        }
        let is_made = field.generated == Some(Generated::Always);
        if field.system || is_made || matches!(field.kind, FieldKind::Inverse { .. }) {
            let message = if field.system {
                "set by the server; leave it out"
            } else if is_made {
                "set by the database; leave it out"
            } else {
                "the other end of a relation; write it there"
            };
            return parsed.errors.push(FieldError::new(&field.name, "read_only", message));
        }
        match self.grants.decide_field_write(self.collection, field.id) {
            Decision::Always => {}
            Decision::Depends => parsed.guarded.push(field.id),
            Decision::Never => {
                let error = FieldError::new(&field.name, "forbidden", "you may not set this field; leave it out");
                return parsed.forbidden.push(error);
            }
        }
        match &field.kind {
            FieldKind::Links { .. } => self.links(parsed, field, json, mode),
            _ => self.value(parsed, field, json, mode),
        }
    }

    fn key_field(&self, parsed: &mut Parsed, field: &Field, json: &Json, mode: Mode) {
        if field.system {
            return match json.as_str().and_then(|text| uuid::Uuid::parse_str(text).ok()) {
                Some(id) if mode != Mode::Patch => parsed.key.push((field.id, Value::Id(id))),
                Some(_) => parsed.errors.push(never_changes(field)),
                None => parsed
                    .errors
                    .push(FieldError::new(&field.name, "wrong_type", "must be a UUID")),
            };
        }
        if mode == Mode::Patch {
            return parsed.errors.push(never_changes(field));
        }
        if json.is_null() {
            return;
        }
        if mode == Mode::Create && field.generated == Some(Generated::Always) {
            let message = "set by the database; leave it out";
            return parsed.errors.push(FieldError::new(&field.name, "read_only", message));
        }
        if let Some(step) = self.earlier(field, json).filter(|_| mode == Mode::Create) {
            return parsed.earlier.push((field.id, step));
        }
        let value = match field.kind {
            FieldKind::Reference { target, .. } => self
                .reference(target, json)
                .map_err(|error| vec![error.within(&field.name)]),
            _ => field.accept(self.grants.model, json),
        };
        match value {
            Ok(value) => parsed.key.push((field.id, value)),
            Err(errors) => parsed.errors.extend(errors),
        }
    }

    fn value(&self, parsed: &mut Parsed, field: &Field, json: &Json, mode: Mode) {
        if json.is_null() {
            // Absent and null mean the same on create and replace: the default, or nothing.
            if mode == Mode::Patch {
                if field.required {
                    return parsed.errors.push(required(field));
                }
                parsed.assignments.push((field.id, Assignment::Set(Value::Null)));
            }
            return;
        }
        if let Some(step) = self.earlier(field, json).filter(|_| mode == Mode::Create) {
            return parsed.earlier.push((field.id, step));
        }
        if let FieldKind::Reference { target, .. } = field.kind {
            return match self.reference(target, json) {
                Ok(key) => parsed.assignments.push((field.id, Assignment::Set(key))),
                Err(error) => parsed.errors.push(error.within(&field.name)),
            };
        }
        if mode == Mode::Patch && json.is_object() && field.merges() {
            return parsed.assignments.push((field.id, Assignment::Merge(json.clone())));
        }
        match field.accept(self.grants.model, json) {
            Ok(value) => parsed.assignments.push((field.id, Assignment::Set(value))),
            Err(errors) => parsed.errors.extend(errors),
        }
    }

    /// The step that `{"$ref": "name.id"}` names, where its record's key isn't known yet.
    fn earlier(&self, field: &Field, json: &Json) -> Option<usize> {
        let FieldKind::Reference { target, .. } = field.kind else {
            return None;
        };
        match self.named.get(name_in(json.as_object()?)?) {
            Some((collection, NamedKey::Later(step))) if *collection == target => Some(*step),
            _ => None,
        }
    }

    /// An id, or `{"$ref": "name.id"}` of an earlier step.
    fn reference(&self, target: crate::model::CollectionId, json: &Json) -> Result<Value, FieldError> {
        let target = self.grants.model.collection(target);
        let of_target = |text: &str| match self.grants.model.parse_key(target, text).as_ref().map(Key::single) {
            Some(Some(value)) => Ok(value.clone()),
            _ => Err(FieldError::new(
                "",
                "wrong_type",
                format!("must be the id of a {}", target.name),
            )),
        };
        match json {
            Json::String(text) => of_target(text),
            // Keys that are numbers are written as such.
            Json::Number(number) if number.is_i64() => of_target(&number.to_string()),
            Json::Object(object) => match name_in(object).and_then(|name| self.named.get(name)) {
                Some((collection, NamedKey::Known(key))) if *collection == target.id => Ok(key.clone()),
                Some((collection, NamedKey::Later(_))) if *collection == target.id => Err(FieldError::new(
                    "",
                    "unknown_ref",
                    "the database gives this key while the batch runs; only a to-one relation of a create can take it",
                )),
                Some(_) => Err(FieldError::new(
                    "",
                    "wrong_type",
                    format!("must name a {}", target.name),
                )),
                None => Err(FieldError::new(
                    "",
                    "unknown_ref",
                    "`$ref` must be `name.id` of an earlier operation",
                )),
            },
            _ => Err(FieldError::new(
                "",
                "wrong_type",
                format!("must be the id of a {}", target.name),
            )),
        }
    }

    fn links(&self, parsed: &mut Parsed, field: &Field, json: &Json, mode: Mode) {
        let change = match json {
            Json::Array(items) => self.keys(field, items).map(|keys| self.replacement(field, keys)),
            Json::Object(object) if mode != Mode::Replace => self.edit(field, object),
            Json::Null => Ok(self.replacement(field, Vec::new())),
            _ => Err(vec![FieldError::new(
                "",
                "wrong_type",
                "must be a list of ids, or {\"add\": […], \"remove\": […]}",
            )]),
        };
        match change {
            Ok(operation) => parsed.links.push(LinkChange {
                field: field.id,
                operation,
            }),
            Err(errors) => parsed
                .errors
                .extend(errors.into_iter().map(|error| error.within(&field.name))),
        }
    }

    /// Of the members that the caller can see.
    pub(crate) fn replacement(&self, field: &Field, with: Vec<Value>) -> LinkOperation {
        let target = field.target().expect("a to-many field has a target");
        let target = self.grants.model.collection(target);
        let among = if mutant!(HiddenMembers) {
            Pred::Const(true)
        } else {
            self.grants
                .predicate(target, Operation::Read, Alias::ROOT, &mut Aliases::default())
                .unwrap_or(Pred::Const(false))
        };
        LinkOperation::Replace { with, among }
    }

    fn edit(&self, field: &Field, object: &Data) -> Result<LinkOperation, Vec<FieldError>> {
        let keys = |name: &str| match object.get(name) {
            None => Ok(Vec::new()),
            Some(Json::Array(items)) => self
                .keys(field, items)
                .map_err(|errors| errors.into_iter().map(|e| e.within(name)).collect()),
            Some(_) => Err(vec![FieldError::new(name, "wrong_type", "must be a list of ids")]),
        };
        if let Some(unknown) = object.keys().find(|name| !matches!(name.as_str(), "add" | "remove")) {
            return Err(vec![FieldError::new(
                unknown,
                "unknown_field",
                "only `add` and `remove` can be given",
            )]);
        }
        Ok(LinkOperation::Edit {
            add: keys("add")?,
            remove: keys("remove")?,
        })
    }

    fn keys(&self, field: &Field, items: &[Json]) -> Result<Vec<Value>, Vec<FieldError>> {
        if items.len() > self.links_max {
            let message = format!("at most {} at once", self.links_max);
            return Err(vec![FieldError::new("", "too_long", message)]);
        }
        let target = field.target().expect("a to-many field has a target");
        let mut keys = Vec::with_capacity(items.len());
        let mut errors = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match self.reference(target, item) {
                Ok(key) if keys.contains(&key) => {}
                Ok(key) => keys.push(key),
                Err(error) => errors.push(error.within(&format!("[{index}]"))),
            }
        }
        if errors.is_empty() { Ok(keys) } else { Err(errors) }
    }
}

/// The name of `{"$ref": "name.id"}`.
fn name_in(object: &Data) -> Option<&str> {
    let name = object
        .get("$ref")
        .and_then(Json::as_str)
        .filter(|_| object.len() == 1)?;
    name.strip_suffix(".id")
}

fn never_changes(field: &Field) -> FieldError {
    FieldError::new(&field.name, "read_only", "never changes; leave it out")
}

fn required(field: &Field) -> FieldError {
    FieldError::new(&field.name, "required", "must be given")
}
