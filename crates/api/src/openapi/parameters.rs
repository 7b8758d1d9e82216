//! Parameters that operations share.

use engine::Limits;
use serde_json::{Value as Json, json};

use super::example;

/// One or more entity tags in quotes, or `*`.
const TAGS: &str = r#"^(\*|(W/)?"[!#-~]*"(, ?(W/)?"[!#-~]*")*)$"#;

pub(super) fn components(limits: &Limits) -> Json {
    json!({
        "id": path("id", "Which record.", json!({"type": "string", "format": "uuid"}), example::id()),
        "filter": query(
            "filter",
            "A condition in CEL: `record.done == false && record.title.startsWith(\"a\")`. A field's name may stand alone: `done == false`.",
            json!({"type": "string", "minLength": 1, "maxLength": limits.filter_bytes_max}),
        ),
        "sort": query(
            "sort",
            "Fields, separated by commas; `-` before a name turns the order round. Nulls come first, ties are broken by the id.",
            json!({"type": "string", "minLength": 1, "maxLength": 4096}),
        ),
        "fields": query(
            "fields",
            "What an answer is to hold: names separated by commas, through relations with dots (`id,author.name`); `*` is all that is there by itself.",
            json!({"type": "string", "minLength": 1, "maxLength": 4096}),
        ),
        "expand": query(
            "expand",
            "Relations to put the records in the ids' place: `author,room.members`.",
            json!({"type": "string", "minLength": 1, "maxLength": 4096}),
        ),
        "limit": query(
            "limit",
            "Records in a page.",
            json!({"type": "integer", "minimum": 1, "maximum": limits.page_max, "default": limits.page_default}),
        ),
        "cursor": query(
            "cursor",
            "The page after: `next` of the one before, asked for with the same filter and sort.",
            json!({"type": "string", "minLength": 1, "maxLength": 8192}),
        ),
        "count": query("count", "Count all that match, as `total`.", json!({"type": "boolean", "default": false})),
        "If-Match": header("If-Match", "Only if the record is still in this state; else 412.", json!({"type": "string", "pattern": TAGS, "examples": ["\"3\""]})),
        "If-None-Match": header(
            "If-None-Match",
            "Only if the record is in another state than these; else 304.",
            json!({"type": "string", "pattern": TAGS, "examples": ["\"3\""]}),
        ),
        "If-None-Match-Any": header("If-None-Match", "`*`: only if there is no such record yet; else 412.", json!({"const": "*"})),
        "Idempotency-Key": header(
            "Idempotency-Key",
            "Makes it safe to repeat the request: with the same key it takes place once, and answers the same.",
            json!({"type": "string", "pattern": "^[!-~]{1,255}$"}),
        ),
        "Last-Event-ID": header(
            "Last-Event-ID",
            "Sent by browsers that connect to a stream again; it starts with a new snapshot.",
            json!({"type": "string"}),
        ),
        "Ninefold-Written": header(
            "Ninefold-Written",
            "Where there are read replicas: what the answer to the caller's last write had under this name; the read holds that write.",
            json!({"type": "string", "format": "date-time"}),
        ),
    })
}

fn query(name: &str, description: &str, schema: Json) -> Json {
    json!({"name": name, "in": "query", "description": description, "schema": schema})
}

fn header(name: &str, description: &str, schema: Json) -> Json {
    json!({"name": name, "in": "header", "description": description, "schema": schema})
}

fn path(name: &str, description: &str, schema: Json, example: Json) -> Json {
    json!({"name": name, "in": "path", "required": true, "description": description, "schema": schema, "example": example})
}
