//! What a cell of the matrix plays in: three users and an administrator who stay, and records of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value as Json, json};

use crate::app::{Client, Response, TestApp};

pub(super) const ACTORS: [&str; 5] = ["nobody", "a stranger", "a member", "the owner", "an administrator"];

/// The people, who are the same in every cell.
pub(super) struct People {
    pub(super) app: TestApp,
    clients: [Client; 5],
    ids: [String; 5],
    owner_email: String,
    cells: AtomicU32,
}

/// One cell's records, and who acts in it.
pub(super) struct World {
    pub(super) people: Arc<People>,
    pub(super) actor: usize,
    /// The acting user's id; empty for nobody and for an administrator, who is no user.
    pub(super) me: String,
    /// The same, but the owner's where there is none.
    pub(super) me_or_owner: String,
    pub(super) owner: String,
    pub(super) owner_email: String,
    pub(super) member: String,
    /// The room's name, which no other cell has.
    pub(super) name: String,
    /// Owned by the owner, with the member and the owner in it, with notes and a key.
    pub(super) room: String,
    /// By the owner, in that room; there is one by the member too.
    pub(super) message: String,
    /// About that room.
    pub(super) notice: String,
    /// About a room of everybody's, whose name sorts first.
    pub(super) open_notice: String,
    /// By the owner.
    pub(super) review: String,
    /// An id that nothing has.
    pub(super) fresh: String,
    /// The member's cursor behind the first message of the room.
    pub(super) member_cursor: String,
    /// The message that the member sent under the cell's name as idempotency key.
    pub(super) keyed: String,
}

/// An answer, and the world it was given in.
pub(super) struct Seen<'w> {
    pub(super) world: &'w World,
    pub(super) status: u16,
    pub(super) body: Json,
}

/// A request, not yet sent.
#[derive(Debug, Clone)]
pub(super) struct Call {
    method: &'static str,
    path: String,
    query: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
    body: Option<Json>,
    live: bool,
}

impl Call {
    fn new(method: &'static str, path: &str, body: Option<Json>) -> Self {
        Self {
            method,
            path: path.to_owned(),
            query: Vec::new(),
            headers: Vec::new(),
            body,
            live: false,
        }
    }

    pub(super) fn get(path: &str) -> Self {
        Self::new("GET", path, None)
    }

    pub(super) fn post(path: &str, body: Json) -> Self {
        Self::new("POST", path, Some(body))
    }

    pub(super) fn patch(path: &str, body: Json) -> Self {
        Self::new("PATCH", path, Some(body))
    }

    pub(super) fn put(path: &str, body: Json) -> Self {
        Self::new("PUT", path, Some(body))
    }

    pub(super) fn delete(path: &str) -> Self {
        Self::new("DELETE", path, None)
    }

    pub(super) fn query(mut self, name: &'static str, value: &str) -> Self {
        self.query.push((name, value.to_owned()));
        self
    }

    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// As server-sent events: the answer is the snapshot.
    pub(super) fn live(mut self) -> Self {
        self.live = true;
        self
    }
}

impl People {
    pub(super) async fn meet(schema: &str) -> Arc<Self> {
        let app = TestApp::with(schema)
            .set("database.synchronous", "normal")
            .start()
            .await;
        let mut clients = vec![app.client()];
        let mut ids = vec![String::new()];
        for name in ["stranger", "member", "owner"] {
            let (client, user) = app.sign_up(name).await;
            clients.push(client);
            ids.push(user);
        }
        clients.push(app.administrator().await);
        ids.push(String::new());
        let owner_email = TestApp::email("owner");
        let clients = clients.try_into().map_err(|_| ()).expect("five actors");
        let ids = ids.try_into().expect("five actors");
        Arc::new(Self {
            app,
            clients,
            ids,
            owner_email,
            cells: AtomicU32::new(0),
        })
    }

    fn administrator(&self) -> &Client {
        &self.clients[4]
    }

    /// As an administrator, all at once.
    async fn make(&self, records: &[(&str, Json)]) {
        let create =
            |(collection, data): &(&str, Json)| json!({"op": "create", "collection": collection, "data": data});
        let operations: Vec<_> = records.iter().map(create).collect();
        let response = self
            .administrator()
            .post("/api/batch", &json!({ "operations": operations }))
            .await;
        assert_eq!(response.status, 200, "{}", response.text());
    }
}

impl World {
    pub(super) async fn new(people: &Arc<People>, actor: usize) -> Self {
        let cell = people.cells.fetch_add(1, Ordering::Relaxed);
        let name = format!("den-{cell}");
        let [_, stranger, member, owner, _] = &people.ids;
        let id = |kind: u8| format!("01890000-0000-7000-80{kind:02x}-{cell:012x}");
        let (room, open, message) = (id(1), id(2), id(3));
        let (notice, open_notice, review) = (id(4), id(5), id(6));
        let everybody = [stranger, member, owner];
        people
            .make(&[
                ("rooms", json!({"id": room, "name": name, "owner": owner, "members": [member, owner], "notes": "plans", "key": "k"})),
                ("rooms", json!({"id": open, "name": "a", "owner": stranger, "members": everybody})),
                ("messages", json!({"id": message, "room": room, "author": owner, "body": "hello", "sent": "2026-01-01T00:00:00Z"})),
                ("messages", json!({"room": room, "author": member, "body": "hi", "sent": "2026-01-02T00:00:00Z"})),
                ("notices", json!({"id": notice, "text": "about the room", "room": room})),
                ("notices", json!({"id": open_notice, "text": "about an open room", "room": open})),
                ("reviews", json!({"id": review, "author": owner, "text": "good"})),
            ])
            .await;
        let mut world = Self {
            people: people.clone(),
            actor,
            me: people.ids[actor].clone(),
            me_or_owner: if people.ids[actor].is_empty() {
                owner.clone()
            } else {
                people.ids[actor].clone()
            },
            owner: owner.clone(),
            owner_email: people.owner_email.clone(),
            member: member.clone(),
            name,
            room,
            message,
            notice,
            open_notice,
            review,
            fresh: id(7),
            member_cursor: String::new(),
            keyed: String::new(),
        };
        world.member_cursor = world.cursor_of_member().await;
        world
    }

    async fn cursor_of_member(&self) -> String {
        let call = Call::get("/api/messages")
            .query("filter", &format!("record.room == \"{}\"", self.room))
            .query("limit", "1");
        let page = self.send_as(2, &call).await.json();
        page["next"].as_str().expect("there is a second message").to_owned()
    }

    /// What the member sends under the cell's name as its idempotency key.
    pub(super) fn keyed_message(&self) -> Json {
        json!({"room": self.room, "body": "only once"})
    }

    /// The member sends it first.
    pub(super) async fn send_keyed(&mut self) {
        let call = Call::post("/api/messages", self.keyed_message()).header("idempotency-key", &self.name);
        let response = self.send_as(2, &call).await;
        assert_eq!(response.status, 201, "{}", response.text());
        self.keyed = response.json()["id"].as_str().expect("a record has an id").to_owned();
    }

    pub(super) async fn send_as(&self, actor: usize, call: &Call) -> Response {
        let client = &self.people.clients[actor];
        let mut request = client.request(call.method, &call.path);
        for (name, value) in &call.query {
            request = request.query(name, value);
        }
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        if call.live {
            request.first_event().await
        } else {
            request.send().await
        }
    }

    /// What the actor sees.
    pub(super) async fn see(&self, call: &Call) -> Seen<'_> {
        let response = self.send_as(self.actor, call).await;
        Seen {
            world: self,
            status: response.status,
            body: response.json_or_null(),
        }
    }
}
