//! Who asks at these endpoints: a visitor, whose old token doesn't matter, or somebody who is signed in.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use engine::access::Principal;
use engine::operations::Ctx;
use engine::{Error, ErrorCode};

use crate::Shared;
use crate::caller::{bearer, context};
use crate::error::Problem;

/// Whoever: `Authorization` isn't looked at, so that a client with a token that has expired can get another.
pub(super) struct Visitor(pub(super) Ctx);

impl FromRequestParts<Shared> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _shared: &Shared) -> Result<Self, Problem> {
        Ok(Self(context(parts, Principal::Anonymous)))
    }
}

/// Somebody who is signed in.
pub(super) struct Member {
    pub(super) ctx: Ctx,
    pub(super) caller: identity::Caller,
}

impl FromRequestParts<Shared> for Member {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Problem> {
        let token = bearer(&parts.headers)?.ok_or_else(|| {
            Error::new(
                ErrorCode::Unauthenticated,
                "sign in, and send the access token as Authorization: Bearer …",
            )
        })?;
        let caller = shared.identity.caller(token).await?;
        let ctx = context(parts, caller.principal.clone());
        Ok(Self { ctx, caller })
    }
}
