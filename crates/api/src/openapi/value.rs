//! Types of values as JSON Schema (2020-12), exactly as the engine takes and gives them.
//!
//! What is written is bounded, since a server refuses what goes beyond; what is read is not, because records may be
//! older than a bound.

use engine::model::limits::{
    BYTES_DEFAULT, EMAIL_CHARS_MAX, FILE_CHARS_DEFAULT, LIST_ITEMS_DEFAULT, TEXT_CHARS_DEFAULT, URL_CHARS_DEFAULT,
};
use engine::model::{DocumentField, Field, LengthRange, Model, NumberRange, Pattern, Scalar, Value, ValueType};
use serde_json::{Value as Json, json};

/// No engine holds U+0000 in a text.
const NO_NUL: &str = r"^[^\u0000]*$";
/// Padded, and with nothing in the bits that padding leaves over (RFC 4648 §4).
const BASE64: &str = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$";
pub(super) const FILE: &str =
    r"^(?!\.{1,2}(/|$))[^/\\\u0000-\u001f\u007f-\u009f]+(/(?!\.{1,2}(/|$))[^/\\\u0000-\u001f\u007f-\u009f]+)*$";
const DECIMAL: &str = r"^-?[0-9]{1,12}(\.[0-9]{1,6})?$";
/// Whole, of those that 64 bits hold beside six decimal places.
const DECIMAL_MAX: i64 = i64::MAX / 1_000_000;
const LONG: &str = "^-?[0-9]{1,18}$";

/// Which way a value goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// In an answer.
    Read,
    /// In a create or a replacement.
    Write,
    /// In a merge patch: of an embedded value only what changes.
    Patch,
}

/// What a field says about its values beyond their type.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bounds<'a> {
    length: Option<LengthRange>,
    range: Option<&'a NumberRange>,
    pattern: Option<&'a Pattern>,
}

impl<'a> From<&'a Field> for Bounds<'a> {
    fn from(field: &'a Field) -> Self {
        Self {
            length: field.length,
            range: field.range.as_ref(),
            pattern: field.pattern.as_ref(),
        }
    }
}

impl<'a> From<&'a DocumentField> for Bounds<'a> {
    fn from(field: &'a DocumentField) -> Self {
        Self {
            length: field.length,
            range: field.range.as_ref(),
            pattern: field.pattern.as_ref(),
        }
    }
}

pub(super) fn schema(model: &Model, ty: &ValueType, bounds: Bounds<'_>, way: Way) -> Json {
    match ty {
        ValueType::Scalar(scalar) if way == Way::Read => read(*scalar),
        ValueType::Scalar(scalar) => write(*scalar, bounds),
        ValueType::Enum(id) => reference(&model.enumeration(*id).name),
        ValueType::Document(id) => reference(&document_name(&model.document(*id).name, way)),
        ValueType::List { item, required } => list(model, item, *required, bounds, way),
    }
}

/// The component of an embedded type.
pub(super) fn document_name(name: &str, way: Way) -> String {
    match way {
        Way::Read => name.to_owned(),
        Way::Write => format!("{name}.Write"),
        Way::Patch => format!("{name}.Patch"),
    }
}

pub(super) fn reference(component: &str) -> Json {
    json!({"$ref": format!("#/components/schemas/{component}")})
}

/// The same, or null.
pub(super) fn nullable(mut schema: Json) -> Json {
    match schema.get_mut("type") {
        Some(Json::Array(types)) => types.push("null".into()),
        Some(ty) => *ty = json!([ty.take(), "null"]),
        None => match schema.get_mut("anyOf").and_then(Json::as_array_mut) {
            Some(choices) => choices.push(json!({"type": "null"})),
            None => schema = json!({"anyOf": [schema, {"type": "null"}]}),
        },
    }
    schema
}

/// A list is replaced whole, also by a patch.
fn list(model: &Model, item: &ValueType, required: bool, bounds: Bounds<'_>, way: Way) -> Json {
    let way = if way == Way::Patch { Way::Write } else { way };
    let items = schema(model, item, Bounds::default(), way);
    let items = if required { items } else { nullable(items) };
    let mut list = json!({"type": "array", "items": items});
    if way == Way::Write {
        lengths(&mut list, ["minItems", "maxItems"], bounds.length, LIST_ITEMS_DEFAULT);
    }
    list
}

fn read(scalar: Scalar) -> Json {
    match scalar {
        Scalar::Id => json!({"type": "string", "format": "uuid"}),
        Scalar::String | Scalar::File => json!({"type": "string"}),
        Scalar::Int => json!({"type": "integer", "format": "int32"}),
        Scalar::Long => json!({
            "type": ["integer", "string"], "format": "int64",
            "description": "A string beyond ±(2^53 - 1), where a JSON number isn't exact.",
        }),
        Scalar::Float => json!({"type": "number", "format": "double"}),
        Scalar::Decimal => json!({"type": "string", "format": "decimal"}),
        Scalar::Boolean => json!({"type": "boolean"}),
        Scalar::DateTime => json!({"type": "string", "format": "date-time"}),
        Scalar::Date => json!({"type": "string", "format": "date"}),
        Scalar::Bytes => json!({"type": "string", "contentEncoding": "base64"}),
        Scalar::Json => json!({"type": ["object", "array", "string", "number", "boolean"]}),
        Scalar::Email => json!({"type": "string", "format": "email"}),
        Scalar::Url => json!({"type": "string", "format": "uri"}),
    }
}

fn write(scalar: Scalar, bounds: Bounds<'_>) -> Json {
    match scalar {
        Scalar::Long => long(bounds),
        Scalar::Decimal => decimal(bounds),
        Scalar::Bytes => bytes(bounds.length),
        _ => {
            let mut schema = read(scalar);
            bound(&mut schema, scalar, bounds);
            schema
        }
    }
}

fn bound(schema: &mut Json, scalar: Scalar, bounds: Bounds<'_>) {
    let (most, pattern) = match scalar {
        Scalar::String => (TEXT_CHARS_DEFAULT, Some(NO_NUL)),
        Scalar::Email => (EMAIL_CHARS_MAX, None),
        Scalar::Url => (URL_CHARS_DEFAULT, Some("^[Hh][Tt][Tt][Pp][Ss]?://")),
        Scalar::File => (FILE_CHARS_DEFAULT, Some(FILE)),
        Scalar::Int => {
            schema["minimum"] = i32::MIN.into();
            schema["maximum"] = i32::MAX.into();
            return range(schema, bounds.range);
        }
        _ => return range(schema, bounds.range),
    };
    lengths(schema, ["minLength", "maxLength"], bounds.length, most);
    match (bounds.pattern, pattern) {
        (Some(own), _) => schema["pattern"] = format!("^(?:{})$", own.source).into(),
        (None, Some(pattern)) => schema["pattern"] = pattern.into(),
        (None, None) => {}
    }
}

fn lengths(schema: &mut Json, [min, max]: [&str; 2], length: Option<LengthRange>, most: u32) {
    let least = length.and_then(|length| length.min).unwrap_or(0);
    if least > 0 {
        schema[min] = least.into();
    }
    schema[max] = length.and_then(|length| length.max).unwrap_or(most.max(least)).into();
}

fn range(schema: &mut Json, range: Option<&NumberRange>) {
    let Some(range) = range else { return };
    if let Some(min) = range.min.as_ref().and_then(number) {
        schema["minimum"] = min;
    }
    if let Some(max) = range.max.as_ref().and_then(number) {
        schema["maximum"] = max;
    }
}

fn number(value: &Value) -> Option<Json> {
    match value {
        Value::Int(int) => Some((*int).into()),
        Value::Float(float) => Some((*float).into()),
        Value::Decimal(decimal) => serde_json::from_str(&decimal.to_string()).ok(),
        _ => None,
    }
}

/// A string says more than a number can, but JSON Schema can't bound it: a field with a range is written as a number.
fn long(bounds: Bounds<'_>) -> Json {
    let mut number = json!({"type": "integer", "format": "int64", "minimum": i64::MIN, "maximum": i64::MAX});
    range(&mut number, bounds.range);
    match bounds.range {
        Some(_) => number,
        None => json!({"anyOf": [number, {"type": "string", "pattern": LONG}]}),
    }
}

fn decimal(bounds: Bounds<'_>) -> Json {
    let mut number = json!({"type": "number", "minimum": -DECIMAL_MAX, "maximum": DECIMAL_MAX});
    range(&mut number, bounds.range);
    json!({
        "anyOf": [{"type": "string", "format": "decimal", "pattern": DECIMAL}, number],
        "description": "At most six decimal places. A string keeps them exact; a number has at most 15 digits.",
    })
}

/// Lengths count bytes, where the schema counts characters of base64.
fn bytes(length: Option<LengthRange>) -> Json {
    let encoded = |bytes: u32| u64::from(bytes).div_ceil(3) * 4;
    let mut schema = read(Scalar::Bytes);
    if let Some(min) = length.and_then(|length| length.min) {
        schema["minLength"] = encoded(min).into();
    }
    schema["maxLength"] = encoded(length.and_then(|length| length.max).unwrap_or(BYTES_DEFAULT)).into();
    schema["pattern"] = BASE64.into();
    schema
}
