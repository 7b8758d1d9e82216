//! Attacks, by name.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::SCHEMA;
use super::world::{Call, People, World};
use crate::app::Response;

const NOBODY: usize = 0;
const STRANGER: usize = 1;
const MEMBER: usize = 2;
const OWNER: usize = 3;
const ADMINISTRATOR: usize = 4;

async fn world(actor: usize) -> World {
    World::new(&People::meet(SCHEMA).await, actor).await
}

impl World {
    async fn tries(&self, call: Call) -> Response {
        self.send_as(self.actor, &call).await
    }

    #[track_caller]
    fn refused(response: &Response, status: u16, code: &str) {
        assert_eq!(
            (response.status, response.json()["code"].as_str()),
            (status, Some(code)),
            "{}",
            response.text()
        );
    }

    async fn as_administrator(&self, path: &str) -> Json {
        self.send_as(ADMINISTRATOR, &Call::get(path)).await.json()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_out_of_a_list_what_he_does_not_see() {
    let world = world(STRANGER).await;
    let own = json!({"name": "mine", "members": [world.me]});
    let own = world.tries(Call::post("/api/rooms", own)).await.json()["id"].clone();
    let shelf = json!({"name": "both", "rooms": [world.room, own]});
    let shelf = world.send_as(ADMINISTRATOR, &Call::post("/api/shelves", shelf)).await;
    let path = format!("/api/shelves/{}", shelf.json()["id"].as_str().expect("an id"));
    let step = json!({"op": "update", "collection": "shelves", "id": shelf.json()["id"], "data": {"rooms": []}});
    for call in [
        Call::patch(&path, json!({"rooms": []})),
        Call::patch(&path, json!({"rooms": null})),
        Call::put(&path, json!({"name": "both", "rooms": []})),
        Call::put(&path, json!({"name": "both"})),
        Call::post("/api/batch", json!({"operations": [step]})),
    ] {
        let put_back = Call::patch(&path, json!({"rooms": {"add": [own]}}));
        assert_eq!(world.send_as(STRANGER, &put_back).await.status, 200);
        let answer = world.tries(call).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let left = world.as_administrator(&format!("{path}?fields=rooms")).await;
        assert_eq!(left["rooms"], json!([world.room]), "his own is out, the other is not");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_does_not_patch_himself_into_the_members() {
    let world = world(STRANGER).await;
    let room = format!("/api/rooms/{}", world.room);
    let members = json!([world.me, world.member, world.owner]);
    let add = json!({"members": {"add": [world.me]}});
    let step = json!({"op": "update", "collection": "rooms", "id": world.room, "data": add});
    for call in [
        Call::patch(&room, add.clone()),
        Call::patch(&room, json!({"members": members})),
        Call::put(&room, json!({"name": world.name, "members": members})),
        Call::post("/api/batch", json!({"operations": [step]})),
    ] {
        World::refused(&world.tries(call).await, 404, "not_found");
    }
    let room = world.as_administrator(&format!("{room}?fields=members")).await;
    assert_eq!(room["members"].as_array().map(Vec::len), Some(2), "{room}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_negated_rule_grants_nothing_to_nobody() {
    let world = world(NOBODY).await;
    let unsigned = json!({"text": "by no one"});
    assert_eq!(
        world
            .send_as(ADMINISTRATOR, &Call::post("/api/reviews", unsigned))
            .await
            .status,
        201
    );
    World::refused(&world.tries(Call::get("/api/reviews")).await, 401, "unauthenticated");
    let review = format!("/api/reviews/{}", world.review);
    World::refused(&world.tries(Call::get(&review)).await, 401, "unauthenticated");
    World::refused(
        &world.tries(Call::patch(&review, json!({"text": "x"}))).await,
        401,
        "unauthenticated",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_does_not_probe_what_its_caller_may_not_read() {
    let world = world(MEMBER).await;
    let this = format!("record.id == \"{}\"", world.room);
    for probe in [
        "record.notes.startsWith(\"p\")",
        "record.notes != null",
        "record.notes > \"a\"",
        "size(record.notes) == 5",
        "has(record.notes)",
        "!(record.notes == null)",
        "record.messages.exists(m, m.room.notes == \"plans\")",
        "record.messages.exists(m, m.author.email.contains(\"owner\"))",
        "record.members.exists(u, u.email.startsWith(\"owner\"))",
    ] {
        let call = Call::get("/api/rooms").query("filter", &format!("{this} && ({probe})"));
        let seen = world.tries(call).await;
        assert_eq!((seen.status, &seen.json()["items"]), (200, &json!([])), "{probe}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_sort_or_expansion_does_not_pass_through_an_unreadable_relation() {
    let world = world(STRANGER).await;
    let this = format!("record.id == \"{}\"", world.notice);
    for probe in [
        "record.room.name.startsWith(\"den\")",
        "record.room.name != \"x\"",
        "record.room.owner != null",
        "record.room.messages.exists(m, m.body == \"hello\")",
        "record.room.messages.size() > 0",
        "record.room.members.exists(u, u.name != \"\")",
        "!record.room.messages.all(m, m.body == \"x\")",
    ] {
        let call = Call::get("/api/notices").query("filter", &format!("{this} && {probe}"));
        let seen = world.tries(call).await;
        assert_eq!((seen.status, &seen.json()["items"]), (200, &json!([])), "{probe}");
    }
    let expand = Call::get("/api/notices")
        .query("filter", &this)
        .query("expand", "room.messages.author");
    let seen = world.tries(expand).await.json();
    assert_eq!(seen["items"][0]["room"], json!(world.room), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upsert_does_not_take_over_a_record_of_another() {
    let world = world(MEMBER).await;
    let path = format!("/api/messages/{}", world.message);
    let theft = json!({"room": world.room, "author": world.me, "body": "mine now"});
    World::refused(&world.tries(Call::put(&path, theft.clone())).await, 403, "forbidden");
    let step = json!({"op": "upsert", "collection": "messages", "id": world.message, "data": theft});
    let batch = Call::post("/api/batch", json!({"operations": [step]}));
    World::refused(&world.tries(batch).await, 403, "forbidden");
    let mut taken = theft.clone();
    taken["id"] = json!(world.message);
    assert_eq!(world.tries(Call::post("/api/messages", taken)).await.status, 409);
    let message = world.as_administrator(&path).await;
    assert_eq!(
        (&message["author"], &message["body"]),
        (&json!(world.owner), &json!("hello"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_keeps_nothing_of_what_it_did_when_a_later_step_is_refused() {
    let world = world(MEMBER).await;
    let steps = json!({"operations": [
        {"op": "create", "collection": "messages", "data": {"room": world.room, "body": "first"}},
        {"op": "update", "collection": "messages", "id": world.message, "data": {"body": "taken over"}},
    ]});
    let refused = world.tries(Call::post("/api/batch", steps)).await;
    World::refused(&refused, 403, "forbidden");
    let list = format!(
        "/api/messages?filter=record.room%20%3D%3D%20%22{}%22&count=true",
        world.room
    );
    assert_eq!(world.as_administrator(&list).await["total"], json!(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_gains_no_right_halfway_that_its_caller_could_not_gain_alone() {
    let world = world(MEMBER).await;
    for first in [
        json!({"op": "update", "collection": "users", "id": world.me, "data": {"roles": ["moderator"]}}),
        json!({"op": "update", "collection": "messages", "id": world.message, "data": {"author": world.me}}),
    ] {
        let delete = json!({"op": "delete", "collection": "messages", "id": world.message});
        let batch = Call::post("/api/batch", json!({"operations": [first, delete]}));
        World::refused(&world.tries(batch).await, 403, "forbidden");
    }
    assert_eq!(
        world
            .as_administrator(&format!("/api/messages/{}", world.message))
            .await["body"],
        json!("hello")
    );
    // What it does gain by an allowed step counts from the next on: rules are judged in order.
    let steps = json!({"operations": [
        {"op": "create", "collection": "rooms", "as": "r", "data": {"name": "own", "members": [world.me]}},
        {"op": "create", "collection": "messages", "data": {"room": {"$ref": "r.id"}, "body": "first here"}},
    ]});
    assert_eq!(world.tries(Call::post("/api/batch", steps)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_assigns_himself_what_only_the_server_or_an_administrator_sets() {
    let world = world(OWNER).await;
    let me = format!("/api/users/{}", world.me);
    let before = world.as_administrator(&me).await;
    for (field, value, status, code) in [
        ("roles", json!(["moderator"]), 403, "forbidden"),
        ("verified", json!(true), 403, "forbidden"),
        ("email", json!("other@example.com"), 403, "forbidden"),
        ("version", json!(99), 422, "invalid"),
        ("created", json!("2020-01-01T00:00:00Z"), 422, "invalid"),
        ("updated", json!("2020-01-01T00:00:00Z"), 422, "invalid"),
    ] {
        for call in [
            Call::patch(&me, json!({field: value})),
            Call::put(&me, json!({"name": "owner", field: value})),
            Call::post(
                "/api/batch",
                json!({"operations": [{"op": "update", "collection": "users", "id": world.me, "data": {field: value}}]}),
            ),
        ] {
            World::refused(&world.tries(call).await, status, code);
        }
    }
    assert_eq!(world.as_administrator(&me).await, before);
    for (field, value) in [
        ("roles", json!(["moderator"])),
        ("verified", json!(true)),
        ("version", json!(99)),
    ] {
        let sign_up =
            json!({"email": "eve@example.com", "password": "correct horse battery", "name": "Eve", field: value});
        let refused = world.send_as(NOBODY, &Call::post("/auth/sign-up", sign_up)).await;
        assert!(
            matches!(refused.status, 403 | 422),
            "{field}: {} {}",
            refused.status,
            refused.text()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_serves_only_the_question_and_the_caller_it_was_made_for() {
    let world = world(MEMBER).await;
    let page = |filter: &str, sort: &str, cursor: &str| {
        let call = Call::get("/api/messages")
            .query("filter", filter)
            .query("limit", "1")
            .query("cursor", cursor);
        if sort.is_empty() {
            call
        } else {
            call.query("sort", sort)
        }
    };
    let filter = format!("record.room == \"{}\"", world.room);
    let cursor = &world.member_cursor;
    assert_eq!(world.tries(page(&filter, "", cursor)).await.status, 200);
    World::refused(&world.tries(page("true", "", cursor)).await, 400, "bad_request");
    World::refused(&world.tries(page(&filter, "-sent", cursor)).await, 400, "bad_request");
    World::refused(
        &world.send_as(OWNER, &page(&filter, "", cursor)).await,
        400,
        "bad_request",
    );
    let mut forged = cursor.clone().into_bytes();
    if let Some(last) = forged.last_mut() {
        *last = if *last == b'A' { b'E' } else { b'A' };
    }
    let forged = String::from_utf8(forged).expect("base64 is ASCII");
    World::refused(&world.tries(page(&filter, "", &forged)).await, 400, "bad_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_of_another_principal_is_another_key() {
    let people = People::meet(SCHEMA).await;
    let mut world = World::new(&people, OWNER).await;
    world.send_keyed().await;
    let again = Call::post("/api/messages", world.keyed_message()).header("idempotency-key", &world.name);
    let mine = world.tries(again.clone()).await;
    assert_eq!(mine.status, 201);
    assert_ne!(mine.json()["id"], json!(world.keyed));
    let replayed = world.send_as(MEMBER, &again).await;
    assert_eq!((replayed.status, &replayed.json()["id"]), (201, &json!(world.keyed)));
    let other = Call::post("/api/messages", json!({"room": world.room, "body": "other"}))
        .header("idempotency-key", &world.name);
    World::refused(&world.send_as(MEMBER, &other).await, 422, "idempotency_mismatch");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_shows_nothing_to_who_lost_the_right_meanwhile() {
    let people: Arc<People> = People::meet(SCHEMA).await;
    let mut world = World::new(&people, MEMBER).await;
    world.send_keyed().await;
    let leave = json!({"members": {"remove": [world.me]}});
    let left = world
        .send_as(OWNER, &Call::patch(&format!("/api/rooms/{}", world.room), leave))
        .await;
    assert_eq!(left.status, 200, "{}", left.text());
    let again = Call::post("/api/messages", world.keyed_message()).header("idempotency-key", &world.name);
    let replayed = world.tries(again).await;
    assert_eq!((replayed.status, replayed.text()), (204, String::new()));
}
