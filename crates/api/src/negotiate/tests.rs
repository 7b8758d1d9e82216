use http::Request;

use super::*;

fn headers(lines: &[(HeaderName, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(name, value.parse().unwrap());
    }
    headers
}

#[test]
fn tags_are_read() {
    let check = |lines: &[&str], expected: Option<Tags>| {
        let lines: Vec<_> = lines.iter().map(|line| (header::IF_MATCH, *line)).collect();
        assert_eq!(tags(&headers(&lines), header::IF_MATCH).unwrap(), expected, "{lines:?}");
    };
    let these = |tags: &[&str]| Some(Tags::These(tags.iter().map(|tag| (*tag).to_owned()).collect()));
    check(&[], None);
    check(&["*"], Some(Tags::Any));
    check(&["\"3\""], these(&["3"]));
    check(&["W/\"3\""], these(&["3"]));
    check(&["\"3\", W/\"4\" ,\"a,b\""], these(&["3", "4", "a,b"]));
    check(&["\"3\"", "\"4\""], these(&["3", "4"]));
    check(&["\"\""], these(&[""]));
}

#[test]
fn malformed_tags_are_refused() {
    for line in ["3", "\"3", "3\"", "w/\"3\"", "\"3\" \"4\"", "", "\"3\", *", "*, *"] {
        assert!(
            tags(&headers(&[(header::IF_MATCH, line)]), header::IF_MATCH).is_err(),
            "{line}"
        );
    }
}

#[test]
fn the_newest_of_what_was_written_counts() {
    let check = |lines: &[&str], expected: Option<Option<&str>>| {
        let lines: Vec<_> = lines.iter().map(|line| (WRITTEN, *line)).collect();
        let read = written(&headers(&lines)).ok();
        let read = read.map(|moment| moment.map(|moment| moment.to_string()));
        assert_eq!(read.as_ref().map(Option::as_deref), expected, "{lines:?}");
    };
    let (first, second) = ("2026-01-31T09:05:00.250Z", "2026-01-31T09:05:00.251Z");
    check(&[], Some(None));
    check(&[first], Some(Some(first)));
    check(&[second, first], Some(Some(second)));
    check(&["yesterday"], None);
    check(&[first, ""], None);
}

#[test]
fn preconditions_depend_on_the_write() {
    let check = |conditions: Conditions, lines: &[(HeaderName, &str)], expected: Option<Precondition>| {
        assert_eq!(
            conditions.read(&headers(lines)).ok(),
            expected,
            "{conditions:?} {lines:?}"
        );
    };
    let version = Precondition::Match(vec!["3".to_owned()]);
    check(Conditions::None, &[], Some(Precondition::None));
    check(Conditions::None, &[(header::IF_MATCH, "*")], None);
    check(Conditions::None, &[(header::IF_NONE_MATCH, "*")], None);
    check(Conditions::Match, &[(header::IF_MATCH, "\"3\"")], Some(version));
    check(
        Conditions::Match,
        &[(header::IF_MATCH, "*")],
        Some(Precondition::MatchAny),
    );
    check(Conditions::Match, &[(header::IF_NONE_MATCH, "*")], None);
    check(
        Conditions::MatchOrAbsent,
        &[(header::IF_NONE_MATCH, "*")],
        Some(Precondition::NoneMatchAny),
    );
    check(Conditions::MatchOrAbsent, &[(header::IF_NONE_MATCH, "\"3\"")], None);
    check(
        Conditions::MatchOrAbsent,
        &[(header::IF_MATCH, "*"), (header::IF_NONE_MATCH, "*")],
        None,
    );
}

#[test]
fn unchanged_is_compared_weakly() {
    let check = |line: Option<&str>, expected: bool| {
        let lines: Vec<_> = line.into_iter().map(|line| (header::IF_NONE_MATCH, line)).collect();
        assert_eq!(is_unchanged(&headers(&lines), "3-ab").unwrap(), expected, "{line:?}");
    };
    check(None, false);
    check(Some("*"), true);
    check(Some("\"3\""), false);
    check(Some("W/\"3-ab\""), true);
    check(Some("\"1\", \"3-ab\""), true);
}

#[test]
fn an_idempotency_key_stands_for_the_whole_request() {
    let request = |path: &str, key: &str| {
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(IDEMPOTENCY_KEY, key);
        request.body(()).unwrap().into_parts().0
    };
    let claim = |path: &str, body: &[u8]| idempotency(&request(path, "k1"), "/api/rooms", body).unwrap().unwrap();
    let first = claim("/api/rooms?fields=id", b"{}");
    assert_eq!((first.key.as_str(), first.route.as_str()), ("k1", "POST /api/rooms"));
    assert_eq!(first.fingerprint, claim("/api/rooms?fields=id", b"{}").fingerprint);
    for (path, body) in [
        ("/api/rooms", "{}"),
        ("/api/rooms?fields=id", "{ }"),
        ("/api/roomsfields=id", "{}"),
    ] {
        assert_ne!(
            first.fingerprint,
            claim(path, body.as_bytes()).fingerprint,
            "{path} {body}"
        );
    }
    for key in ["", "a b", &"k".repeat(256)] {
        assert!(
            idempotency(&request("/api/rooms", key), "/api/rooms", b"").is_err(),
            "{key}"
        );
    }
    assert!(idempotency(&request("/api/rooms", &"k".repeat(255)), "/api/rooms", b"").is_ok());
}

#[test]
fn events_are_asked_for_by_name() {
    let check = |method: Method, accept: &str, expected: bool| {
        assert_eq!(
            wants_events(&method, &headers(&[(header::ACCEPT, accept)])),
            expected,
            "{method} {accept}"
        );
    };
    check(Method::GET, "text/event-stream", true);
    check(Method::GET, "application/json, Text/Event-Stream;q=0.9", true);
    check(Method::GET, "*/*", false);
    check(Method::GET, "text/*", false);
    check(Method::HEAD, "text/event-stream", false);
}
