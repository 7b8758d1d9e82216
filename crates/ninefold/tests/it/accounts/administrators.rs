//! Administrators, who are no users.

use engine::ErrorCode;
use engine::access::Principal;
use identity::AdministratorSignIn;

use super::house::{House, PASSWORD, Person, email, secret, visitor};

async fn sign_in(house: &House, request: AdministratorSignIn) -> Result<Person, ErrorCode> {
    let signed_in = house.identity.administrator_sign_in(&visitor(), request, None).await;
    signed_in
        .map(|signed_in| Person::of(&signed_in))
        .map_err(|error| error.code)
}

fn by_password(email: &str, password: &str) -> AdministratorSignIn {
    AdministratorSignIn::Password {
        email: email.to_owned(),
        password: secret(password),
    }
}

fn by_link(token: &str) -> AdministratorSignIn {
    AdministratorSignIn::Link {
        token: token.to_owned(),
    }
}

#[tokio::test]
async fn they_are_kept_apart_from_users_with_the_same_address() {
    let house = House::new().await;
    let id = house
        .identity
        .create_administrator("Ana@example.org", secret("another password"))
        .await;
    let id = id.expect("created");
    let user = house.sign_up("ana").await;
    let administrator = sign_in(&house, by_password(&email("ana"), "another password")).await;
    let administrator = administrator.expect("signed in");
    let principal = house.authenticate(&administrator).await.expect("signed in");
    assert_eq!(principal, Principal::Administrator { id });
    assert_eq!(principal.user_id(), None);
    assert_ne!(user.id, id);

    let crossed = sign_in(&house, by_password(&email("ana"), PASSWORD)).await;
    assert_eq!(crossed.expect_err("the user's password"), ErrorCode::Unauthenticated);
    house
        .sign_in(&email("ana"), "another password")
        .await
        .expect_err("hers");
    let taken = house
        .identity
        .create_administrator(&email("ana"), secret(PASSWORD))
        .await;
    assert_eq!(taken.expect_err("taken").code, ErrorCode::UniqueViolation);

    let refreshed = house.refresh(&administrator.refresh_token).await.expect("refreshed");
    assert!(
        house
            .authenticate(&refreshed)
            .await
            .expect("signed in")
            .is_administrator()
    );
    house.close().await;
}

#[tokio::test]
async fn a_link_signs_the_first_one_in_once() {
    let house = House::new().await;
    let link = house.identity.administrator_link().await.expect("made");
    assert_eq!(link.email, "admin@localhost");
    let person = sign_in(&house, by_link(link.token.expose())).await.expect("signed in");
    assert!(house.authenticate(&person).await.expect("signed in").is_administrator());
    let again = sign_in(&house, by_link(link.token.expose())).await;
    assert_eq!(again.expect_err("used"), ErrorCode::Invalid);

    let caller = house.identity.caller(&person.access_token).await.expect("signed in");
    let set = house
        .identity
        .change_password(&visitor(), &caller, None, secret(PASSWORD))
        .await;
    set.expect("there was none before");
    let by_password = sign_in(&house, by_password("admin@localhost", PASSWORD)).await;
    assert_eq!(by_password.expect("signed in").id, person.id);

    let late = house.identity.administrator_link().await.expect("for the same one");
    house.advance(900).await;
    assert_eq!(
        sign_in(&house, by_link(late.token.expose())).await.expect_err("late"),
        ErrorCode::Invalid
    );
    house.close().await;
}
