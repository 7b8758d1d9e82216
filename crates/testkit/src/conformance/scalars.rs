//! Values come back as they were sent, extremes included, and what a type can't hold is refused.

use serde_json::{Value as Json, json};

use super::Db;
use super::answers::said;
use super::app::App;

const SCHEMA: &str = r#"
enum Color { RED GREEN BLUE }
type Geo { lat: Float! lon: Float! }
type Address { street: String! city: String @length(max: 5) floor: Int geo: Geo tags: [String!] since: DateTime worth: Decimal }
type Sample @collection {
  text: String
  int: Int
  long: Long
  float: Float
  decimal: Decimal
  flag: Boolean
  at: DateTime
  day: Date
  bytes: Bytes
  json: JSON
  email: Email
  url: URL
  file: File
  ident: ID
  color: Color
  address: Address
  texts: [String!]
  ints: [Int]
  longs: [Long!]
  floats: [Float!]
  decimals: [Decimal!]
  flags: [Boolean!]
  days: [Date!]
  moments: [DateTime!]
  idents: [ID!]
  colors: [Color!]
  addresses: [Address!]
  other: Sample
}
"#;

/// By every way in and every way out.
async fn comes_back(app: &App, field: &str, sent: Json, expected: Json) {
    let admin = app.admin();
    let created = admin.create("samples", json!({ field: sent })).await.unwrap();
    assert_eq!(created[field], expected, "{field} created with {sent}");
    let read = admin.get("samples", &created.id).await.unwrap();
    assert_eq!(read.text, created.text, "{field} read after {sent}");
    let other = admin.create("samples", json!({ "other": created.id })).await.unwrap();
    let expanded = admin.get("samples", &other.id).expand("other").await.unwrap();
    assert_eq!(expanded["other"][field], expected, "{field} expanded after {sent}");
    let updated = admin
        .update("samples", &other.id, json!({ field: sent }))
        .await
        .unwrap();
    assert_eq!(updated[field], expected, "{field} updated with {sent}");
    let filter = format!("id == '{}'", other.id);
    let listed = admin.list("samples").filter(&filter).await.unwrap();
    assert_eq!(listed.items, [updated.json], "{field} listed after {sent}");
}

async fn come_back(database: &Db, field: &str, values: &[Json]) {
    let app = App::open(database, SCHEMA).await;
    for value in values {
        comes_back(&app, field, value.clone(), value.clone()).await;
    }
}

pub(super) async fn texts_come_back_exactly(database: Db) {
    let long = "wide \u{1F600} ".repeat(1400);
    let texts = [
        "",
        " ",
        "\n\r\t",
        "\u{1}\u{7f}",
        "it's \"quoted\" \\ %_; -- ?1 $1 :x @x {0}",
        "NULL",
        "0123",
        "1e5",
        "ä",
        "a\u{308}",
        "\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}",
        "\u{5e9}\u{5dc}\u{5d5}\u{5dd}",
        "\u{2028}\u{feff}\u{fffd}\u{ffff}\u{10ffff}",
        &long,
    ];
    come_back(&database, "text", &texts.map(Json::from)).await;
}

pub(super) async fn whole_numbers_come_back_exactly(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    for int in [0, 1, -1, i64::from(i32::MAX), i64::from(i32::MIN)] {
        comes_back(&app, "int", int.into(), int.into()).await;
    }
    for exact in [0_i64, -1, 4_294_967_296, 9_007_199_254_740_991, -9_007_199_254_740_991] {
        comes_back(&app, "long", exact.into(), exact.into()).await;
    }
    // Beyond 2^53 - 1 a JSON number isn't read exactly everywhere.
    for beyond in [9_007_199_254_740_992, -9_007_199_254_740_992, i64::MAX, i64::MIN] {
        comes_back(&app, "long", beyond.into(), beyond.to_string().into()).await;
        comes_back(&app, "long", beyond.to_string().into(), beyond.to_string().into()).await;
    }
    for truth in [true, false] {
        comes_back(&app, "flag", truth.into(), truth.into()).await;
    }
}

pub(super) async fn floats_come_back_exactly(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let floats = [
        0.0,
        0.1,
        -2.5,
        1.0 / 3.0,
        0.1 + 0.2,
        1e21,
        5e-324,
        2.225_073_858_507_201_4e-308,
        f64::MAX,
        f64::MIN,
        9_007_199_254_740_993.0,
    ];
    for float in floats {
        let created = app.admin().create("samples", json!({ "float": float })).await.unwrap();
        let read = app.admin().get("samples", &created.id).await.unwrap();
        let written = read.text.split("\"float\":").nth(1).unwrap().split(',').next().unwrap();
        let back: f64 = written.parse().unwrap();
        assert_eq!(back.to_bits(), float.to_bits(), "{float} came back as {written}");
    }
    comes_back(&app, "float", 7.into(), 7.0.into()).await;
    // Zero has one form, on every engine.
    let zero = app.admin().create("samples", json!({ "float": -0.0 })).await.unwrap();
    assert!(zero.text.contains("\"float\":0.0,"), "{}", zero.text);
}

pub(super) async fn decimals_come_back_exactly(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let exact = [
        "0",
        "12.5",
        "-0.000001",
        "0.1",
        "9223372036854.775807",
        "-9223372036854.775807",
        "123456789.123456",
    ];
    for decimal in exact {
        comes_back(&app, "decimal", decimal.into(), decimal.into()).await;
    }
    for (sent, canonical) in [
        (json!("1.10"), "1.1"),
        (json!("-0"), "0"),
        (json!(0.1), "0.1"),
        (json!(5), "5"),
        (json!("007.0"), "7"),
    ] {
        comes_back(&app, "decimal", sent, canonical.into()).await;
    }
}

pub(super) async fn moments_and_days_come_back_exactly(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    for moment in [
        "0001-01-01T00:00:00.000Z",
        "1969-12-31T23:59:59.999Z",
        "1970-01-01T00:00:00.000Z",
        "2024-02-29T12:34:56.789Z",
        "9999-12-31T23:59:59.999Z",
    ] {
        comes_back(&app, "at", moment.into(), moment.into()).await;
    }
    comes_back(
        &app,
        "at",
        "2024-02-29T23:30:00+02:30".into(),
        "2024-02-29T21:00:00.000Z".into(),
    )
    .await;
    for day in [
        "0001-01-01",
        "1582-10-10",
        "1900-02-28",
        "1970-01-01",
        "2000-02-29",
        "9999-12-31",
    ] {
        comes_back(&app, "day", day.into(), day.into()).await;
    }
}

pub(super) async fn bytes_come_back_exactly(database: Db) {
    // Every byte there is, and both of base64's paddings.
    let every = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0BBQkNERUZHSElKS0xNT\
                 k9QUVJTVFVWV1hZWltcXV5fYGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6e3x9fn+AgYKDhIWGh4iJiouMjY6PkJGSk5SVlpeYmZqbnJ2en\
                 6ChoqOkpaanqKmqq6ytrq+wsbKztLW2t7i5uru8vb6/wMHCw8TFxsfIycrLzM3Oz9DR0tPU1dbX2Nna29zd3t/g4eLj5OXm5+jp6uvs7e7v8\
                 PHy8/T19vf4+fr7/P3+/w==";
    come_back(&database, "bytes", &["", "AA==", "//8=", every].map(Json::from)).await;
}

pub(super) async fn identities_come_back_exactly(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let largest = "ffffffff-ffff-ffff-ffff-ffffffffffff";
    for ident in [
        "00000000-0000-0000-0000-000000000000",
        "018f3c5e-7b1a-7cc0-8000-0123456789ab",
        largest,
    ] {
        comes_back(&app, "ident", ident.into(), ident.into()).await;
    }
    comes_back(&app, "ident", largest.to_uppercase().into(), largest.into()).await;
    comes_back(
        &app,
        "email",
        "Zo\u{eb}@Example.ORG".into(),
        "zo\u{eb}@example.org".into(),
    )
    .await;
    comes_back(
        &app,
        "url",
        "https://ex\u{e4}mple.org:8080/a?b=c#d".into(),
        "https://ex\u{e4}mple.org:8080/a?b=c#d".into(),
    )
    .await;
    comes_back(&app, "file", "avatars/ana.png".into(), "avatars/ana.png".into()).await;
}

pub(super) async fn json_comes_back_as_it_was(database: Db) {
    let deep = (0..31).fold(json!([]), |inner, _| json!([inner]));
    let values = [
        json!("text with \u{1F600} and \"quotes\""),
        json!(0),
        json!(-1.5),
        json!(9_007_199_254_740_993_i64),
        json!(u64::MAX),
        json!(true),
        json!(false),
        json!([]),
        json!({}),
        json!([null, [null], {"a": null}]),
        json!({"z": 1, "a": {"y": [1, "2", 3.5, false, null], "": "empty name"}, "it's \"$.x\"": {}}),
        deep,
    ];
    come_back(&database, "json", &values).await;
}

pub(super) async fn documents_come_back_canonical(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let whole = json!({
        "street": "\u{14c}saka 1", "city": "a\u{308}b", "floor": -1, "geo": {"lat": 0.5, "lon": -180.0},
        "tags": ["x", ""], "since": "2024-05-01T12:00:00.000Z", "worth": "1.5",
    });
    comes_back(&app, "address", whole.clone(), whole).await;
    // Fields in the schema's order, values in their one notation, no nulls.
    let sent = json!({"worth": 1.50, "geo": null, "since": "2024-05-01T14:00:00+02:00", "street": "s"});
    let created = app.admin().create("samples", json!({ "address": sent })).await.unwrap();
    let expected = r#""address":{"street":"s","since":"2024-05-01T12:00:00.000Z","worth":"1.5"}"#;
    assert!(created.text.contains(expected), "{}", created.text);
}

pub(super) async fn lists_and_enums_come_back(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    for (field, list) in [
        ("texts", json!([])),
        ("texts", json!(["a", "", "\u{1F600}", "a", "it's \"q\""])),
        ("ints", json!([1, null, -2_147_483_648, 2_147_483_647])),
        ("longs", json!([1, "9223372036854775807", "-9223372036854775808"])),
        ("floats", json!([0.5, 1e300])),
        ("decimals", json!(["0.000001", "-12.5"])),
        ("flags", json!([true, false])),
        ("days", json!(["0001-01-01", "9999-12-31"])),
        ("moments", json!(["1969-12-31T23:59:59.999Z"])),
        ("idents", json!(["018f3c5e-7b1a-7cc0-8000-0123456789ab"])),
        ("colors", json!(["BLUE", "RED", "BLUE"])),
        (
            "addresses",
            json!([{"street": "a"}, {"street": "b", "geo": {"lat": 1.0, "lon": 2.0}}]),
        ),
        ("color", json!("GREEN")),
    ] {
        comes_back(&app, field, list.clone(), list).await;
    }
}

pub(super) async fn what_is_not_set_is_null(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let empty = app.admin().create("samples", json!({})).await.unwrap();
    let explicit = json!({"text": null, "json": null, "address": null, "texts": null, "other": null});
    let nulls = app.admin().create("samples", explicit).await.unwrap();
    let fields = empty.json.as_object().unwrap();
    assert_eq!(fields.len(), 4 + 28, "every stored field is in an answer");
    for (name, value) in fields.iter().skip(4) {
        assert!(value.is_null(), "{name} is {value}");
        assert!(nulls[name].is_null(), "{name} is {}", nulls[name]);
    }
    let system = ["id", "created", "updated", "version"].map(|name| empty[name].clone());
    let now = "2024-05-01T12:00:00.000Z";
    assert_eq!(system, [json!(empty.id), json!(now), json!(now), json!(1)]);
}

pub(super) async fn what_a_type_cannot_hold_is_refused(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    for (field, sent, expected) in [
        ("text", json!(5), "text wrong_type"),
        ("text", json!("a\u{0}b"), "text nul"),
        ("text", json!("x".repeat(10_001)), "text too_long"),
        ("int", json!(2_147_483_648_i64), "int out_of_range"),
        ("int", json!(-2_147_483_649_i64), "int out_of_range"),
        ("int", json!(1.5), "int wrong_type"),
        ("int", json!("1"), "int wrong_type"),
        ("long", json!("9223372036854775808"), "long out_of_range"),
        ("long", json!(u64::MAX), "long out_of_range"),
        ("float", json!("0.5"), "float wrong_type"),
        ("decimal", json!("0.0000001"), "decimal too_precise"),
        ("decimal", json!("9223372036854.775808"), "decimal out_of_range"),
        ("decimal", json!("1e3"), "decimal wrong_type"),
        ("flag", json!(1), "flag wrong_type"),
        ("at", json!("2024-02-30T00:00:00Z"), "at wrong_type"),
        ("at", json!("2024-05-01"), "at wrong_type"),
        ("day", json!("2023-02-29"), "day wrong_type"),
        ("day", json!("10000-01-01"), "day wrong_type"),
        ("bytes", json!("AA"), "bytes wrong_type"),
        ("json", json!({"a": "\u{0}"}), "json nul"),
        ("email", json!("nobody"), "email not_an_email"),
        ("url", json!("ftp://x.org"), "url not_a_url"),
        ("file", json!("../etc/passwd"), "file not_a_file"),
        ("ident", json!("x"), "ident wrong_type"),
        ("color", json!("PINK"), "color unknown_value"),
        ("color", json!("red"), "color unknown_value"),
        ("address", json!({}), "address.street required"),
        ("address", json!({"street": "s", "zip": 1}), "address.zip unknown_field"),
        (
            "address",
            json!({"street": "s", "geo": {"lat": 1}}),
            "address.geo.lon required",
        ),
        ("texts", json!(["a", null]), "texts[1] required"),
        ("texts", json!("a"), "texts wrong_type"),
        (
            "addresses",
            json!([{"street": "s", "city": "longer"}]),
            "addresses[0].city too_long",
        ),
        ("nothing", json!(1), "nothing unknown_field"),
        ("version", json!(7), "version read_only"),
        ("created", json!("2024-05-01T12:00:00Z"), "created read_only"),
    ] {
        let refused = app.admin().create("samples", json!({ field: sent })).await;
        assert_eq!(said(refused), format!("invalid: {expected}"), "{field}: {sent}");
    }
    assert_eq!(app.admin().list("samples").count().await.unwrap().total, Some(0));
    // All that is wrong, at once.
    let refused = app
        .admin()
        .create("samples", json!({"int": "x", "flag": 0, "days": ["x", "y"]}))
        .await;
    assert_eq!(
        said(refused),
        "invalid: int wrong_type, flag wrong_type, days[0] wrong_type, days[1] wrong_type"
    );
}
