//! Addresses of people.

use engine::FieldError;

/// RFC 5321 §4.5.3.1.
const BYTES_MAX: usize = 254;
const LOCAL_BYTES_MAX: usize = 64;

/// The one form of an address: without white space around it, and in lower case, since nobody means two people by
/// `Ana@x.org` and `ana@x.org`.
pub(crate) fn normalize(email: &str) -> String {
    email.trim().to_lowercase()
}

/// The address in its one form.
///
/// # Errors
/// What doesn't look like an address that mail could be sent to.
pub(crate) fn parse(email: &str) -> Result<String, FieldError> {
    let email = normalize(email);
    if email.is_empty() {
        return Err(FieldError::new("email", "required", "is required"));
    }
    if email.len() > BYTES_MAX {
        return Err(FieldError::new("email", "too_long", "must have at most 254 bytes"));
    }
    if !is_plausible(&email) {
        let message = "is no e-mail address; write it like ana@example.org";
        return Err(FieldError::new("email", "invalid_email", message));
    }
    Ok(email)
}

/// What HTML's `<input type=email>` accepts, letters of all alphabets included.
fn is_plausible(email: &str) -> bool {
    let Some((local, domain)) = email.rsplit_once('@') else {
        return false;
    };
    let is_local = |c: char| c.is_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(c);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    (1..=LOCAL_BYTES_MAX).contains(&local.len()) && local.chars().all(is_local) && domain.split('.').all(is_label)
}

#[cfg(test)]
mod tests;
