//! Requests and answers, as far as no database is in it.

use anyhow::{Context, Result};
use axum::Router;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt;
use serde::Deserialize;
use uuid::Uuid;

use crate::draft::Found;
use crate::tokens::Tokens;

pub type Answer = Result<Response, Refusal>;

/// What went wrong, for whoever looks at the benchmark's log.
pub struct Refusal(pub StatusCode, pub String);

impl<E: Into<anyhow::Error>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self(StatusCode::UNPROCESSABLE_ENTITY, format!("{:#}", error.into()))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}

pub async fn serve(address: &str, router: Router) -> Result<()> {
    let listener = tokio::net::TcpListener::bind(address).await?.tap_io(|stream| {
        // Small answers leave at once. A socket that refuses this is about to fail anyway.
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router).await.context("the server failed")
}

/// Who is signed in.
pub fn user(tokens: &Tokens, headers: &HeaderMap) -> Result<Uuid, Refusal> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|line| line.to_str().ok());
    let token = bearer.and_then(|line| line.strip_prefix("Bearer "));
    let refused = || Refusal(StatusCode::UNAUTHORIZED, "sign in first".to_owned());
    tokens.user(token.ok_or_else(refused)?).map_err(|_| refused())
}

/// The benchmark's lists: one category, the highest score first.
#[derive(Deserialize)]
pub struct Listing {
    filter: String,
    pub limit: u32,
    #[serde(default)]
    pub expand: Option<String>,
}

impl Listing {
    pub fn category(&self) -> Result<&str> {
        let category = self.filter.strip_prefix("category == \"");
        category
            .and_then(|rest| rest.strip_suffix('"'))
            .context("only lists of one category are known")
    }
}

pub fn record(found: Found) -> Answer {
    let Some((body, version)) = found else {
        return Err(Refusal(StatusCode::NOT_FOUND, "there is no such record".to_owned()));
    };
    let mut response = answer(StatusCode::OK, body);
    response
        .headers_mut()
        .insert(header::ETAG, HeaderValue::try_from(format!("\"{version}\""))?);
    Ok(response)
}

pub fn created(collection: &str, id: Uuid, body: Vec<u8>) -> Answer {
    let mut response = answer(StatusCode::CREATED, body);
    let headers = response.headers_mut();
    headers.insert(header::ETAG, HeaderValue::from_static("\"1\""));
    headers.insert(
        header::LOCATION,
        HeaderValue::try_from(format!("/api/{collection}/{id}"))?,
    );
    Ok(response)
}

pub fn answer(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = (status, body).into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
