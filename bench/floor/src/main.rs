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

use anyhow::{Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path as InPath, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, patch, post};
use floor::draft::{Draft, Patch};
use floor::web::{self, Answer, Listing, Refusal, answer, created, record};
use serde::Deserialize;
use uuid::Uuid;

use crate::account::{Accounts, Credentials};
use crate::store::{Writer, read};

const BATCH_MAX: usize = 500;

struct Floor {
    writer: Writer,
    accounts: Accounts,
}

type Shared = State<Arc<Floor>>;
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
    web::serve(address, router).await
}

impl Floor {
    fn user(&self, headers: &HeaderMap) -> Result<Uuid, Refusal> {
        web::user(self.accounts.tokens(), headers)
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
