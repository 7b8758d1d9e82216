//! The endpoints, over HTTP.

use serde_json::{Value as Json, json};

use super::house::SCHEMA;
use crate::app::{Client, PASSWORD, Response, TestApp};

fn with_refresh_token(answer: &Response) -> String {
    answer.json()["refreshToken"]
        .as_str()
        .expect("a refresh token")
        .to_owned()
}

#[track_caller]
fn problem(answer: &Response, status: u16, code: &str) {
    assert_eq!(
        (answer.status, &answer.json()["code"]),
        (status, &json!(code)),
        "{}",
        answer.text()
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

async fn sign_in(client: &Client, email: &str) -> Response {
    client
        .post("/auth/sign-in", &json!({"email": email, "password": PASSWORD}))
        .await
}

#[tokio::test]
async fn a_life_of_an_account() {
    let app = TestApp::new(SCHEMA).await;
    let visitor = app.client();
    let sign_up = json!({"email": "Ana@example.org", "password": PASSWORD, "name": "Ana"});
    let signed_up = visitor.post("/auth/sign-up", &sign_up).await;
    assert_eq!(signed_up.status, 201, "{}", signed_up.text());
    assert_eq!(signed_up.header("cache-control"), Some("no-store"));
    let answer = signed_up.json();
    let user = &answer["user"];
    assert_eq!(
        (&user["name"], &user["email"]),
        (&json!("Ana"), &json!("ana@example.org"))
    );
    assert_eq!((&user["verified"], &user["roles"]), (&json!(false), &json!([])));
    assert_eq!(answer["expiresIn"], 900);

    let signed_in = sign_in(&visitor, "ana@example.org").await;
    assert_eq!((signed_in.status, &signed_in.json()["user"]), (200, user));
    let ana = visitor.with_token(signed_in.json()["accessToken"].as_str().expect("a token"));
    let me = ana.get("/auth/me").await;
    assert_eq!((me.status, me.json()), (200, json!({ "user": user })));

    let refresh = json!({"refreshToken": with_refresh_token(&signed_in)});
    let refreshed = visitor.post("/auth/refresh", &refresh).await;
    assert_eq!((refreshed.status, &refreshed.json()["user"]), (200, user));
    assert_ne!(with_refresh_token(&refreshed), with_refresh_token(&signed_in));

    let out = ana.request("POST", "/auth/sign-out").send().await;
    assert_eq!((out.status, out.text().as_str()), (204, ""));
    let refused = ana.get("/auth/me").await;
    problem(&refused, 401, "unauthenticated");
    assert_eq!(
        refused.header("www-authenticate"),
        Some(r#"Bearer realm="ninefold", error="invalid_token""#)
    );
    app.stop().await;
}

#[tokio::test]
async fn sessions_are_seen_and_ended() {
    let app = TestApp::new(SCHEMA).await;
    let (ana, _) = app.sign_up("ana").await;
    let (bo, _) = app.sign_up("bo").await;
    let email = TestApp::email("ana");
    let phone = app
        .client()
        .request("POST", "/auth/sign-in")
        .header("user-agent", "phone/1")
        .json(&json!({"email": email, "password": PASSWORD}))
        .send()
        .await;
    let listed = ana.get("/auth/sessions").await.json();
    let items = listed["items"].as_array().expect("items");
    let seen = |agent: Json| items.iter().find(|item| item["userAgent"] == agent).expect("a session");
    assert_eq!(items.len(), 2);
    assert_eq!(
        (&seen(json!("phone/1"))["current"], &seen(Json::Null)["current"]),
        (&json!(false), &json!(true))
    );

    let path = format!(
        "/auth/sessions/{}",
        seen(json!("phone/1"))["id"].as_str().expect("an id")
    );
    problem(&bo.delete(&path).await, 404, "not_found");
    problem(&app.client().delete(&path).await, 401, "unauthenticated");
    assert_eq!(ana.delete(&path).await.status, 204);
    problem(&ana.delete(&path).await, 404, "not_found");
    problem(&ana.delete("/auth/sessions/nonsense").await, 404, "not_found");
    let refresh = json!({"refreshToken": with_refresh_token(&phone)});
    problem(
        &app.client().post("/auth/refresh", &refresh).await,
        401,
        "unauthenticated",
    );

    let other = sign_in(&app.client(), &email).await;
    assert_eq!(ana.delete("/auth/sessions").await.status, 204);
    let refresh = json!({"refreshToken": with_refresh_token(&other)});
    problem(
        &app.client().post("/auth/refresh", &refresh).await,
        401,
        "unauthenticated",
    );
    assert_eq!(ana.get("/auth/me").await.status, 200);
    app.stop().await;
}

#[tokio::test]
async fn an_expired_access_token_keeps_nobody_from_refreshing_or_leaving() {
    let app = TestApp::new(SCHEMA).await;
    let stale = app.client().with_token("eyJhbGciOiJFZERTQSJ9.e30.AAAA");
    app.sign_up("ana").await;
    let signed_in = sign_in(&stale, &TestApp::email("ana")).await;
    let refresh = json!({"refreshToken": with_refresh_token(&signed_in)});
    let refreshed = stale.post("/auth/refresh", &refresh).await;
    assert_eq!(refreshed.status, 200);
    let leave = json!({"refreshToken": with_refresh_token(&refreshed)});
    assert_eq!(stale.post("/auth/sign-out", &leave).await.status, 204);
    problem(&stale.post("/auth/refresh", &leave).await, 401, "unauthenticated");
    let nothing = stale.request("POST", "/auth/sign-out").send().await;
    problem(&nothing, 401, "unauthenticated");
    app.stop().await;
}

#[tokio::test]
async fn bodies_are_closed_and_small() {
    let app = TestApp::new(SCHEMA).await;
    let client = app.client();
    let wrong = client.post("/auth/sign-in", &json!({"email": 5, "pasword": "x"})).await;
    problem(&wrong, 422, "invalid");
    let errors = &wrong.json()["errors"];
    let told: Vec<_> = errors
        .as_array()
        .expect("errors")
        .iter()
        .map(|at| (&at["field"], &at["code"]))
        .collect();
    let expected = [
        (&json!("email"), &json!("wrong_type")),
        (&json!("password"), &json!("required")),
        (&json!("pasword"), &json!("unknown_field")),
    ];
    assert_eq!(told, expected);

    let large = json!({"email": "ana@example.org", "password": "x".repeat(64 * 1024)});
    problem(&client.post("/auth/sign-in", &large).await, 413, "too_large");
    problem(&client.post("/auth/refresh", &json!([])).await, 422, "invalid");
    problem(
        &client.request("POST", "/auth/refresh").send().await,
        415,
        "unsupported_media_type",
    );
    let broken = client
        .request("POST", "/auth/refresh")
        .header("content-type", "application/json");
    problem(&broken.body("{").send().await, 400, "bad_request");
    let keyed = client.request("POST", "/auth/sign-in").header("idempotency-key", "k");
    problem(&keyed.json(&json!({})).send().await, 400, "bad_request");
    problem(&client.get("/auth/sign-in").await, 405, "method_not_allowed");
    app.stop().await;
}

#[tokio::test]
async fn a_password_reset_answers_the_same_for_everybody() {
    let app = TestApp::new(SCHEMA).await;
    app.sign_up("ana").await;
    let ask = async |email: &str| {
        app.client()
            .post("/auth/password-reset", &json!({ "email": email }))
            .await
    };
    let (known, unknown) = (ask(&TestApp::email("ana")).await, ask("nobody@example.org").await);
    assert_eq!((known.status, known.text()), (202, String::new()));
    assert_eq!((unknown.status, unknown.text()), (202, String::new()));
    let names = |answer: &Response| answer.headers.keys().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&known), names(&unknown));
    let confirm = json!({"token": "nonsense", "password": "correct horse battery"});
    let refused = app.client().post("/auth/password-reset/confirm", &confirm).await;
    problem(&refused, 422, "invalid");
    problem(
        &app.client()
            .post("/auth/verify-email", &json!({"token": "nonsense"}))
            .await,
        422,
        "invalid",
    );
    app.stop().await;
}

#[tokio::test]
async fn with_addresses_confirmed_a_sign_up_answers_the_same_for_everybody() {
    let app = TestApp::with(SCHEMA).set("auth.confirm_email", "true").start().await;
    let sign_up = json!({"email": "ana@example.org", "password": PASSWORD});
    let mut answers = Vec::new();
    for _ in 0..2 {
        let answer = app.client().post("/auth/sign-up", &sign_up).await;
        let names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
        answers.push((answer.status, answer.text(), names));
    }
    assert_eq!(
        (answers[0].0, answers[0].1.as_str()),
        (202, r#"{"status":"confirm_email"}"#)
    );
    assert_eq!(answers[0], answers[1]);
    problem(&sign_in(&app.client(), "ana@example.org").await, 403, "forbidden");
    app.stop().await;
}

/// Whatever else is wrong with a sign-up is told, or not told, for a known address as for a new one.
#[tokio::test]
async fn with_addresses_confirmed_no_other_refusal_tells_a_known_address() {
    const WITH_HANDLE: &str = r#"
        type User @collection(auth: true, signUp: OPEN)
          @access(read: "true")
          @check(rule: "record.mentor == null || record.mentor.handle != 'ana'", message: "ana has no time") {
          handle: String! @unique
          mentor: User
        }"#;
    let app = TestApp::with(WITH_HANDLE)
        .set("auth.confirm_email", "true")
        .start()
        .await;
    let sign_up = async |email: &str, handle: &str, mentor: Option<&str>| {
        let body = json!({"email": email, "password": PASSWORD, "handle": handle, "mentor": mentor});
        let answer = app.client().post("/auth/sign-up", &body).await;
        let mut problem: serde_json::Value = serde_json::from_str(&answer.text()).expect("JSON");
        problem.as_object_mut().expect("an object").remove("requestId");
        (answer.status, problem)
    };
    let (status, _) = sign_up("known@example.org", "ana", None).await;
    assert_eq!(status, 202);
    let list = app.client().get("/api/users").await.json();
    let ana = list["items"][0]["id"].as_str().expect("an id").to_owned();
    let nobody = "00000000-0000-7000-8000-000000000001";

    let mut new_addresses = 0;
    let mut check = async |handle: &str, mentor: Option<&str>, expected: u16| {
        let known = sign_up("known@example.org", handle, mentor).await;
        new_addresses += 1;
        let new = sign_up(&format!("new{new_addresses}@example.org"), handle, mentor).await;
        assert_eq!(known, new, "{handle} {mentor:?}");
        assert_eq!(known.0, expected, "{known:?}");
    };
    check("free", None, 202).await;
    check("ana", None, 409).await;
    check("another", Some(&ana), 422).await;
    check("another", Some(nobody), 422).await;
    check("ana", Some(&ana), 409).await;
    app.stop().await;
}

#[tokio::test]
async fn a_flood_of_guesses_is_told_when_to_come_back() {
    let app = TestApp::new(SCHEMA).await;
    let guess = json!({"email": "nobody@example.org", "password": "a guess at it"});
    for _ in 0..10 {
        problem(
            &app.client().post("/auth/sign-in", &guess).await,
            401,
            "unauthenticated",
        );
    }
    let limited = app.client().post("/auth/sign-in", &guess).await;
    problem(&limited, 429, "rate_limited");
    let wait: u32 = limited
        .header("retry-after")
        .expect("a header")
        .parse()
        .expect("seconds");
    assert!((1..=10).contains(&wait), "{wait}");
    app.stop().await;
}

#[tokio::test]
async fn administrators_are_told_apart_and_invite() {
    let app = TestApp::with(&SCHEMA.replace("OPEN", "INVITE")).start().await;
    let administrator = app.administrator().await;
    let me = administrator.get("/auth/me").await.json();
    assert!(
        me["administrator"]["email"].is_string() && me.get("user").is_none(),
        "{me}"
    );

    let invite = json!({"email": "Bo@example.org"});
    problem(
        &app.client().post("/auth/invitations", &invite).await,
        401,
        "unauthenticated",
    );
    let invited = administrator.post("/auth/invitations", &invite).await;
    assert_eq!(
        (invited.status, &invited.json()["email"]),
        (201, &json!("bo@example.org"))
    );
    let mut sign_up = json!({"email": "bo@example.org", "password": PASSWORD});
    problem(&app.client().post("/auth/sign-up", &sign_up).await, 403, "forbidden");
    sign_up["invitation"] = invited.json()["token"].clone();
    let joined = app.client().post("/auth/sign-up", &sign_up).await;
    assert_eq!((joined.status, &joined.json()["user"]["verified"]), (201, &json!(true)));
    let bo = app
        .client()
        .with_token(joined.json()["accessToken"].as_str().expect("a token"));
    problem(&bo.post("/auth/invitations", &invite).await, 403, "forbidden");

    let made = json!({"email": "cy@example.org", "password": PASSWORD, "roles": ["moderator"]});
    let made = administrator.post("/auth/sign-up", &made).await;
    assert_eq!((made.status, made.json().get("accessToken")), (201, None));
    assert_eq!(made.json()["user"]["roles"], json!(["moderator"]));
    app.stop().await;
}

#[tokio::test]
async fn anybody_can_check_an_access_token_by_the_public_keys() {
    let app = TestApp::new(SCHEMA).await;
    let (ana, id) = app.sign_up("ana").await;
    let keys = app.client().get("/.well-known/jwks.json").await;
    assert_eq!(
        (keys.status, keys.header("cache-control")),
        (200, Some("public, max-age=300"))
    );
    let keys = keys.json();
    let key = &keys["keys"][0];
    assert_eq!(
        (&key["kty"], &key["crv"], &key["use"]),
        (&json!("OKP"), &json!("Ed25519"), &json!("sig"))
    );
    assert_eq!(key.get("d"), None, "nothing private");
    let part = |place: usize| {
        use base64::Engine as _;
        let text = ana
            .token()
            .expect("a token")
            .split('.')
            .nth(place)
            .expect("three parts");
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(text)
            .expect("base64");
        serde_json::from_slice::<Json>(&bytes).expect("JSON")
    };
    assert_eq!((&part(0)["alg"], &part(0)["kid"]), (&json!("EdDSA"), &key["kid"]));
    let claims = part(1);
    assert_eq!((&claims["sub"], &claims["kind"]), (&json!(id), &json!("user")));
    assert_eq!(
        (&claims["iss"], &claims["aud"]),
        (&json!("ninefold"), &json!("ninefold"))
    );
    let lasts = claims["exp"].as_i64().expect("seconds") - claims["iat"].as_i64().expect("seconds");
    assert_eq!(lasts, 900);
    app.stop().await;
}

#[tokio::test]
async fn sessions_outlive_the_server() {
    let app = TestApp::new(SCHEMA).await;
    let (ana, _) = app.sign_up("ana").await;
    let signed_in = sign_in(&app.client(), &TestApp::email("ana")).await;
    let app = app.restart().await;
    let ana = app.client().with_token(ana.token().expect("a token"));
    assert_eq!(ana.get("/auth/me").await.status, 200, "the signing keys are kept");
    let refresh = json!({"refreshToken": with_refresh_token(&signed_in)});
    assert_eq!(
        app.client().post("/auth/refresh", &refresh).await.status,
        200,
        "and the secret"
    );
    app.stop().await;
}
