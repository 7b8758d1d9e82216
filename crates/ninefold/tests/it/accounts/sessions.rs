//! Tokens: renewed, raced for, stolen and taken away.

use engine::ErrorCode;
use engine::access::Principal;
use engine::operations::Action;
use futures::future::join_all;
use serde_json::json;

use super::house::{House, PASSWORD, email, visitor};

const DAY_S: u64 = 86_400;

#[tokio::test(flavor = "multi_thread")]
async fn fifty_refreshes_at_once_leave_one_family_and_nobody_out() {
    let house = House::new().await;
    let ana = house.sign_up("ana").await;
    let refreshed = join_all((0..50).map(|_| house.refresh(&ana.refresh_token))).await;
    let all: Vec<_> = refreshed.into_iter().map(|one| one.expect("refreshed")).collect();
    assert!(
        all.iter().all(|one| one.refresh_token == all[0].refresh_token),
        "one child for all"
    );
    assert_ne!(all[0].refresh_token, ana.refresh_token);
    for one in &all {
        house.authenticate(one).await.expect("signed in");
    }
    assert_eq!(house.sessions(&ana).await, 1);
    house.refresh(&all[0].refresh_token).await.expect("the family lives on");
    house.close().await;
}

#[tokio::test]
async fn the_direct_parent_is_a_race_for_ten_seconds() {
    let house = House::new().await;
    let ana = house.sign_up("ana").await;
    let child = house.refresh(&ana.refresh_token).await.expect("refreshed");
    house.advance(10).await;
    let again = house.refresh(&ana.refresh_token).await.expect("still a race");
    assert_eq!(again.refresh_token, child.refresh_token);
    house.authenticate(&child).await.expect("signed in, and known to be");
    house.advance(1).await;
    let late = house.refresh(&ana.refresh_token).await.expect_err("a copy");
    assert_eq!(late.code, ErrorCode::Unauthenticated);
    assert!(late.message.contains("used before"), "{}", late.message);
    house
        .refresh(&child.refresh_token)
        .await
        .expect_err("the whole family is dead");
    house
        .authenticate(&child)
        .await
        .expect_err("its access tokens as well, at once");
    house.close().await;
}

#[tokio::test]
async fn a_grandparent_is_a_thief_at_once() {
    let house = House::new().await;
    let ana = house.sign_up("ana").await;
    let elsewhere = house.sign_in(&email("ana"), PASSWORD).await.expect("signed in");
    let child = house.refresh(&ana.refresh_token).await.expect("refreshed");
    let grandchild = house.refresh(&child.refresh_token).await.expect("refreshed");
    house
        .authenticate(&grandchild)
        .await
        .expect("signed in, and known to be");
    house.refresh(&ana.refresh_token).await.expect_err("a copy");
    house.refresh(&grandchild.refresh_token).await.expect_err("dead");
    house.authenticate(&grandchild).await.expect_err("dead");
    house
        .refresh(&elsewhere.refresh_token)
        .await
        .expect("another session lives on");
    house.close().await;
}

#[tokio::test]
async fn a_forged_token_touches_nothing() {
    let house = House::new().await;
    let ana = house.sign_up("ana").await;
    let child = house.refresh(&ana.refresh_token).await.expect("refreshed");
    let mut forged = ana.refresh_token.clone();
    let last = forged.pop().expect("not empty");
    forged.push(if last == 'A' { 'E' } else { 'A' });
    for token in [forged.as_str(), "", "nfr_", "nfr_AAAA", &child.access_token] {
        let refused = house.refresh(token).await.expect_err("not ours");
        assert_eq!(refused.code, ErrorCode::Unauthenticated);
    }
    house.refresh(&child.refresh_token).await.expect("the family lives on");
    house.close().await;
}

#[tokio::test]
async fn sessions_end_by_idling_and_by_age() {
    let house = House::with(super::house::SCHEMA, |config| {
        config.session_s = 30 * DAY_S as u32;
        config.session_idle_s = 14 * DAY_S as u32;
    })
    .await;
    let idle = house.sign_up("idle").await;
    let mut busy = house.sign_up("busy").await;
    for _ in 0..2 {
        house.advance(13 * DAY_S).await;
        busy = house.refresh(&busy.refresh_token).await.expect("not idle");
    }
    house.refresh(&idle.refresh_token).await.expect_err("idle for too long");
    house.advance(4 * DAY_S - 1).await;
    busy = house.refresh(&busy.refresh_token).await.expect("not yet that old");
    house.authenticate(&busy).await.expect("signed in");
    house.advance(1).await;
    house.refresh(&busy.refresh_token).await.expect_err("thirty days old");
    house
        .authenticate(&busy)
        .await
        .expect_err("and so are its access tokens");
    house.close().await;
}

#[tokio::test]
async fn an_access_token_expires() {
    let house = House::new().await;
    let ana = house.sign_up("ana").await;
    house.advance(899).await;
    house.authenticate(&ana).await.expect("good for 15 minutes");
    house.advance(1).await;
    let refused = house.authenticate(&ana).await.expect_err("and no longer");
    assert_eq!(refused.code, ErrorCode::Unauthenticated);
    assert!(refused.message.contains("expired"), "{}", refused.message);
    house.close().await;
}

#[tokio::test]
async fn what_is_no_token_of_ours_is_refused() {
    let (house, other) = (House::new().await, House::new().await);
    let (ana, stranger) = (house.sign_up("ana").await, other.sign_up("ana").await);
    let parts: Vec<_> = ana.access_token.split('.').collect();
    let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", parts[1]);
    let swapped = format!(
        "{}.{}.{}",
        parts[0],
        stranger.access_token.split('.').nth(1).expect("claims"),
        parts[2]
    );
    for token in [
        "",
        "x",
        "a.b.c",
        &unsigned,
        &swapped,
        &stranger.access_token,
        &ana.refresh_token,
    ] {
        let refused = house.identity.authenticate(Some(token)).await.expect_err("refused");
        assert_eq!(refused.code, ErrorCode::Unauthenticated, "{token}");
    }
    assert_eq!(
        house.identity.authenticate(None).await.expect("nobody"),
        Principal::Anonymous
    );
    house.close().await;
    other.close().await;
}

#[tokio::test]
async fn signing_out_ends_access_at_once() {
    let house = House::new().await;
    let ana = house.sign_up("ana").await;
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(house.sign_in(&email("ana"), PASSWORD).await.expect("signed in"));
    }
    let identity = &house.identity;
    for person in &others {
        house.authenticate(person).await.expect("signed in, and known to be");
    }
    let caller = identity.caller(&ana.access_token).await.expect("signed in");

    let one = identity.caller(&others[0].access_token).await.expect("signed in");
    identity.sign_out(&one).await.expect("signed out");
    house.authenticate(&others[0]).await.expect_err("signed out");

    identity
        .sign_out_by_token(&others[1].refresh_token)
        .await
        .expect("signed out");
    house.authenticate(&others[1]).await.expect_err("signed out");
    identity
        .sign_out_by_token(&others[1].refresh_token)
        .await
        .expect("again");

    identity.end_other_sessions(&caller).await.expect("ended");
    house.authenticate(&others[2]).await.expect_err("ended");
    house.authenticate(&ana).await.expect("the one that asked");
    house.close().await;
}

#[tokio::test]
async fn nobody_ends_a_strangers_session() {
    let house = House::new().await;
    let (ana, bo) = (house.sign_up("ana").await, house.sign_up("bo").await);
    let ana_caller = house.identity.caller(&ana.access_token).await.expect("signed in");
    let bo_caller = house.identity.caller(&bo.access_token).await.expect("signed in");
    let refused = house.identity.end_session(&bo_caller, ana_caller.session).await;
    assert_eq!(refused.expect_err("not his").code, ErrorCode::NotFound);
    house.authenticate(&ana).await.expect("still signed in");
    house.close().await;
}

#[tokio::test]
async fn roles_and_records_count_as_they_are_now() {
    let house = House::new().await;
    let ana = house.sign_up("ana").await;
    let roles = async || {
        let principal = house.authenticate(&ana).await.expect("signed in");
        principal.roles().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert!(roles().await.is_empty());
    for expected in [vec!["moderator"], vec![], vec!["a", "b"]] {
        let patch = json!({ "roles": expected }).as_object().unwrap().clone();
        let key = ana.id.to_string();
        house.administer(Action::Update { key, patch }).await.expect("written");
        assert_eq!(roles().await, expected, "with the next request");
    }
    let key = ana.id.to_string();
    house.administer(Action::Delete { key }).await.expect("deleted");
    let refused = house.authenticate(&ana).await.expect_err("gone");
    assert_eq!(refused.code, ErrorCode::Unauthenticated);
    house.refresh(&ana.refresh_token).await.expect_err("gone");
    house.close().await;
}

#[tokio::test]
async fn whoever_gets_a_deleted_users_id_gets_no_more() {
    let house = House::new().await;
    let ana = house.sign_up("ana").await;
    let key = ana.id.to_string();
    house
        .administer(Action::Delete { key: key.clone() })
        .await
        .expect("deleted");
    let data = json!({"email": email("ana"), "roles": [], "verified": true});
    let data = data.as_object().unwrap().clone();
    house.administer(Action::Upsert { key, data }).await.expect("created");
    house.authenticate(&ana).await.expect_err("the session was another's");
    house
        .refresh(&ana.refresh_token)
        .await
        .expect_err("and so was the family");
    house
        .sign_in(&email("ana"), PASSWORD)
        .await
        .expect_err("and the password");
    house.close().await;
}

#[tokio::test]
async fn signing_keys_take_turns_and_no_token_is_lost() {
    let house = House::with(super::house::SCHEMA, |config| config.session_idle_s = 60 * DAY_S as u32).await;
    let keys = || {
        let keys = house.identity.jwks().keys;
        keys.into_iter()
            .map(|key| key.common.key_id.expect("an id"))
            .collect::<Vec<_>>()
    };
    let kid = |token: &str| header(token)["kid"].as_str().expect("an id").to_owned();
    let first = keys();
    assert_eq!(first.len(), 1);

    house.advance(29 * DAY_S).await;
    house.identity.keep_house().await.expect("kept");
    let both = keys();
    assert_eq!(both.len(), 2, "the next is published a day ahead");
    let ana = house.sign_up("ana").await;
    assert_eq!(kid(&ana.access_token), first[0], "and doesn't sign yet");

    house.advance(DAY_S - 60).await;
    let ana = house.refresh(&ana.refresh_token).await.expect("refreshed");
    assert_eq!(kid(&ana.access_token), first[0]);
    house.advance(60).await;
    let next = house.refresh(&ana.refresh_token).await;
    let next = next.expect("refreshed");
    assert_ne!(kid(&next.access_token), first[0], "its turn has come");
    house.authenticate(&ana).await.expect("signed by the one before");
    house.identity.keep_house().await.expect("kept");
    assert_eq!(keys().len(), 2, "nothing to do");
    house.close().await;
}

#[tokio::test]
async fn what_a_refresh_says_of_the_user_is_current() {
    let house = House::new().await;
    let ana = house.sign_up("ana").await;
    let patch = json!({"name": "Ana"}).as_object().unwrap().clone();
    let key = ana.id.to_string();
    house.administer(Action::Update { key, patch }).await.expect("written");
    let signed_in = house
        .identity
        .refresh(&visitor(), &ana.refresh_token)
        .await
        .expect("refreshed");
    let identity::Who::User {
        record: Some(reply), ..
    } = signed_in.who
    else {
        panic!("she may read herself");
    };
    let mut body = Vec::new();
    engine::query::json::write_row(&mut body, &reply.model, &reply.projection, &reply.row);
    let record: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(
        (&record["name"], &record["email"]),
        (&json!("Ana"), &json!("ana@example.org"))
    );
    house.close().await;
}

fn header(token: &str) -> serde_json::Value {
    use base64::Engine as _;
    let part = token.split('.').next().expect("a header");
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(part)
        .expect("base64");
    serde_json::from_slice(&bytes).expect("JSON")
}
