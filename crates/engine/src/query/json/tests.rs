use std::sync::Arc;

use uuid::Uuid;

use super::*;
use crate::model::{Date, Timestamp};
use crate::query::{Nested, Pred};

fn json(ty: ValueType, value: Value) -> String {
    let mut out = Vec::new();
    write_value(&mut out, &ty, &value);
    String::from_utf8(out).unwrap()
}

#[test]
fn values_are_written_by_their_type() {
    let check =
        |scalar: Scalar, value: Value, expected: &str| assert_eq!(json(ValueType::Scalar(scalar), value), expected);
    check(
        Scalar::String,
        Value::text("a\"b\\c\n\u{1}ä\u{1F600}"),
        "\"a\\\"b\\\\c\\n\\u0001ä😀\"",
    );
    check(Scalar::Int, Value::Int(-7), "-7");
    check(Scalar::Long, Value::Int(9_007_199_254_740_991), "9007199254740991");
    check(Scalar::Long, Value::Int(9_007_199_254_740_992), "\"9007199254740992\"");
    check(Scalar::Long, Value::Int(i64::MIN), "\"-9223372036854775808\"");
    check(Scalar::Float, Value::Float(0.1), "0.1");
    check(Scalar::Float, Value::Float(3.0), "3.0");
    check(Scalar::Decimal, Value::Decimal(Decimal(12_500_000)), "\"12.5\"");
    check(Scalar::Boolean, Value::Bool(true), "true");
    check(
        Scalar::DateTime,
        Value::DateTime(Timestamp(0)),
        "\"1970-01-01T00:00:00.000Z\"",
    );
    check(Scalar::Date, Value::Date(Date(0)), "\"1970-01-01\"");
    check(Scalar::Bytes, Value::Bytes(vec![0, 255].into()), "\"AP8=\"");
    check(
        Scalar::Id,
        Value::Id(Uuid::nil()),
        "\"00000000-0000-0000-0000-000000000000\"",
    );
    check(Scalar::Json, Value::Json("{\"a\":[1,null]}".into()), "{\"a\":[1,null]}");
    check(Scalar::String, Value::Null, "null");
}

/// Wherever in a text the only character stands that has to be escaped.
#[test]
fn no_character_escapes_its_escaping() {
    for special in ['"', '\\', '\0', '\n', '\u{1f}', '\u{7f}', 'é', '😀'] {
        for before in 0..70 {
            let text = format!("{}{special}{}", "x".repeat(before), "y".repeat(70 - before));
            let mut out = Vec::new();
            write_text(&mut out, &text);
            assert_eq!(out, serde_json::to_vec(&text).unwrap(), "{special:?} behind {before}");
        }
    }
}

const SCHEMA: &str = "
type Room @collection { name: String! topic: String members: [User!]! owner: User }
type User @collection { name: String! }
";

fn id(number: u128) -> Value {
    Value::Id(Uuid::from_u128(number))
}

fn item(collection: &Collection, field: &str, shape: Shape) -> Item {
    let field = collection.field_named(field).unwrap().id;
    Item {
        field,
        visible: Pred::Const(true),
        shape,
    }
}

/// A relation whose records are answered by their names, or by their keys.
fn nested(model: &Model, named: bool) -> Box<Nested> {
    let users = model.by_path("users").unwrap();
    let projection = Projection {
        collection: users.id,
        items: vec![item(users, "name", Shape::Value)],
    };
    Box::new(Nested {
        guard: Pred::Const(true),
        projection: named.then_some(projection),
        is_key: false,
        limit: 10,
    })
}

/// Writes a room with these fields.
fn check(fields: &[(&str, Shape, Value)], expected: &str) {
    let model = Model::read(SCHEMA, "schema.graphql").unwrap();
    let rooms = model.by_path("rooms").unwrap();
    let projection = Projection {
        collection: rooms.id,
        items: fields
            .iter()
            .map(|(name, shape, _)| item(rooms, name, shape.clone()))
            .collect(),
    };
    let row = Row(fields.iter().map(|(_, _, value)| value.clone()).collect());
    let mut out = Vec::new();
    write_row(&mut out, &model, &projection, &row);
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn what_is_hidden_is_left_out() {
    let name = || ("name", Shape::Value, Value::text("a"));
    let hidden = || ("topic", Shape::Value, Value::Hidden);
    check(&[], "{}");
    check(&[hidden()], "{}");
    check(&[hidden(), name()], r#"{"name":"a"}"#);
    check(&[name(), hidden()], r#"{"name":"a"}"#);
    check(
        &[name(), ("topic", Shape::Value, Value::Null)],
        r#"{"name":"a","topic":null}"#,
    );
}

#[test]
fn relations_are_keys_or_records() {
    let model = Model::read(SCHEMA, "schema.graphql").unwrap();
    let ana = || Value::Record(Arc::new(Row(vec![Value::text("Ana")])));
    let first = "00000000-0000-0000-0000-000000000001";
    check(&[("owner", Shape::Value, id(1))], &format!(r#"{{"owner":"{first}"}}"#));
    check(&[("owner", Shape::Value, Value::Null)], r#"{"owner":null}"#);
    let one = || Shape::One(nested(&model, true));
    check(&[("owner", one(), ana())], r#"{"owner":{"name":"Ana"}}"#);
    // The reader may see the key in the record, but not the record behind it.
    check(&[("owner", one(), id(1))], &format!(r#"{{"owner":"{first}"}}"#));
    let many = |named| Shape::Many(nested(&model, named));
    check(
        &[("members", many(true), Value::List(vec![ana(), ana()]))],
        r#"{"members":[{"name":"Ana"},{"name":"Ana"}]}"#,
    );
    check(
        &[("members", many(false), Value::List(vec![id(1)]))],
        &format!(r#"{{"members":["{first}"]}}"#),
    );
    check(
        &[("members", many(false), Value::List(Vec::new()))],
        r#"{"members":[]}"#,
    );
}

#[test]
fn a_key_is_a_value_or_the_text_of_a_path() {
    let model = Model::read(SCHEMA, "schema.graphql").unwrap();
    let mut out = Vec::new();
    write_key(
        &mut out,
        &model,
        model.by_path("rooms").unwrap(),
        &Key::id(Uuid::from_u128(1)),
    );
    write_key(
        &mut out,
        &model,
        model.by_path("rooms").unwrap(),
        &Key(vec![Value::Int(1), Value::text("a")]),
    );
    assert_eq!(
        String::from_utf8(out).unwrap(),
        r#""00000000-0000-0000-0000-000000000001""1,a""#
    );
}
