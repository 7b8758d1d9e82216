//! What a text must look like to be an `Email`, `URL` or `File`.

use crate::model::limits::EMAIL_CHARS_MAX;

/// RFC 5321 §4.5.3.1.1.
const EMAIL_LOCAL_BYTES_MAX: usize = 64;

/// The one form of an address: in lower case, since nobody means two people by `Ana@x.org` and `ana@x.org`. What
/// HTML's `<input type=email>` accepts, letters of all alphabets included. `None` for what is no address.
pub fn parse_email(text: &str) -> Option<String> {
    let email = text.to_lowercase();
    let (local, domain) = email.rsplit_once('@')?;
    let is_local = |letter: char| letter.is_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(letter);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|letter| letter.is_alphanumeric() || letter == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let fits = email.len() <= EMAIL_CHARS_MAX as usize && (1..=EMAIL_LOCAL_BYTES_MAX).contains(&local.len());
    (fits && local.chars().all(is_local) && domain.split('.').all(is_label)).then_some(email)
}

/// An absolute `http` or `https` URL (RFC 3986), letters of all alphabets allowed as in browsers' address bars.
pub(super) fn is_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host_port = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let forbidden = |letter: char| letter.is_whitespace() || letter.is_control() || r#"<>"{}|\^`"#.contains(letter);
    (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"))
        && is_host(host_port)
        && !text.contains(forbidden)
}

fn is_host(host_port: &str) -> bool {
    let (host, port) = match host_port.strip_prefix('[') {
        Some(literal) => match literal.split_once(']') {
            Some((address, port)) if address.parse::<std::net::Ipv6Addr>().is_ok() => ("literal", port),
            _ => return false,
        },
        None => host_port.split_at(host_port.find(':').unwrap_or(host_port.len())),
    };
    let port_well = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    let host_well = host
        .chars()
        .all(|letter| letter.is_alphanumeric() || "-._~%!$&'()*+,;=".contains(letter));
    !host.is_empty() && host_well && port_well
}

/// The key of a file: a relative path of plain segments, `avatars/ana.png`.
pub(super) fn is_file(text: &str) -> bool {
    !text.contains(|letter: char| letter.is_control() || letter == '\\')
        && text
            .split('/')
            .all(|segment| !segment.is_empty() && segment != "." && segment != "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emails() {
        let check = |text: &str, expected: Option<&str>| assert_eq!(parse_email(text).as_deref(), expected, "{text}");
        check("Ana@Example.ORG", Some("ana@example.org"));
        check(
            "o'brien+news@mail.example.co.uk",
            Some("o'brien+news@mail.example.co.uk"),
        );
        check("ana@localhost", Some("ana@localhost"));
        check("zoë@münchen.example", Some("zoë@münchen.example"));
        for wrong in [
            "",
            "ana",
            "@x.org",
            "ana@",
            "a b@x.org",
            " ana@x.org",
            "ana@-x.org",
            "ana@x..org",
            "a\0@x.org",
        ] {
            check(wrong, None);
        }
        check(&format!("{}@x.org", "a".repeat(65)), None);
        check(&format!("ana@{}", ["a".repeat(60).as_str(); 5].join(".")), None);
    }

    #[test]
    fn urls() {
        for well in [
            "https://example.org",
            "http://example.org:8080/a?b=c#d",
            "HTTPS://user:pw@example.org/",
            "http://[::1]:80/x",
            "https://münchen.example/straße",
            "http://127.0.0.1",
        ] {
            assert!(is_url(well), "{well}");
        }
        for wrong in [
            "",
            "example.org",
            "ftp://example.org",
            "https://",
            "https:///x",
            "https://a b",
            "https://x:99999",
            "javascript:alert(1)",
            "https://x/\"onclick",
            "http://[::1",
            "https://x\n",
            "//x.org",
        ] {
            assert!(!is_url(wrong), "{wrong}");
        }
    }

    #[test]
    fn files() {
        assert!(is_file("avatars/ana.png") && is_file("ünïcode name.txt"));
        for wrong in ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/", "a\\b", "./a", "a\nb"] {
            assert!(!is_file(wrong), "{wrong}");
        }
    }
}
