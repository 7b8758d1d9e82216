//! Addresses of people, in the one form that the engine keeps them in.

use engine::FieldError;
use engine::model::parse_email;

/// For looking an address up: without white space around it, in lower case, and possibly no address at all.
pub(crate) fn normalize(email: &str) -> String {
    email.trim().to_lowercase()
}

/// The address in its one form.
///
/// # Errors
/// What doesn't look like an address that mail could be sent to.
pub(crate) fn parse(email: &str) -> Result<String, FieldError> {
    let email = email.trim();
    if email.is_empty() {
        return Err(FieldError::new("email", "required", "is required"));
    }
    parse_email(email).ok_or_else(|| {
        FieldError::new(
            "email",
            "not_an_email",
            "must be an e-mail address such as ana@example.org",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(email: &str, expected: Result<&str, &str>) {
        let parsed = parse(email).map_err(|error| error.code.into_owned());
        assert_eq!(parsed.as_deref().map_err(String::as_str), expected, "{email}");
    }

    #[test]
    fn an_address_has_one_form() {
        check(" Ana.López@Example.ORG ", Ok("ana.lópez@example.org"));
        check(" ", Err("required"));
        check("ana", Err("not_an_email"));
    }

    #[test]
    fn no_address_adds_lines_to_a_mail() {
        check("ana@example.org\r\nBcc: all@example.org", Err("not_an_email"));
    }
}
