use serde_json::json;

use super::*;

#[test]
fn operations_become_steps() {
    let body = json!({"operations": [
        {"op": "create", "collection": "rooms", "data": {"name": "a"}, "as": "r"},
        {"op": "update", "collection": "rooms", "id": "1", "data": {"name": "b"}},
        {"op": "upsert", "collection": "rooms", "id": "2", "data": {}},
        {"op": "delete", "collection": "rooms", "id": "3", "ifMatch": "\"7\""},
    ]});
    let steps = steps(body).unwrap();
    assert!(matches!(&steps[0].action, Action::Create { data } if data["name"] == "a"));
    assert_eq!(steps[0].alias.as_deref(), Some("r"));
    assert!(matches!(&steps[1].action, Action::Update { key, patch } if key == "1" && patch["name"] == "b"));
    assert!(matches!(&steps[2].action, Action::Upsert { key, .. } if key == "2"));
    assert!(matches!(&steps[3].action, Action::Delete { key } if key == "3"));
    assert_eq!(steps[2].precondition, Precondition::None);
    assert_eq!(steps[3].precondition, Precondition::Match(vec!["7".to_owned()]));
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let check = |body: Value, expected: &[(&str, &str)]| {
        let error = steps(body.clone()).unwrap_err();
        let found: Vec<_> = error.fields.iter().map(|at| (at.field.as_str(), &*at.code)).collect();
        assert_eq!(found, expected, "{body}");
    };
    check(json!([]), &[("", "wrong_type")]);
    check(json!({}), &[("operations", "required")]);
    check(json!({"operations": {}}), &[("operations", "required")]);
    check(json!({"operations": []}), &[("operations", "too_few")]);
    check(
        json!({"operations": [], "opertions": 1}),
        &[("opertions", "unknown_field")],
    );
    check(
        json!({"operations": [
            {"op": "create", "collection": "rooms", "id": "1", "data": {}},
            {"op": "delete", "collection": "rooms", "data": {}},
            {"op": "move", "collection": 1},
            {"op": "update", "collection": "rooms", "id": "1"},
            {"op": "upsert", "collection": "rooms", "id": "1", "data": [], "kind": 1},
            7,
            {"op": "create", "collection": "rooms", "data": {}, "ifMatch": "\"1\""},
            {"op": "delete", "collection": "rooms", "id": "1", "ifMatch": "1"},
        ]}),
        &[
            ("operations[0].id", "not_supported"),
            ("operations[1].data", "not_supported"),
            ("operations[1].id", "required"),
            ("operations[2].collection", "wrong_type"),
            ("operations[2].op", "wrong_value"),
            ("operations[3].data", "required"),
            ("operations[4].kind", "unknown_field"),
            ("operations[4].data", "wrong_type"),
            ("operations[5]", "wrong_type"),
            ("operations[6].ifMatch", "not_supported"),
            ("operations[7].ifMatch", "malformed"),
        ],
    );
}
