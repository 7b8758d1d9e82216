//! Examples: values that a field would take, the same on every start.

use engine::model::limits::LIST_ITEMS_DEFAULT;
use engine::model::{DocumentType, Field, FieldKind, LengthRange, Model, NumberRange, Scalar, Value, ValueType};
use serde_json::{Map, Value as Json, json};

use super::fields::{is_in_plain_answer, is_needed_to_create};

/// Deep enough for what people nest, and an end for types that hold themselves.
const DEPTH_MAX: u32 = 6;
const TEXT: &str = "An example";

/// A record as an answer holds it.
pub(super) fn record(model: &Model, collection: &engine::model::Collection) -> Json {
    let fields = collection.fields.iter().filter(|field| is_in_plain_answer(field));
    Json::Object(
        fields
            .filter_map(|field| Some((field.name.clone(), of_field(model, field)?)))
            .collect(),
    )
}

/// The least that makes a record. `None` where a pattern asks for more than a guess.
pub(super) fn new_record(model: &Model, collection: &engine::model::Collection) -> Option<Json> {
    let needed = collection
        .fields
        .iter()
        .filter(|field| is_needed_to_create(collection, field));
    let members: Option<Map<_, _>> = needed
        .map(|field| Some((field.name.clone(), of_field(model, field)?)))
        .collect();
    members.map(Json::Object)
}

/// A change of one field.
pub(super) fn patch(model: &Model, collection: &engine::model::Collection) -> Option<Json> {
    let changeable = |field: &&Field| is_needed_to_create(collection, field) && !field.immutable;
    let field = collection.fields.iter().find(changeable)?;
    Some(json!({field.name.clone(): of_field(model, field)?}))
}

pub(super) fn id() -> Json {
    "01939e5c-7d3a-7c41-9f7e-3d1f0a5b8c21".into()
}

fn of_field(model: &Model, field: &Field) -> Option<Json> {
    match &field.kind {
        FieldKind::Value(ty) => {
            let example = of_type(model, ty, field.length, field.range.as_ref(), DEPTH_MAX)?;
            let fits = |text: &str| {
                field
                    .pattern
                    .as_ref()
                    .is_none_or(|pattern| pattern.regex.is_match(text))
            };
            example.as_str().is_none_or(fits).then_some(example)
        }
        FieldKind::Reference { .. } => Some(id()),
        FieldKind::Links { .. } | FieldKind::Inverse { .. } => Some(json!([id()])),
    }
}

fn of_type(
    model: &Model,
    ty: &ValueType,
    length: Option<LengthRange>,
    range: Option<&NumberRange>,
    depth: u32,
) -> Option<Json> {
    match ty {
        ValueType::Scalar(scalar) => Some(of_scalar(*scalar, length, range)),
        ValueType::Enum(id) => model
            .enumeration(*id)
            .values
            .first()
            .map(|value| value.name.clone().into()),
        ValueType::Document(id) => of_document(model, model.document(*id), depth.checked_sub(1)?),
        ValueType::List { item, .. } => {
            let least = length
                .and_then(|length| length.min)
                .unwrap_or(1)
                .clamp(1, LIST_ITEMS_DEFAULT) as usize;
            let item = of_type(model, item, None, None, depth.checked_sub(1)?)?;
            Some(Json::Array(vec![item; least]))
        }
    }
}

fn of_document(model: &Model, document: &DocumentType, depth: u32) -> Option<Json> {
    let mut members = Map::new();
    for field in document.fields.iter().filter(|field| field.required) {
        let example = of_type(model, &field.ty, field.length, field.range.as_ref(), depth)?;
        if let (Some(pattern), Some(text)) = (&field.pattern, example.as_str())
            && !pattern.regex.is_match(text)
        {
            return None;
        }
        members.insert(field.name.clone(), example);
    }
    Some(Json::Object(members))
}

fn of_scalar(scalar: Scalar, length: Option<LengthRange>, range: Option<&NumberRange>) -> Json {
    let bound = |pick: fn(&NumberRange) -> &Option<Value>| range.and_then(|range| pick(range).as_ref());
    let edge = bound(|range| &range.min).or(bound(|range| &range.max));
    match scalar {
        Scalar::Id => id(),
        Scalar::String => of_length(TEXT, length),
        Scalar::Int | Scalar::Long => edge.and_then(Value::as_int).unwrap_or(42).into(),
        Scalar::Float => match edge {
            Some(Value::Float(float)) => (*float).into(),
            _ => json!(4.5),
        },
        Scalar::Decimal => match edge {
            Some(Value::Decimal(decimal)) => decimal.to_string().into(),
            _ => "12.5".into(),
        },
        Scalar::Boolean => true.into(),
        Scalar::DateTime => "2026-11-22T10:00:00.000Z".into(),
        Scalar::Date => "2026-11-22".into(),
        Scalar::Bytes => "AAAA"
            .repeat(length.and_then(|length| length.min).unwrap_or(3).div_ceil(3) as usize)
            .into(),
        Scalar::Json => json!({"any": "JSON"}),
        Scalar::Email => "ana@example.org".into(),
        Scalar::Url => "https://example.org/".into(),
        Scalar::File => "avatars/ana.png".into(),
    }
}

fn of_length(text: &str, length: Option<LengthRange>) -> Json {
    let (min, max) = length.map_or((None, None), |length| (length.min, length.max));
    let max = max.unwrap_or(u32::MAX) as usize;
    let min = min.unwrap_or(0) as usize;
    text.chars()
        .cycle()
        .take(text.len().max(min).min(max))
        .collect::<String>()
        .into()
}
