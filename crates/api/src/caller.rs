//! Who calls, and the context that every operation takes.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use engine::access::Principal;
use engine::operations::{Ctx, Reads};
use engine::{Error, ErrorCode};
use http::{HeaderMap, header};

use crate::Shared;
use crate::error::Problem;
use crate::guard::About;
use crate::negotiate;

/// A request's context, with its caller authenticated.
pub(crate) struct Caller {
    pub(crate) ctx: Ctx,
    /// The token that it came with: what outlives the request has to show it again.
    pub(crate) bearer: Option<String>,
}

impl FromRequestParts<Shared> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Problem> {
        let bearer = bearer(&parts.headers)?;
        let written = negotiate::written(&parts.headers)?;
        let principal = shared.identity.authenticate(bearer).await?;
        Ok(Self {
            ctx: Ctx {
                reads: Reads::Recent { written },
                ..context(parts, principal)
            },
            bearer: bearer.map(str::to_owned),
        })
    }
}

pub(crate) fn context(parts: &Parts, principal: Principal) -> Ctx {
    let about = parts.extensions.get::<About>();
    let About {
        request_id,
        deadline,
        address,
    } = about.expect("the guard is outside of every handler").clone();
    Ctx {
        principal,
        request_id,
        deadline,
        address: Some(address),
        reads: Reads::Latest,
    }
}

/// `Authorization: Bearer …` (RFC 6750).
pub(crate) fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Error> {
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let Some(line) = lines.next() else {
        return Ok(None);
    };
    if lines.next().is_some() {
        return Err(Error::new(
            ErrorCode::BadRequest,
            "Authorization stands more than once; send it once",
        ));
    }
    let wrong = || {
        Error::new(
            ErrorCode::Unauthenticated,
            "send the access token as Authorization: Bearer …",
        )
    };
    let (scheme, token) = line.to_str().map_err(|_| wrong())?.split_once(' ').ok_or_else(wrong)?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(wrong());
    }
    Ok(Some(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_bearer_token() {
        let check = |lines: &[&str], expected: Result<Option<&str>, ErrorCode>| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::AUTHORIZATION, line.parse().unwrap());
            }
            assert_eq!(bearer(&headers).map_err(|error| error.code), expected, "{lines:?}");
        };
        check(&[], Ok(None));
        check(&["Bearer abc"], Ok(Some("abc")));
        check(&["bearer  abc "], Ok(Some("abc")));
        check(&["Bearer"], Err(ErrorCode::Unauthenticated));
        check(&["Bearer  "], Err(ErrorCode::Unauthenticated));
        check(&["Basic YTpi"], Err(ErrorCode::Unauthenticated));
        check(&["Bearer a", "Bearer b"], Err(ErrorCode::BadRequest));
    }
}
