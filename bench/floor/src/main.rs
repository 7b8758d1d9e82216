//! The floor under Ninefold's speed: axum, rusqlite and nothing between them, for the requests of the benchmark alone.
//!
//! It serves a database that Ninefold made, with the SQL, rule predicates, pragmas and group commit that Ninefold has
//! there, and answers with the same JSON. No schema, no planner, no general anything: what a program costs that
//! somebody wrote by hand for exactly these routes. `floor DATABASE ADDRESS [full|normal]` serves.

mod account;
mod json;
mod records;
mod store;

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path as InPath, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use axum::serve::ListenerExt;
use serde::Deserialize;
use uuid::Uuid;

use crate::account::{Accounts, Credentials};
use crate::records::{Draft, Found, Patch};
use crate::store::{Writer, read};

const BATCH_MAX: usize = 500;

struct Floor {
    writer: Writer,
    accounts: Accounts,
}

type Shared = State<Arc<Floor>>;
type Answer = Result<Response, Refusal>;

/// What went wrong, for whoever looks at the benchmark's log.
struct Refusal(StatusCode, String);

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

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (database, address, synchronous) = match arguments.as_slice() {
        [database, address] => (database, address, "full"),
        [database, address, synchronous] => (database, address, synchronous.as_str()),
        _ => anyhow::bail!("usage: floor DATABASE ADDRESS [full|normal]"),
    };
    let writer = store::open(Path::new(database), synchronous)?;
    let floor = Floor {
        writer,
        accounts: Accounts::open()?,
    };
    let router = Router::new()
        .route("/readyz", get(async || StatusCode::OK))
        .route("/api/posts", get(list_posts).post(create_post))
        .route("/api/posts/{id}", patch(update_post).get(get_post))
        .route("/api/notes/{id}", get(get_note))
        .route("/api/articles", get(list_articles).post(create_article))
        .route("/api/articles/{id}", get(get_article))
        .route("/api/batch", post(batch))
        .route("/auth/sign-in", post(sign_in))
        .with_state(Arc::new(floor));
    let listener = tokio::net::TcpListener::bind(address).await?.tap_io(|stream| {
        // Small answers leave at once. A socket that refuses this is about to fail anyway.
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router).await.context("the server failed")
}

impl Floor {
    fn user(&self, headers: &HeaderMap) -> Result<Uuid, Refusal> {
        let bearer = headers.get(header::AUTHORIZATION).and_then(|line| line.to_str().ok());
        let token = bearer.and_then(|line| line.strip_prefix("Bearer "));
        let refused = || Refusal(StatusCode::UNAUTHORIZED, "sign in first".to_owned());
        self.accounts.user(token.ok_or_else(refused)?).map_err(|_| refused())
    }
}

async fn get_post(InPath(id): InPath<Uuid>) -> Answer {
    record(read(|connection| records::post(connection, id))?)
}

async fn get_note(State(floor): Shared, InPath(id): InPath<Uuid>, headers: HeaderMap) -> Answer {
    floor.user(&headers)?;
    record(read(|connection| records::note(connection, id))?)
}

async fn get_article(State(floor): Shared, InPath(id): InPath<Uuid>, headers: HeaderMap) -> Answer {
    let user = floor.user(&headers)?;
    record(read(|connection| records::article(connection, id, user))?)
}

/// The benchmark's lists: one category, the highest score first.
#[derive(Deserialize)]
struct Listing {
    filter: String,
    limit: u32,
    #[serde(default)]
    expand: Option<String>,
}

impl Listing {
    fn category(&self) -> Result<&str> {
        let category = self.filter.strip_prefix("category == \"");
        category
            .and_then(|rest| rest.strip_suffix('"'))
            .context("only lists of one category are known")
    }
}

async fn list_posts(Query(listing): Query<Listing>) -> Answer {
    let body = read(|connection| records::posts(connection, listing.category()?, listing.limit))?;
    Ok(answer(StatusCode::OK, body))
}

async fn list_articles(State(floor): Shared, Query(listing): Query<Listing>, headers: HeaderMap) -> Answer {
    let user = floor.user(&headers)?;
    let list = if listing.expand.is_some() {
        records::articles_with_authors
    } else {
        records::articles
    };
    let body = read(|connection| list(connection, user, listing.category()?, listing.limit))?;
    Ok(answer(StatusCode::OK, body))
}

async fn create_post(State(floor): Shared, body: Bytes) -> Answer {
    let draft: Draft = serde_json::from_slice(&body)?;
    let (id, body) = floor
        .writer
        .write(move |connection| records::create_post(connection, &draft))
        .await?;
    created("posts", id, body)
}

async fn create_article(State(floor): Shared, headers: HeaderMap, body: Bytes) -> Answer {
    let user = floor.user(&headers)?;
    let draft: Draft = serde_json::from_slice(&body)?;
    let (id, body) = floor
        .writer
        .write(move |connection| records::create_article(connection, &draft, user))
        .await?;
    created("articles", id, body)
}

async fn update_post(State(floor): Shared, InPath(id): InPath<Uuid>, body: Bytes) -> Answer {
    let patch: Patch = serde_json::from_slice(&body)?;
    record(
        floor
            .writer
            .write(move |connection| records::update_post(connection, id, &patch))
            .await?,
    )
}

#[derive(Deserialize)]
struct Batch {
    operations: Vec<Operation>,
}

#[derive(Deserialize)]
struct Operation {
    op: String,
    collection: String,
    data: Draft,
}

async fn batch(State(floor): Shared, body: Bytes) -> Answer {
    let Batch { operations } = serde_json::from_slice(&body)?;
    let results = floor.writer.write(move |connection| {
        ensure!(operations.len() <= BATCH_MAX, "too many operations");
        let mut results = Vec::with_capacity(600 * operations.len());
        let mut separator: &[u8] = b"{\"results\":[";
        for Operation { op, collection, data } in &operations {
            ensure!(
                op == "create" && collection == "posts",
                "only posts are created in batches here"
            );
            let (id, record) = records::create_post(connection, data)?;
            results.extend_from_slice(separator);
            separator = b",";
            let head = format!(
                "{{\"outcome\":\"created\",\"collection\":\"posts\",\"id\":\"{id}\",\"etag\":\"\\\"1\\\"\",\"data\":"
            );
            results.extend_from_slice(head.as_bytes());
            results.extend_from_slice(&record);
            results.push(b'}');
        }
        results.extend_from_slice(b"]}");
        Ok(results)
    });
    Ok(answer(StatusCode::OK, results.await?))
}

async fn sign_in(State(floor): Shared, body: Bytes) -> Answer {
    let credentials: Credentials = serde_json::from_slice(&body)?;
    Ok(answer(
        StatusCode::OK,
        floor.accounts.sign_in(&floor.writer, credentials).await?,
    ))
}

fn record(found: Found) -> Answer {
    let Some((body, version)) = found else {
        return Err(Refusal(StatusCode::NOT_FOUND, "there is no such record".to_owned()));
    };
    let mut response = answer(StatusCode::OK, body);
    response
        .headers_mut()
        .insert(header::ETAG, HeaderValue::try_from(format!("\"{version}\""))?);
    Ok(response)
}

fn created(collection: &str, id: Uuid, body: Vec<u8>) -> Answer {
    let mut response = answer(StatusCode::CREATED, body);
    let headers = response.headers_mut();
    headers.insert(header::ETAG, HeaderValue::from_static("\"1\""));
    headers.insert(
        header::LOCATION,
        HeaderValue::try_from(format!("/api/{collection}/{id}"))?,
    );
    Ok(response)
}

fn answer(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = (status, body).into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
