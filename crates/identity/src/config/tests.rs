use super::*;

fn check(change: impl FnOnce(&mut Config), expected: &str) {
    let mut config = Config::default();
    change(&mut config);
    assert_eq!(config.validate().expect_err("must be refused"), expected);
}

#[test]
fn the_defaults_are_valid() {
    Config::default().validate().expect("valid");
}

#[test]
fn an_unusable_key_is_named() {
    check(
        |config| config.access_token_s = 0,
        "auth.access_token_s must be at least 1",
    );
    check(
        |config| config.signing_key_s = 1_000,
        "auth.signing_key_s must be at least twice auth.access_token_s",
    );
    check(
        |config| config.secret = Some(Secret::new("short".into())),
        "auth.secret must have at least 32 characters",
    );
    check(
        |config| config.links.invitation = "{url}/join".into(),
        "auth.links.invitation must contain {token}",
    );
    check(
        |config| config.limits.mail.every_ms = 0,
        "auth.limits.mail needs a burst and an every_ms of at least 1",
    );
    check(
        |config| config.password.memory_kib = 1,
        "auth.password: argon2 can't work so: memory cost is too small",
    );
}

#[test]
fn a_link_is_filled_in() {
    let links = Links {
        url: "https://chat.example/".into(),
        ..Links::default()
    };
    assert_eq!(
        links.fill(&links.invitation, "abc"),
        "https://chat.example/#invitation=abc"
    );
}
