//! The accounts' endpoints, as `crate::auth` serves them.

use engine::Model;
use engine::model::Collection;
use serde_json::{Map, Value as Json, json};

use super::components::{Role, member_of_create, refer};
use super::fields::{is_in_replace, is_needed_to_create};
use super::operations::{answered, responses};
use super::value::reference;
use super::{example, links};

const SIGNED_IN: &str = "Ninefold.SignedIn";
const WHO: &str = "Ninefold.Who";
const SESSIONS: &str = "Ninefold.Sessions";
const NO_STORE: &[&str] = &["Cache-Control"];

/// Who an endpoint is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    Everybody,
    Either,
    SignedIn,
}

/// One endpoint.
struct Endpoint {
    id: &'static str,
    summary: &'static str,
    whose: For,
    body: Option<Json>,
    /// Without it the body is taken to be an empty object.
    body_required: bool,
    example: Json,
    answers: Vec<(&'static str, Json)>,
    refused: &'static [u16],
}

/// Of an application without accounts only what administrators need.
pub(super) fn paths(model: &Model) -> Map<String, Json> {
    let mut paths = Map::new();
    let mut add = |path: &str, method: &str, endpoint: Endpoint| {
        let item = paths.entry(path.to_owned()).or_insert_with(|| json!({}));
        item[method] = endpoint.describe();
        if path.ends_with("{id}") {
            item["parameters"] = json!([super::operations::parameter("id")]);
        }
    };
    if let Some(accounts) = model.accounts.map(|id| model.collection(id)) {
        add("/auth/sign-up", "post", sign_up(model, accounts));
        add("/auth/sign-in", "post", sign_in());
        add("/auth/password", "post", change_password());
        add("/auth/password-reset", "post", request_reset());
        add("/auth/password-reset/confirm", "post", reset_password());
        add("/auth/verify-email", "post", verify_email());
        add("/auth/invitations", "post", invite());
    }
    add("/auth/admin/sign-in", "post", administrator_sign_in());
    add("/auth/refresh", "post", refresh());
    add("/auth/sign-out", "post", sign_out());
    add("/auth/me", "get", me());
    add("/auth/sessions", "get", sessions());
    add("/auth/sessions", "delete", end_others());
    add("/auth/sessions/{id}", "delete", end());
    add("/.well-known/jwks.json", "get", keys());
    paths
}

pub(super) fn schemas(model: &Model) -> Map<String, Json> {
    let user = match model.accounts.map(|id| model.collection(id)) {
        Some(accounts) => json!({"anyOf": [refer(accounts, Role::Plain), object(json!({"id": id()}), &["id"])]}),
        None => object(json!({"id": id()}), &["id"]),
    };
    let administrator = object(json!({"id": id(), "email": text()}), &["id", "email"]);
    let who = |more: Json, required: &[&str]| {
        let of = |name: &str, schema: &Json| {
            let mut members = more.clone();
            members[name] = schema.clone();
            object(members, &[&[name], required].concat())
        };
        json!({"oneOf": [of("user", &user), of("administrator", &administrator)]})
    };
    let tokens = json!({
        "accessToken": {"type": "string", "description": "A JWT for `Authorization: Bearer …`."},
        "refreshToken": {"type": "string", "description": "Good for one `/auth/refresh`."},
        "expiresIn": {"type": "integer", "minimum": 0, "description": "Seconds until the access token expires."},
    });
    let moment = json!({"type": "string", "format": "date-time"});
    let session = json!({
        "id": id(), "created": moment, "refreshed": moment, "expires": moment,
        "userAgent": {"type": ["string", "null"]}, "current": {"type": "boolean"},
    });
    let session = object(
        session,
        &["id", "created", "refreshed", "expires", "userAgent", "current"],
    );
    Map::from_iter([
        (
            SIGNED_IN.to_owned(),
            who(tokens, &["accessToken", "refreshToken", "expiresIn"]),
        ),
        (WHO.to_owned(), who(json!({}), &[])),
        (
            SESSIONS.to_owned(),
            object(json!({"items": {"type": "array", "items": session}}), &["items"]),
        ),
    ])
}

impl Endpoint {
    fn describe(self) -> Json {
        let security = match self.whose {
            For::Everybody => json!([]),
            For::Either => json!([{}, {"bearer": []}]),
            For::SignedIn => json!([{"bearer": []}]),
        };
        let good = self
            .answers
            .into_iter()
            .map(|(status, answer)| (status.to_owned(), answer));
        let Json::Object(refused) = responses([], self.refused) else {
            unreachable!("responses are an object")
        };
        let mut operation = json!({
            "operationId": self.id,
            "summary": self.summary,
            "tags": ["Accounts"],
            "security": security,
            "responses": good.chain(refused).collect::<Map<_, _>>(),
        });
        if let Some(body) = self.body {
            let media = json!({"schema": body, "example": self.example});
            operation["requestBody"] = json!({"required": self.body_required, "content": {"application/json": media}});
        }
        operation
    }
}

fn sign_up(model: &Model, accounts: &Collection) -> Endpoint {
    let ours = |name: &str| matches!(name, "email" | "verified" | "roles");
    // The id, too, is given by the server.
    let own = accounts
        .fields
        .iter()
        .filter(|field| is_in_replace(accounts, field) && !ours(&field.name));
    let mut properties = json!({
        "email": email(),
        "password": secret(),
        "invitation": {"type": ["string", "null"], "description": "The token of an invitation."},
    });
    let mut required = vec!["email", "password"];
    for field in own {
        properties[&field.name] = member_of_create(model, field);
        if is_needed_to_create(accounts, field) {
            required.push(&field.name);
        }
    }
    let mut example = example::new_record(model, accounts).unwrap_or_else(|| json!({}));
    example["email"] = "ana@example.org".into();
    example["password"] = "correct horse battery staple".into();
    let created = json!({"anyOf": [reference(SIGNED_IN), reference(WHO)]});
    let confirm = object(json!({"status": {"const": "confirm_email"}}), &["status"]);
    Endpoint {
        id: "signUp",
        summary: "A new account, signed in; or, where addresses are confirmed first, a mail",
        whose: For::Either,
        body: Some(object(properties, &required)),
        body_required: true,
        example,
        answers: vec![
            (
                "201",
                json_answer(
                    "Signed up; with tokens, unless an administrator did it for somebody else",
                    &created,
                ),
            ),
            ("202", json_answer("A mail says what comes next", &confirm)),
        ],
        refused: &[400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503],
    }
}

fn sign_in() -> Endpoint {
    Endpoint {
        id: "signIn",
        summary: "Signs a user in",
        whose: For::Everybody,
        body: Some(object(
            json!({"email": text(), "password": secret()}),
            &["email", "password"],
        )),
        body_required: true,
        example: json!({"email": "ana@example.org", "password": "correct horse battery staple"}),
        answers: vec![("200", signed_in())],
        refused: &[400, 401, 403, 408, 413, 415, 422, 429, 500, 503],
    }
}

fn administrator_sign_in() -> Endpoint {
    let by_link = object(json!({"token": text()}), &["token"]);
    let by_password = object(json!({"email": text(), "password": secret()}), &["email", "password"]);
    Endpoint {
        id: "signInAsAdministrator",
        summary: "Signs an administrator in, by password or by the token of a link",
        whose: For::Everybody,
        body: Some(json!({"oneOf": [by_link, by_password]})),
        body_required: true,
        example: json!({"email": "root@example.org", "password": "correct horse battery staple"}),
        answers: vec![("200", signed_in())],
        refused: &[400, 401, 403, 408, 413, 415, 422, 429, 500, 503],
    }
}

fn refresh() -> Endpoint {
    Endpoint {
        id: "refresh",
        summary: "New tokens for a refresh token, which is used up",
        whose: For::Everybody,
        body: Some(object(json!({"refreshToken": text()}), &["refreshToken"])),
        body_required: true,
        example: json!({"refreshToken": "…"}),
        answers: vec![("200", signed_in())],
        refused: &[400, 401, 408, 413, 415, 422, 429, 500, 503],
    }
}

fn sign_out() -> Endpoint {
    Endpoint {
        id: "signOut",
        summary: "Ends a session: the refresh token's, or without one the access token's",
        whose: For::Either,
        body: Some(object(json!({"refreshToken": {"type": ["string", "null"]}}), &[])),
        body_required: false,
        example: json!({"refreshToken": "…"}),
        answers: vec![("204", done("Signed out"))],
        refused: &[400, 401, 408, 413, 415, 422, 500, 503],
    }
}

fn me() -> Endpoint {
    without_body(
        "me",
        "Who the caller is",
        ("200", json_answer("The caller", &reference(WHO))),
        &[400, 401, 500, 503],
    )
}

fn sessions() -> Endpoint {
    let answer = json_answer("The caller's sessions", &reference(SESSIONS));
    without_body(
        "listSessions",
        "Where the caller is signed in",
        ("200", answer),
        &[400, 401, 500, 503],
    )
}

fn end_others() -> Endpoint {
    let answer = ("204", done("Ended"));
    without_body(
        "endOtherSessions",
        "Ends all of the caller's sessions but this one",
        answer,
        &[400, 401, 500, 503],
    )
}

fn end() -> Endpoint {
    without_body(
        "endSession",
        "Ends one of the caller's sessions",
        ("204", done("Ended")),
        &[400, 401, 404, 500, 503],
    )
}

fn keys() -> Endpoint {
    let set = json!({"type": "object", "properties": {"keys": {"type": "array", "items": {"type": "object"}}}, "required": ["keys"]});
    let answer = ("200", json_answer("A JWK set (RFC 7517)", &set));
    Endpoint {
        whose: For::Everybody,
        ..without_body("keys", "The keys that access tokens are signed with", answer, &[500])
    }
}

fn change_password() -> Endpoint {
    let body = json!({"currentPassword": secret(), "newPassword": secret()});
    Endpoint {
        id: "changePassword",
        summary: "Changes the caller's password, and ends its other sessions",
        whose: For::SignedIn,
        body: Some(object(body, &["currentPassword", "newPassword"])),
        body_required: true,
        example: json!({"currentPassword": "correct horse battery staple", "newPassword": "incorrect mule charger clip"}),
        answers: vec![("204", done("Changed"))],
        refused: &[400, 401, 403, 408, 413, 415, 422, 429, 500, 503],
    }
}

fn request_reset() -> Endpoint {
    Endpoint {
        id: "requestPasswordReset",
        summary: "Sends a mail with a link to set a new password, if the address has an account",
        whose: For::Everybody,
        body: Some(object(json!({"email": text()}), &["email"])),
        body_required: true,
        example: json!({"email": "ana@example.org"}),
        answers: vec![("202", done("The same for every address"))],
        refused: &[400, 408, 413, 415, 422, 429, 500, 503],
    }
}

fn reset_password() -> Endpoint {
    Endpoint {
        id: "resetPassword",
        summary: "Sets a new password with the token of a link",
        whose: For::Everybody,
        body: Some(object(
            json!({"token": text(), "password": secret()}),
            &["token", "password"],
        )),
        body_required: true,
        example: json!({"token": "…", "password": "correct horse battery staple"}),
        answers: vec![("204", done("Set"))],
        refused: &[400, 408, 413, 415, 422, 429, 500, 503],
    }
}

fn verify_email() -> Endpoint {
    Endpoint {
        id: "verifyEmail",
        summary: "Confirms an address with the token of a link",
        whose: For::Everybody,
        body: Some(object(json!({"token": text()}), &["token"])),
        body_required: true,
        example: json!({"token": "…"}),
        answers: vec![("204", done("Confirmed"))],
        refused: &[400, 408, 413, 415, 422, 429, 500, 503],
    }
}

fn invite() -> Endpoint {
    let invitation = json!({"email": text(), "token": text(), "expires": {"type": "string", "format": "date-time"}});
    Endpoint {
        id: "invite",
        summary: "Invites an address; for administrators",
        whose: For::SignedIn,
        body: Some(object(json!({"email": email()}), &["email"])),
        body_required: true,
        example: json!({"email": "ana@example.org"}),
        answers: vec![(
            "201",
            json_answer("Invited", &object(invitation, &["email", "token", "expires"])),
        )],
        refused: &[400, 401, 403, 408, 409, 413, 415, 422, 429, 500, 503],
    }
}

fn without_body(
    id: &'static str,
    summary: &'static str,
    answer: (&'static str, Json),
    refused: &'static [u16],
) -> Endpoint {
    Endpoint {
        id,
        summary,
        whose: For::SignedIn,
        body: None,
        body_required: true,
        example: Json::Null,
        answers: vec![answer],
        refused,
    }
}

fn signed_in() -> Json {
    let mut answer = json_answer("Signed in", &reference(SIGNED_IN));
    answer["links"] = links::of_tokens();
    answer
}

fn json_answer(description: &str, schema: &Json) -> Json {
    answered(description, NO_STORE, json!({"application/json": {"schema": schema}}))
}

fn done(description: &str) -> Json {
    answered(description, NO_STORE, Json::Null)
}

fn object(properties: Json, required: &[&str]) -> Json {
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn id() -> Json {
    json!({"type": "string", "format": "uuid"})
}

fn text() -> Json {
    json!({"type": "string"})
}

fn email() -> Json {
    json!({"type": "string", "format": "email", "maxLength": 254})
}

fn secret() -> Json {
    json!({"type": "string", "format": "password"})
}
