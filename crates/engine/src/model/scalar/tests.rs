use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::model::*;
use crate::query::json::write_value;

const SCHEMA: &str = r#"
enum Color { RED GREEN BLUE }
type Address { street: String! @length(max: 20) city: String! zip: String @pattern(regex: "[0-9]{5}") since: DateTime lines: [Line] parts: [Line!] }
type Line { no: Int! @range(min: 1, max: 9) price: Decimal note: String next: Line }
type Thing @collection {
  key: ID name: String @length(min: 2, max: 5) text: String int: Int long: Long float: Float decimal: Decimal flag: Boolean
  at: DateTime day: Date bytes: Bytes @length(max: 4) json: JSON email: Email url: URL file: File color: Color
  amount: Decimal @range(min: "0.01", max: 99) percent: Int @range(min: 0, max: 100) ratio: Float @range(max: 1.5)
  slug: String @pattern(regex: "[a-z]+(-[a-z]+)*") code: String @unique
  address: Address tags: [String!] @length(min: 1, max: 3) holes: [Int] colors: [Color!] moments: [DateTime!] texts: [String!]
}
"#;

fn model() -> Model {
    Model::read(SCHEMA, "schema.graphql").unwrap_or_else(|report| panic!("{report}"))
}

fn accept(field: &str, json: &Json) -> Result<String, String> {
    let model = model();
    let field = model.by_name("Thing").unwrap().field_named(field).unwrap();
    let FieldKind::Value(ty) = &field.kind else {
        panic!("a value")
    };
    match field.accept(&model, json) {
        Ok(value) => {
            let mut out = Vec::new();
            write_value(&mut out, ty, &value);
            Ok(String::from_utf8(out).unwrap())
        }
        Err(errors) => Err(errors
            .iter()
            .map(|error| format!("{}: {}", error.field, error.code))
            .collect::<Vec<_>>()
            .join("; ")),
    }
}

#[track_caller]
fn check(field: &str, json: Json, expected: &str) {
    assert_eq!(accept(field, &json).as_deref(), Ok(expected), "{json}");
}

#[track_caller]
fn refuse(field: &str, json: Json, expected: &str) {
    assert_eq!(accept(field, &json), Err(expected.to_owned()), "{json}");
}

#[test]
fn texts() {
    check("name", json!("añb"), r#""añb""#);
    refuse("name", json!("a"), "name: too_short");
    refuse("name", json!("ééééé\u{1F600}"), "name: too_long");
    check("name", json!("éééé\u{1F600}"), "\"éééé\u{1F600}\"");
    refuse("name", json!(5), "name: wrong_type");
    refuse("name", json!(null), "name: required");
    refuse("text", json!("a\0b"), "text: nul");
    check(
        "text",
        json!("x".repeat(10_000)),
        &format!("\"{}\"", "x".repeat(10_000)),
    );
    refuse("text", json!("x".repeat(10_001)), "text: too_long");
    check("slug", json!("a-b"), r#""a-b""#);
    refuse("slug", json!("a-b\n"), "slug: pattern");
    refuse("code", json!("x".repeat(256)), "code: too_long");
    check("email", json!("Ana@X.org"), r#""ana@x.org""#);
    refuse("email", json!("ana"), "email: not_an_email");
    refuse("url", json!("javascript:alert(1)"), "url: not_a_url");
    refuse(
        "url",
        json!(format!("https://x.org/{}", "a".repeat(2048))),
        "url: too_long",
    );
    refuse("file", json!("../x"), "file: not_a_file");
    check("color", json!("RED"), r#""RED""#);
    refuse("color", json!("red"), "color: unknown_value");
}

#[test]
fn numbers() {
    check("int", json!(-2_147_483_648), "-2147483648");
    check("int", json!(5.0), "5");
    refuse("int", json!(2_147_483_648_i64), "int: out_of_range");
    refuse("int", json!(5.5), "int: wrong_type");
    refuse("int", json!("5"), "int: wrong_type");
    check("long", json!(9_007_199_254_740_991_i64), "9007199254740991");
    check("long", json!(9_007_199_254_740_993_i64), r#""9007199254740993""#);
    check("long", json!("-9223372036854775808"), r#""-9223372036854775808""#);
    refuse("long", json!("9223372036854775808"), "long: out_of_range");
    refuse("long", json!(9_223_372_036_854_775_808_u64), "long: out_of_range");
    refuse("long", json!("+5"), "long: wrong_type");
    check("float", json!(5), "5.0");
    check("float", json!(-0.0), "0.0");
    refuse("float", json!("5"), "float: wrong_type");
    check("decimal", json!(12.5), r#""12.5""#);
    check("decimal", json!("12.50"), r#""12.5""#);
    check("decimal", json!(0.000_001), r#""0.000001""#);
    check("decimal", json!(9_223_372_036_854_i64), r#""9223372036854""#);
    refuse("decimal", json!(1_234_567_890.123_456_7), "decimal: too_precise");
    refuse("decimal", json!("0.0000001"), "decimal: too_precise");
    refuse("decimal", json!("1e3"), "decimal: wrong_type");
    refuse("decimal", json!("99999999999999"), "decimal: out_of_range");
    refuse("amount", json!(0), "amount: out_of_range");
    check("amount", json!("0.01"), r#""0.01""#);
    refuse("amount", json!("99.000001"), "amount: out_of_range");
    refuse("percent", json!(101), "percent: out_of_range");
    refuse("ratio", json!(1.6), "ratio: out_of_range");
    check("flag", json!(true), "true");
    refuse("flag", json!(1), "flag: wrong_type");
}

#[test]
fn moments_bytes_and_ids() {
    check(
        "at",
        json!("2026-11-22T12:00:00+02:00"),
        r#""2026-11-22T10:00:00.000Z""#,
    );
    refuse("at", json!("2026-11-22"), "at: wrong_type");
    check("day", json!("2026-11-22"), r#""2026-11-22""#);
    refuse("day", json!("2026-02-30"), "day: wrong_type");
    check("bytes", json!("AQID"), r#""AQID""#);
    refuse("bytes", json!("AQIDBAU="), "bytes: too_long");
    refuse("bytes", json!("AQI"), "bytes: wrong_type");
    let id = "0190A5B0-0000-7000-8000-0000000000FF";
    check("key", json!(id), &format!("\"{}\"", id.to_lowercase()));
    refuse("key", json!("0190a5b000007000800000000000ffff"), "key: wrong_type");
}

#[test]
fn documents_are_closed_and_canonical() {
    check(
        "address",
        json!({"since": "2026-01-01T00:00:00+01:00", "zip": null, "city": "Bonn", "street": "Am \"Hof\""}),
        r#"{"street":"Am \"Hof\"","city":"Bonn","since":"2025-12-31T23:00:00.000Z"}"#,
    );
    let lines = json!([{"no": 1, "price": 2.50, "next": {"no": 2}}, null]);
    check(
        "address",
        json!({"street": "a", "city": "b", "lines": lines}),
        r#"{"street":"a","city":"b","lines":[{"no":1,"price":"2.5","next":{"no":2}},null]}"#,
    );
    refuse(
        "address",
        json!({"street": "x".repeat(21), "zip": "123", "cty": "b", "lines": [{"no": 0}, 5], "parts": [null]}),
        "address.street: too_long; address.city: required; address.zip: pattern; address.lines[0].no: out_of_range; \
         address.lines[1]: wrong_type; address.parts[0]: required; address.cty: unknown_field",
    );
    refuse("address", json!([]), "address: wrong_type");
    let mut deep = json!({"no": 1});
    for _ in 0..40 {
        deep = json!({"no": 1, "next": deep});
    }
    let errors = accept("address", &json!({"street": "a", "city": "b", "lines": [deep]})).unwrap_err();
    assert!(errors.ends_with(".next: too_deep"), "{errors}");
}

#[test]
fn lists() {
    check("tags", json!(["a", "b"]), r#"["a","b"]"#);
    refuse("tags", json!([]), "tags: too_short");
    refuse("tags", json!(["a", "b", "c", "d"]), "tags: too_long");
    refuse("tags", json!(["a", null]), "tags[1]: required");
    refuse("tags", json!("a"), "tags: wrong_type");
    check("holes", json!([1, null]), "[1,null]");
    refuse("holes", json!(vec![1; 1001]), "holes: too_long");
    refuse("colors", json!(["RED", "BLEU"]), "colors[1]: unknown_value");
    check(
        "moments",
        json!(["2026-11-22T12:00:00+01:00"]),
        r#"["2026-11-22T11:00:00.000Z"]"#,
    );
    refuse("texts", json!(vec!["x".repeat(9_000); 8]), "texts: too_large");
}

#[test]
fn any_json_has_bounds() {
    check(
        "json",
        json!({"b": [1, null, 2.5], "a": {}}),
        r#"{"b":[1,null,2.5],"a":{}}"#,
    );
    check("json", json!(false), "false");
    refuse("json", json!({"a\0": 1}), "json: nul");
    refuse("json", json!([["a\0"]]), "json: nul");
    refuse("json", json!("x".repeat(65_535)), "json: too_large");
    let mut deep = json!(1);
    for _ in 0..33 {
        deep = json!([deep]);
    }
    refuse("json", deep, "json: too_deep");
}

#[test]
fn keys_come_from_paths() {
    let model = model();
    let thing = model.by_name("Thing").unwrap();
    let id = "0190a5b0-0000-7000-8000-0000000000ff";
    assert_eq!(model.parse_key(thing, id).unwrap().to_string(), id);
    assert_eq!(model.parse_key(thing, &id.to_uppercase()).unwrap().to_string(), id);
    for wrong in [
        "",
        "1",
        "{0190a5b0-0000-7000-8000-0000000000ff}",
        "0190a5b0000070008000000000000ff0",
    ] {
        assert_eq!(model.parse_key(thing, wrong), None, "{wrong}");
    }
}

fn values() -> impl Strategy<Value = (&'static str, Value)> {
    let text = proptest::string::string_regex("[^\0]{0,40}").unwrap();
    let at = (Timestamp::MIN.0..=Timestamp::MAX.0).prop_map(|ms| Value::DateTime(Timestamp(ms)));
    let day = (Date::MIN.0..=Date::MAX.0).prop_map(|days| Value::Date(Date(days)));
    prop_oneof![
        any::<u128>().prop_map(|id| ("key", Value::Id(uuid::Uuid::from_u128(id)))),
        text.prop_map(|text| ("text", Value::text(text))),
        any::<i32>().prop_map(|int| ("int", Value::Int(int.into()))),
        any::<i64>().prop_map(|int| ("long", Value::Int(int))),
        any::<f64>()
            .prop_filter("finite", |float| float.is_finite())
            .prop_map(|float| ("float", Value::Float(float + 0.0))),
        any::<i64>().prop_map(|scaled| ("decimal", Value::Decimal(Decimal(scaled)))),
        any::<bool>().prop_map(|truth| ("flag", Value::Bool(truth))),
        at.prop_map(|at| ("at", at)),
        day.prop_map(|day| ("day", day)),
        proptest::collection::vec(any::<u8>(), 0..=4).prop_map(|bytes| ("bytes", Value::Bytes(bytes.into()))),
        "[a-z0-9.]{1,20}@[a-z0-9]{1,20}\\.org".prop_map(|email| ("email", Value::text(email))),
        "https://[a-z0-9]{1,20}(/[a-z%=&?#]{0,20})?".prop_map(|url| ("url", Value::text(url))),
        "[a-z]{1,9}(/[a-z0-9 é]{1,9}){0,3}".prop_map(|file| ("file", Value::text(file))),
        "RED|GREEN|BLUE".prop_map(|color| ("color", Value::text(color))),
        proptest::collection::vec(any::<i32>(), 0..9)
            .prop_map(|ints| ("holes", Value::Json(json!(ints).to_string().into()))),
        any::<(f64, String)>()
            .prop_filter("finite, no NUL", |(float, text)| float.is_finite()
                && !text.contains('\0'))
            .prop_map(|(float, text)| ("json", Value::Json(json!({"a": [float, text]}).to_string().into()))),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_accepted_again((name, value) in values()) {
        let model = model();
        let field = model.by_name("Thing").unwrap().field_named(name).unwrap();
        let FieldKind::Value(ty) = &field.kind else { panic!("a value") };
        let mut out = Vec::new();
        write_value(&mut out, ty, &value);
        let json: Json = serde_json::from_slice(&out).unwrap();
        prop_assert_eq!(field.accept(&model, &json), Ok(value));
    }
}
