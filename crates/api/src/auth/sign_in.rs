//! `POST /auth/sign-in`, `/auth/admin/sign-in` and `/auth/refresh`.

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use identity::{AdministratorSignIn, SignIn};

use super::answer;
use super::callers::Visitor;
use super::input::Input;
use crate::Shared;
use crate::error::Problem;

pub(super) async fn sign_in(
    State(shared): State<Shared>,
    Visitor(ctx): Visitor,
    request: Request,
) -> Result<Response, Problem> {
    let mut input = Input::read(&ctx, request).await?;
    let sign_in = SignIn {
        email: input.text("email"),
        password: input.secret("password"),
        user_agent: input.user_agent.take(),
    };
    input.finish()?;
    let signed_in = shared.identity.sign_in(&ctx, sign_in).await?;
    Ok(answer::signed_in(StatusCode::OK, &signed_in))
}

/// By address and password, or by the token of a link.
pub(super) async fn administrator(
    State(shared): State<Shared>,
    Visitor(ctx): Visitor,
    request: Request,
) -> Result<Response, Problem> {
    let mut input = Input::read(&ctx, request).await?;
    let user_agent = input.user_agent.take();
    let sign_in = if input.has("token") {
        AdministratorSignIn::Link {
            token: input.text("token"),
        }
    } else {
        AdministratorSignIn::Password {
            email: input.text("email"),
            password: input.secret("password"),
        }
    };
    input.finish()?;
    let signed_in = shared
        .identity
        .administrator_sign_in(&ctx, sign_in, user_agent.as_deref());
    Ok(answer::signed_in(StatusCode::OK, &signed_in.await?))
}

pub(super) async fn refresh(
    State(shared): State<Shared>,
    Visitor(ctx): Visitor,
    request: Request,
) -> Result<Response, Problem> {
    let mut input = Input::read(&ctx, request).await?;
    let token = input.text("refreshToken");
    input.finish()?;
    let signed_in = shared.identity.refresh(&ctx, &token).await?;
    Ok(answer::signed_in(StatusCode::OK, &signed_in))
}
