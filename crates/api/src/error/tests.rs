use engine::FieldError;

use super::*;

#[test]
fn every_code_has_a_name_of_its_own_and_an_error_status() {
    let mut names: Vec<_> = Code::all().map(Code::name).collect();
    assert!(Code::all().all(|code| code.status().is_client_error() || code.status().is_server_error()));
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[test]
fn statuses_are_what_clients_rely_on() {
    let table: Vec<_> = Code::all()
        .map(|code| format!("{} {}", code.status().as_u16(), code.name()))
        .collect();
    assert_eq!(
        table,
        [
            "400 bad_request",
            "401 unauthenticated",
            "403 forbidden",
            "404 not_found",
            "409 unique_violation",
            "409 referenced",
            "409 in_flight",
            "412 stale",
            "422 invalid",
            "422 idempotency_mismatch",
            "413 too_large",
            "429 rate_limited",
            "503 timeout",
            "503 unavailable",
            "500 internal",
            "405 method_not_allowed",
            "415 unsupported_media_type",
            "408 request_timeout",
        ]
    );
}

#[test]
fn a_document_has_everything_and_no_more() {
    let error = Error::invalid(vec![FieldError::new(
        "name",
        "too_long",
        "must have at most 80 characters",
    )]);
    let problem = Problem::from(error.in_operation(2));
    let document: Value = serde_json::from_slice(&problem.document("r1", "/api/batch")).unwrap();
    assert_eq!(
        document,
        json!({
            "type": "/docs/errors#invalid",
            "title": "Invalid",
            "status": 422,
            "detail": "the request is not valid; see errors",
            "instance": "/api/batch",
            "code": "invalid",
            "requestId": "r1",
            "errors": [{"field": "name", "code": "too_long", "message": "must have at most 80 characters"}],
            "operation": 2,
        })
    );
}

#[test]
fn what_is_internal_stays_inside() {
    let problem = Problem::from(Error::internal("password=hunter2"));
    let document = String::from_utf8(problem.document("r1", "/")).unwrap();
    assert!(!document.contains("hunter2"), "{document}");
    assert_eq!(problem.source().unwrap().to_string(), "password=hunter2");
}

#[test]
fn a_401_challenges_and_a_503_says_when() {
    let unauthenticated = || Problem::from(Error::new(ErrorCode::Unauthenticated, "sign in"));
    let header = |response: &Response, name| {
        response
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    let challenge = |had| header(&unauthenticated().render("r", "/", had), header::WWW_AUTHENTICATE);
    assert_eq!(challenge(false).unwrap(), r#"Bearer realm="ninefold""#);
    assert_eq!(
        challenge(true).unwrap(),
        r#"Bearer realm="ninefold", error="invalid_token""#
    );
    let unavailable = Problem::from(Error::new(ErrorCode::Unavailable, "busy")).render("r", "/", false);
    assert_eq!(header(&unavailable, header::RETRY_AFTER).unwrap(), "1");
    let limited = Problem::from(Error::new(ErrorCode::RateLimited, "slow down").retry_after(30));
    assert_eq!(
        header(&limited.render("r", "/", false), header::RETRY_AFTER).unwrap(),
        "30"
    );
}
