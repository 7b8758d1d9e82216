use super::*;

fn check(email: &str, expected: Result<&str, &str>) {
    let parsed = parse(email).map_err(|error| error.code.into_owned());
    assert_eq!(parsed.as_deref().map_err(String::as_str), expected, "{email}");
}

#[test]
fn an_address_has_one_form() {
    check(" Ana.López@Example.ORG ", Ok("ana.lópez@example.org"));
    check("o'brien+tag@localhost", Ok("o'brien+tag@localhost"));
}

#[test]
fn what_mail_cant_be_sent_to_is_refused() {
    check("", Err("required"));
    check(" ", Err("required"));
    for wrong in [
        "ana",
        "@example.org",
        "ana@",
        "a na@example.org",
        "ana@ex..org",
        "ana@-x.org",
        "a\0@x.org",
        "a@b@c",
    ] {
        check(wrong, Err("invalid_email"));
    }
    check("a\r\nBcc: all@example.org", Err("invalid_email"));
    check(&format!("{}@example.org", "a".repeat(65)), Err("invalid_email"));
    check(&format!("a@{}", "b.".repeat(200)), Err("too_long"));
}
