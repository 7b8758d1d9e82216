//! The component schemas: of each collection what is read and what is written, closed; of embedded types and enums;
//! of problems.
//!
//! Names of ours have a dot, which no name of a schema can have.

use engine::Model;
use engine::model::{Collection, DocumentType, EnumType, Field, FieldKind, FieldRule};
use serde_json::{Map, Value as Json, json};

use super::fields::{
    is_always_in_plain_answer, is_in_create, is_in_plain_answer, is_in_replace, is_in_update, is_needed_to_create,
    is_readable,
};
use super::value::{Bounds, Way, document_name, nullable, reference, schema};
use crate::error::Code;

pub(super) const PROBLEM: &str = "Ninefold.Problem";
pub(super) const BATCH: &str = "Ninefold.Batch";
pub(super) const BATCH_RESULTS: &str = "Ninefold.BatchResults";

/// The component of a collection that serves as this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Plain,
    /// What `fields` and `expand` make of a record.
    Selection,
    Page,
    Create,
    Update,
    Replace,
}

pub(super) fn component(collection: &Collection, role: Role) -> String {
    let name = &collection.name;
    match role {
        Role::Plain => name.clone(),
        Role::Selection => format!("{name}.Selection"),
        Role::Page => format!("{name}.Page"),
        Role::Create => format!("{name}.Create"),
        Role::Update => format!("{name}.Update"),
        Role::Replace => format!("{name}.Replace"),
    }
}

pub(super) fn refer(collection: &Collection, role: Role) -> Json {
    reference(&component(collection, role))
}

/// A record in an answer: whole, or as `fields` and `expand` shape it.
pub(super) fn answer(collection: &Collection) -> Json {
    json!({"anyOf": [refer(collection, Role::Plain), refer(collection, Role::Selection)]})
}

pub(super) fn schemas(model: &Model) -> Map<String, Json> {
    let mut schemas = Map::new();
    for collection in &model.collections {
        add_collection(&mut schemas, model, collection);
    }
    for document in &model.documents {
        for way in [Way::Read, Way::Write, Way::Patch] {
            schemas.insert(document_name(&document.name, way), embedded(model, document, way));
        }
    }
    for enumeration in &model.enums {
        schemas.insert(enumeration.name.clone(), choices(enumeration));
    }
    schemas.insert(PROBLEM.to_owned(), problem());
    schemas.insert("Ninefold.FieldError".to_owned(), field_error());
    schemas.insert(BATCH.to_owned(), batch(model));
    schemas.insert(BATCH_RESULTS.to_owned(), batch_results(model));
    schemas
}

fn add_collection(schemas: &mut Map<String, Json>, model: &Model, collection: &Collection) {
    let fields = || collection.fields.iter();
    let plain = object(
        fields()
            .filter(|field| is_in_plain_answer(field))
            .map(|field| (field, read(model, field))),
        is_always_in_plain_answer,
    );
    let selection = object(
        fields()
            .filter(|field| is_readable(field))
            .map(|field| (field, select(model, field))),
        |_| false,
    );
    let create = object(
        fields()
            .filter(|field| is_in_create(collection, field))
            .map(|field| (field, write(model, field, Way::Write))),
        |field| is_needed_to_create(collection, field),
    );
    let replace = object(
        fields()
            .filter(|field| is_in_replace(collection, field))
            .map(|field| (field, replacement(model, field))),
        |field| is_needed_to_create(collection, field),
    );
    let update = object(
        fields()
            .filter(|field| is_in_update(collection, field))
            .map(|field| (field, write(model, field, Way::Patch))),
        |_| false,
    );
    let about = |role| match role {
        Role::Plain => collection
            .doc
            .clone()
            .unwrap_or_else(|| format!("A record of {}.", collection.path)),
        Role::Selection => format!("A {} as `fields` and `expand` shape it.", collection.name),
        Role::Page => format!("Some of {}.", collection.path),
        Role::Create => format!("A new {}.", collection.name),
        Role::Update => format!(
            "A JSON merge patch (RFC 7396) of a {}: what isn't named stays.",
            collection.name
        ),
        Role::Replace => format!("A whole {}: what isn't named gets its default.", collection.name),
    };
    let mut add = |role, mut schema: Json| {
        schema["description"] = about(role).into();
        schemas.insert(component(collection, role), schema);
    };
    add(Role::Plain, plain);
    add(Role::Selection, selection);
    add(Role::Page, page(collection));
    add(Role::Create, create);
    add(Role::Update, update);
    add(Role::Replace, replace);
}

/// A closed object. Each field's schema gains its documentation.
fn object<'f>(members: impl Iterator<Item = (&'f Field, Json)>, required: impl Fn(&Field) -> bool) -> Json {
    let mut properties = Map::new();
    let mut needed = Vec::new();
    for (field, schema) in members {
        if required(field) {
            needed.push(Json::from(field.name.clone()));
        }
        properties.insert(field.name.clone(), documented(schema, field));
    }
    closed(properties, needed)
}

fn closed(properties: Map<String, Json>, required: Vec<Json>) -> Json {
    let mut schema = json!({"type": "object", "properties": properties, "additionalProperties": false});
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    schema
}

fn documented(mut schema: Json, field: &Field) -> Json {
    let sentences = [field.doc.as_deref(), schema["description"].as_str(), rights(field)];
    let text: Vec<_> = sentences.into_iter().flatten().collect();
    if !text.is_empty() {
        schema["description"] = text.join(" ").into();
    }
    schema
}

fn rights(field: &Field) -> Option<&'static str> {
    match (&field.read, &field.write) {
        (_, FieldRule::Administrators) => Some("Set by administrators only."),
        (FieldRule::Administrators, _) => Some("Seen by administrators only."),
        (FieldRule::Rule(_), _) => Some("Not everybody who sees the record sees this."),
        (_, FieldRule::Rule(_)) => Some("Not everybody who writes the record may set this."),
        (FieldRule::Inherit, FieldRule::Inherit) => None,
    }
}

/// A field of a new record, as it is written.
pub(super) fn member_of_create(model: &Model, field: &Field) -> Json {
    documented(write(model, field, Way::Write), field)
}

fn read(model: &Model, field: &Field) -> Json {
    let schema = match &field.kind {
        FieldKind::Value(ty) => schema(model, ty, Bounds::default(), Way::Read),
        FieldKind::Reference { target, .. } => key(model, model.collection(*target)),
        FieldKind::Links { target, .. } | FieldKind::Inverse { target, .. } => {
            json!({"type": "array", "items": key(model, model.collection(*target))})
        }
    };
    if field.required { schema } else { nullable(schema) }
}

/// As [`read`], but a relation may be expanded.
fn select(model: &Model, field: &Field) -> Json {
    let Some(target) = field.target().map(|target| model.collection(target)) else {
        return read(model, field);
    };
    let member = json!({"anyOf": [key(model, target), refer(target, Role::Selection)]});
    match field.kind {
        FieldKind::Links { .. } | FieldKind::Inverse { .. } => json!({"type": "array", "items": member}),
        _ if field.required => member,
        _ => nullable(member),
    }
}

fn write(model: &Model, field: &Field, way: Way) -> Json {
    let schema = match &field.kind {
        FieldKind::Value(ty) => schema(model, ty, field.into(), way),
        FieldKind::Reference { target, .. } => key(model, model.collection(*target)),
        FieldKind::Links { target, .. } | FieldKind::Inverse { target, .. } => {
            let keys = keys(model, model.collection(*target));
            json!({
                "anyOf": [keys, {
                    "type": "object",
                    "properties": {"add": keys, "remove": keys},
                    "additionalProperties": false,
                }],
                "description": "All ids, or those to add and to remove.",
            })
        }
    };
    or_null(schema, field, way)
}

/// As `write` for a create, but to-many relations are given whole.
fn replacement(model: &Model, field: &Field) -> Json {
    match &field.kind {
        FieldKind::Links { target, .. } => or_null(keys(model, model.collection(*target)), field, Way::Write),
        _ => write(model, field, Way::Write),
    }
}

/// In a create or a replacement null is the same as nothing; in a patch it empties the field.
fn or_null(schema: Json, field: &Field, way: Way) -> Json {
    let defaulted = way == Way::Write && (field.default.is_some() || field.generated.is_some());
    let empties = matches!(field.kind, FieldKind::Links { .. });
    if !field.required || defaulted || empties {
        nullable(schema)
    } else {
        schema
    }
}

fn key(model: &Model, target: &Collection) -> Json {
    match target.key.as_slice() {
        [part] => match &target.field(*part).kind {
            FieldKind::Value(ty) => schema(model, ty, Bounds::default(), Way::Read),
            FieldKind::Reference { target, .. } => key(model, model.collection(*target)),
            FieldKind::Links { .. } | FieldKind::Inverse { .. } => unreachable!("a key's fields are stored"),
        },
        _ => json!({"type": "string"}),
    }
}

fn keys(model: &Model, target: &Collection) -> Json {
    json!({"type": "array", "items": key(model, target)})
}

fn page(collection: &Collection) -> Json {
    json!({
        "type": "object",
        "properties": {
            "items": {"type": "array", "items": answer(collection)},
            "next": {"type": ["string", "null"], "description": "The `cursor` of the next page; null on the last."},
            "total": {"type": "integer", "format": "int64", "minimum": 0, "description": "With `count=true`: all that match."},
        },
        "required": ["items", "next"],
        "additionalProperties": false,
    })
}

fn embedded(model: &Model, document: &DocumentType, way: Way) -> Json {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in &document.fields {
        let bounds = if way == Way::Read {
            Bounds::default()
        } else {
            field.into()
        };
        let mut member = schema(model, &field.ty, bounds, way);
        // What holds nothing is left out of answers.
        if !field.required && way != Way::Read {
            member = nullable(member);
        }
        if let Some(doc) = &field.doc {
            member["description"] = doc.clone().into();
        }
        if field.required && way != Way::Patch {
            required.push(Json::from(field.name.clone()));
        }
        properties.insert(field.name.clone(), member);
    }
    let mut schema = closed(properties, required);
    if let Some(doc) = &document.doc {
        schema["description"] = doc.clone().into();
    }
    schema
}

fn choices(enumeration: &EnumType) -> Json {
    let names: Vec<_> = enumeration.values.iter().map(|value| value.name.as_str()).collect();
    let documented = enumeration
        .values
        .iter()
        .filter_map(|value| Some(format!("`{}`: {}", value.name, value.doc.as_ref()?)));
    let lines: Vec<_> = enumeration.doc.iter().cloned().chain(documented).collect();
    let mut schema = json!({"type": "string", "enum": names});
    if !lines.is_empty() {
        schema["description"] = lines.join("\n\n").into();
    }
    schema
}

fn problem() -> Json {
    let codes: Vec<_> = Code::all().map(Code::name).collect();
    json!({
        "type": "object",
        "description": "What went wrong (RFC 9457), with members of ours.",
        "properties": {
            "type": {"type": "string", "format": "uri-reference", "description": "Where the code is explained."},
            "title": {"type": "string", "description": "The code, for people."},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string", "description": "What happened this time, and what to do about it."},
            "instance": {"type": "string", "description": "The path that was asked for."},
            "code": {"type": "string", "enum": codes, "description": "What programs switch on. Stable."},
            "requestId": {"type": "string", "description": "What the server's log knows the request by."},
            "errors": {"type": "array", "items": reference("Ninefold.FieldError")},
            "operation": {"type": "integer", "minimum": 0, "description": "In which operation of a batch, or record of an array."},
        },
        "required": ["type", "title", "status", "detail", "instance", "code", "requestId"],
        "additionalProperties": false,
    })
}

fn field_error() -> Json {
    json!({
        "type": "object",
        "description": "What is wrong with one field or parameter.",
        "properties": {
            "field": {"type": "string", "description": "Its path: `address.city`, `members[2]`; the name of a parameter or header."},
            "code": {"type": "string", "description": "Stable: `required`, `too_long`, `unknown_field` …"},
            "message": {"type": "string"},
        },
        "required": ["field", "code", "message"],
        "additionalProperties": false,
    })
}

/// Data stays open here: what it may hold depends on the operation and the collection, and is said there.
fn batch(model: &Model) -> Json {
    let collection = json!({"type": "string", "enum": paths(model)});
    let id = json!({"type": "string", "minLength": 1});
    let alias = json!({
        "type": "string", "pattern": "^[^.]{1,64}$",
        "description": "A name for the record, so that later operations can refer to it: `{\"$ref\": \"name.id\"}`.",
    });
    let tag = json!({
        "type": "string",
        "description": "Entity tags in quotes, or `*`, as in the header `If-Match`: of the record as the operations before left it.",
    });
    let data = json!({"type": "object"});
    let operation = |op: &str, members: Json, required: &[&str]| {
        let mut properties = Map::from_iter([
            ("op".to_owned(), json!({"const": op})),
            ("collection".to_owned(), collection.clone()),
            ("as".to_owned(), alias.clone()),
        ]);
        properties.extend(members.as_object().cloned().unwrap_or_default());
        closed(properties, required.iter().map(|name| Json::from(*name)).collect())
    };
    let operations = [
        operation("create", json!({"data": data}), &["op", "collection", "data"]),
        operation(
            "update",
            json!({"id": id, "data": data, "ifMatch": tag}),
            &["op", "collection", "id", "data"],
        ),
        operation(
            "upsert",
            json!({"id": id, "data": data, "ifMatch": tag}),
            &["op", "collection", "id", "data"],
        ),
        operation("delete", json!({"id": id, "ifMatch": tag}), &["op", "collection", "id"]),
    ];
    json!({
        "type": "object",
        "properties": {"operations": {"type": "array", "minItems": 1, "items": {"oneOf": operations}}},
        "required": ["operations"],
        "additionalProperties": false,
    })
}

fn batch_results(model: &Model) -> Json {
    let records: Vec<_> = model
        .collections
        .iter()
        .map(|collection| refer(collection, Role::Plain))
        .collect();
    let mut data = json!({"description": "The record, unless it was deleted or its writer may not read it."});
    if !records.is_empty() {
        data["anyOf"] = records.into();
    }
    let result = json!({
        "type": "object",
        "properties": {
            "outcome": {"enum": ["created", "updated", "deleted"]},
            "collection": {"type": "string", "enum": paths(model)},
            "id": {"type": "string"},
            "as": {"type": "string"},
            "etag": {"type": "string"},
            "data": data,
        },
        "required": ["outcome", "collection", "id"],
        "additionalProperties": false,
    });
    json!({
        "type": "object",
        "properties": {"results": {"type": "array", "items": result, "description": "In the order of the operations."}},
        "required": ["results"],
        "additionalProperties": false,
    })
}

fn paths(model: &Model) -> Vec<&str> {
    model
        .collections
        .iter()
        .map(|collection| collection.path.as_str())
        .collect()
}
