use std::collections::HashSet;
use std::io::Write;
use std::process::{Command, Stdio};

use super::*;

const EVERYTHING: &str = include_str!("everything.graphql");
const CHAT: &str = include_str!("../../../../../examples/chat/schema.graphql");
/// The interpreter that has the packages of `tests/requirements.txt`; `cargo xtask test` sets it.
const PYTHON: &str = "NINEFOLD_OPENAPI_PYTHON";

fn document(schema: &str) -> Json {
    let model = match Model::read(schema, "schema.graphql") {
        Ok(model) => model,
        Err(diagnostics) => panic!("{diagnostics}"),
    };
    describe(&model, &Limits::default(), "Test")
}

/// Calls `visit` with every object of a document and its place.
fn walk(at: &Json, place: &str, visit: &mut impl FnMut(&str, &serde_json::Map<String, Json>)) {
    match at {
        Json::Object(members) => {
            visit(place, members);
            for (name, member) in members {
                walk(member, &format!("{place}/{name}"), visit);
            }
        }
        Json::Array(items) => items.iter().for_each(|item| walk(item, place, visit)),
        _ => {}
    }
}

#[test]
fn a_public_validator_finds_nothing_wrong() {
    let Some(python) = std::env::var_os(PYTHON) else {
        assert!(
            std::env::var_os("CI").is_none(),
            "{PYTHON} is not set: run `cargo xtask test`"
        );
        eprintln!("not run: {PYTHON} is not set; `cargo xtask test` sets it");
        return;
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/openapi/tests/check.py");
    for schema in [EVERYTHING, CHAT, "type Note @collection { text: String }"] {
        let mut check = Command::new(&python);
        let mut check = check
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        check
            .stdin
            .take()
            .unwrap()
            .write_all(document(schema).to_string().as_bytes())
            .unwrap();
        let found = check.wait_with_output().unwrap();
        assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stdout));
    }
}

#[test]
fn references_lead_somewhere() {
    let document = document(EVERYTHING);
    let mut count = 0;
    walk(&document, "", &mut |place, members| {
        if let Some(reference) = members.get("$ref").and_then(Json::as_str) {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{place}: {reference}");
            count += 1;
        }
    });
    assert!(count > 100);
}

#[test]
fn what_is_described_is_closed() {
    /// What may hold anything: batch data, a JWK set, this document itself.
    const OPEN: &[&str] = &["/data", "jwks.json", "openapi.json"];
    walk(&document(EVERYTHING), "", &mut |place, members| {
        if members.get("type") == Some(&"object".into()) && !OPEN.iter().any(|open| place.contains(open)) {
            assert_eq!(members.get("additionalProperties"), Some(&false.into()), "{place}");
        }
    });
}

#[test]
fn operations_have_a_name_of_their_own_and_no_default_answer() {
    let mut names = HashSet::new();
    walk(&document(EVERYTHING), "", &mut |place, members| {
        let Some(responses) = members.get("responses").filter(|_| place.starts_with("/paths/")) else {
            return;
        };
        let name = members["operationId"].as_str().unwrap();
        assert!(names.insert(name.to_owned()), "{name} stands twice");
        let statuses: Vec<_> = responses
            .as_object()
            .unwrap()
            .keys()
            .map(|status| status.parse::<u16>().unwrap())
            .collect();
        assert!(statuses.contains(&500), "{name}: {statuses:?}");
        let takes_a_body = members.contains_key("requestBody");
        for status in [408, 415] {
            assert_eq!(statuses.contains(&status), takes_a_body, "{name}: {statuses:?}");
        }
    });
    for name in [
        "listLines",
        "createOrderLine",
        "getOrder",
        "updateOrder",
        "replaceOrder",
        "deleteOrder",
        "batch",
        "signUp",
    ] {
        assert!(names.contains(name), "{name} is missing of {names:?}");
    }
}

#[test]
fn rights_are_hinted_at() {
    let document = document(EVERYTHING);
    let check = |path: &str, method: &str, security: Json, hint: &str| {
        let operation = &document["paths"][path][method];
        assert_eq!(operation["security"], security, "{method} {path}");
        assert!(
            operation["description"].as_str().unwrap().contains(hint),
            "{method} {path}: {operation}"
        );
    };
    check("/api/orders", "get", json!([{}, {"bearer": []}]), "everybody");
    check("/api/orders", "post", json!([{"bearer": []}]), "signed in");
    check(
        "/api/orders/{id}",
        "delete",
        json!([{"bearer": []}]),
        "administrators only",
    );
}

#[test]
fn fields_stand_where_they_can_be_read_and_written() {
    let document = document(EVERYTHING);
    let names = |component: &str| {
        let schema = &document["components"]["schemas"][component];
        let properties = schema["properties"].as_object().unwrap();
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let mark = |name: &String| {
            if required.contains(&name.as_str().into()) {
                format!("{name}!")
            } else {
                name.clone()
            }
        };
        properties.keys().map(mark).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        names("Order"),
        "id! created! updated! version! buyer! stage! to! notes!"
    );
    assert_eq!(
        names("Order.Selection"),
        "id created updated version buyer stage to notes lines watchers"
    );
    assert_eq!(names("Order.Create"), "id buyer stage to notes watchers");
    assert_eq!(names("Order.Replace"), "buyer stage to notes watchers");
    assert_eq!(names("Order.Update"), "stage to notes watchers");
    assert_eq!(
        names("Person"),
        "id! created! updated! version! email verified roles name! nick! salary"
    );
    assert_eq!(names("Address"), "street! zip geo");
    assert_eq!(names("Address.Patch"), "street zip geo");
}

#[test]
fn values_are_described_as_they_are_taken() {
    let document = document(EVERYTHING);
    let check = |component: &str, field: &str, expected: Json| {
        let schema = &document["components"]["schemas"][component]["properties"][field];
        assert_eq!(*schema, expected, "{component}.{field}");
    };
    check(
        "OrderLine.Create",
        "count",
        json!({"type": "integer", "format": "int32", "minimum": 1, "maximum": 99}),
    );
    check("OrderLine.Create", "gift", json!({"type": "boolean"}));
    check(
        "OrderLine",
        "due",
        json!({"type": ["string", "null"], "format": "date-time"}),
    );
    check(
        "Person.Create",
        "nick",
        json!({"type": ["string", "null"], "maxLength": 10000, "pattern": "^(?:[a-z]{2,8})$"}),
    );
    check(
        "Order.Create",
        "to",
        json!({"anyOf": [{"$ref": "#/components/schemas/Address.Write"}, {"type": "null"}]}),
    );
    check(
        "Order.Update",
        "to",
        json!({"anyOf": [{"$ref": "#/components/schemas/Address.Patch"}, {"type": "null"}]}),
    );
    check(
        "Order.Selection",
        "buyer",
        json!({"anyOf": [
            {"type": "string", "format": "uuid"},
            {"$ref": "#/components/schemas/Person.Selection"},
        ]}),
    );
}

#[test]
fn links_lead_to_operations_that_take_what_they_hand_over() {
    let document = document(EVERYTHING);
    let mut operations = std::collections::HashMap::new();
    walk(&document["paths"], "", &mut |place, members| {
        if let Some(id) = members.get("operationId").and_then(Json::as_str) {
            operations.insert(id.to_owned(), place.to_owned());
        }
    });
    let mut count = 0;
    walk(&document["paths"], "", &mut |place, members| {
        let Some(links) = members.get("links").and_then(Json::as_object) else {
            return;
        };
        for link in links.values() {
            let target = &operations[link["operationId"].as_str().unwrap()];
            if !link["parameters"]["id"].is_null() {
                assert!(target.contains("{id}"), "{place}: {target}");
            }
            count += 1;
        }
    });
    assert!(count > 10, "{count}");
}

#[test]
fn what_the_server_refuses_is_not_described() {
    let document = document(EVERYTHING);
    let sign_up = &document["paths"]["/auth/sign-up"]["post"]["requestBody"]["content"]["application/json"]["schema"];
    assert!(sign_up["properties"]["name"].is_object() && sign_up["properties"]["id"].is_null());
    // Control characters of the second block, too.
    assert!(value::FILE.contains(r"\u007f-\u009f"));
    let decimals = value::schema(
        &Model::default(),
        &engine::model::ValueType::Scalar(engine::model::Scalar::Decimal),
        value::Bounds::default(),
        value::Way::Write,
    );
    assert_eq!(decimals["anyOf"][1]["maximum"], json!(9_223_372_036_854_i64));
}
