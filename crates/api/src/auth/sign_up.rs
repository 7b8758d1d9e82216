//! `POST /auth/sign-up` and `POST /auth/invitations`.

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use identity::{SignUp, SignedUp};
use serde_json::json;

use super::answer;
use super::callers::Member;
use super::input::Input;
use crate::Shared;
use crate::caller::Caller;
use crate::error::Problem;

/// 201 with tokens; 202 where addresses are to be confirmed; 201 without tokens when an administrator does it for others.
pub(super) async fn sign_up(
    State(shared): State<Shared>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    let mut input = Input::read(&caller.ctx, request).await?;
    let sign_up = SignUp {
        email: input.text("email"),
        password: input.secret("password"),
        invitation: input.optional_text("invitation"),
        user_agent: input.user_agent.take(),
        data: input.rest()?,
    };
    Ok(match shared.identity.sign_up(&caller.ctx, sign_up).await? {
        SignedUp::SignedIn(signed_in) => answer::signed_in(StatusCode::CREATED, &signed_in),
        SignedUp::Created(who) => answer::who(StatusCode::CREATED, &who),
        SignedUp::Confirm => answer::value(StatusCode::ACCEPTED, &json!({"status": "confirm_email"})),
    })
}

pub(super) async fn invite(
    State(shared): State<Shared>,
    member: Member,
    request: Request,
) -> Result<Response, Problem> {
    let mut input = Input::read(&member.ctx, request).await?;
    let email = input.text("email");
    input.finish()?;
    let invitation = shared.identity.invite(&member.ctx, &email).await?;
    let body = json!({
        "email": invitation.email,
        "token": invitation.token.expose(),
        "expires": invitation.expires.to_string(),
    });
    Ok(answer::value(StatusCode::CREATED, &body))
}
