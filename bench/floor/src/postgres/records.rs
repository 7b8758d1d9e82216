//! The statements, as Ninefold's compiler writes them for `bench/app/schema.graphql` on PostgreSQL, and their rows as JSON.

use std::error::Error;

use anyhow::{Result, ensure};
use bytes::{BufMut, BytesMut};
use deadpool_postgres::Client;
use floor::columns::{ARTICLE, AUTHOR, Column, POST, write_id, write_time};
use floor::draft::{Draft, Found, now_ms};
use tokio_postgres::Row;
use tokio_postgres::types::{IsNull, ToSql, Type};
use uuid::Uuid;

use crate::json::{self, EPOCH_MS, Raw};

const POST_BY_ID: &str = r#"SELECT t0."id", t0."created", t0."updated", t0."version", t0."title", t0."category", t0."score", t0."published", t0."body" FROM "post" AS t0 WHERE t0."id" = $1::uuid"#;
const ARTICLE_BY_ID: &str = r#"SELECT t0."id", t0."created", t0."updated", t0."version", t0."team", t0."author", t0."title", t0."category", t0."score", t0."published", t0."body" FROM "article" AS t0 WHERE t0."id" = $1::uuid AND EXISTS (SELECT 1 FROM "team_members" AS l1 WHERE l1."team_id" = t0."team" AND l1."user_id" = $2::uuid)"#;
const POSTS: &str = r#"SELECT t0."id", t0."created", t0."updated", t0."version", t0."title", t0."category", t0."score", t0."published", t0."body", t0."score", t0."id" FROM "post" AS t0 WHERE t0."category" = $1::text COLLATE "C" ORDER BY 10 DESC, 11 DESC LIMIT {limit}"#;
const ARTICLES: &str = r#"WITH _ninefold_page AS (SELECT t0."id" AS c0, t0."created" AS c1, t0."updated" AS c2, t0."version" AS c3, t0."team" AS c4, t0."author" AS c5, t0."title" AS c6, t0."category" AS c7, t0."score" AS c8, t0."published" AS c9, t0."body" AS c10, t0."score" AS c11, t0."id" AS c12 FROM "article" AS t0 WHERE (EXISTS (SELECT 1 FROM "team_members" AS l1 WHERE l1."team_id" = t0."team" AND l1."user_id" = $1::uuid) AND t0."category" = $2::text COLLATE "C") ORDER BY 12 DESC, 13 DESC LIMIT {limit}) SELECT p.*, t0_1."id", t0_1."name", t0_1."id" FROM _ninefold_page AS p LEFT JOIN "user" AS t0_1 ON t0_1."id" = p.c5 ORDER BY 12 DESC, 13 DESC"#;
const POST_INSERT: &str = r#"INSERT INTO "post" ("id", "created", "updated", "version", "title", "category", "score", "published", "body") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"#;

/// A UUID, and a moment in milliseconds since 1970, as parameters.
#[derive(Debug)]
struct Id(Uuid);
#[derive(Debug)]
struct Moment(i64);

impl ToSql for Id {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::UUID
    }

    tokio_postgres::types::to_sql_checked!();
}

impl ToSql for Moment {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_i64((self.0 - EPOCH_MS) * 1000);
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::TIMESTAMPTZ
    }

    tokio_postgres::types::to_sql_checked!();
}

pub(crate) async fn post(client: &Client, id: Uuid) -> Result<Found> {
    one(client, POST_BY_ID, &[&Id(id)], POST).await
}

pub(crate) async fn article(client: &Client, id: Uuid, user: Uuid) -> Result<Found> {
    one(client, ARTICLE_BY_ID, &[&Id(id), &Id(user)], ARTICLE).await
}

async fn one(client: &Client, sql: &str, values: &[&(dyn ToSql + Sync)], columns: &[Column]) -> Result<Found> {
    let statement = client.prepare_cached(sql).await?;
    let Some(row) = client.query_opt(&statement, values).await? else {
        return Ok(None);
    };
    let mut body = Vec::with_capacity(512);
    json::write(&mut body, columns, 0..columns.len(), &row)?;
    body.push(b'}');
    Ok(Some((body, row.try_get(3)?)))
}

/// `{"items":[…],"next":"…"|null}`: one row more than the limit is fetched to know whether there is a next page.
pub(crate) async fn posts(client: &Client, category: &str, limit: u32) -> Result<Vec<u8>> {
    let statement = client.prepare_cached(&of_page(POSTS, limit)).await?;
    let rows = client.query(&statement, &[&category]).await?;
    page(&rows, POST, limit)
}

/// With the authors' ids and names, joined, in the place of their ids.
pub(crate) async fn articles_with_authors(client: &Client, user: Uuid, category: &str, limit: u32) -> Result<Vec<u8>> {
    let statement = client.prepare_cached(&of_page(ARTICLES, limit)).await?;
    let rows = client.query(&statement, &[&Id(user), &category]).await?;
    page(&rows, ARTICLE, limit)
}

/// The limit is part of the text, so that PostgreSQL plans it once for all values.
fn of_page(sql: &str, limit: u32) -> String {
    sql.replace("{limit}", &(u64::from(limit) + 1).to_string())
}

fn page(rows: &[Row], columns: &[Column], limit: u32) -> Result<Vec<u8>> {
    let limit = limit as usize;
    let mut body = Vec::with_capacity(64 + 512 * limit);
    body.extend_from_slice(b"{\"items\":[");
    for (number, row) in rows.iter().take(limit).enumerate() {
        if number > 0 {
            body.push(b',');
        }
        if columns.len() == ARTICLE.len() {
            json::write(&mut body, columns, 0..AUTHOR, row)?;
            // Everybody who is signed in may read users, and each article has an author.
            body.extend_from_slice(columns[AUTHOR].0.as_bytes());
            write_author(&mut body, row)?;
            json::write(&mut body, columns, AUTHOR + 1..columns.len(), row)?;
        } else {
            json::write(&mut body, columns, 0..columns.len(), row)?;
        }
        body.push(b'}');
    }
    body.extend_from_slice(b"],\"next\":");
    if rows.len() > limit {
        let last = &rows[limit - 1];
        let score: i64 = last.try_get(columns.len())?;
        let id = last.try_get::<_, Raw<'_>>(columns.len() + 1)?.id()?;
        body.extend_from_slice(format!("\"{score},{id}\"").as_bytes());
    } else {
        body.extend_from_slice(b"null");
    }
    body.push(b'}');
    Ok(body)
}

fn write_author(body: &mut Vec<u8>, row: &Row) -> Result<()> {
    // Behind the page's columns and what it is sorted by.
    let (id, name): (Raw<'_>, Raw<'_>) = (row.try_get(ARTICLE.len() + 2)?, row.try_get(ARTICLE.len() + 3)?);
    body.extend_from_slice(b"{\"id\":");
    write_id(body, id.id()?);
    body.extend_from_slice(b",\"name\":");
    serde_json::to_writer(&mut *body, std::str::from_utf8(name.0)?)?;
    body.push(b'}');
    Ok(())
}

pub(crate) async fn create_post(client: &Client, draft: &Draft) -> Result<(Uuid, Vec<u8>)> {
    draft.check()?;
    let (id, now, version) = (Uuid::now_v7(), now_ms(), 1_i64);
    let (score, published) = (i64::from(draft.score), draft.published.as_millisecond());
    let statement = client.prepare_cached(POST_INSERT).await?;
    let inserted = client
        .execute(
            &statement,
            &[
                &Id(id),
                &Moment(now),
                &Moment(now),
                &version,
                &draft.title,
                &draft.category,
                &score,
                &Moment(published),
                &draft.body,
            ],
        )
        .await?;
    ensure!(inserted == 1, "the post was not inserted");
    Ok((id, created(draft, id, now, score, published)?))
}

fn created(draft: &Draft, id: Uuid, now: i64, score: i64, published: i64) -> Result<Vec<u8>> {
    let mut body = Vec::with_capacity(512);
    for (place, (name, _)) in POST.iter().enumerate() {
        body.extend_from_slice(name.as_bytes());
        match place {
            0 => write_id(&mut body, id),
            1 | 2 => write_time(&mut body, now),
            3 => body.push(b'1'),
            4 => serde_json::to_writer(&mut body, &draft.title)?,
            5 => serde_json::to_writer(&mut body, &draft.category)?,
            6 => body.extend_from_slice(score.to_string().as_bytes()),
            7 => write_time(&mut body, published),
            _ => serde_json::to_writer(&mut body, &draft.body)?,
        }
    }
    body.push(b'}');
    Ok(body)
}
