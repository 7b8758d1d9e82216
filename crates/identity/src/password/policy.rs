//! Which passwords are refused: too short, too long, or among the first that anybody would try (OWASP ASVS 6.2).
//!
//! No rule about digits or capitals: those make passwords worse.

use std::collections::HashSet;
use std::sync::LazyLock;

use engine::FieldError;

use crate::config::PasswordConfig;

/// Lower case, one a line; only those that are long enough to pass otherwise.
static COMMON: LazyLock<HashSet<&str>> = LazyLock::new(|| include_str!("common.txt").lines().collect());

/// Refuses a password that is easy to guess for whoever knows `context`: the person's address, the application's name.
pub(crate) fn check(
    config: &PasswordConfig,
    field: &'static str,
    password: &str,
    context: &[&str],
) -> Result<(), FieldError> {
    let bytes = password.len();
    if bytes < config.bytes_min as usize {
        let message = format!("must have at least {} characters", config.bytes_min);
        return Err(FieldError::new(field, "too_short", message));
    }
    if bytes > config.bytes_max as usize {
        let message = format!("must have at most {} bytes", config.bytes_max);
        return Err(FieldError::new(field, "too_long", message));
    }
    if is_obvious(password, context) {
        let message = "is among the first that anybody would try; choose another";
        return Err(FieldError::new(field, "too_common", message));
    }
    Ok(())
}

fn is_obvious(password: &str, context: &[&str]) -> bool {
    let lower = password.to_lowercase();
    let word = lower.trim_matches(|c: char| !c.is_alphabetic());
    let mut characters = lower.chars();
    let first = characters.next();
    COMMON.contains(lower.as_str())
        || COMMON.contains(word)
        || characters.all(|c| Some(c) == first)
        || context_words(context).any(|known| lower == known || (!word.is_empty() && word == known))
}

/// Each context as it is, and the part before an `@`.
fn context_words<'a>(context: &'a [&str]) -> impl Iterator<Item = String> + 'a {
    context
        .iter()
        .flat_map(|text| [*text, text.split('@').next().unwrap_or_default()])
        .map(str::to_lowercase)
}

#[cfg(test)]
mod tests;
