//! Signing up: what a newcomer may say of itself, who may come, and what is told.

use engine::access::Principal;
use engine::operations::Ctx;
use engine::{Error, ErrorCode};
use identity::SignedUp;
use serde_json::{Value as Json, json};

use super::house::{House, PASSWORD, Person, SCHEMA, email, secret, token, visitor};

fn administrator() -> Ctx {
    Ctx {
        principal: Principal::Administrator { id: uuid::Uuid::nil() },
        ..visitor()
    }
}

fn fields(error: &Error) -> Vec<(&str, &str)> {
    error.fields.iter().map(|at| (at.field.as_str(), &*at.code)).collect()
}

#[tokio::test]
async fn a_newcomer_is_signed_in_and_finds_itself() {
    let house = House::new().await;
    let ana = house.sign_up("ana").await;
    let principal = house.authenticate(&ana).await.expect("signed in");
    assert_eq!(principal.user_id(), Some(ana.id));
    assert!(principal.roles().is_empty());
    house
        .sign_in(" ANA@example.org ", PASSWORD)
        .await
        .expect("however it is written");
    house.close().await;
}

#[tokio::test]
async fn nobody_makes_itself_more_than_it_is() {
    let house = House::new().await;
    let refused = async |field: &str, value: Json, expected: (ErrorCode, &str)| {
        let refused = house.try_sign_up(&email("eve"), json!({ field: value })).await;
        let refused = refused.expect_err(field);
        assert_eq!(
            (refused.code, fields(&refused)),
            (expected.0, vec![(field, expected.1)])
        );
    };
    for (field, value) in [
        ("roles", json!(["moderator"])),
        ("verified", json!(true)),
        ("email", json!("other@example.org")),
    ] {
        refused(field, value, (ErrorCode::Forbidden, "forbidden")).await;
    }
    for (field, value) in [
        ("version", json!(7)),
        ("created", json!("2020-01-01T00:00:00Z")),
        ("id", json!("00000000-0000-7000-8000-000000000001")),
    ] {
        refused(field, value, (ErrorCode::Invalid, "read_only")).await;
    }
    house
        .sign_in(&email("eve"), PASSWORD)
        .await
        .expect_err("nobody was made");
    house.close().await;
}

#[tokio::test]
async fn what_is_wrong_is_told_at_once() {
    let house = House::new().await;
    let request = identity::SignUp {
        email: "ana".to_owned(),
        password: secret("password"),
        invitation: None,
        data: Default::default(),
        user_agent: None,
    };
    let refused = house.identity.sign_up(&visitor(), request).await.expect_err("refused");
    assert_eq!(
        fields(&refused),
        [("email", "not_an_email"), ("password", "too_common")]
    );
    house.close().await;
}

#[tokio::test]
async fn a_taken_address_is_a_conflict() {
    let house = House::new().await;
    house.sign_up("ana").await;
    let refused = house
        .try_sign_up("Ana@Example.org", json!({}))
        .await
        .expect_err("taken");
    assert_eq!(refused.code, ErrorCode::UniqueViolation);
    assert_eq!(fields(&refused), [("email", "taken")]);
    house.close().await;
}

#[tokio::test]
async fn where_addresses_are_confirmed_only_the_mail_tells() {
    let house = House::with(SCHEMA, |config| config.confirm_email = true).await;
    let sign_up = async || {
        let signed_up = house.try_sign_up(&email("ana"), json!({"name": "Ana"})).await;
        assert!(matches!(signed_up, Ok(SignedUp::Confirm)), "{signed_up:?}");
        house.outbox.next().await
    };
    let first = sign_up().await;
    assert_eq!(
        (first.to.as_str(), first.subject.as_str()),
        ("ana@example.org", "Ninefold: confirm your address")
    );
    let refused = house.sign_in(&email("ana"), PASSWORD).await.expect_err("not confirmed");
    assert_eq!(refused.code, ErrorCode::Forbidden);
    let reminder = house.outbox.next().await;
    assert_eq!(reminder.subject, first.subject);
    let wrong = house
        .sign_in(&email("ana"), "not her password")
        .await
        .expect_err("wrong");
    assert_eq!(wrong.code, ErrorCode::Unauthenticated, "a stranger isn't told");

    let again = sign_up().await;
    assert_eq!(again.subject, first.subject, "still to be confirmed");

    house
        .identity
        .verify_email(&visitor(), &token(&first.body))
        .await
        .expect("confirmed");
    let ana = house.sign_in(&email("ana"), PASSWORD).await.expect("signed in");
    let Principal::User { claims, .. } = house.authenticate(&ana).await.expect("signed in") else {
        panic!("a user");
    };
    assert_eq!(claims["email_verified"], json!(true));

    let known = sign_up().await;
    assert_eq!(known.subject, "Ninefold: you already have an account");
    assert_eq!(known.to, first.to);
    house
        .sign_in(&email("ana"), PASSWORD)
        .await
        .expect("nothing has changed");
    house.close().await;
}

#[tokio::test]
async fn an_address_is_confirmed_once_and_in_time() {
    let house = House::new().await;
    house.sign_up("ana").await;
    let mail = house.outbox.next().await;
    assert_eq!(mail.subject, "Ninefold: confirm your address");
    let token = token(&mail.body);
    let verify = async |token: &str| house.identity.verify_email(&visitor(), token).await;
    assert_eq!(
        fields(&verify("nonsense").await.expect_err("none of ours")),
        [("token", "invalid_token")]
    );
    verify(&token).await.expect("confirmed");
    assert_eq!(
        fields(&verify(&token).await.expect_err("used")),
        [("token", "invalid_token")]
    );

    house.sign_up("bo").await;
    let late = super::house::token(&house.outbox.next().await.body);
    house.advance(86_400).await;
    verify(&late).await.expect_err("expired");
    house.close().await;
}

#[tokio::test]
async fn an_invitation_is_for_one_address_once() {
    let house = House::with(&SCHEMA.replace("OPEN", "INVITE"), |_| ()).await;
    let join = async |name: &str, token: Option<&str>| {
        let signed_up = house.sign_up_by(&visitor(), &email(name), token, json!({})).await;
        signed_up.map_err(|error| error.code)
    };
    assert_eq!(join("bo", None).await.expect_err("uninvited"), ErrorCode::Forbidden);
    let stranger = house.identity.invite(&visitor(), &email("bo")).await;
    assert_eq!(stranger.expect_err("no administrator").code, ErrorCode::Unauthenticated);

    let invitation = house
        .identity
        .invite(&administrator(), "Bo@example.org")
        .await
        .expect("invited");
    let mail = house.outbox.next().await;
    assert_eq!(
        (mail.to.as_str(), &token(&mail.body)),
        ("bo@example.org", invitation.token.expose())
    );
    let token = Some(invitation.token.expose().as_str());
    assert_eq!(join("eve", token).await.expect_err("not hers"), ErrorCode::Forbidden);
    assert_eq!(
        join("bo", Some("nonsense")).await.expect_err("no token"),
        ErrorCode::Forbidden
    );
    let SignedUp::SignedIn(bo) = join("bo", token).await.expect("invited") else {
        panic!("signed in");
    };
    let principal = house.authenticate(&Person::of(&bo)).await.expect("signed in");
    let Principal::User { claims, .. } = principal else {
        panic!("a user");
    };
    assert_eq!(claims["email_verified"], json!(true), "the mail found its way");
    join("bo", token).await.expect_err("used");

    let again = house.identity.invite(&administrator(), &email("bo")).await;
    assert_eq!(again.expect_err("has an account").code, ErrorCode::UniqueViolation);
    house.close().await;
}

#[tokio::test]
async fn where_sign_up_is_closed_administrators_make_accounts() {
    let house = House::with(&SCHEMA.replace("OPEN", "CLOSED"), |_| ()).await;
    let refused = house.try_sign_up(&email("ana"), json!({})).await.expect_err("closed");
    assert_eq!(refused.code, ErrorCode::Forbidden);
    let created = house
        .sign_up_by(&administrator(), &email("ana"), None, json!({"roles": ["moderator"]}))
        .await;
    assert!(matches!(created, Ok(SignedUp::Created(_))), "{created:?}");
    let ana = house.sign_in(&email("ana"), PASSWORD).await.expect("signed in");
    let principal = house.authenticate(&ana).await.expect("signed in");
    assert_eq!(principal.roles(), ["moderator".into()]);
    house.close().await;
}
