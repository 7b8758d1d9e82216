//! Values of every scalar, the odd ones among them.

use engine::model::{Date, Decimal, Field, FieldKind, Model, Scalar, Timestamp, Value, ValueType};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

/// What `now` is in comparisons: 2024-05-01T12:00:00Z.
pub const NOW: Timestamp = Timestamp(1_714_564_800_000);

/// A value for a stored field that is no reference, and null where it may be.
pub(super) fn of_field(model: &Model, field: &Field) -> BoxedStrategy<Value> {
    let FieldKind::Value(ty) = &field.kind else {
        return Just(Value::Null).boxed();
    };
    let value = of_type(model, ty);
    if field.required {
        value
    } else {
        prop_oneof![1 => Just(Value::Null), 2 => value].boxed()
    }
}

fn of_type(model: &Model, ty: &ValueType) -> BoxedStrategy<Value> {
    match ty {
        ValueType::Scalar(scalar) => of_scalar(*scalar),
        ValueType::Enum(id) => {
            let names: Vec<Value> = model
                .enumeration(*id)
                .values
                .iter()
                .map(|value| Value::text(value.name.as_str()))
                .collect();
            prop::sample::select(names).boxed()
        }
        ValueType::Document(_) | ValueType::List { .. } => as_json(model, ty)
            .prop_map(|json| Value::Json(json.to_string().into()))
            .boxed(),
    }
}

fn of_scalar(scalar: Scalar) -> BoxedStrategy<Value> {
    match scalar {
        Scalar::Id => Just(Value::Null).boxed(),
        Scalar::String | Scalar::Email | Scalar::Url | Scalar::File => {
            prop::sample::select(TEXTS).prop_map(Value::text).boxed()
        }
        Scalar::Int => prop::sample::select(INTS).prop_map(Value::Int).boxed(),
        Scalar::Long => prop::sample::select(LONGS).prop_map(Value::Int).boxed(),
        Scalar::Float => prop::sample::select(FLOATS).prop_map(Value::Float).boxed(),
        Scalar::Decimal => prop::sample::select(DECIMALS)
            .prop_map(|scaled| Value::Decimal(Decimal(scaled)))
            .boxed(),
        Scalar::Boolean => any::<bool>().prop_map(Value::Bool).boxed(),
        Scalar::DateTime => prop::sample::select(MOMENTS)
            .prop_map(|ms| Value::DateTime(Timestamp(ms)))
            .boxed(),
        Scalar::Date => prop::sample::select(DAYS)
            .prop_map(|days| Value::Date(Date(days)))
            .boxed(),
        Scalar::Bytes => prop::collection::vec(any::<u8>(), 0..3)
            .prop_map(|bytes| Value::Bytes(bytes.into()))
            .boxed(),
        Scalar::Json => free_json()
            .prop_map(|json| Value::Json(json.to_string().into()))
            .boxed(),
    }
}

/// In the notation in which documents keep their parts.
fn as_json(model: &Model, ty: &ValueType) -> BoxedStrategy<Json> {
    match ty {
        ValueType::List { item, required } => {
            let item = as_json(model, item);
            let item = if *required {
                item
            } else {
                prop_oneof![1 => Just(Json::Null), 3 => item].boxed()
            };
            prop::collection::vec(item, 0..4).prop_map(Json::from).boxed()
        }
        ValueType::Document(id) => {
            let fields: Vec<BoxedStrategy<Option<(String, Json)>>> = model
                .document(*id)
                .fields
                .iter()
                .map(|field| {
                    let name = field.name.clone();
                    let there = as_json(model, &field.ty).prop_map(move |value| Some((name.clone(), value)));
                    let name = field.name.clone();
                    let null = Just(Some((name, Json::Null)));
                    if field.required {
                        there.boxed()
                    } else {
                        prop_oneof![2 => there, 1 => null, 1 => Just(None)].boxed()
                    }
                })
                .collect();
            fields
                .prop_map(|fields| Json::Object(fields.into_iter().flatten().collect()))
                .boxed()
        }
        scalar => of_type(model, scalar).prop_map(|value| notation(&value)).boxed(),
    }
}

fn notation(value: &Value) -> Json {
    match value {
        Value::Bool(truth) => json!(truth),
        Value::Int(int) if int.unsigned_abs() >= 1 << 53 => json!(int.to_string()),
        Value::Int(int) => json!(int),
        Value::Float(float) => json!(float),
        Value::Decimal(decimal) => json!(decimal.to_string()),
        Value::Text(text) => json!(text),
        Value::DateTime(moment) => json!(moment.to_string()),
        Value::Date(day) => json!(day.to_string()),
        _ => Json::Null,
    }
}

/// What a `JSON` field may hold: any type where another is looked for.
fn free_json() -> BoxedStrategy<Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        prop::sample::select(&[-1_i64, 0, 1, 2][..]).prop_map(Json::from),
        prop::sample::select(&[0.5_f64, 1.0, 2.5][..]).prop_map(Json::from),
        prop::sample::select(TEXTS).prop_map(Json::from),
        Just(json!([1, "a"])),
    ];
    let inner = prop_oneof![3 => leaf.clone(), 1 => leaf.clone().prop_map(|value| json!({ "b": value }))];
    prop_oneof![
        6 => (prop::option::of(inner.clone()), prop::option::of(inner)).prop_map(|(a, b)| {
            let mut object = serde_json::Map::new();
            object.extend(a.map(|a| ("a".to_owned(), a)));
            object.extend(b.map(|b| ("b".to_owned(), b)));
            Json::Object(object)
        }),
        // A field that is given JSON's null is null itself.
        1 => leaf.prop_filter("no null", |value| !value.is_null()),
    ]
    .boxed()
}

const TEXTS: &[&str] = &[
    "", "a", "ab", "b", "Ärger", " a ", "LIVE", "x\u{a0}", "%_", "it's", "😀",
];
const INTS: &[i64] = &[0, 1, 2, 3, 7, -1, -2, -7, 2_147_483_647, -2_147_483_648];
const LONGS: &[i64] = &[
    0,
    1,
    2,
    -1,
    7,
    -7,
    1 << 53,
    (1 << 53) + 1,
    3_037_000_500,
    -3_037_000_500,
    i64::MAX,
    i64::MAX - 1,
    i64::MIN,
    i64::MIN + 1,
];
const FLOATS: &[f64] = &[0.0, 0.5, 1.0, -1.5, 3.0, 2.25, 1e160, -1e160, 1e-160, 1e19, -1e19];
const DECIMALS: &[i64] = &[
    0,
    1_000_000,
    1_500_000,
    -2_250_000,
    1,
    9_990_000,
    333_333,
    i64::MAX,
    i64::MIN,
    9_000_000_000_000_000,
];
const MOMENTS: &[i64] = &[
    NOW.0,
    NOW.0 - 1,
    NOW.0 + 3_600_000,
    0,
    -1,
    951_782_400_123,
    Timestamp::MIN.0,
    Timestamp::MAX.0,
];
const DAYS: &[i32] = &[0, -1, 19_844, 19_845, 11_016, Date::MIN.0, Date::MAX.0];
