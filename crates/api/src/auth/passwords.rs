//! `POST /auth/password`, `/auth/password-reset`, `/auth/password-reset/confirm` and `/auth/verify-email`.

use axum::extract::{Request, State};
use axum::response::Response;
use engine::ports::Secret;
use http::StatusCode;

use super::answer;
use super::callers::{Member, Visitor};
use super::input::Input;
use crate::Shared;
use crate::error::Problem;

pub(super) async fn change(
    State(shared): State<Shared>,
    member: Member,
    request: Request,
) -> Result<Response, Problem> {
    let mut input = Input::read(&member.ctx, request).await?;
    let current = input.optional_text("currentPassword").map(Secret::new);
    let new = input.secret("newPassword");
    input.finish()?;
    let changed = shared
        .identity
        .change_password(&member.ctx, &member.caller, current, new);
    changed.await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// 202 whether the address has an account or not.
pub(super) async fn request_reset(
    State(shared): State<Shared>,
    Visitor(ctx): Visitor,
    request: Request,
) -> Result<Response, Problem> {
    let mut input = Input::read(&ctx, request).await?;
    let email = input.text("email");
    input.finish()?;
    shared.identity.request_password_reset(&ctx, &email)?;
    Ok(answer::empty(StatusCode::ACCEPTED))
}

pub(super) async fn reset(
    State(shared): State<Shared>,
    Visitor(ctx): Visitor,
    request: Request,
) -> Result<Response, Problem> {
    let mut input = Input::read(&ctx, request).await?;
    let token = input.text("token");
    let password = input.secret("password");
    input.finish()?;
    shared.identity.reset_password(&ctx, &token, password).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

pub(super) async fn verify_email(
    State(shared): State<Shared>,
    Visitor(ctx): Visitor,
    request: Request,
) -> Result<Response, Problem> {
    let mut input = Input::read(&ctx, request).await?;
    let token = input.text("token");
    input.finish()?;
    shared.identity.verify_email(&ctx, &token).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}
