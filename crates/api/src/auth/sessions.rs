//! `GET /auth/me`, `/auth/sessions` and `POST /auth/sign-out`.

use axum::extract::{FromRequestParts, Path, Request, State};
use axum::response::Response;
use engine::{Error, ErrorCode};
use http::StatusCode;
use identity::SessionInfo;
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer;
use super::callers::{Member, Visitor};
use super::input::Input;
use crate::Shared;
use crate::error::Problem;

pub(super) async fn me(State(shared): State<Shared>, member: Member) -> Result<Response, Problem> {
    let who = shared.identity.me(&member.ctx, &member.caller).await?;
    Ok(answer::who(StatusCode::OK, &who))
}

pub(super) async fn list(State(shared): State<Shared>, member: Member) -> Result<Response, Problem> {
    let sessions = shared.identity.sessions(&member.caller).await?;
    let items: Vec<_> = sessions.into_iter().map(shown).collect();
    Ok(answer::value(StatusCode::OK, &json!({ "items": items })))
}

fn shown(session: SessionInfo) -> Value {
    json!({
        "id": session.id.to_string(),
        "created": session.created.to_string(),
        "refreshed": session.refreshed.to_string(),
        "expires": session.expires.to_string(),
        "userAgent": session.user_agent,
        "current": session.current,
    })
}

pub(super) async fn end(
    State(shared): State<Shared>,
    member: Member,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = Uuid::parse_str(&id).map_err(|_| Error::new(ErrorCode::NotFound, "you have no such session"))?;
    shared.identity.end_session(&member.caller, id).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

pub(super) async fn end_others(State(shared): State<Shared>, member: Member) -> Result<Response, Problem> {
    shared.identity.end_other_sessions(&member.caller).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// By the refresh token of the body, if there is one: the access token may have expired. Else by `Authorization`.
pub(super) async fn sign_out(
    State(shared): State<Shared>,
    Visitor(ctx): Visitor,
    request: Request,
) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let mut input = Input::read_optional(&ctx, Request::from_parts(parts.clone(), body)).await?;
    let refresh_token = input.optional_text("refreshToken");
    input.finish()?;
    match refresh_token {
        Some(token) => shared.identity.sign_out_by_token(&token).await?,
        None => {
            let member = Member::from_request_parts(&mut parts, &shared).await?;
            shared.identity.sign_out(&member.caller).await?;
        }
    }
    Ok(answer::empty(StatusCode::NO_CONTENT))
}
