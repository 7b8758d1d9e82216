//! The floor under Ninefold's speed on PostgreSQL: axum, tokio-postgres and a pool, for the requests of the benchmark alone.
//!
//! It serves a database that Ninefold made, with the SQL and rule predicates that Ninefold has there, as many connections,
//! prepared statements, and the same JSON. `floor-postgres URL ADDRESS` serves.

mod json;
mod records;

use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path as InPath, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use deadpool_postgres::{Manager, Object, Pool};
use floor::draft::Draft;
use floor::tokens::Tokens;
use floor::web::{self, Answer, Listing, answer, created, record};
use tokio_postgres::NoTls;
use uuid::Uuid;

/// Ninefold's default.
const CONNECTIONS_MAX: usize = 16;
const SIGNING_KEY: &str = "SELECT id, seed FROM _ninefold_signing_key ORDER BY starts LIMIT 1";

struct Floor {
    pool: Pool,
    tokens: Tokens,
}

type Shared = State<Arc<Floor>>;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, address] = arguments.as_slice() else {
        anyhow::bail!("usage: floor-postgres URL ADDRESS");
    };
    let pool = Pool::builder(Manager::new(url.parse()?, NoTls))
        .max_size(CONNECTIONS_MAX)
        .build()?;
    let key = pool.get().await?.query_one(SIGNING_KEY, &[]).await?;
    let tokens = Tokens::new(key.try_get(0)?, key.try_get::<_, &[u8]>(1)?.try_into()?);
    let router = Router::new()
        .route("/readyz", get(async || StatusCode::OK))
        .route("/api/posts", get(list_posts).post(create_post))
        .route("/api/posts/{id}", get(get_post))
        .route("/api/articles", get(list_articles))
        .route("/api/articles/{id}", get(get_article))
        .with_state(Arc::new(Floor { pool, tokens }));
    web::serve(address, router).await
}

impl Floor {
    async fn connection(&self) -> Result<Object> {
        Ok(self.pool.get().await?)
    }
}

async fn get_post(State(floor): Shared, InPath(id): InPath<Uuid>) -> Answer {
    record(records::post(&floor.connection().await?, id).await?)
}

async fn get_article(State(floor): Shared, InPath(id): InPath<Uuid>, headers: HeaderMap) -> Answer {
    let user = web::user(&floor.tokens, &headers)?;
    record(records::article(&floor.connection().await?, id, user).await?)
}

async fn list_posts(State(floor): Shared, Query(listing): Query<Listing>) -> Answer {
    let connection = floor.connection().await?;
    let body = records::posts(&connection, listing.category()?, listing.limit).await?;
    Ok(answer(StatusCode::OK, body))
}

async fn list_articles(State(floor): Shared, Query(listing): Query<Listing>, headers: HeaderMap) -> Answer {
    let user = web::user(&floor.tokens, &headers)?;
    let connection = floor.connection().await?;
    let body = records::articles_with_authors(&connection, user, listing.category()?, listing.limit).await?;
    Ok(answer(StatusCode::OK, body))
}

async fn create_post(State(floor): Shared, body: Bytes) -> Answer {
    let draft: Draft = serde_json::from_slice(&body)?;
    let (id, body) = records::create_post(&floor.connection().await?, &draft).await?;
    created("posts", id, body)
}
