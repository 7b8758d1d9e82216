//! REST as its users meet it: parameters, conditions, idempotency, batches, and every refusal as a problem document.

mod refusals;

use serde_json::{Value as Json, json};

use crate::app::{Client, Response, TestApp};

const SCHEMA: &str = r#"
type Person @collection(auth: true, signUp: OPEN) @access(read: "auth != null", update: "record.id == auth.id") {
  name: String!
}
enum Stage { OPEN DONE }
type Task @collection @access(read: "true", create: "true", update: "true", delete: "true") {
  title: String! @length(min: 1, max: 40)
  code: String @unique
  stage: Stage! @default(value: OPEN)
  points: Int
  parent: Task
  subtasks: [Task!]! @inverse(field: "parent")
  friends: [Task!]!
}
"Everybody may write one, nobody but administrators reads them."
type Letter @collection @access(create: "true") {
  text: String!
}
"#;

async fn app() -> TestApp {
    TestApp::new(SCHEMA).await
}

async fn task(client: &Client, title: &str) -> Json {
    let response = client.post("/api/tasks", &json!({"title": title})).await;
    assert_eq!(response.status, 201, "{}", response.text());
    response.json()
}

fn path(task: &Json) -> String {
    format!("/api/tasks/{}", task["id"].as_str().expect("a task has an id"))
}

fn titles(page: &Response) -> String {
    let page = page.json();
    let items = page["items"].as_array().expect("a page has items").iter();
    items
        .map(|item| item["title"].as_str().unwrap_or("?"))
        .collect::<Vec<_>>()
        .join(" ")
}

#[tokio::test]
async fn a_record_lives() {
    let app = app().await;
    let client = app.client();

    let created = client.post("/api/tasks", &json!({"title": "a", "points": 3})).await;
    assert_eq!(created.status, 201);
    assert_eq!(created.header("etag"), Some("\"1\""));
    assert_eq!(created.header("content-type"), Some("application/json"));
    assert_eq!(created.header("cache-control"), Some("private, no-cache"));
    let task = created.json();
    let path = path(&task);
    assert_eq!(created.header("location"), Some(path.as_str()));
    assert_eq!(
        (
            &task["title"],
            &task["points"],
            &task["stage"],
            &task["code"],
            &task["version"]
        ),
        (&json!("a"), &json!(3), &json!("OPEN"), &Json::Null, &json!(1))
    );
    assert!(
        task.get("friends").is_none(),
        "to-many relations are there when asked for: {task}"
    );

    assert_eq!(client.get(&path).await.json(), task);
    let head = client.request("HEAD", &path).send().await;
    assert_eq!(
        (head.status, head.header("etag"), head.body.len()),
        (200, Some("\"1\""), 0)
    );

    let patched = client.patch(&path, &json!({"points": null, "stage": "DONE"})).await;
    assert_eq!((patched.status, patched.header("etag")), (200, Some("\"2\"")));
    let task = patched.json();
    assert_eq!(
        (&task["title"], &task["points"], &task["stage"]),
        (&json!("a"), &Json::Null, &json!("DONE"))
    );

    let replaced = client.put(&path, &json!({"title": "b"})).await;
    assert_eq!((replaced.status, replaced.header("location")), (200, None));
    assert_eq!(
        (&replaced.json()["title"], &replaced.json()["stage"]),
        (&json!("b"), &json!("OPEN"))
    );

    let deleted = client.delete(&path).await;
    assert_eq!((deleted.status, deleted.body.len()), (204, 0));
    assert_eq!(client.get(&path).await.status, 404);
    assert_eq!(client.delete(&path).await.status, 404);

    let again = client.put(&path, &json!({"title": "c"})).await;
    assert_eq!((again.status, again.header("location")), (201, Some(path.as_str())));
}

#[tokio::test]
async fn lists_are_filtered_sorted_shaped_and_paged() {
    let app = app().await;
    let client = app.client();
    let parent = task(&client, "p").await;
    for (title, points) in [("a", 2), ("b", 1), ("c", 2)] {
        let body = json!({"title": title, "points": points, "parent": parent["id"]});
        assert_eq!(client.post("/api/tasks", &body).await.status, 201);
    }
    let list = |parameters: &[(&str, &str)]| {
        let request = client.request("GET", "/api/tasks");
        parameters
            .iter()
            .fold(request, |request, (name, value)| request.query(name, value))
            .send()
    };

    assert_eq!(titles(&list(&[]).await), "p a b c");
    assert_eq!(titles(&list(&[("filter", "points == 2")]).await), "a c");
    assert_eq!(
        titles(&list(&[("filter", "record.parent.title == 'p' && title != 'b'")]).await),
        "a c"
    );
    assert_eq!(titles(&list(&[("sort", "-points,title")]).await), "a c b p");
    let counted = list(&[("filter", "points > 0"), ("limit", "1"), ("count", "true")])
        .await
        .json();
    assert_eq!(
        (counted["items"].as_array().unwrap().len(), &counted["total"]),
        (1, &json!(3))
    );
    assert!(list(&[]).await.json().get("total").is_none());

    let mut seen = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut parameters = vec![("sort", "-points,title"), ("limit", "3")];
        parameters.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = list(&parameters).await;
        seen.push(titles(&page));
        match page.json()["next"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    assert_eq!(seen, ["a c b", "p"]);

    let shaped = list(&[("fields", "title,parent.title,subtasks"), ("filter", "title == 'a'")])
        .await
        .json();
    assert_eq!(
        shaped["items"],
        json!([{"title": "a", "parent": {"title": "p"}, "subtasks": []}])
    );
    let expanded = client
        .request("GET", &path(&parent))
        .query("expand", "subtasks")
        .send()
        .await
        .json();
    assert_eq!(expanded["subtasks"][0]["title"], "a");
    assert_eq!(expanded["title"], "p");
}

#[tokio::test]
async fn relations_are_replaced_added_to_and_taken_from() {
    let app = app().await;
    let client = app.client();
    let (a, b, c) = (
        task(&client, "a").await,
        task(&client, "b").await,
        task(&client, "c").await,
    );
    let friends = async |change: Json| {
        let request = client
            .request("PATCH", &path(&a))
            .query("fields", "friends")
            .json(&json!({"friends": change}));
        let response = request.send().await;
        assert_eq!(response.status, 200, "{}", response.text());
        response.json()["friends"].clone()
    };
    assert_eq!(friends(json!([b["id"]])).await, json!([b["id"]]));
    assert_eq!(
        friends(json!({"add": [c["id"], c["id"]]})).await,
        json!([b["id"], c["id"]])
    );
    assert_eq!(
        friends(json!({"remove": [b["id"]], "add": [c["id"]]})).await,
        json!([c["id"]])
    );
    assert_eq!(friends(Json::Null).await, json!([]));
}

#[tokio::test]
async fn conditions_are_checked() {
    let app = app().await;
    let client = app.client();
    let task = task(&client, "a").await;
    let path = path(&task);
    let with = |method: &str, header: &'static str, value: &str, body: Option<Json>| {
        let request = client.request(method, &path).header(header, value);
        body.iter().fold(request, |request, body| request.json(body)).send()
    };

    let unchanged = with("GET", "if-none-match", "W/\"1\"", None).await;
    assert_eq!(
        (unchanged.status, unchanged.header("etag"), unchanged.body.len()),
        (304, Some("\"1\""), 0)
    );
    assert_eq!(with("GET", "if-none-match", "\"7\", \"8\"", None).await.status, 200);
    assert_eq!(with("GET", "if-none-match", "*", None).await.status, 304);

    let stale = with("PATCH", "if-match", "\"7\"", Some(json!({"title": "b"}))).await;
    assert_eq!((stale.status, &stale.json()["code"]), (412, &json!("stale")));
    let moved = with("PATCH", "if-match", "\"7\", \"1\"", Some(json!({"title": "b"}))).await;
    assert_eq!((moved.status, moved.header("etag")), (200, Some("\"2\"")));
    assert_eq!(
        with("PUT", "if-none-match", "*", Some(json!({"title": "c"})))
            .await
            .status,
        412
    );
    assert_eq!(
        with("PUT", "if-match", "\"1\"", Some(json!({"title": "c"})))
            .await
            .status,
        412
    );
    assert_eq!(with("DELETE", "if-match", "\"1\"", None).await.status, 412);
    assert_eq!(with("DELETE", "if-match", "*", None).await.status, 204);
    assert_eq!(
        with("PUT", "if-match", "*", Some(json!({"title": "c"}))).await.status,
        404
    );
    assert_eq!(
        with("PUT", "if-none-match", "*", Some(json!({"title": "c"})))
            .await
            .status,
        201
    );

    for (method, header, value) in [
        ("PATCH", "if-match", "7"),
        ("PATCH", "if-none-match", "*"),
        ("PUT", "if-none-match", "\"1\""),
        ("GET", "if-none-match", "nonsense"),
    ] {
        let body = (method != "GET").then(|| json!({"title": "d"}));
        let refused = with(method, header, value, body).await;
        assert_eq!(
            (refused.status, &refused.json()["code"]),
            (400, &json!("bad_request")),
            "{method} {header}: {value}"
        );
    }
    let create = client
        .request("POST", "/api/tasks")
        .header("if-match", "*")
        .json(&json!({"title": "d"}))
        .send()
        .await;
    assert_eq!(create.status, 400);
}

#[tokio::test]
async fn a_shaped_answer_has_a_tag_of_its_own_that_still_names_the_version() {
    let app = app().await;
    let client = app.client();
    let task = task(&client, "a").await;
    let shaped = client
        .request("GET", &path(&task))
        .query("fields", "id,version")
        .send()
        .await;
    let tag = shaped.header("etag").unwrap().to_owned();
    assert_ne!(tag, "\"1\"");
    let again = client
        .request("GET", &path(&task))
        .query("fields", "id,version")
        .header("if-none-match", &tag);
    assert_eq!(again.send().await.status, 304);
    let whole = client
        .request("GET", &path(&task))
        .header("if-none-match", &tag)
        .send()
        .await;
    assert_eq!(whole.status, 200);
    let patched = client
        .request("PATCH", &path(&task))
        .header("if-match", &tag)
        .json(&json!({"title": "b"}));
    assert_eq!(patched.send().await.status, 200);
}

#[tokio::test]
async fn a_repeated_write_happens_once() {
    let app = app().await;
    let client = app.client();
    let send = |path: &str, key: &str, title: &str| {
        let request = client.request("POST", path).header("idempotency-key", key);
        request.json(&json!({"title": title})).send()
    };
    let first = send("/api/tasks", "k1", "a").await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (201, None));
    let second = send("/api/tasks", "k1", "a").await;
    assert_eq!(
        (second.status, second.header("idempotency-replayed")),
        (201, Some("true"))
    );
    assert_eq!(second.json(), first.json());
    assert_eq!(second.header("location"), first.header("location"));

    let other_body = send("/api/tasks", "k1", "b").await;
    assert_eq!(
        (other_body.status, &other_body.json()["code"]),
        (422, &json!("idempotency_mismatch"))
    );
    assert_eq!(send("/api/tasks?fields=id", "k1", "a").await.status, 422);
    assert_eq!(send("/api/tasks", "k2", "b").await.status, 201);
    assert_eq!(titles(&client.get("/api/tasks").await), "a b");

    let refused = send("/api/tasks", "k3", "").await;
    assert_eq!(refused.status, 422);
    assert_eq!(
        send("/api/tasks", "k3", "c").await.status,
        201,
        "a refused write keeps no key"
    );
    assert_eq!(send("/api/tasks", "not visible", "d").await.status, 400);
}

#[tokio::test]
async fn an_array_is_all_or_nothing() {
    let app = app().await;
    let client = app.client();
    let created = client
        .post("/api/tasks", &json!([{"title": "a"}, {"title": "b"}]))
        .await;
    assert_eq!(
        (created.status, created.header("location"), created.header("etag")),
        (201, None, None)
    );
    assert_eq!(
        (&created.json()[0]["title"], &created.json()[1]["title"]),
        (&json!("a"), &json!("b"))
    );

    let refused = client
        .post("/api/tasks", &json!([{"title": "c"}, {"titel": "d"}]))
        .await;
    let problem = refused.json();
    assert_eq!((refused.status, &problem["operation"]), (422, &json!(1)), "{problem}");
    let places: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["field"].as_str().unwrap())
        .collect();
    assert!(
        places.contains(&"[1].titel") && places.contains(&"[1].title"),
        "{problem}"
    );
    assert_eq!(client.post("/api/tasks", &json!([])).await.status, 422);
    assert_eq!(
        client.post("/api/tasks", &json!([7])).await.json()["errors"][0]["field"],
        "[0]"
    );
    assert_eq!(titles(&client.get("/api/tasks").await), "a b");
}

#[tokio::test]
async fn a_batch_is_all_or_nothing_and_refers_to_itself() {
    let app = app().await;
    let client = app.client();
    let old = task(&client, "old").await;
    let done = client
        .post(
            "/api/batch",
            &json!({"operations": [
                {"op": "create", "collection": "tasks", "data": {"title": "p"}, "as": "parent"},
                {"op": "create", "collection": "tasks", "data": {"title": "c", "parent": {"$ref": "parent.id"}}},
                {"op": "update", "collection": "tasks", "id": old["id"], "data": {"title": "new"}},
                {"op": "create", "collection": "letters", "data": {"text": "hush"}},
                {"op": "delete", "collection": "tasks", "id": old["id"]},
            ]}),
        )
        .await;
    assert_eq!(done.status, 200, "{}", done.text());
    let results = done.json()["results"].clone();
    let outcomes: Vec<_> = results
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["created", "created", "updated", "created", "deleted"]);
    assert_eq!(
        (&results[0]["as"], &results[0]["etag"]),
        (&json!("parent"), &json!("\"1\""))
    );
    assert_eq!(results[1]["data"]["parent"], results[0]["id"]);
    assert_eq!(results[2]["data"]["title"], "new");
    assert!(
        results[3].get("data").is_none(),
        "its writer may not read it: {results}"
    );
    assert!(results[4].get("data").is_none());

    let refused = client
        .post(
            "/api/batch",
            &json!({"operations": [
                {"op": "create", "collection": "tasks", "data": {"title": "x"}},
                {"op": "delete", "collection": "tasks", "id": old["id"]},
            ]}),
        )
        .await;
    assert_eq!((refused.status, &refused.json()["operation"]), (404, &json!(1)));
    assert_eq!(titles(&client.get("/api/tasks").await), "p c");

    let alone = json!({"operations": [{"op": "create", "collection": "tasks", "data": {}}]});
    let alone = client.post("/api/batch", &alone).await.json();
    assert_eq!(alone["errors"][0]["field"], "operations[0].title", "{alone}");
}

#[tokio::test]
async fn what_a_writer_may_not_read_is_answered_with_nothing() {
    let app = app().await;
    let client = app.client();
    let one = client.post("/api/letters", &json!({"text": "hush"})).await;
    assert_eq!(
        (one.status, one.body.len(), one.header("location"), one.header("etag")),
        (204, 0, None, None)
    );
    assert_eq!(
        client
            .post("/api/letters", &json!([{"text": "a"}, {"text": "b"}]))
            .await
            .status,
        204
    );
    let administrator = app.administrator().await;
    let letters = administrator.get("/api/letters?count=true").await.json();
    assert_eq!(letters["total"], 3);
}

#[tokio::test]
async fn answers_are_compressed_for_those_who_ask() {
    let app = app().await;
    let client = app.client();
    for index in 0..20 {
        task(&client, &format!("task {index}")).await;
    }
    let plain = client.get("/api/tasks").await;
    assert_eq!(plain.header("content-encoding"), None);
    let packed = client
        .request("GET", "/api/tasks")
        .header("accept-encoding", "gzip")
        .send()
        .await;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(
        packed.body.len() * 2 < plain.body.len(),
        "{} of {}",
        packed.body.len(),
        plain.body.len()
    );
    let vary = packed
        .headers
        .get_all("vary")
        .iter()
        .map(|value| value.to_str().unwrap())
        .collect::<Vec<_>>()
        .join(", ");
    for name in ["authorization", "accept", "accept-encoding"] {
        assert!(vary.split(", ").any(|varies| varies == name), "{vary}");
    }
    let small = client
        .request("GET", "/healthz")
        .header("accept-encoding", "gzip")
        .send()
        .await;
    assert_eq!(small.header("content-encoding"), None);
}

#[tokio::test]
async fn other_origins_are_let_in_by_name() {
    let asked = async |app: &TestApp, origin: &str| {
        let client = app.client();
        let preflight = client.request("OPTIONS", "/api/tasks").header("origin", origin);
        let preflight = preflight.header("access-control-request-method", "PATCH").send().await;
        let simple = client
            .request("GET", "/api/tasks")
            .header("origin", origin)
            .send()
            .await;
        let allowed = |response: &Response| response.header("access-control-allow-origin").map(str::to_owned);
        (allowed(&preflight), allowed(&simple))
    };
    let closed = app().await;
    assert_eq!(asked(&closed, "https://a.example").await, (None, None));
    let open = TestApp::with(SCHEMA)
        .set("cors.origins", "https://a.example")
        .start()
        .await;
    let named = Some("https://a.example".to_owned());
    assert_eq!(asked(&open, "https://a.example").await, (named.clone(), named));
    assert_eq!(asked(&open, "https://b.example").await, (None, None));
    let refused = open
        .client()
        .request("GET", "/api/nothing")
        .header("origin", "https://a.example")
        .send()
        .await;
    assert_eq!(
        (refused.status, refused.header("access-control-allow-origin")),
        (404, Some("https://a.example"))
    );
}

#[tokio::test]
async fn health_is_told() {
    let app = app().await;
    for (path, status) in [("/healthz", "alive"), ("/readyz", "ready")] {
        let response = app.client().get(path).await;
        assert_eq!((response.status, response.json()), (200, json!({"status": status})));
        assert_eq!(response.header("cache-control"), Some("no-store"));
    }
}
