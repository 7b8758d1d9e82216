//! The paths of a collection and of batches: every operation with its parameters, bodies and answers.

use engine::Model;
use engine::access::Principal;
use engine::expr::{Decision, Expression, Facts, RequestFacts};
use engine::model::{Collection, Timestamp};
use serde_json::{Map, Value as Json, json};

use super::components::{BATCH, BATCH_RESULTS, Role, answer, refer};
use super::responses::{header, refusals};
use super::value::reference;
use super::{example, links};

const READ_LIST: &[u16] = &[400, 401, 403, 413, 500, 503];
const READ: &[u16] = &[400, 401, 403, 404, 413, 500, 503];
const CREATE: &[u16] = &[400, 401, 403, 404, 408, 409, 413, 415, 422, 500, 503];
const WRITE: &[u16] = &[400, 401, 403, 404, 408, 409, 412, 413, 415, 422, 500, 503];
const DELETE: &[u16] = &[400, 401, 403, 404, 409, 412, 413, 422, 500, 503];

pub(super) fn paths(model: &Model) -> Map<String, Json> {
    let mut paths = Map::new();
    for collection in &model.collections {
        let described = Described { model, collection };
        paths.insert(format!("/api/{}", collection.path), described.list_path());
        paths.insert(format!("/api/{}/{{id}}", collection.path), described.record_path());
    }
    paths.insert("/api/batch".to_owned(), batch_path(model));
    paths
}

struct Described<'a> {
    model: &'a Model,
    collection: &'a Collection,
}

impl Described<'_> {
    fn list_path(&self) -> Json {
        if self.collection.read_only {
            return json!({"get": self.list()});
        }
        json!({"get": self.list(), "post": self.create()})
    }

    fn record_path(&self) -> Json {
        if self.collection.read_only {
            return json!({"parameters": [parameter("id")], "get": self.get()});
        }
        json!({
            "parameters": [parameter("id")],
            "get": self.get(),
            "patch": self.update(),
            "put": self.replace(),
            "delete": self.delete(),
        })
    }

    fn operation(&self, id: String, summary: String, rule: Option<&Expression>, parts: Json) -> Json {
        let (security, hint) = rights(self.model, rule);
        let mut operation = json!({
            "operationId": id,
            "summary": summary,
            "description": hint,
            "tags": [self.collection.name],
            "security": security,
        });
        if let (Some(operation), Json::Object(parts)) = (operation.as_object_mut(), parts) {
            operation.extend(parts);
        }
        operation
    }

    fn list(&self) -> Json {
        let Collection { name, path, access, .. } = self.collection;
        let page = json!({"items": [example::record(self.model, self.collection)], "next": null});
        let events = "event: snapshot\nid: 7\ndata: {\"items\":[…]}\n\nevent: created\nid: 8\ndata: {…}\n\n";
        let content = json!({
            "application/json": {"schema": refer(self.collection, Role::Page), "example": page},
            "text/event-stream": {"schema": {"type": "string"}, "example": events},
        });
        let names = [
            "filter",
            "sort",
            "fields",
            "expand",
            "limit",
            "cursor",
            "count",
            "Last-Event-ID",
            "Ninefold-Written",
        ];
        let id = format!("list{}", pascal(path));
        let mut found = answered(&format!("Those {name} records that the caller may read"), &[], content);
        found["links"] = links::of_page(self.collection, &id);
        self.operation(
            id,
            format!("A page of {path}, or, as a stream of events, the page and its changes"),
            access.read.as_deref(),
            json!({
                "parameters": parameters(&names),
                "responses": responses([("200", found)], READ_LIST),
            }),
        )
    }

    fn get(&self) -> Json {
        let Collection { name, access, .. } = self.collection;
        let mut content = self.content(example::record(self.model, self.collection));
        content["text/event-stream"] =
            json!({"schema": {"type": "string"}, "example": "event: snapshot\nid: 7\ndata: {\"item\":{…}}\n\n"});
        let mut unchanged = answered("The caller has it already", &["ETag"], Json::Null);
        unchanged["headers"]["X-Request-Id"] = header("X-Request-Id");
        let found = answered(&format!("The {name}"), &["ETag"], content);
        self.operation(
            format!("get{name}"),
            format!("One {name}, or, as a stream of events, the {name} and its changes"),
            access.read.as_deref(),
            json!({
                "parameters": parameters(&["fields", "expand", "If-None-Match", "Last-Event-ID", "Ninefold-Written"]),
                "responses": responses([("200", found), ("304", unchanged)], READ),
            }),
        )
    }

    fn create(&self) -> Json {
        let Collection { name, path, access, .. } = self.collection;
        let one = refer(self.collection, Role::Create);
        let body = json!({"oneOf": [one, {"type": "array", "minItems": 1, "items": one}]});
        let record = example::record(self.model, self.collection);
        let mut content = self.content(record);
        let many = json!({"type": "array", "items": {"anyOf": [answer(self.collection), {"type": "null"}]}});
        content["application/json"]["schema"] = json!({"anyOf": [answer(self.collection), many]});
        let description = format!(
            "The new {name}; of an array all of them in its order, null where its writer may not read what it wrote"
        );
        let mut created = answered(
            &description,
            &["ETag", "Location", "Idempotency-Replayed", "Ninefold-Written"],
            content,
        );
        created["links"] = links::of_record(self.collection);
        self.operation(
            format!("create{name}"),
            format!("A new {name}; or an array of {path}, all or nothing"),
            access.create.as_deref(),
            json!({
                "parameters": parameters(&["fields", "expand", "Idempotency-Key"]),
                "requestBody": request(&["application/json"], &body, example::new_record(self.model, self.collection)),
                "responses": responses([("201", created), ("204", self.unreadable())], CREATE),
            }),
        )
    }

    fn update(&self) -> Json {
        let Collection { name, access, .. } = self.collection;
        let types = ["application/merge-patch+json", "application/json"];
        let body = refer(self.collection, Role::Update);
        let content = self.content(example::record(self.model, self.collection));
        let updated = answered(
            &format!("The {name} as it is now"),
            &["ETag", "Idempotency-Replayed", "Ninefold-Written"],
            content,
        );
        self.operation(
            format!("update{name}"),
            format!("Changes a {name}"),
            access.update.as_deref(),
            json!({
                "parameters": parameters(&["fields", "expand", "If-Match", "Idempotency-Key"]),
                "requestBody": request(&types, &body, example::patch(self.model, self.collection)),
                "responses": responses([("200", updated), ("204", self.unreadable())], WRITE),
            }),
        )
    }

    fn replace(&self) -> Json {
        let Collection { name, access, .. } = self.collection;
        let content = || self.content(example::record(self.model, self.collection));
        let replaced = answered(
            &format!("The {name} as it is now"),
            &["ETag", "Idempotency-Replayed", "Ninefold-Written"],
            content(),
        );
        let mut created = answered(
            &format!("The new {name}"),
            &["ETag", "Location", "Idempotency-Replayed", "Ninefold-Written"],
            content(),
        );
        created["links"] = links::of_record(self.collection);
        let body = refer(self.collection, Role::Replace);
        self.operation(
            format!("replace{name}"),
            format!("Creates the {name} with this id, or replaces it"),
            access.update.as_deref().or(access.create.as_deref()),
            json!({
                "parameters": parameters(&["fields", "expand", "If-Match", "If-None-Match-Any", "Idempotency-Key"]),
                "requestBody": request(&["application/json"], &body, example::new_record(self.model, self.collection)),
                "responses": responses([("200", replaced), ("201", created), ("204", self.unreadable())], WRITE),
            }),
        )
    }

    fn delete(&self) -> Json {
        let Collection { name, access, .. } = self.collection;
        let deleted = answered("It is gone", &["Idempotency-Replayed", "Ninefold-Written"], Json::Null);
        self.operation(
            format!("delete{name}"),
            format!("Deletes a {name}"),
            access.delete.as_deref(),
            json!({
                "parameters": parameters(&["If-Match", "Idempotency-Key"]),
                "responses": responses([("204", deleted)], DELETE),
            }),
        )
    }

    fn content(&self, example: Json) -> Json {
        json!({"application/json": {"schema": answer(self.collection), "example": example}})
    }

    fn unreadable(&self) -> Json {
        answered(
            "Done, and its writer may not read the result",
            &["Idempotency-Replayed", "Ninefold-Written"],
            Json::Null,
        )
    }
}

fn batch_path(model: &Model) -> Json {
    let example = model.collections.iter().find_map(|collection| {
        let data = example::new_record(model, collection)?;
        Some(json!({"operations": [{"op": "create", "collection": collection.path, "data": data, "as": "first"}]}))
    });
    let content = json!({"application/json": {"schema": reference(BATCH_RESULTS)}});
    let done = answered(
        "All operations, done",
        &["Idempotency-Replayed", "Ninefold-Written"],
        content,
    );
    json!({"post": {
        "operationId": "batch",
        "summary": "Writes to any collections, in order, all or nothing",
        "description": "A later operation refers to a record of an earlier one by its name: `{\"$ref\": \"name.id\"}`.",
        "tags": ["Batch"],
        "security": [{}, {"bearer": []}],
        "parameters": [parameter("Idempotency-Key")],
        "requestBody": request(&["application/json"], &reference(BATCH), example),
        "responses": responses([("200", done)], CREATE),
    }})
}

/// Who may try, as far as the rule says without a record; and the same for people.
fn rights(model: &Model, rule: Option<&Expression>) -> (Json, &'static str) {
    let signed_in = json!([{"bearer": []}]);
    let Some(rule) = rule else {
        return (signed_in, "For administrators only.");
    };
    let facts = Facts {
        principal: &Principal::Anonymous,
        now: Timestamp(0),
        request: RequestFacts::default(),
    };
    let decision = if rule.reads().now {
        Decision::Depends
    } else {
        rule.decide(model, facts)
    };
    match decision {
        Decision::Never => (signed_in, "For those who are signed in, where the rules let them."),
        Decision::Always => (json!([{}, {"bearer": []}]), "For everybody."),
        Decision::Depends => (
            json!([{}, {"bearer": []}]),
            "Where the rules let the caller, record by record.",
        ),
    }
}

pub(super) fn parameter(name: &str) -> Json {
    json!({"$ref": format!("#/components/parameters/{name}")})
}

fn parameters(names: &[&str]) -> Json {
    names.iter().map(|name| parameter(name)).collect()
}

/// A body; the same schema whatever it is called.
pub(super) fn request(types: &[&str], schema: &Json, example: Option<Json>) -> Json {
    let mut media = json!({"schema": schema});
    if let Some(example) = example {
        media["example"] = example;
    }
    let content: Map<_, _> = types.iter().map(|name| ((*name).to_owned(), media.clone())).collect();
    json!({"required": true, "content": content})
}

pub(super) fn answered(description: &str, headers: &[&str], content: Json) -> Json {
    let names = headers.iter().chain(&["X-Request-Id"]);
    let headers: Map<_, _> = names.map(|name| ((*name).to_owned(), header(name))).collect();
    let mut response = json!({"description": description, "headers": headers});
    if !content.is_null() {
        response["content"] = content;
    }
    response
}

pub(super) fn responses<const N: usize>(good: [(&str, Json); N], refused: &[u16]) -> Json {
    let good = good.into_iter().map(|(status, response)| (status.to_owned(), response));
    Json::Object(good.chain(refusals(refused)).collect())
}

/// `order-lines` is `OrderLines`.
fn pascal(path: &str) -> String {
    let words = path.split(|letter: char| !letter.is_ascii_alphanumeric());
    words
        .flat_map(|word| {
            word.chars().enumerate().map(|(index, letter)| {
                if index == 0 {
                    letter.to_ascii_uppercase()
                } else {
                    letter
                }
            })
        })
        .collect()
}
