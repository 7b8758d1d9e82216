//! What every application has: health, and this document itself.

use serde_json::{Map, Value as Json, json};

use super::operations::{answered, responses};

pub(super) const ABOUT: &str = "\
Sign in with `POST /auth/sign-in` and send the `accessToken` as `Authorization: Bearer …`. What a caller may do is said by the \
application's access rules: what they hide doesn't exist (404), and a list holds what they show.

Every refusal is a problem document (RFC 9457) whose `code` is stable; `X-Request-Id` names the request in the server's log.";

pub(super) fn paths() -> Map<String, Json> {
    let mut paths = Map::new();
    let probe = |id: &str, summary: &str, status: &str, refused: &[u16]| {
        let schema = json!({
            "type": "object",
            "properties": {"status": {"const": status}},
            "required": ["status"],
            "additionalProperties": false,
        });
        let content = json!({"application/json": {"schema": schema, "example": {"status": status}}});
        operation(
            id,
            summary,
            responses([("200", answered("It is", &[], content))], refused),
        )
    };
    paths.insert(
        "/healthz".to_owned(),
        probe("isAlive", "Whether the server is alive", "alive", &[500]),
    );
    paths.insert(
        "/readyz".to_owned(),
        probe("isReady", "Whether the server can serve", "ready", &[500, 503]),
    );
    let document = json!({"application/json": {"schema": {"type": "object"}}});
    let found = answered("This document", &["ETag"], document);
    let unchanged = answered("The caller has it already", &["ETag"], Json::Null);
    let mut itself = operation(
        "describe",
        "This document",
        responses([("200", found), ("304", unchanged)], &[400, 500]),
    );
    itself["get"]["parameters"] = json!([super::operations::parameter("If-None-Match")]);
    paths.insert("/openapi.json".to_owned(), itself);
    paths
}

fn operation(id: &str, summary: &str, responses: Json) -> Json {
    json!({"get": {"operationId": id, "summary": summary, "tags": ["System"], "security": [], "responses": responses}})
}
