//! What the values of an answer are good for next: OpenAPI's links, which clients and testing tools follow.

use engine::model::Collection;
use serde_json::{Value as Json, json};

/// From a new record to the operations on it.
pub(super) fn of_record(collection: &Collection) -> Json {
    let name = &collection.name;
    let operations = ["get", "update", "replace", "delete"].map(|verb| format!("{verb}{name}"));
    let link = |id: String| {
        let link = json!({"operationId": id, "parameters": {"id": "$response.body#/id"}});
        (id, link)
    };
    Json::Object(operations.into_iter().map(link).collect())
}

/// From a page to the next one, which `list` answers too, and to its first record.
pub(super) fn of_page(collection: &Collection, list: &str) -> Json {
    json!({
        "next": {"operationId": list, "parameters": {"cursor": "$response.body#/next"}},
        "first": {"operationId": format!("get{}", collection.name), "parameters": {"id": "$response.body#/items/0/id"}},
    })
}

/// From tokens to later ones.
pub(super) fn of_tokens() -> Json {
    json!({
        "refresh": {"operationId": "refresh", "requestBody": {"refreshToken": "$response.body#/refreshToken"}},
    })
}
