use engine::operations::Action;
use serde_json::{Value as Json, json};

use super::*;

const SCHEMA: &str = r#"
type Person @collection { name: String! boss: Person badge: Badge friends: [Person!]! age: Int tags: [String!] active: Boolean }
type Badge @collection { owner: Person! number: Long }
type Sealed @collection { next: Sealed! }
type OrderLine @collection { text: String }
"#;

fn model() -> Model {
    Model::read(SCHEMA, "schema.graphql").unwrap_or_else(|report| panic!("{report}"))
}

fn id(number: u8) -> String {
    format!("01890000-0000-7000-8000-0000000000{number:02}")
}

fn record(collection: &str, data: Json) -> Record {
    let Json::Object(data) = data else { panic!("an object") };
    Record {
        collection: collection.to_owned(),
        place: format!("{collection} {}", data.get("id").and_then(Json::as_str).unwrap_or("?")),
        data,
    }
}

/// Steps as `create 1`, `update 2 boss`.
fn ordered(records: Vec<Record>) -> Result<Vec<String>, String> {
    let placed = order::order(records, &model()).map_err(|failure| failure.message)?;
    let last = |id: &str| {
        id.trim_start_matches("01890000-0000-7000-8000-0000000000")
            .trim_start_matches('0')
            .to_owned()
    };
    let shown = placed.iter().map(|placed| match &placed.step.action {
        Action::Create { data } => format!("create {}", last(data["id"].as_str().unwrap())),
        Action::Update { key, patch } => {
            let fields: Vec<_> = patch.keys().cloned().collect();
            format!("update {} {}", last(key), fields.join(" "))
        }
        other => panic!("{other:?}"),
    });
    Ok(shown.collect())
}

#[track_caller]
fn check(records: Vec<Record>, expected: &[&str]) {
    assert_eq!(ordered(records).unwrap(), expected);
}

#[test]
fn who_is_referred_to_comes_first() {
    check(
        vec![
            record("people", json!({"id": id(1), "boss": id(2)})),
            record("people", json!({"id": id(2), "boss": id(3)})),
            record("people", json!({"id": id(3), "boss": null})),
            record("people", json!({"id": id(4), "boss": id(99), "friends": []})),
        ],
        &["create 3", "create 2", "create 1", "create 4"],
    );
}

#[test]
fn circles_are_closed_by_updates() {
    check(
        vec![
            record("people", json!({"id": id(1), "boss": id(1)})),
            record("people", json!({"id": id(2), "friends": [id(3), id(4)]})),
            record("people", json!({"id": id(3), "friends": [id(2)]})),
            record("people", json!({"id": id(4)})),
        ],
        &[
            "create 1",
            "create 3",
            "create 4",
            "create 2",
            "update 1 boss",
            "update 3 friends",
        ],
    );
}

#[test]
fn what_is_required_is_never_left_out() {
    // The badge closes the circle and can't wait, so the person's relation to it does.
    check(
        vec![
            record("people", json!({"id": id(1), "badge": id(2)})),
            record("badges", json!({"id": id(2), "owner": id(1)})),
        ],
        &["create 1", "create 2", "update 1 badge"],
    );
    let circle = ordered(vec![
        record("sealeds", json!({"id": id(1), "next": id(2)})),
        record("sealeds", json!({"id": id(2), "next": id(1)})),
    ]);
    let message = circle.unwrap_err();
    assert!(
        message.ends_with("next: refers in a circle in which no relation can be set later"),
        "{message}"
    );
}

#[test]
fn a_long_chain_needs_no_stack() {
    let name = |number: usize| format!("01890000-0000-7000-8000-{number:012}");
    let records = (0..100_000).map(|number| record("people", json!({"id": name(number), "boss": name(number + 1)})));
    assert_eq!(order::order(records.collect(), &model()).unwrap().len(), 100_000);
}

fn read(files: &[(&str, &str)]) -> Result<Vec<Record>, String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    files::read(folder.path(), &model()).map_err(|failure| failure.to_string())
}

#[track_caller]
fn reads(name: &str, text: &str, expected: &[Json]) {
    let records = read(&[(name, text)]).unwrap();
    let data: Vec<_> = records.into_iter().map(|record| Json::Object(record.data)).collect();
    assert_eq!(data, expected);
}

#[track_caller]
fn refuses(name: &str, text: &str, expected: &str) {
    let message = read(&[(name, text)]).unwrap_err();
    assert!(message.contains(expected), "{message:?} does not say {expected:?}");
}

#[test]
fn three_formats() {
    let expected = [json!({"name": "Ada", "age": 36}), json!({"name": "Jun"})];
    reads(
        "people.json",
        r#"[{"name": "Ada", "age": 36}, {"name": "Jun"}]"#,
        &expected,
    );
    reads(
        "people.ndjson",
        "{\"name\": \"Ada\", \"age\": 36}\n\n{\"name\": \"Jun\"}\n",
        &expected,
    );
    reads("people.csv", "name,age\nAda,36\nJun,\n", &expected);
}

#[test]
fn cells_are_read_by_the_type_of_their_field() {
    reads(
        "Person.csv",
        "name,active,tags,friends\n\"Ada, 2\",true,\"[\"\"a\"\"]\",x; y\n007,,b;c,\n",
        &[
            json!({"name": "Ada, 2", "active": true, "tags": ["a"], "friends": ["x", "y"]}),
            json!({"name": "007", "tags": ["b", "c"]}),
        ],
    );
    reads(
        "badge.csv",
        "number\n9007199254740993\n",
        &[json!({"number": "9007199254740993"})],
    );
}

#[test]
fn a_file_is_named_as_its_collection() {
    for name in ["order-lines.json", "OrderLine.json", "order_line.json"] {
        let records = read(&[(name, "[{}]")]).unwrap();
        assert_eq!(records[0].collection, "order-lines");
    }
    refuses(
        "order-line.json",
        "[]",
        "no collection order-line\n help: did you mean `order-lines`?",
    );
    refuses("people.yaml", "", "is no .json, .ndjson or .csv file");
}

#[test]
fn mistakes_have_places() {
    refuses("people.json", "{}", "seed/people.json, it must be a list of records");
    refuses(
        "people.json",
        "[{}, 3]",
        "seed/people.json, record 2: must be an object",
    );
    refuses("people.ndjson", "{}\n{\n", "seed/people.ndjson, line 2: EOF");
    refuses("people.csv", "name,age\nAda\n", "line: 2");
}

fn named(records: Vec<Record>) -> Result<Vec<Json>, String> {
    let model = Model::read(
        r#"type Land @collection { code: String! @unique name: String near: [Land!]! }
           type Town @collection { land: Land! number: Int @unique }"#,
        "schema.graphql",
    );
    let model = model.unwrap_or_else(|report| panic!("{report}"));
    let resolved = names::resolve(records, &model).map_err(|failure| failure.message)?;
    Ok(resolved.into_iter().map(|record| Json::Object(record.data)).collect())
}

#[test]
fn records_are_named_by_unique_fields() {
    let records = named(vec![
        record("towns", json!({"id": id(9), "land.code": "A", "number": 1})),
        record("lands", json!({"id": id(1), "code": "A", "near.code": ["B", "A"]})),
        record("lands", json!({"code": "B", "near.code": "A"})),
        record("towns", json!({"id": id(8), "land.code": null, "land.name": "A"})),
    ]);
    let records = records.unwrap();
    let made = &records[2]["id"];
    assert!(made.as_str().is_some_and(|id| Uuid::parse_str(id).is_ok()), "{made}");
    assert_eq!(records[0], json!({"id": id(9), "number": 1, "land": id(1)}));
    assert_eq!(records[1]["near"], json!([made, id(1)]));
    assert_eq!(records[2], json!({"code": "B", "near": [id(1)], "id": made}));
    // What isn't unique stays as it is, for the engine to refuse.
    assert_eq!(records[3], json!({"id": id(8), "land": null, "land.name": "A"}));
}

#[test]
fn a_name_that_nobody_has_is_told() {
    let lonely = vec![record("towns", json!({"id": id(9), "land.code": "X"}))];
    let expected = "towns 01890000-0000-7000-8000-000000000009: land.code: there is no Land whose code is \"X\"";
    assert_eq!(named(lonely).unwrap_err(), expected);
}
