use super::*;

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let pairs = lines
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
    pairs.collect()
}

#[test]
fn keeps_a_usable_request_id() {
    let check = |given: &str, kept: bool| {
        let id = request_id(&headers(&[("x-request-id", given)]));
        assert_eq!(&*id == given, kept, "{given}");
        assert!(!id.is_empty());
    };
    check("abc-123", true);
    check(&"a".repeat(128), true);
    check(&"a".repeat(129), false);
    check("", false);
    check("a b", false);
    check("ä", false);
}

#[test]
fn believes_only_its_own_proxies() {
    let check = |peer: &str, forwarded: &str, trusted: &[&str], expected: &str| {
        let trusted: Vec<Network> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        let headers = headers(&[("x-forwarded-for", forwarded)]);
        let found = client_address(peer.parse().unwrap(), &headers, &trusted);
        assert_eq!(found, expected.parse::<IpAddr>().unwrap(), "{peer} {forwarded}");
    };
    check("10.0.0.1", "8.8.8.8", &[], "10.0.0.1");
    check("10.0.0.1", "8.8.8.8", &["10.0.0.0/8"], "8.8.8.8");
    check("9.9.9.9", "8.8.8.8", &["10.0.0.0/8"], "9.9.9.9");
    check("10.0.0.1", "1.2.3.4, 8.8.8.8, 10.0.0.2", &["10.0.0.0/8"], "8.8.8.8");
    check("10.0.0.1", "rubbish", &["10.0.0.0/8"], "10.0.0.1");
    check("::ffff:9.9.9.9", "8.8.8.8", &[], "9.9.9.9");
}

#[test]
fn finds_the_trace() {
    let check = |given: &str, expected: Option<&str>| {
        assert_eq!(trace_id(&headers(&[("traceparent", given)])), expected, "{given}");
    };
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    check("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Some(trace));
    check("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", None);
    check("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None);
    check("00-00000000000000000000000000000000-00f067aa0ba902b7-01", None);
    check("00-4bf92f35-00f067aa0ba902b7-01", None);
    check("rubbish", None);
}

#[test]
fn names_what_panicked() {
    assert_eq!(panic_message(&"boom"), "a handler panicked: boom");
    assert_eq!(panic_message(&"boom".to_owned()), "a handler panicked: boom");
    assert_eq!(panic_message(&7), "a handler panicked: without a message");
}
