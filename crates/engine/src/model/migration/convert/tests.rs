use super::*;

#[track_caller]
fn check(from: &str, to: &str, value: Value, expected: Option<Value>) {
    let conversion = Conversion::between(&from.parse().unwrap(), &to.parse().unwrap()).unwrap();
    assert_eq!(conversion.apply(&value), expected, "{value:?} as {to}");
}

fn decimal(scaled: i64) -> Value {
    Value::Decimal(crate::model::Decimal(scaled))
}

#[test]
fn what_says_the_same_passes_and_the_rest_is_refused() {
    check("String", "Int", Value::text("42"), Some(Value::Int(42)));
    check("String", "Int", Value::text("4.2"), None);
    check("String", "Int", Value::text("3000000000"), None);
    check("String", "Boolean", Value::text("true"), Some(Value::Bool(true)));
    check("String", "Boolean", Value::text("yes"), None);
    check(
        "String",
        "DateTime",
        Value::text("2026-01-01T00:00:00Z"),
        Some(Value::DateTime(Timestamp(1_767_225_600_000))),
    );
    check(
        "String",
        "JSON",
        Value::text("a\"b"),
        Some(Value::Json(r#""a\"b""#.into())),
    );
    check(
        "String",
        "Email",
        Value::text("ada@example.com"),
        Some(Value::text("ada@example.com")),
    );
    check(
        "String",
        "Email",
        Value::text("Ada@Example.com"),
        Some(Value::text("ada@example.com")),
    );
    check("String", "Email", Value::text("ada"), None);
    check(
        "String",
        "URL",
        Value::text("https://example.com/"),
        Some(Value::text("https://example.com/")),
    );
    check("String", "URL", Value::text("example"), None);
    check(
        "URL",
        "String",
        Value::text("https://example.com/"),
        Some(Value::text("https://example.com/")),
    );
    check("Long", "Int", Value::Int(1 << 40), None);
    check("Long", "Float", Value::Int((1 << 53) + 1), None);
    check("Int", "Boolean", Value::Int(2), None);
    check("Int", "Decimal", Value::Int(3), Some(decimal(3_000_000)));
    check("Long", "Decimal", Value::Int(i64::MAX), None);
    check("Float", "Int", Value::Float(2.0), Some(Value::Int(2)));
    check("Float", "Int", Value::Float(2.5), None);
    check("Float", "Int", Value::Float(1e300), None);
    check("Float", "Decimal", Value::Float(0.1), Some(decimal(100_000)));
    check("Float", "Decimal", Value::Float(1e-9), None);
    check("Decimal", "Int", decimal(2_500_000), None);
    check("Decimal", "String", decimal(2_500_000), Some(Value::text("2.5")));
    check("Decimal", "Float", decimal(2_500_000), Some(Value::Float(2.5)));
    check("Decimal", "Float", decimal(i64::MAX), None);
    check(
        "Date",
        "DateTime",
        Value::Date(crate::model::Date(1)),
        Some(Value::DateTime(Timestamp(86_400_000))),
    );
    check(
        "DateTime",
        "Date",
        Value::DateTime(Timestamp(86_400_000)),
        Some(Value::Date(crate::model::Date(1))),
    );
    check("DateTime", "Date", Value::DateTime(Timestamp(86_400_001)), None);
    check("JSON", "Int", Value::Json("7".into()), Some(Value::Int(7)));
    check("JSON", "Int", Value::Json("[7]".into()), None);
}

#[test]
fn what_makes_no_sense_is_no_conversion() {
    let check = |from: &str, to: &str, expected: bool| {
        let conversion = Conversion::between(&from.parse().unwrap(), &to.parse().unwrap());
        assert_eq!(conversion.is_some(), expected, "{from} as {to}");
    };
    check("Bytes", "Int", false);
    check("Date", "Int", false);
    check("[String]", "String", false);
    check("Int", "enum(A)", false);
    check("String", "enum(A)", true);
    check("[String]", "[Int]", true);
    check("[String]", "JSON", true);
    check("Bytes", "String", true);
}

#[test]
fn lists_pass_item_by_item() {
    let check = |from: &str, to: &str, value: &str, expected: Option<&str>| {
        let conversion = Conversion::between(&from.parse().unwrap(), &to.parse().unwrap()).unwrap();
        let list = |text: &str| Value::Json(text.into());
        assert_eq!(conversion.apply(&list(value)), expected.map(list), "{value} as {to}");
    };
    check("[String]", "[enum(A, B)]", r#"["A","B"]"#, Some(r#"["A","B"]"#));
    check("[String]", "[enum(A, B)]", r#"["A","C"]"#, None);
    check("[String]", "[Int]", r#"["7",null]"#, Some("[7,null]"));
    check("[Int]", "[String]", "[7]", Some(r#"["7"]"#));
    check("[Int]", "[Decimal]", "[7]", Some(r#"["7"]"#));
    check("JSON", "[Int]", r#"{"a":1}"#, None);
}
