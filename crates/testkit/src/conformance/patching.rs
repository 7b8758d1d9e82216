//! Merge patches (RFC 7396), on records and into the documents that they hold.

use serde_json::json;

use super::Db;
use super::answers::said;
use super::app::{App, id};

const SCHEMA: &str = r#"
type Geo { lat: Float! lon: Float! label: String }
type Address { street: String! city: String @length(max: 5) geo: Geo tags: [String!] }
type Doc @collection { name: String! note: String json: JSON address: Address must: Address! @default(value: {street: "m"}) }
"#;

/// RFC 7396, appendix A: original, patch, result; each as a member of a record.
pub(super) async fn the_examples_of_the_rfc_hold(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    for (original, patch, result) in [
        (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
        (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
        (json!({"a":"b"}), json!({"a":null}), json!({})),
        (json!({"a":"b","b":"c"}), json!({"a":null}), json!({"b":"c"})),
        (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
        (json!({"a":"c"}), json!({"a":["b"]}), json!({"a":["b"]})),
        (
            json!({"a":{"b":"c"}}),
            json!({"a":{"b":"d","c":null}}),
            json!({"a":{"b":"d"}}),
        ),
        (json!({"a":[{"b":"c"}]}), json!({"a":[1]}), json!({"a":[1]})),
        (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
        (json!({"a":"b"}), json!(["c"]), json!(["c"])),
        (json!({"a":"foo"}), json!(null), json!(null)),
        (json!({"a":"foo"}), json!("bar"), json!("bar")),
        (json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1})),
        (json!([1, 2]), json!({"a":"b","c":null}), json!({"a":"b"})),
        (json!({}), json!({"a":{"bb":{"ccc":null}}}), json!({"a":{"bb":{}}})),
    ] {
        let doc = app
            .admin()
            .create("docs", json!({"name": "d", "json": original}))
            .await
            .unwrap();
        let updated = app
            .admin()
            .update("docs", &doc.id, json!({"json": patch}))
            .await
            .unwrap();
        assert_eq!(updated["json"], result, "{original} patched with {patch}");
        assert_eq!(app.admin().get("docs", &doc.id).await.unwrap()["json"], result);
    }
}

pub(super) async fn fields_change_alone(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let admin = app.admin();
    admin
        .create("docs", json!({"id": id(1), "name": "n", "note": "x", "json": {"a": 1}}))
        .await
        .unwrap();
    let updated = admin.update("docs", &id(1), json!({"note": null})).await.unwrap();
    assert!(updated["note"].is_null());
    assert_eq!((&updated["name"], &updated["json"]), (&json!("n"), &json!({"a": 1})));
    assert_eq!(
        said(admin.update("docs", &id(1), json!({"name": null})).await),
        "invalid: name required"
    );
    assert_eq!(
        said(admin.update("docs", &id(1), json!({"nmae": "x"})).await),
        "invalid: nmae unknown_field"
    );
}

pub(super) async fn documents_are_merged_and_judged_whole(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let admin = app.admin();
    let address = json!({"street": "s", "city": "c", "geo": {"lat": 1.0, "lon": 2.0, "label": "l"}, "tags": ["a"]});
    admin
        .create("docs", json!({"id": id(1), "name": "n", "address": address}))
        .await
        .unwrap();
    let patch = json!({"address": {"city": null, "geo": {"lat": 5, "label": null}, "tags": ["b", "c"]}});
    let updated = admin.update("docs", &id(1), patch).await.unwrap();
    let merged = json!({"street": "s", "geo": {"lat": 5.0, "lon": 2.0}, "tags": ["b", "c"]});
    assert_eq!(updated["address"], merged);
    for (patch, expected) in [
        (json!({"street": null}), "address.street required"),
        (json!({"city": "longer"}), "address.city too_long"),
        (json!({"geo": {"lon": null}}), "address.geo.lon required"),
        (json!({"geo": {"lat": "x"}}), "address.geo.lat wrong_type"),
        (json!({"nothing": 1}), "address.nothing unknown_field"),
        (json!({"tags": ["a", null]}), "address.tags[1] required"),
        (json!([]), "address wrong_type"),
    ] {
        let refused = admin.update("docs", &id(1), json!({"address": patch})).await;
        assert_eq!(said(refused), format!("invalid: {expected}"), "{patch}");
    }
    assert_eq!(
        admin.get("docs", &id(1)).await.unwrap()["address"],
        merged,
        "a refused patch leaves it"
    );
    let gone = admin.update("docs", &id(1), json!({"address": null})).await.unwrap();
    assert!(gone["address"].is_null());
    let fresh = admin
        .update("docs", &id(1), json!({"address": {"street": "t"}}))
        .await
        .unwrap();
    assert_eq!(
        fresh["address"],
        json!({"street": "t"}),
        "a patch of nothing makes a document"
    );
    assert_eq!(
        said(admin.update("docs", &id(1), json!({"must": null})).await),
        "invalid: must required"
    );
    let must = admin
        .update("docs", &id(1), json!({"must": {"city": "c"}}))
        .await
        .unwrap();
    assert_eq!(must["must"], json!({"street": "m", "city": "c"}));
}
