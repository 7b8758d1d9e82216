//! A caller's JSON becomes a value of its field's type, or every reason why it can't.
//!
//! Values come out canonical: equal ones are equal as text too. Embedded values, lists and `JSON` become JSON text, with
//! moments, decimals and ids in their one notation, fields in the schema's order, and no field that is null.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value as Json};

use super::check::{is_file, is_url, parse_email};
use super::key::parse_id;
use super::number::{decimal, float, int, long};
use crate::error::FieldError;
use crate::model::limits::{
    BYTES_DEFAULT, EMAIL_CHARS_MAX, FILE_CHARS_DEFAULT, JSON_BYTES_MAX, JSON_DEPTH_MAX, LIST_ITEMS_DEFAULT,
    TEXT_CHARS_DEFAULT, URL_CHARS_DEFAULT,
};
use crate::model::{
    Date, DocumentType, EnumType, Field, FieldKind, LengthRange, Model, NumberRange, Pattern, Scalar, Timestamp, Value,
    ValueType, closest,
};
use crate::query::json::{write_text, write_value};

/// One complaint about a value, without its place.
pub(super) struct Fault {
    code: &'static str,
    message: String,
}

pub(super) fn fault<T>(code: &'static str, message: impl Into<String>) -> Result<T, Fault> {
    Err(Fault {
        code,
        message: message.into(),
    })
}

/// What a field says about its values beyond their type.
#[derive(Clone, Copy, Default)]
struct Bounds<'a> {
    length: Option<LengthRange>,
    range: Option<&'a NumberRange>,
    pattern: Option<&'a Pattern>,
}

impl Field {
    /// A caller's JSON as a value of this stored field, validated; never null.
    ///
    /// # Errors
    /// All that is wrong with it, each with its path from the record.
    pub fn accept(&self, model: &Model, json: &Json) -> Result<Value, Vec<FieldError>> {
        let ty = match &self.kind {
            FieldKind::Value(ty) => ty,
            _ => &ValueType::Scalar(Scalar::Id),
        };
        let bounds = Bounds {
            length: self.length,
            range: self.range.as_ref(),
            pattern: self.pattern.as_ref(),
        };
        accept(model, ty, bounds, json)
            .map_err(|errors| errors.into_iter().map(|error| error.within(&self.name)).collect())
    }
}

fn accept(model: &Model, ty: &ValueType, bounds: Bounds<'_>, json: &Json) -> Result<Value, Vec<FieldError>> {
    match ty {
        ValueType::Document(_) | ValueType::List { .. } if !json.is_null() => {
            let mut canonical = Canonical {
                model,
                out: Vec::new(),
                errors: Vec::new(),
            };
            canonical.write(ty, bounds, json, 1);
            canonical.finish()
        }
        _ => {
            accept_single(model, ty, bounds, json).map_err(|fault| vec![FieldError::new("", fault.code, fault.message)])
        }
    }
}

fn accept_single(model: &Model, ty: &ValueType, bounds: Bounds<'_>, json: &Json) -> Result<Value, Fault> {
    match ty {
        _ if json.is_null() => fault("required", "must not be null"),
        ValueType::Scalar(scalar) => accept_scalar(*scalar, bounds, json),
        ValueType::Enum(id) => accept_enum(model.enumeration(*id), json),
        ValueType::Document(_) | ValueType::List { .. } => unreachable!("composites are written by `Canonical`"),
    }
}

/// Embedded values and lists on their way to canonical text.
struct Canonical<'a> {
    model: &'a Model,
    /// Of no use once there is an error.
    out: Vec<u8>,
    errors: Vec<FieldError>,
}

impl Canonical<'_> {
    fn finish(mut self) -> Result<Value, Vec<FieldError>> {
        if self.errors.is_empty() && self.out.len() > JSON_BYTES_MAX {
            self.refuse("too_large", too_large());
        }
        if !self.errors.is_empty() {
            return Err(self.errors);
        }
        let text = String::from_utf8(self.out).expect("JSON is written as UTF-8");
        Ok(Value::Json(text.into()))
    }

    fn refuse(&mut self, code: &'static str, message: impl Into<String>) {
        self.errors.push(FieldError::new("", code, message));
    }

    fn write(&mut self, ty: &ValueType, bounds: Bounds<'_>, json: &Json, depth: usize) {
        match (ty, json) {
            (_, Json::Null) => self.refuse("required", "must not be null"),
            (ValueType::Document(_) | ValueType::List { .. }, _) if depth > JSON_DEPTH_MAX => {
                self.refuse("too_deep", too_deep());
            }
            (ValueType::Document(id), Json::Object(object)) => {
                self.write_document(self.model.document(*id), object, depth);
            }
            (ValueType::Document(_), _) => self.refuse("wrong_type", "must be an object"),
            (ValueType::List { item, required }, Json::Array(items)) => {
                match check_length(items.len(), bounds.length, LIST_ITEMS_DEFAULT, "items") {
                    Ok(()) => self.write_list(item, *required, items, depth),
                    Err(fault) => self.refuse(fault.code, fault.message),
                }
            }
            (ValueType::List { .. }, _) => self.refuse("wrong_type", "must be a list"),
            (ValueType::Scalar(_) | ValueType::Enum(_), _) => match accept_single(self.model, ty, bounds, json) {
                Ok(value) => write_value(&mut self.out, ty, &value),
                Err(fault) => self.refuse(fault.code, fault.message),
            },
        }
    }

    fn write_list(&mut self, item: &ValueType, required: bool, items: &[Json], depth: usize) {
        self.out.push(b'[');
        for (index, json) in items.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            if json.is_null() && !required {
                self.out.extend_from_slice(b"null");
            } else {
                let known = self.errors.len();
                self.write(item, Bounds::default(), json, depth + 1);
                self.place(known, || format!("[{index}]"));
            }
        }
        self.out.push(b']');
    }

    fn write_document(&mut self, document: &DocumentType, object: &Map<String, Json>, depth: usize) {
        self.out.push(b'{');
        let mut first = true;
        for field in &document.fields {
            let Some(json) = object.get(&field.name).filter(|json| !json.is_null()) else {
                if field.required {
                    self.errors
                        .push(FieldError::new(&field.name, "required", "must be given"));
                }
                continue;
            };
            if !std::mem::take(&mut first) {
                self.out.push(b',');
            }
            write_text(&mut self.out, &field.name);
            self.out.push(b':');
            let bounds = Bounds {
                length: field.length,
                range: field.range.as_ref(),
                pattern: field.pattern.as_ref(),
            };
            let known = self.errors.len();
            self.write(&field.ty, bounds, json, depth + 1);
            self.place(known, || field.name.clone());
        }
        self.out.push(b'}');
        self.refuse_unknown(document, object);
    }

    fn refuse_unknown(&mut self, document: &DocumentType, object: &Map<String, Json>) {
        let known = || document.fields.iter().map(|field| field.name.as_str());
        for unknown in object.keys().filter(|name| !known().any(|known| known == *name)) {
            let hint = closest(unknown, known()).map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            let message = format!("{} has no such field{hint}", document.name);
            self.errors.push(FieldError::new(unknown, "unknown_field", message));
        }
    }

    /// Errors that came since there were `known` of them stand inside of `outer`.
    fn place(&mut self, known: usize, outer: impl Fn() -> String) {
        let fresh = self.errors.split_off(known);
        self.errors
            .extend(fresh.into_iter().map(|error| error.within(&outer())));
    }
}

fn too_large() -> String {
    format!("must have at most {JSON_BYTES_MAX} bytes as JSON")
}

fn too_deep() -> String {
    format!("must have at most {JSON_DEPTH_MAX} levels")
}

fn accept_enum(ty: &EnumType, json: &Json) -> Result<Value, Fault> {
    let name = text(json)?;
    if ty.values.iter().any(|value| value.name == name) {
        return Ok(Value::text(name));
    }
    let names: Vec<&str> = ty.values.iter().map(|value| value.name.as_str()).collect();
    let hint = match closest(name, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("one of {}", names.join(", ")),
    };
    fault("unknown_value", format!("must be a value of {}; {hint}", ty.name))
}

fn accept_scalar(scalar: Scalar, bounds: Bounds<'_>, json: &Json) -> Result<Value, Fault> {
    let value = match scalar {
        Scalar::Id => parsed(parse_id(text(json)?).map(Value::Id), "must be a UUID")?,
        Scalar::String => accept_text(text(json)?, TEXT_CHARS_DEFAULT, bounds)?,
        Scalar::Email => match parse_email(text(json)?) {
            Some(email) => accept_text(&email, EMAIL_CHARS_MAX, bounds)?,
            None => return fault("not_an_email", "must be an e-mail address such as ana@example.org"),
        },
        Scalar::Url => match text(json)? {
            url if is_url(url) => accept_text(url, URL_CHARS_DEFAULT, bounds)?,
            _ => return fault("not_a_url", "must be an absolute URL with http or https"),
        },
        Scalar::File => match text(json)? {
            key if is_file(key) => accept_text(key, FILE_CHARS_DEFAULT, bounds)?,
            _ => return fault("not_a_file", "must be the key of a file, such as avatars/ana.png"),
        },
        Scalar::Int => Value::Int(int(json)?),
        Scalar::Long => Value::Int(long(json)?),
        Scalar::Float => Value::Float(float(json)?),
        Scalar::Decimal => Value::Decimal(decimal(json)?),
        Scalar::Boolean => match json {
            Json::Bool(truth) => Value::Bool(*truth),
            _ => return fault("wrong_type", "must be true or false"),
        },
        Scalar::DateTime => {
            let moment = Timestamp::parse(text(json)?).map(Value::DateTime);
            parsed(moment, "must be a moment as in RFC 3339, such as 2026-11-22T10:00:00Z")?
        }
        Scalar::Date => parsed(
            Date::parse(text(json)?).map(Value::Date),
            "must be a day, such as 2026-11-22",
        )?,
        Scalar::Bytes => {
            let Ok(bytes) = BASE64_STANDARD.decode(text(json)?) else {
                return fault("wrong_type", "must be base64 (RFC 4648 §4, padded)");
            };
            check_length(bytes.len(), bounds.length, BYTES_DEFAULT, "bytes")?;
            Value::Bytes(bytes.into())
        }
        Scalar::Json => any_json(json)?,
    };
    check_range(&value, bounds.range)?;
    Ok(value)
}

fn text(json: &Json) -> Result<&str, Fault> {
    match json {
        Json::String(text) => Ok(text),
        _ => fault("wrong_type", "must be a string"),
    }
}

fn parsed(value: Option<Value>, otherwise: &str) -> Result<Value, Fault> {
    value.map_or_else(|| fault("wrong_type", otherwise), Ok)
}

fn accept_text(text: &str, most: u32, bounds: Bounds<'_>) -> Result<Value, Fault> {
    if text.contains('\0') && !unlimited!(Nul) {
        return fault("nul", "must not hold the character U+0000");
    }
    // The number of bytes bounds the number of characters from above: most texts need no count.
    let (min, max) = bounds.length.map_or((None, None), |length| (length.min, length.max));
    if min.is_some() || text.len() > max.unwrap_or(most) as usize {
        check_length(text.chars().count(), bounds.length, most, "characters")?;
    }
    match bounds.pattern {
        Some(pattern) if !pattern.regex.is_match(text) => fault("pattern", format!("must match {}", pattern.source)),
        _ => Ok(Value::text(text)),
    }
}

fn check_length(length: usize, wanted: Option<LengthRange>, most: u32, of: &str) -> Result<(), Fault> {
    let min = wanted.and_then(|wanted| wanted.min).unwrap_or(0);
    let max = wanted.and_then(|wanted| wanted.max).unwrap_or(most.max(min));
    if length > max as usize {
        return fault("too_long", format!("must have at most {max} {of}"));
    }
    if length < min as usize {
        return fault("too_short", format!("must have at least {min} {of}"));
    }
    Ok(())
}

fn check_range(value: &Value, range: Option<&NumberRange>) -> Result<(), Fault> {
    let Some(range) = range else { return Ok(()) };
    let is_less = |left: &Value, right: &Value| match (left, right) {
        (Value::Int(left), Value::Int(right)) => left < right,
        (Value::Float(left), Value::Float(right)) => left < right,
        (Value::Decimal(left), Value::Decimal(right)) => left < right,
        _ => false,
    };
    if let Some(min) = range.min.as_ref().filter(|min| is_less(value, min)) {
        return fault("out_of_range", format!("must be at least {}", shown(min)));
    }
    if let Some(max) = range.max.as_ref().filter(|max| is_less(max, value)) {
        return fault("out_of_range", format!("must be at most {}", shown(max)));
    }
    Ok(())
}

fn shown(bound: &Value) -> String {
    match bound {
        Value::Float(float) => float.to_string(),
        Value::Decimal(decimal) => decimal.to_string(),
        other => other.as_int().unwrap_or_default().to_string(),
    }
}

/// Any JSON but null, bounded, and without what some engine couldn't hold.
fn any_json(json: &Json) -> Result<Value, Fault> {
    check_json(json, 1)?;
    let text = json.to_string();
    if text.len() > JSON_BYTES_MAX && !unlimited!(JsonBytes) {
        return fault("too_large", too_large());
    }
    Ok(Value::Json(text.into()))
}

fn check_json(json: &Json, depth: usize) -> Result<(), Fault> {
    let nul = |text: &str| match text.contains('\0') && !unlimited!(Nul) {
        true => fault("nul", "must not hold the character U+0000"),
        false => Ok(()),
    };
    if depth > JSON_DEPTH_MAX && !unlimited!(JsonDepth) && (json.is_array() || json.is_object()) {
        return fault("too_deep", too_deep());
    }
    match json {
        Json::Null | Json::Bool(_) | Json::Number(_) => Ok(()),
        Json::String(text) => nul(text),
        Json::Array(items) => items.iter().try_for_each(|item| check_json(item, depth + 1)),
        Json::Object(object) => object.iter().try_for_each(|(name, value)| {
            nul(name)?;
            check_json(value, depth + 1)
        }),
    }
}
