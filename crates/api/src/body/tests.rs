use std::time::Duration;

use engine::ErrorCode;
use futures::stream;

use super::*;
use crate::error::Code;

fn headers(kind: Option<&str>) -> HeaderMap {
    kind.map(|kind| (header::CONTENT_TYPE, kind.parse().unwrap()))
        .into_iter()
        .collect()
}

#[test]
fn types_are_checked() {
    let check = |accepts: Accepts, kind: Option<&str>, good: bool| {
        assert_eq!(accepts.check(&headers(kind)).is_ok(), good, "{kind:?}");
    };
    check(Accepts::Json, Some("application/json"), true);
    check(Accepts::Json, Some("Application/JSON; charset=UTF-8"), true);
    check(Accepts::Json, Some("application/json; charset=latin1"), false);
    check(Accepts::Json, Some("application/merge-patch+json"), false);
    check(Accepts::Json, Some("text/plain"), false);
    check(Accepts::Json, None, false);
    check(Accepts::MergePatch, Some("application/merge-patch+json"), true);
    check(Accepts::MergePatch, Some("application/json"), true);
    check(Accepts::MergePatch, Some("application/json-patch+json"), false);
    let mut compressed = headers(Some("application/json"));
    compressed.insert(header::CONTENT_ENCODING, "gzip".parse().unwrap());
    assert!(Accepts::Json.check(&compressed).is_err());
}

#[tokio::test]
async fn bodies_are_limited() {
    let check = async |body: Body, length: Option<&str>, expected: Result<&[u8], Code>| {
        let mut headers = headers(Some("application/json"));
        headers.extend(length.map(|length| (header::CONTENT_LENGTH, length.parse().unwrap())));
        let deadline = Instant::now() + Duration::from_millis(200);
        let read = read(deadline, &headers, body, Accepts::Json, 4).await;
        assert_eq!(read.as_deref().map_err(Problem::code), expected);
    };
    let too_large = Err(Code::Engine(ErrorCode::TooLarge));
    check(Body::from("1234"), None, Ok(b"1234")).await;
    check(Body::from("12345"), None, too_large).await;
    check(Body::from("1"), Some("5"), too_large).await;
    let broken = stream::iter([Ok(Bytes::from("1")), Err(std::io::Error::other("reset"))]);
    check(
        Body::from_stream(broken),
        None,
        Err(Code::Engine(ErrorCode::BadRequest)),
    )
    .await;
    let endless = stream::pending::<Result<Bytes, std::io::Error>>();
    check(Body::from_stream(endless), None, Err(Code::RequestTimeout)).await;
}

#[test]
fn json_is_read_or_the_place_is_named() {
    let check = |body: &[u8], message: &str| {
        let problem = json(body).unwrap_err();
        let document = String::from_utf8(problem.document("r", "/")).unwrap();
        assert!(document.contains(message), "{document}");
    };
    assert_eq!(json(b" {\"a\": 1} ").unwrap()["a"], 1);
    check(b"", "empty");
    check(b"{\"a\":\n  oops}", "line 2 column 3");
    check(b"{} {}", "line 1 column 4");
    check(b"{\"a\": \"\xff\"}", "not UTF-8 at byte 7");
    check("[".repeat(200).as_bytes(), "recursion limit");
}

#[test]
fn only_objects_are_objects() {
    assert!(object(serde_json::json!({}), "").is_ok());
    let error = object(serde_json::json!([1]), "[2]").unwrap_err();
    assert_eq!(
        (error.fields[0].field.as_str(), &*error.fields[0].code),
        ("[2]", "wrong_type")
    );
    assert!(
        error.fields[0].message.ends_with("this is an array"),
        "{}",
        error.fields[0].message
    );
}
