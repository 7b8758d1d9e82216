//! Passwords: guessed at, changed, forgotten; and that no stranger learns who has an account.

use std::time::{Duration, Instant};

use engine::ErrorCode;
use futures::future::join_all;
use identity::config::{PasswordConfig, Quota};

use super::house::{House, PASSWORD, SCHEMA, email, secret, token, visitor};

const NEW: &str = "staple of new passwords";

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_get_the_same_answer() {
    let house = House::new().await;
    house.sign_up("ana").await;
    let wrong = house
        .sign_in(&email("ana"), "not her password")
        .await
        .expect_err("wrong");
    let unknown = house.sign_in(&email("nobody"), PASSWORD).await.expect_err("unknown");
    let empty = house.sign_in("", "").await.expect_err("empty");
    for error in [&unknown, &empty] {
        assert_eq!((error.code, &error.message), (wrong.code, &wrong.message));
        assert!(error.fields.is_empty() && error.retry_after_s.is_none());
    }
    assert_eq!(wrong.code, ErrorCode::Unauthenticated);
    house.close().await;
}

/// With the real parameters. Without a hash for the unknown it would be a hundred times as quick.
#[tokio::test(flavor = "multi_thread")]
async fn they_take_the_same_time() {
    let house = House::with(SCHEMA, |config| config.password = PasswordConfig::default()).await;
    house.sign_up("ana").await;
    let time = async |name: &str, round: u8| {
        let address = format!("198.51.100.{round}");
        let start = Instant::now();
        house
            .sign_in_from(&address, &email(name), "not the password")
            .await
            .expect_err("wrong");
        start.elapsed()
    };
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for round in 0..15 {
        known.push(time("ana", round).await);
        unknown.push(time("nobody", round).await);
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        times[times.len() / 2].as_secs_f64()
    };
    let ratio = median(&mut known) / median(&mut unknown);
    assert!((0.6..1.6).contains(&ratio), "known to unknown: {ratio}");
    house.close().await;
}

#[tokio::test]
async fn guessing_is_slowed_down_and_keeps_nobody_out() {
    let house = House::with(SCHEMA, |config| {
        config.limits.sign_in = Quota {
            burst: 3,
            every_ms: 10_000,
        };
    })
    .await;
    house.sign_up("ana").await;
    for name in ["ana", "nobody"] {
        for _ in 0..3 {
            let wrong = house.sign_in(&email(name), "a guess at it").await.expect_err("wrong");
            assert_eq!(wrong.code, ErrorCode::Unauthenticated);
        }
        let limited = house.sign_in(&email(name), PASSWORD).await.expect_err("too many");
        assert_eq!(
            (limited.code, limited.retry_after_s),
            (ErrorCode::RateLimited, Some(10)),
            "{name}"
        );
    }
    let ana = house.sign_in_from("203.0.113.9", &email("ana"), PASSWORD).await;
    ana.expect("from where she is, she gets in");
    house.advance(10).await;
    house
        .sign_in(&email("ana"), PASSWORD)
        .await
        .expect("and later from there, too");
    house.close().await;
}

#[tokio::test]
async fn signing_in_often_is_no_guessing() {
    let house = House::new().await;
    house.sign_up("ana").await;
    let ana = email("ana");
    let signed_in = join_all((0..30).map(|_| house.sign_in(&ana, PASSWORD))).await;
    assert!(signed_in.iter().all(Result::is_ok), "{signed_in:?}");
    house.close().await;
}

/// Each hash takes 19 MiB, and all at once would take two gigabytes.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_sign_ins_at_once_take_time_and_not_memory() {
    let house = House::with(SCHEMA, |config| {
        config.password = PasswordConfig {
            passes: 1,
            ..PasswordConfig::default()
        };
    })
    .await;
    house.sign_up("ana").await;
    let ana = email("ana");
    let signed_in = join_all((0..100).map(|_| house.sign_in(&ana, PASSWORD))).await;
    let refused: Vec<_> = signed_in.into_iter().filter_map(Result::err).collect();
    assert!(refused.is_empty(), "{refused:?}");
    if let Some(peak) = peak_kib() {
        assert!(peak < 1024 * 1024, "{peak} KiB");
    }
    house.close().await;
}

/// The most memory that this process has ever had; Linux tells.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[tokio::test]
async fn a_changed_password_ends_the_other_sessions() {
    let house = House::new().await;
    let ana = house.sign_up("ana").await;
    let other = house.sign_in(&email("ana"), PASSWORD).await.expect("signed in");
    house.authenticate(&other).await.expect("signed in");
    let caller = house.identity.caller(&ana.access_token).await.expect("signed in");
    let change = async |current: Option<&str>, new: &str| {
        let changed = house
            .identity
            .change_password(&visitor(), &caller, current.map(secret), secret(new))
            .await;
        changed.map_err(|error| {
            let at = &error.fields[0];
            format!("{} {}", at.field, at.code)
        })
    };
    let refused = async |current, new, expected: &str| {
        assert_eq!(change(current, new).await.expect_err(expected), expected);
    };
    refused(None, NEW, "currentPassword required").await;
    refused(Some("a guess"), NEW, "currentPassword wrong").await;
    refused(Some(PASSWORD), "short", "newPassword too_short").await;
    refused(Some(PASSWORD), "ana@example.org", "newPassword too_common").await;
    house.authenticate(&other).await.expect("nothing has happened");

    change(Some(PASSWORD), NEW).await.expect("changed");
    house.authenticate(&ana).await.expect("the one that changed it");
    house.authenticate(&other).await.expect_err("ended");
    house.refresh(&other.refresh_token).await.expect_err("ended");
    house.sign_in(&email("ana"), PASSWORD).await.expect_err("the old one");
    house.sign_in(&email("ana"), NEW).await.expect("the new one");
    house.close().await;
}

#[tokio::test]
async fn a_forgotten_password_is_set_by_mail_once() {
    let house = House::new().await;
    let ana = house.sign_up("ana").await;
    house.authenticate(&ana).await.expect("signed in");
    house.outbox.next().await;
    let ask = |address: &str| house.identity.request_password_reset(&visitor(), address);
    ask("nobody@example.org").expect("the same answer");
    ask(" ANA@example.org").expect("the same answer");
    let mail = house.outbox.next().await;
    assert_eq!(
        (mail.to.as_str(), mail.subject.as_str()),
        ("ana@example.org", "Ninefold: set a new password")
    );
    let token = token(&mail.body);
    let reset = async |token: &str, password: &str| {
        let reset = house.identity.reset_password(&visitor(), token, secret(password)).await;
        reset.map_err(|error| error.fields[0].code.to_string())
    };
    assert_eq!(reset("nonsense", NEW).await.expect_err("none"), "invalid_token");
    assert_eq!(
        reset(&token, "ana@example.org").await.expect_err("obvious"),
        "too_common"
    );
    reset(&token, NEW).await.expect("a mistake doesn't use it up");
    assert_eq!(reset(&token, PASSWORD).await.expect_err("used"), "invalid_token");
    house.authenticate(&ana).await.expect_err("all sessions ended");
    house.sign_in(&email("ana"), PASSWORD).await.expect_err("the old one");
    house.sign_in(&email("ana"), NEW).await.expect("the new one");

    ask(&email("ana")).expect("asked");
    let late = super::house::token(&house.outbox.next().await.body);
    house.advance(3_600).await;
    assert_eq!(reset(&late, PASSWORD).await.expect_err("expired"), "invalid_token");
    let outbox = house.close().await;
    assert!(outbox.is_empty().await, "nobody else got a mail");
}

#[tokio::test]
async fn nobodys_mailbox_is_flooded() {
    let house = House::with(SCHEMA, |config| {
        config.limits.mail = Quota {
            burst: 3,
            every_ms: 300_000,
        };
    })
    .await;
    house.sign_up("ana").await;
    for _ in 0..20 {
        house
            .identity
            .request_password_reset(&visitor(), &email("ana"))
            .expect("the same answer");
    }
    let outbox = house.close().await;
    for _ in 0..3 {
        outbox.next().await;
    }
    assert!(outbox.is_empty().await);
}

#[tokio::test]
async fn hashes_follow_the_parameters() {
    let house = House::new().await;
    house.sign_up("ana").await;
    assert!(house.stored_hash("ana").await.contains("m=8,t=1,"));
    let house = house.reconfigured(|config| config.password.passes = 2).await;
    house
        .sign_in(&email("ana"), PASSWORD)
        .await
        .expect("the old hash is still good");
    assert!(house.stored_hash("ana").await.contains("m=8,t=2,"), "and was renewed");
    house
        .sign_in(&email("ana"), PASSWORD)
        .await
        .expect("the new one is as good");
    house.close().await;
}
