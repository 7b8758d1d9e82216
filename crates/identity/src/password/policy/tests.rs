use super::*;

fn refusal(password: &str) -> Option<String> {
    let context = ["ana.lopez@example.org", "ninefold"];
    check(&PasswordConfig::default(), "password", password, &context)
        .err()
        .map(|error| error.code.into_owned())
}

fn refused(password: &str, code: &str) {
    assert_eq!(refusal(password).as_deref(), Some(code), "{password}");
}

#[test]
fn length_is_counted_in_bytes() {
    refused("7 bytes", "too_short");
    assert_eq!(refusal("ünïcödë!"), None);
    assert_eq!(refusal(&"long pass phrase ".repeat(60)), None);
    refused(&"x y".repeat(400), "too_long");
}

#[test]
fn the_first_guesses_are_refused_however_they_are_dressed() {
    for password in [
        "password",
        "PassWord1",
        "password2024!",
        "12345678",
        "qwertyuiop",
        "aaaaaaaaaa",
        "iloveyou",
    ] {
        refused(password, "too_common");
    }
}

#[test]
fn what_is_known_of_the_person_is_refused() {
    for password in ["ana.lopez@example.org", "Ana.Lopez", "ana.lopez1990", "Ninefold2025"] {
        refused(password, "too_common");
    }
}

#[test]
fn anything_else_goes() {
    for password in [
        "correct horse battery",
        "tr0ub4dor&3",
        "passwords are hard",
        "ana likes lopez",
    ] {
        assert_eq!(refusal(password), None, "{password}");
    }
}

#[test]
fn the_list_holds_nothing_that_could_never_match() {
    for word in COMMON.iter() {
        assert!(word.len() >= 8 && word.to_lowercase() == *word, "{word}");
    }
}
