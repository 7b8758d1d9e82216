use uuid::Uuid;

use super::*;
use crate::model::{Date, Timestamp};

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
