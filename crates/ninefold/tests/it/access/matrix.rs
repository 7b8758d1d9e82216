//! The table: every operation and every way to ask, for every kind of caller. Expectations are literal.

use serde_json::{Value as Json, json};

use super::world::{Call, Seen, World};

/// What a cell shows of an answer: its status, and what `show` makes of it when it is 2xx.
pub(super) struct Row {
    /// As the API's description names it, with the collection left open.
    pub(super) operation: &'static str,
    /// The parameter or header that is at stake.
    pub(super) way: &'static str,
    pub(super) what: &'static str,
    pub(super) call: fn(&World) -> Call,
    pub(super) show: fn(&Seen) -> String,
    /// For nobody, a stranger, a member, the owner, an administrator.
    pub(super) expected: [&'static str; 5],
}

const LIST: &str = "GET /api/{collection}";
const GET: &str = "GET /api/{collection}/{id}";
const CREATE: &str = "POST /api/{collection}";
const UPDATE: &str = "PATCH /api/{collection}/{id}";
const REPLACE: &str = "PUT /api/{collection}/{id}";
const DELETE: &str = "DELETE /api/{collection}/{id}";
const BATCH: &str = "POST /api/batch";

fn status(_: &Seen) -> String {
    String::new()
}

fn count(seen: &Seen) -> String {
    seen.body["items"]
        .as_array()
        .map_or("no items".into(), |items| items.len().to_string())
}

fn total(seen: &Seen) -> String {
    seen.body["total"].to_string()
}

fn notes(seen: &Seen) -> String {
    seen.body.get("notes").map_or("no notes".into(), Json::to_string)
}

fn members(seen: &Seen) -> String {
    seen.body["members"]
        .as_array()
        .map_or("no members".into(), |members| members.len().to_string())
}

/// Whether a relation came as a record or stayed an id.
fn form(value: &Json) -> String {
    if value.is_object() {
        "record".into()
    } else {
        "id".into()
    }
}

fn first_room(seen: &Seen) -> String {
    form(&seen.body["items"][0]["room"])
}

fn email(seen: &Seen) -> String {
    if seen.body.get("email").is_some() {
        "email".into()
    } else {
        "no email".into()
    }
}

fn room(world: &World) -> String {
    format!("/api/rooms/{}", world.room)
}

fn message(world: &World) -> String {
    format!("/api/messages/{}", world.message)
}

fn this_room(world: &World) -> String {
    format!("record.name == \"{}\"", world.name)
}

fn by_notice(world: &World) -> String {
    format!("record.id == \"{}\"", world.notice)
}

fn batch(operation: Json) -> Call {
    Call::post("/api/batch", json!({ "operations": [operation] }))
}

pub(super) const ROWS: &[Row] = &[
    // One record.
    Row {
        operation: GET,
        way: "plain",
        what: "a room",
        call: |w| Call::get(&room(w)),
        show: status,
        expected: ["401", "404", "200", "200", "200"],
    },
    Row {
        operation: GET,
        way: "plain",
        what: "a field with a rule of its own",
        call: |w| Call::get(&room(w)),
        show: notes,
        expected: ["401", "404", "200 no notes", "200 \"plans\"", "200 \"plans\""],
    },
    Row {
        operation: GET,
        way: "fields",
        what: "naming that field",
        call: |w| Call::get(&room(w)).query("fields", "id,notes"),
        show: notes,
        expected: ["401", "404", "200 no notes", "200 \"plans\"", "200 \"plans\""],
    },
    Row {
        operation: GET,
        way: "fields",
        what: "naming a private field",
        call: |w| Call::get(&room(w)).query("fields", "key"),
        show: status,
        expected: ["401", "400", "400", "400", "400"],
    },
    Row {
        operation: GET,
        way: "expand",
        what: "a room's members",
        call: |w| Call::get(&room(w)).query("expand", "members"),
        show: members,
        expected: ["401", "404", "200 2", "200 2", "200 2"],
    },
    Row {
        operation: GET,
        way: "expand",
        what: "a room that the caller may not read, from a public notice",
        call: |w| Call::get(&format!("/api/notices/{}", w.notice)).query("expand", "room"),
        show: |seen| form(&seen.body["room"]),
        expected: ["200 id", "200 id", "200 record", "200 record", "200 record"],
    },
    Row {
        operation: GET,
        way: "fields",
        what: "the same through a path of fields",
        call: |w| Call::get(&format!("/api/notices/{}", w.notice)).query("fields", "id,room.name"),
        show: |seen| form(&seen.body["room"]),
        expected: ["200 id", "200 id", "200 record", "200 record", "200 record"],
    },
    Row {
        operation: GET,
        way: "expand",
        what: "the notes of an expanded room",
        call: |w| Call::get(&format!("/api/notices/{}", w.notice)).query("expand", "room"),
        show: |seen| {
            seen.body["room"]
                .get("notes")
                .map_or("no notes".into(), Json::to_string)
        },
        expected: [
            "200 no notes",
            "200 no notes",
            "200 no notes",
            "200 \"plans\"",
            "200 \"plans\"",
        ],
    },
    Row {
        operation: GET,
        way: "plain",
        what: "a message, two relations from its rule",
        call: |w| Call::get(&message(w)),
        show: status,
        expected: ["401", "404", "200", "200", "200"],
    },
    Row {
        operation: GET,
        way: "plain",
        what: "a record that doesn't exist",
        call: |_| Call::get("/api/rooms/01890000-0000-7000-8000-000000000000"),
        show: status,
        expected: ["401", "404", "404", "404", "404"],
    },
    Row {
        operation: GET,
        way: "plain",
        what: "another user's address",
        call: |w| Call::get(&format!("/api/users/{}", w.owner)),
        show: email,
        expected: ["401", "200 no email", "200 no email", "200 email", "200 email"],
    },
    Row {
        operation: GET,
        way: "plain",
        what: "what a negated rule guards",
        call: |w| Call::get(&format!("/api/reviews/{}", w.review)),
        show: status,
        expected: ["401", "200", "200", "404", "200"],
    },
    Row {
        operation: GET,
        way: "If-None-Match",
        what: "whether it is there",
        call: |w| Call::get(&room(w)).header("if-none-match", "*"),
        show: status,
        expected: ["401", "404", "304", "304", "304"],
    },
    Row {
        operation: GET,
        way: "Accept",
        what: "a room, live",
        call: |w| Call::get(&room(w)).live(),
        show: |seen| form(&seen.body["item"]),
        expected: ["401", "404", "200 record", "200 record", "200 record"],
    },
    // Lists.
    Row {
        operation: LIST,
        way: "plain",
        what: "all reviews",
        call: |_| Call::get("/api/reviews").query("limit", "500"),
        show: |seen| (seen.body["items"].as_array().map_or(0, Vec::len) > 0).to_string(),
        expected: ["401", "200 true", "200 true", "200 false", "200 true"],
    },
    Row {
        operation: LIST,
        way: "filter",
        what: "a room by its name",
        call: |w| Call::get("/api/rooms").query("filter", &this_room(w)),
        show: count,
        expected: ["401", "200 0", "200 1", "200 1", "200 1"],
    },
    Row {
        operation: LIST,
        way: "filter",
        what: "by a field that some may not read",
        call: |w| Call::get("/api/rooms").query("filter", &format!("{} && record.notes == \"plans\"", this_room(w))),
        show: count,
        expected: ["401", "200 0", "200 0", "200 1", "200 1"],
    },
    Row {
        operation: LIST,
        way: "filter",
        what: "the complement: a hidden field is null",
        call: |w| Call::get("/api/rooms").query("filter", &format!("{} && record.notes == null", this_room(w))),
        show: count,
        expected: ["401", "200 0", "200 1", "200 0", "200 0"],
    },
    Row {
        operation: LIST,
        way: "filter",
        what: "by a private field",
        call: |_| Call::get("/api/rooms").query("filter", "record.key == \"k\""),
        show: status,
        expected: ["401", "400", "400", "400", "400"],
    },
    Row {
        operation: LIST,
        way: "filter",
        what: "public notices by the name of a hidden room",
        call: |w| Call::get("/api/notices").query("filter", &format!("record.room.name == \"{}\"", w.name)),
        show: count,
        expected: ["200 0", "200 0", "200 1", "200 1", "200 1"],
    },
    Row {
        operation: LIST,
        way: "filter",
        what: "the complement through a hidden room",
        call: |w| {
            Call::get("/api/notices").query(
                "filter",
                &format!("{} && record.room.name != \"{}\"", by_notice(w), "x"),
            )
        },
        show: count,
        expected: ["200 0", "200 0", "200 1", "200 1", "200 1"],
    },
    Row {
        operation: LIST,
        way: "filter",
        what: "by the members of a hidden room",
        call: |w| {
            Call::get("/api/notices").query(
                "filter",
                &format!("{} && \"{}\" in record.room.members", by_notice(w), w.owner),
            )
        },
        show: count,
        expected: ["200 0", "200 0", "200 1", "200 1", "200 1"],
    },
    Row {
        operation: LIST,
        way: "filter",
        what: "users by an address",
        call: |w| Call::get("/api/users").query("filter", &format!("record.email == \"{}\"", w.owner_email)),
        show: count,
        expected: ["401", "200 0", "200 0", "200 1", "200 1"],
    },
    Row {
        operation: LIST,
        way: "count",
        what: "how many",
        call: |w| {
            Call::get("/api/rooms")
                .query("filter", &this_room(w))
                .query("count", "true")
        },
        show: total,
        expected: ["401", "200 0", "200 1", "200 1", "200 1"],
    },
    Row {
        operation: LIST,
        way: "count",
        what: "how many notices are about a hidden room",
        call: |w| {
            Call::get("/api/notices")
                .query("filter", &format!("record.room.name == \"{}\"", w.name))
                .query("count", "true")
        },
        show: total,
        expected: ["200 0", "200 0", "200 1", "200 1", "200 1"],
    },
    Row {
        operation: LIST,
        way: "sort",
        what: "messages by their room",
        call: |w| {
            Call::get("/api/messages")
                .query("filter", &format!("record.room == \"{}\"", w.room))
                .query("sort", "room.name,-sent")
        },
        show: count,
        expected: ["401", "200 0", "200 2", "200 2", "200 2"],
    },
    Row {
        operation: LIST,
        way: "sort",
        what: "notices by the name of a hidden room: it sorts as null does",
        call: |w| {
            Call::get("/api/notices")
                .query(
                    "filter",
                    &format!("record.id in [\"{}\", \"{}\"]", w.notice, w.open_notice),
                )
                .query("sort", "room.name")
        },
        show: |seen| seen.body["items"][0]["text"].to_string(),
        expected: [
            "200 \"about the room\"",
            "200 \"about the room\"",
            "200 \"about an open room\"",
            "200 \"about an open room\"",
            "200 \"about an open room\"",
        ],
    },
    Row {
        operation: LIST,
        way: "sort",
        what: "by a private field",
        call: |_| Call::get("/api/rooms").query("sort", "key"),
        show: status,
        expected: ["401", "400", "400", "400", "400"],
    },
    Row {
        operation: LIST,
        way: "fields",
        what: "a field with a rule of its own",
        call: |w| {
            Call::get("/api/rooms")
                .query("filter", &this_room(w))
                .query("fields", "id,notes")
        },
        show: |seen| {
            seen.body["items"][0]
                .get("notes")
                .map_or("no notes".into(), Json::to_string)
        },
        expected: ["401", "200 no notes", "200 no notes", "200 \"plans\"", "200 \"plans\""],
    },
    Row {
        operation: LIST,
        way: "expand",
        what: "hidden rooms from public notices",
        call: |w| {
            Call::get("/api/notices")
                .query("filter", &by_notice(w))
                .query("expand", "room")
        },
        show: first_room,
        expected: ["200 id", "200 id", "200 record", "200 record", "200 record"],
    },
    Row {
        operation: LIST,
        way: "limit",
        what: "a short page",
        call: |w| {
            Call::get("/api/messages")
                .query("filter", &format!("record.room == \"{}\"", w.room))
                .query("limit", "1")
        },
        show: |seen| {
            format!(
                "{} {}",
                count(seen),
                if seen.body["next"].is_null() { "end" } else { "more" }
            )
        },
        expected: ["401", "200 0 end", "200 1 more", "200 1 more", "200 1 more"],
    },
    Row {
        operation: LIST,
        way: "cursor",
        what: "the member's cursor",
        call: |w| {
            Call::get("/api/messages")
                .query("filter", &format!("record.room == \"{}\"", w.room))
                .query("limit", "1")
                .query("cursor", &w.member_cursor)
        },
        show: count,
        expected: ["401", "400", "200 1", "400", "400"],
    },
    Row {
        operation: LIST,
        way: "Accept",
        what: "rooms, live",
        call: |w| Call::get("/api/rooms").query("filter", &this_room(w)).live(),
        show: count,
        expected: ["401", "200 0", "200 1", "200 1", "200 1"],
    },
    // Creates.
    Row {
        operation: CREATE,
        way: "plain",
        what: "a room of one's own",
        call: |w| Call::post("/api/rooms", json!({"name": "new", "members": [w.me]})),
        show: status,
        expected: ["401", "201", "201", "201", "422"],
    },
    Row {
        operation: CREATE,
        way: "plain",
        what: "a room in the owner's name",
        call: |w| {
            Call::post(
                "/api/rooms",
                json!({"name": "new", "owner": w.owner, "members": [w.owner]}),
            )
        },
        show: status,
        expected: ["401", "403", "403", "201", "201"],
    },
    Row {
        operation: CREATE,
        way: "plain",
        what: "a room that its maker can't read",
        call: |w| Call::post("/api/rooms", json!({"name": "new", "owner": w.me_or_owner})),
        show: status,
        expected: ["401", "204", "204", "204", "201"],
    },
    Row {
        operation: CREATE,
        way: "plain",
        what: "a message of one's own",
        call: |w| Call::post("/api/messages", json!({"room": w.room, "body": "hi"})),
        show: status,
        expected: ["401", "422", "201", "201", "422"],
    },
    Row {
        operation: CREATE,
        way: "plain",
        what: "a message in the owner's name",
        call: |w| {
            Call::post(
                "/api/messages",
                json!({"room": w.room, "author": w.owner, "body": "hi"}),
            )
        },
        show: status,
        expected: ["401", "422", "403", "201", "201"],
    },
    Row {
        operation: CREATE,
        way: "plain",
        what: "two at once, one of them forbidden",
        call: |w| {
            Call::post(
                "/api/messages",
                json!([{"room": w.room, "body": "hi"}, {"room": w.room, "author": w.owner, "body": "hi"}]),
            )
        },
        show: status,
        expected: ["401", "422", "403", "201", "422"],
    },
    Row {
        operation: CREATE,
        way: "plain",
        what: "where no rule lets anyone",
        call: |w| Call::post("/api/notices", json!({"text": "x", "room": w.room})),
        show: status,
        expected: ["401", "403", "403", "403", "201"],
    },
    Row {
        operation: CREATE,
        way: "plain",
        what: "a user past sign-up",
        call: |w| {
            Call::post(
                "/api/users",
                json!({"name": "x", "email": format!("{}@new.example", w.name)}),
            )
        },
        show: status,
        expected: ["401", "403", "403", "403", "201"],
    },
    Row {
        operation: CREATE,
        way: "fields",
        what: "what comes back of it",
        call: |w| {
            Call::post(
                "/api/messages",
                json!({"room": w.room, "author": w.me_or_owner, "body": "hi"}),
            )
            .query("fields", "body")
        },
        show: |seen| seen.body.as_object().map_or(0, serde_json::Map::len).to_string(),
        expected: ["401", "422", "201 1", "201 1", "201 1"],
    },
    Row {
        operation: CREATE,
        way: "expand",
        what: "what comes back with it",
        call: |w| {
            Call::post(
                "/api/messages",
                json!({"room": w.room, "author": w.me_or_owner, "body": "hi"}),
            )
            .query("expand", "room")
        },
        show: |seen| form(&seen.body["room"]),
        expected: ["401", "422", "201 record", "201 record", "201 record"],
    },
    Row {
        operation: CREATE,
        way: "Idempotency-Key",
        what: "under the key of the member's message",
        call: |w| Call::post("/api/messages", w.keyed_message()).header("idempotency-key", &w.name),
        show: |seen| {
            seen.body["id"]
                .as_str()
                .map_or(
                    "no id",
                    |id| if id == seen.world.keyed { "the same" } else { "another" },
                )
                .into()
        },
        expected: ["401", "422", "201 the same", "201 another", "422"],
    },
    // Updates.
    Row {
        operation: UPDATE,
        way: "plain",
        what: "a room's name",
        call: |w| Call::patch(&room(w), json!({"name": w.name})),
        show: status,
        expected: ["401", "404", "200", "200", "200"],
    },
    Row {
        operation: UPDATE,
        way: "plain",
        what: "a field with a write rule of its own",
        call: |w| Call::patch(&room(w), json!({"notes": "mine"})),
        show: status,
        expected: ["401", "404", "403", "200", "200"],
    },
    Row {
        operation: UPDATE,
        way: "plain",
        what: "oneself into the members",
        call: |w| Call::patch(&room(w), json!({"members": {"add": [w.me_or_owner]}})),
        show: status,
        expected: ["401", "404", "200", "200", "200"],
    },
    Row {
        operation: UPDATE,
        way: "plain",
        what: "oneself out of the members: the result must obey too",
        call: |w| Call::patch(&room(w), json!({"members": {"remove": [w.me_or_owner]}})),
        show: status,
        expected: ["401", "404", "403", "403", "200"],
    },
    Row {
        operation: UPDATE,
        way: "plain",
        what: "the owner's message",
        call: |w| Call::patch(&message(w), json!({"body": "edited"})),
        show: status,
        expected: ["401", "404", "403", "200", "200"],
    },
    Row {
        operation: UPDATE,
        way: "plain",
        what: "what never changes",
        call: |w| Call::patch(&message(w), json!({"author": w.member})),
        show: status,
        expected: ["401", "404", "403", "422", "422"],
    },
    Row {
        operation: UPDATE,
        way: "plain",
        what: "another user",
        call: |w| Call::patch(&format!("/api/users/{}", w.owner), json!({"name": "x"})),
        show: status,
        expected: ["401", "403", "403", "200", "200"],
    },
    Row {
        operation: UPDATE,
        way: "plain",
        what: "one's own roles",
        call: |w| {
            Call::patch(
                &format!("/api/users/{}", w.me_or_owner),
                json!({"roles": ["moderator"]}),
            )
        },
        show: status,
        expected: ["401", "403", "403", "403", "200"],
    },
    Row {
        operation: UPDATE,
        way: "plain",
        what: "one's own version",
        call: |w| Call::patch(&format!("/api/users/{}", w.me_or_owner), json!({"version": 7})),
        show: status,
        expected: ["401", "422", "422", "422", "422"],
    },
    Row {
        operation: UPDATE,
        way: "plain",
        what: "what a negated rule guards",
        call: |w| Call::patch(&format!("/api/reviews/{}", w.review), json!({"text": "edited"})),
        show: status,
        expected: ["401", "200", "200", "404", "200"],
    },
    Row {
        operation: UPDATE,
        way: "plain",
        what: "oneself into what a negated rule guards",
        call: |w| Call::patch(&format!("/api/reviews/{}", w.review), json!({"author": w.me_or_owner})),
        show: status,
        expected: ["401", "403", "403", "404", "200"],
    },
    Row {
        operation: UPDATE,
        way: "fields",
        what: "what comes back of it",
        call: |w| Call::patch(&room(w), json!({"name": w.name})).query("fields", "id,notes"),
        show: notes,
        expected: ["401", "404", "200 no notes", "200 \"plans\"", "200 \"plans\""],
    },
    Row {
        operation: UPDATE,
        way: "expand",
        what: "what comes back with it",
        call: |w| Call::patch(&room(w), json!({"name": w.name})).query("expand", "members"),
        show: members,
        expected: ["401", "404", "200 2", "200 2", "200 2"],
    },
    Row {
        operation: UPDATE,
        way: "If-Match",
        what: "a version that never was",
        call: |w| Call::patch(&room(w), json!({"name": w.name})).header("if-match", "\"999\""),
        show: status,
        expected: ["401", "404", "412", "412", "412"],
    },
    Row {
        operation: UPDATE,
        way: "If-Match",
        what: "the version that is",
        call: |w| Call::patch(&room(w), json!({"name": w.name})).header("if-match", "\"1\""),
        show: status,
        expected: ["401", "404", "200", "200", "200"],
    },
    Row {
        operation: UPDATE,
        way: "Idempotency-Key",
        what: "with a key",
        call: |w| Call::patch(&room(w), json!({"name": w.name})).header("idempotency-key", "once"),
        show: status,
        expected: ["401", "404", "200", "200", "200"],
    },
    // Replacements and upserts.
    Row {
        operation: REPLACE,
        way: "plain",
        what: "a room",
        call: |w| Call::put(&room(w), json!({"name": w.name, "members": [w.member, w.owner]})),
        show: status,
        expected: ["401", "404", "200", "200", "200"],
    },
    Row {
        operation: REPLACE,
        way: "plain",
        what: "a room, which keeps what its caller may not write",
        call: |w| Call::put(&room(w), json!({"name": w.name, "members": [w.member, w.owner]})),
        show: notes,
        expected: ["401", "404", "200 no notes", "200 \"plans\"", "200 null"],
    },
    Row {
        operation: REPLACE,
        way: "plain",
        what: "the owner's message",
        call: |w| Call::put(&message(w), json!({"room": w.room, "body": "mine"})),
        show: status,
        expected: ["401", "404", "403", "200", "200"],
    },
    Row {
        operation: REPLACE,
        way: "plain",
        what: "nothing yet: it is created",
        call: |w| {
            Call::put(
                &format!("/api/rooms/{}", w.fresh),
                json!({"name": "new", "members": [w.me]}),
            )
        },
        show: status,
        expected: ["401", "201", "201", "201", "422"],
    },
    Row {
        operation: REPLACE,
        way: "plain",
        what: "nothing yet, in the owner's name",
        call: |w| {
            Call::put(
                &format!("/api/rooms/{}", w.fresh),
                json!({"name": "new", "owner": w.owner, "members": [w.owner]}),
            )
        },
        show: status,
        expected: ["401", "403", "403", "201", "201"],
    },
    Row {
        operation: REPLACE,
        way: "If-None-Match",
        what: "only if nothing is there",
        call: |w| {
            Call::put(
                &room(w),
                json!({"name": w.name, "owner": w.me_or_owner, "members": [w.owner]}),
            )
            .header("if-none-match", "*")
        },
        show: status,
        expected: ["401", "404", "412", "412", "412"],
    },
    Row {
        operation: REPLACE,
        way: "If-Match",
        what: "a version that never was",
        call: |w| {
            Call::put(&room(w), json!({"name": w.name, "members": [w.member, w.owner]})).header("if-match", "\"999\"")
        },
        show: status,
        expected: ["401", "404", "412", "412", "412"],
    },
    Row {
        operation: REPLACE,
        way: "fields",
        what: "what comes back of it",
        call: |w| Call::put(&room(w), json!({"name": w.name, "members": [w.member, w.owner]})).query("fields", "name"),
        show: |seen| seen.body.as_object().map_or(0, serde_json::Map::len).to_string(),
        expected: ["401", "404", "200 1", "200 1", "200 1"],
    },
    Row {
        operation: REPLACE,
        way: "expand",
        what: "what comes back with it",
        call: |w| {
            Call::put(&room(w), json!({"name": w.name, "members": [w.member, w.owner]})).query("expand", "members")
        },
        show: members,
        expected: ["401", "404", "200 2", "200 2", "200 2"],
    },
    Row {
        operation: REPLACE,
        way: "Idempotency-Key",
        what: "with a key",
        call: |w| {
            Call::put(&room(w), json!({"name": w.name, "members": [w.member, w.owner]}))
                .header("idempotency-key", "once")
        },
        show: status,
        expected: ["401", "404", "200", "200", "200"],
    },
    // Deletes.
    Row {
        operation: DELETE,
        way: "plain",
        what: "a room",
        call: |w| Call::delete(&room(w)),
        show: status,
        expected: ["401", "404", "403", "204", "204"],
    },
    Row {
        operation: DELETE,
        way: "plain",
        what: "the owner's message",
        call: |w| Call::delete(&message(w)),
        show: status,
        expected: ["401", "404", "403", "204", "204"],
    },
    Row {
        operation: DELETE,
        way: "plain",
        what: "where no rule lets anyone",
        call: |w| Call::delete(&format!("/api/notices/{}", w.notice)),
        show: status,
        expected: ["401", "403", "403", "403", "204"],
    },
    Row {
        operation: DELETE,
        way: "plain",
        what: "a user who owns rooms",
        call: |w| Call::delete(&format!("/api/users/{}", w.owner)),
        show: status,
        expected: ["401", "403", "403", "409", "409"],
    },
    Row {
        operation: DELETE,
        way: "If-Match",
        what: "a version that never was",
        call: |w| Call::delete(&room(w)).header("if-match", "\"999\""),
        show: status,
        expected: ["401", "404", "403", "412", "412"],
    },
    Row {
        operation: DELETE,
        way: "Idempotency-Key",
        what: "with a key",
        call: |w| Call::delete(&room(w)).header("idempotency-key", "once"),
        show: status,
        expected: ["401", "404", "403", "204", "204"],
    },
    // Batches.
    Row {
        operation: BATCH,
        way: "plain",
        what: "a create",
        call: |w| {
            batch(
                json!({"op": "create", "collection": "rooms", "data": {"name": "new", "owner": w.owner, "members": [w.owner]}}),
            )
        },
        show: status,
        expected: ["401", "403", "403", "200", "200"],
    },
    Row {
        operation: BATCH,
        way: "plain",
        what: "an update",
        call: |w| batch(json!({"op": "update", "collection": "rooms", "id": w.room, "data": {"notes": "mine"}})),
        show: status,
        expected: ["401", "404", "403", "200", "200"],
    },
    Row {
        operation: BATCH,
        way: "plain",
        what: "an upsert of the owner's message",
        call: |w| {
            batch(
                json!({"op": "upsert", "collection": "messages", "id": w.message, "data": {"room": w.room, "body": "mine"}}),
            )
        },
        show: status,
        expected: ["401", "404", "403", "200", "200"],
    },
    Row {
        operation: BATCH,
        way: "plain",
        what: "a delete",
        call: |w| batch(json!({"op": "delete", "collection": "rooms", "id": w.room})),
        show: status,
        expected: ["401", "404", "403", "200", "200"],
    },
    Row {
        operation: BATCH,
        way: "Idempotency-Key",
        what: "with a key",
        call: |w| batch(json!({"op": "delete", "collection": "rooms", "id": w.room})).header("idempotency-key", "once"),
        show: status,
        expected: ["401", "404", "403", "200", "200"],
    },
];
