//! What the mails say.

use engine::ports::mail::Message;

use crate::config::Config;

pub(crate) enum Letter<'a> {
    PasswordReset { token: &'a str },
    VerifyEmail { token: &'a str },
    AlreadyRegistered,
    Invitation { token: &'a str },
}

impl Letter<'_> {
    pub(crate) fn write(&self, config: &Config, to: &str) -> Message {
        let (name, links) = (&config.application, &config.links);
        let (subject, body) = match self {
            Self::PasswordReset { token } => (
                format!("{name}: set a new password"),
                format!(
                    "Somebody, probably you, asked for a new password at {name}. To set one, open\n\n{}\n\nwithin {}. \
                     If it wasn't you, do nothing: your password stays as it is.\n",
                    links.fill(&links.password_reset, token),
                    duration(config.password_reset_s)
                ),
            ),
            Self::VerifyEmail { token } => (
                format!("{name}: confirm your address"),
                format!(
                    "Welcome to {name}. To confirm that this is your address, open\n\n{}\n\nwithin {}. If you didn't sign \
                     up, do nothing.\n",
                    links.fill(&links.verify_email, token),
                    duration(config.verify_email_s)
                ),
            ),
            Self::AlreadyRegistered => (
                format!("{name}: you already have an account"),
                format!(
                    "Somebody, probably you, tried to sign up at {name} with this address, which has an account already. \
                     Sign in, or set a new password if you have forgotten yours:\n\n{}\n\nIf it wasn't you, do nothing.\n",
                    links.url
                ),
            ),
            Self::Invitation { token } => (
                format!("{name}: you are invited"),
                format!(
                    "You are invited to {name}. To sign up, open\n\n{}\n\nwithin {}.\n",
                    links.fill(&links.invitation, token),
                    duration(config.invitation_s)
                ),
            ),
        };
        let to = to.to_owned();
        Message { to, subject, body }
    }
}

/// In the largest unit that divides it.
fn duration(seconds: u32) -> String {
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    let divides = |(unit, _): &(u32, &str)| seconds >= *unit && seconds.is_multiple_of(*unit);
    let (unit, name) = units.into_iter().find(divides).unwrap_or((1, "second"));
    let count = seconds / unit;
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {name}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_as_people_say_them() {
        let check = |seconds, expected: &str| assert_eq!(duration(seconds), expected);
        check(3_600, "1 hour");
        check(7 * 86_400, "7 days");
        check(5_400, "90 minutes");
        check(61, "61 seconds");
    }

    #[test]
    fn a_letter_has_the_link_and_nothing_of_the_password() {
        let letter = Letter::PasswordReset { token: "abc" }.write(&Config::default(), "ana@example.org");
        assert_eq!(letter.to, "ana@example.org");
        assert_eq!(letter.subject, "Ninefold: set a new password");
        assert!(
            letter.body.contains("http://127.0.0.1:8080/#reset-password=abc\n"),
            "{}",
            letter.body
        );
        assert!(letter.body.contains("within 1 hour."), "{}", letter.body);
    }
}
