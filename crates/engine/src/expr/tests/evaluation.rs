//! What expressions come to in memory, errors among it.

use serde_json::json;

use super::*;

/// A task with the given fields, and null or something plain elsewhere.
fn record(fields: &[(&str, Value)]) -> Image {
    let collection = MODEL.collection(task());
    let value = |field: &crate::model::Field| match fields.iter().find(|(name, _)| *name == field.name) {
        Some((_, value)) => value.clone(),
        None => Value::Null,
    };
    Image(collection.stored().map(value).collect())
}

fn plain() -> Image {
    record(&[
        ("id", Value::Id(Uuid::from_u128(1))),
        ("title", Value::text("Größe ∑ up")),
        ("status", Value::text("LIVE")),
        ("priority", Value::Int(7)),
        ("big", Value::Int(i64::MAX)),
        ("ratio", Value::Float(0.5)),
        ("price", Value::Decimal(crate::model::Decimal(9_990_000))),
        ("done", Value::Bool(true)),
        ("due", Value::DateTime(Timestamp(NOW))),
        ("day", Value::Date(crate::model::Date(19_844))),
        ("blob", Value::Bytes([1, 2, 3].into())),
        (
            "extra",
            Value::Json(json!({"a": {"b": 1.0}, "s": "x", "n": null}).to_string().into()),
        ),
        (
            "spot",
            Value::Json(
                json!({"city": "Ulm", "floor": 3, "cost": "1.5", "inner": {"level": 2}, "names": ["a"]})
                    .to_string()
                    .into(),
            ),
        ),
        ("tags", Value::Json(json!(["red", "blue"]).to_string().into())),
        ("marks", Value::Json(json!([1, null, 3]).to_string().into())),
        ("team", Value::Id(TEAM)),
        ("owner", Value::Id(ANN)),
    ])
}

fn evaluated(source: &str, principal: &Principal) -> String {
    let image = plain();
    let input = Input {
        model: &MODEL,
        facts: facts(principal),
        record: Some(&image),
        before: None,
        related: None,
    };
    match compile(source).evaluate(input) {
        Ok(Value::Bool(truth)) => truth.to_string(),
        Ok(other) => format!("{other:?}"),
        Err(error) => format!("error: {error}"),
    }
}

#[track_caller]
fn check(source: &str, expected: &str) {
    assert_eq!(evaluated(source, &ann()), expected, "{source}");
}

#[track_caller]
fn check_as(principal: &Principal, source: &str, expected: &str) {
    assert_eq!(evaluated(source, principal), expected, "{source}");
}

const NULL_FIELDS: &str = "error: null has no fields";
const RANGE: &str = "error: the result is out of range, or a division by zero";

#[test]
fn comparisons() {
    check("record.priority > 6 && record.priority <= 7", "true");
    check("record.price > 9", "true");
    check("record.price == 9.99", "true");
    check("record.ratio < 1", "true");
    check("record.title == 'Größe ∑ up'", "true");
    check("record.status in ['LIVE', 'DONE']", "true");
    check("record.owner == auth.id", "true");
    check("record.owner == '00000000-0000-0000-0000-0000000000A1'", "true");
    check("record.title == string(auth.id)", "false");
    check("record.day == '2024-05-01'", "true");
    check("record.day == date(now)", "true");
    check("record.due == timestamp('2024-05-01T14:00:00+02:00')", "true");
    check("record.due - duration('1h') < now", "true");
    check("now - timestamp(record.day) == duration('12h')", "true");
    check("(now - timestamp(record.day)).getHours() == 12", "true");
}

#[test]
fn null_is_a_value_for_equality_alone() {
    check("record.note == null", "true");
    check("record.note != null", "false");
    check("record.note == 'x'", "false");
    check("record.note == record.note", "true");
    check("record.note != 'x'", "true");
    check("has(record.note)", "false");
    check("record.effort > 1", "error: these have no order");
    check(
        "record.note.size() > 1",
        "error: null, or a value that this function has no answer for",
    );
    check("record.flag", "Null");
    check("record.flag && true", "error: this is neither true nor false");
    check("!record.flag", "error: this is neither true nor false");
    check("record.flag == false", "false");
    check("record.place.city == 'x'", NULL_FIELDS);
    check("record.place == null || record.place.city == 'x'", "true");
    check("null in record.marks", "true");
    check("null in record.tags", "false");
    check("record.note in ['x', null]", "true");
}

#[test]
fn errors_are_absorbed_where_the_other_side_decides() {
    check("record.effort > 1 || record.done", "true");
    check("record.done || record.effort > 1", "true");
    check("record.effort > 1 && !record.done", "false");
    check("!record.done && record.effort > 1", "false");
    check("record.effort > 1 && record.done", "error: these have no order");
    check("record.effort > 1 || !record.done", "error: these have no order");
    check("[1, 0].exists(x, 1 / x == 1)", "true");
    check("[0, 2].exists(x, 1 / x == 1)", RANGE);
    check("[0, 2].all(x, 1 / x == 1)", "false");
    check("[0, 1].all(x, 1 / x == 1)", RANGE);
    check("[0, 1].exists_one(x, 1 / x == 1)", RANGE);
    check("[0, 1].filter(x, 1 / x == 1).size() == 1", RANGE);
    check("record.done ? record.priority == 7 : record.flag", "true");
    check("record.flag ? true : true", "error: this is neither true nor false");
}

#[test]
fn arithmetic() {
    check("record.big + 1 > 0", RANGE);
    check("-record.big - 1 < 0", "true");
    check("-record.big - 2 < 0", RANGE);
    check("record.big * 2 > 0", RANGE);
    check("record.priority / 0 > 0", RANGE);
    check("record.priority % 0 > 0", RANGE);
    check("-7 / 2 == -3 && -7 % 2 == -1", "true");
    check("record.priority / 2 == 3 && record.priority % 2 == 1", "true");
    check("record.ratio / 0 > 0.0", RANGE);
    check("record.ratio * 3 == 1.5", "true");
    check("1e200 * record.ratio > 0.0", RANGE);
    check("record.price * 2 == 19.98", "true");
    check("record.price * 1.5 == 14.985", "true");
    check("record.price / 3 == 3.33", "true");
    check("record.price * record.priority == 69.93", "true");
    check("record.price + 1 == 10.99", "true");
    check("double(record.price) * 1.5 > 14.0", "true");
    check("int(record.price) == 9 && int(-1.9) == -1", "true");
    check("decimal(record.priority) < record.price", "true");
    check("record.title + '!' == 'Größe ∑ up!'", "true");
    check("now + duration('87660000h') > now", RANGE);
}

#[test]
fn functions() {
    check("size(record.title) == 10 && record.title.size() == 10", "true");
    check("record.blob.size() == 3", "true");
    check("record.tags.size() == 2", "true");
    check(
        "record.title.startsWith('Grö') && record.title.endsWith('up') && record.title.contains('∑')",
        "true",
    );
    check(
        "record.title.lowerAscii() == 'größe ∑ up' && record.title.upperAscii() == 'GRößE ∑ UP'",
        "true",
    );
    check("'\\u00a0 x \\n'.trim() == 'x'", "true");
    check("record.title.matches(r'^Gr.+ ∑ \\w{2}$')", "true");
    check("'٣'.matches(r'\\d')", "false");
    check(
        "string(record.priority) == '7' && string(record.done) == 'true'",
        "true",
    );
    check(
        "record.due.getFullYear() == 2024 && record.due.getMonth() == 4 && record.due.getDate() == 1",
        "true",
    );
    check(
        "record.due.getDayOfMonth() == 0 && record.due.getDayOfWeek() == 3 && record.due.getDayOfYear() == 121",
        "true",
    );
    check(
        "record.due.getHours() == 12 && record.due.getMinutes() == 0 && record.due.getMilliseconds() == 0",
        "true",
    );
    check("record.day.getFullYear() == 2024", "true");
}

#[test]
fn lists() {
    check("'red' in record.tags", "true");
    check("record.tags.exists(t, t.startsWith('b'))", "true");
    check("record.tags.all(t, t.size() > 3)", "false");
    check("record.tags.exists_one(t, t == 'red')", "true");
    check("record.tags.filter(t, t != 'red').size() == 1", "true");
    check("'RED' in record.tags.map(t, t.upperAscii())", "true");
    check("'RED' in record.tags.map(t, t == 'red', t.upperAscii())", "true");
    check("record.marks.exists(m, m == null)", "true");
    check("record.marks.all(m, m == null || m > 0)", "true");
    check("record.marks.all(m, m > 0)", "error: these have no order");
    check("auth.id in [record.owner, record.team.id]", "true");
    check(
        "record.phases.size() == 0",
        "error: null, or a value that this function has no answer for",
    );
    check("'LIVE' in record.phases", "error: this is no list");
}

#[test]
fn json_and_documents() {
    check("record.spot.city == 'Ulm' && record.spot.floor == 3", "true");
    check("record.spot.cost == 1.5", "true");
    check("record.spot.inner.level + 1 == 3", "true");
    check("'a' in record.spot.names", "true");
    check("record.spot.zip == null", "true");
    check("record.extra.a.b == 1", "true");
    check("record.extra.a.b == 1.0", "true");
    check("record.extra.s == 'x' && record.extra['s'] != 'y'", "true");
    check("record.extra.s == 1", "false");
    check("record.extra.s > 1", "error: these have no order");
    check(
        "record.extra.n == null && record.extra.nowhere == null && record.extra.s.t == null",
        "true",
    );
    check("has(record.extra.s) && !has(record.extra.x)", "true");
}

#[test]
fn callers() {
    let nobody = "error: nobody is signed in: `auth` is null";
    check("auth != null && auth.id != null", "true");
    check("'editor' in auth.roles && auth.roles.size() == 2", "true");
    check(
        "auth.claims.tenant == 'acme' && auth.claims.level > 2 && auth.claims.vip == true",
        "true",
    );
    check("'a' in auth.claims.groups && !('c' in auth.claims.groups)", "true");
    check(
        "string(auth.claims.level) == '3' && int(auth.claims.level) == 3",
        "true",
    );
    check("auth.claims.none == null", "true");
    check("auth.user == auth.id && auth.user.id == record.owner", "true");
    check_as(&Principal::Anonymous, "auth == null", "true");
    check_as(&Principal::Anonymous, "auth.id == record.owner", nobody);
    check_as(&Principal::Anonymous, "!(auth.id == record.owner)", nobody);
    check_as(&Principal::Anonymous, "'x' in auth.roles || record.done", "true");
    let administrator = Principal::Administrator { id: ANN };
    check_as(
        &administrator,
        "auth != null && auth.id == null && auth.roles.size() == 0",
        "true",
    );
    check_as(&administrator, "auth.user.name == 'x'", NULL_FIELDS);
    check("request.operation == 'update' && request.address == null", "true");
    check("before == null", "true");
    check("before.title == 'x'", NULL_FIELDS);
}

#[test]
fn related_records_must_be_at_hand() {
    assert!(!compile("record.team.name == 'x'").is_local());
    check("record.team.name == 'x'", "error: related records are not at hand");
    check("auth.id in record.watchers", "error: related records are not at hand");
    check("record.team.id == '00000000-0000-0000-0000-00000000007e'", "true");
}

/// Nothing hangs on it, or nothing is decided.
#[test]
fn what_is_not_known_yet_decides_nothing() {
    let principal = ann();
    let image = record(&[
        ("id", Value::Hidden),
        ("priority", Value::Hidden),
        ("title", Value::text("a")),
        ("owner", Value::Id(ANN)),
    ]);
    let input = Input {
        model: &MODEL,
        facts: facts(&principal),
        record: Some(&image),
        before: None,
        related: None,
    };
    let check = |source: &str, expected: Option<bool>| {
        let found = compile(source).evaluate(input).ok();
        assert_eq!(found, expected.map(Value::Bool), "{source}");
    };
    check("record.priority > 1", None);
    check("record.priority == null", None);
    check("record.id != auth.id", None);
    check("record == before", None);
    check("record != null", None);
    check("record.title == 'b' && record.priority > 1", Some(false));
    check("record.priority > 1 && record.title == 'b'", Some(false));
    check("record.priority > 1 || record.owner == auth.id", Some(true));
    check(
        "record.title == 'a' ? record.owner == auth.id : record.priority > 1",
        Some(true),
    );
    check("record.priority > 1 ? true : true", None);
}

#[test]
fn defaults_take_the_shape_of_their_field() {
    let kind = |name: &str| &MODEL.collection(task()).field_named(name).unwrap().kind;
    let value = |field: &str, source: &str| {
        let principal = ann();
        let input = Input {
            model: &MODEL,
            facts: facts(&principal),
            record: None,
            before: None,
            related: None,
        };
        compile_value(source, kind(field)).evaluate(input)
    };
    assert_eq!(value("owner", "auth.id"), Ok(Value::Id(ANN)));
    assert_eq!(value("owner", "auth.user"), Ok(Value::Id(ANN)));
    assert_eq!(value("watchers", "[auth.id]"), Ok(Value::List(vec![Value::Id(ANN)])));
    assert_eq!(value("due", "now"), Ok(Value::DateTime(Timestamp(NOW))));
    assert_eq!(
        value("price", "1"),
        Ok(Value::Decimal(crate::model::Decimal(1_000_000)))
    );
    assert_eq!(value("tags", "['a']"), Ok(Value::Json("[\"a\"]".into())));
    assert_eq!(value("title", "auth.claims.tenant"), Ok(Value::text("acme")));
    assert_eq!(value("priority", "auth.claims.level"), Ok(Value::Int(3)));
    assert!(value("title", "auth.claims.level").is_err());
    assert_eq!(
        value("extra", "auth.claims.deep"),
        Ok(Value::Json("{\"x\":null}".into()))
    );
}
