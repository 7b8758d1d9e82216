//! The statements, as Ninefold's compiler writes them for `bench/app/schema.graphql`, and their rows as JSON.

use anyhow::{Context, Result, ensure};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row, params, params_from_iter};
use uuid::Uuid;

use floor::columns::{ARTICLE, AUTHOR, Column, IS_OWN, OWN, POST, USER};
use floor::draft::{Draft, Found, Patch, check_title, now_ms};

use crate::json;

const POST_BY_ID: &str = r#"SELECT t0."id", t0."created", t0."updated", t0."version", t0."title", t0."category", t0."score", t0."published", t0."body" FROM "post" AS t0 WHERE t0."id" = ?"#;
const NOTE_BY_ID: &str = r#"SELECT t0."id", t0."created", t0."updated", t0."version", t0."title", t0."category", t0."score", t0."published", t0."body" FROM "note" AS t0 WHERE t0."id" = ?"#;
const ARTICLE_BY_ID: &str = r#"SELECT t0."id", t0."created", t0."updated", t0."version", t0."team", t0."author", t0."title", t0."category", t0."score", t0."published", t0."body" FROM "article" AS t0 WHERE t0."id" = ? AND EXISTS (SELECT 1 FROM "team_members" AS l1 WHERE l1."team_id" = t0."team" AND l1."user_id" = ?)"#;
const POSTS: &str = r#"SELECT t0."id", t0."created", t0."updated", t0."version", t0."title", t0."category", t0."score", t0."published", t0."body", t0."score", t0."id" FROM "post" AS t0 WHERE t0."category" = ? ORDER BY 10 DESC, 11 DESC LIMIT ?"#;
const ARTICLES: &str = r#"SELECT t0."id", t0."created", t0."updated", t0."version", t0."team", t0."author", t0."title", t0."category", t0."score", t0."published", t0."body", t0."score", t0."id" FROM "article" AS t0 WHERE (EXISTS (SELECT 1 FROM "team_members" AS l1 WHERE l1."team_id" = t0."team" AND l1."user_id" = ?) AND t0."category" = ?) ORDER BY 12 DESC, 13 DESC LIMIT ?"#;
const USERS: &str = r#"SELECT t0."id", t0."created", t0."updated", t0."version", t0."email", t0."verified", t0."roles", t0."name", (t0."id" = ?) IS TRUE, (t0."id" = ?) IS TRUE, (t0."id" = ?) IS TRUE, t0."id" FROM "user" AS t0 WHERE t0."id" IN ("#;
const USER_BY_ID: &str = r#"SELECT t0."id", t0."created", t0."updated", t0."version", t0."email", t0."verified", t0."roles", t0."name", (t0."id" = ?) IS TRUE, (t0."id" = ?) IS TRUE, (t0."id" = ?) IS TRUE FROM "user" AS t0 WHERE t0."id" = ?"#;
const POST_INSERT: &str = r#"INSERT INTO "post" ("id", "created", "updated", "version", "title", "category", "score", "published", "body") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"#;
const POST_UPDATE: &str = r#"UPDATE "post" SET "updated" = ?, "version" = ?, "title" = ?, "score" = ? WHERE "id" = ?"#;
const ARTICLE_INSERT: &str = r#"INSERT INTO "article" ("id", "created", "updated", "version", "team", "author", "title", "category", "score", "published", "body") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"#;
const TEAM_READABLE: &str = r#"SELECT 1 FROM "team" AS t0 WHERE t0."id" = ? AND EXISTS (SELECT 1 FROM "team_members" AS l1 WHERE l1."team_id" = t0."id" AND l1."user_id" = ?)"#;
const USER_READABLE: &str = r#"SELECT 1 FROM "user" AS t0 WHERE t0."id" = ?"#;
/// The rule on the new record, and whether its writer may read it.
const ARTICLE_JUDGED: &str = r#"SELECT t0."id", t0."created", t0."updated", t0."version", t0."team", t0."author", t0."title", t0."category", t0."score", t0."published", t0."body", (EXISTS (SELECT 1 FROM "team_members" AS l1 WHERE l1."team_id" = t0."team" AND l1."user_id" = ?)) IS TRUE, (EXISTS (SELECT 1 FROM "team_members" AS l1 WHERE l1."team_id" = t0."team" AND l1."user_id" = ?)) IS TRUE FROM "article" AS t0 WHERE t0."id" = ?"#;

pub(crate) fn post(connection: &Connection, id: Uuid) -> Result<Found> {
    one(connection, POST_BY_ID, &[id.as_bytes()], POST)
}

pub(crate) fn note(connection: &Connection, id: Uuid) -> Result<Found> {
    one(connection, NOTE_BY_ID, &[id.as_bytes()], POST)
}

pub(crate) fn article(connection: &Connection, id: Uuid, user: Uuid) -> Result<Found> {
    one(connection, ARTICLE_BY_ID, &[id.as_bytes(), user.as_bytes()], ARTICLE)
}

fn one(connection: &Connection, sql: &str, values: &[&[u8; 16]], columns: &[Column]) -> Result<Found> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some((record(row, columns)?, row.get(3)?)))
}

fn record(row: &Row<'_>, columns: &[Column]) -> Result<Vec<u8>> {
    let mut body = Vec::with_capacity(512);
    json::write(&mut body, columns, 0..columns.len(), |index| Ok(row.get_ref(index)?))?;
    body.push(b'}');
    Ok(body)
}

/// `{"items":[…],"next":"…"|null}`: one row more than the limit is fetched to know whether there is a next page.
pub(crate) fn posts(connection: &Connection, category: &str, limit: u32) -> Result<Vec<u8>> {
    let mut statement = connection.prepare_cached(POSTS)?;
    let rows = statement.query(params![category, limit + 1])?;
    page(rows, POST, limit, &mut Vec::new())
}

pub(crate) fn articles(connection: &Connection, user: Uuid, category: &str, limit: u32) -> Result<Vec<u8>> {
    articles_noting(connection, user, category, limit, &mut Vec::new())
}

/// The same, with the authors' records, fetched by one more statement on the same snapshot, in the place of their ids.
pub(crate) fn articles_with_authors(
    connection: &Connection,
    user: Uuid,
    category: &str,
    limit: u32,
) -> Result<Vec<u8>> {
    const QUOTED: usize = 38;
    let snapshot = connection.unchecked_transaction()?;
    let mut places = Vec::with_capacity(limit as usize);
    let page = articles_noting(connection, user, category, limit, &mut places)?;
    let authors = users(connection, user, &places)?;
    snapshot.commit()?;
    let mut body = Vec::with_capacity(2 * page.len());
    let mut copied = 0;
    for (at, id) in &places {
        if let Some((_, author)) = authors.iter().find(|(found, _)| found == id) {
            body.extend_from_slice(&page[copied..*at]);
            body.extend_from_slice(author);
            copied = at + QUOTED;
        }
    }
    body.extend_from_slice(&page[copied..]);
    Ok(body)
}

/// Where in the answer an id stands, and which.
type Place = (usize, [u8; 16]);

fn articles_noting(
    connection: &Connection,
    user: Uuid,
    category: &str,
    limit: u32,
    authors: &mut Vec<Place>,
) -> Result<Vec<u8>> {
    let mut statement = connection.prepare_cached(ARTICLES)?;
    let rows = statement.query(params![user.as_bytes(), category, limit + 1])?;
    page(rows, ARTICLE, limit, authors)
}

fn page(mut rows: rusqlite::Rows<'_>, columns: &[Column], limit: u32, authors: &mut Vec<Place>) -> Result<Vec<u8>> {
    let mut body = Vec::with_capacity(64 + 512 * limit as usize);
    body.extend_from_slice(b"{\"items\":[");
    let mut count = 0;
    let (mut last, mut is_last) = (String::new(), true);
    while let Some(row) = rows.next()? {
        if count == limit {
            is_last = false;
            break;
        }
        count += 1;
        if count > 1 {
            body.push(b',');
        }
        let value = |index| Ok(row.get_ref(index)?);
        if columns.len() == ARTICLE.len() {
            json::write(&mut body, columns, 0..AUTHOR, value)?;
            authors.push((body.len() + columns[AUTHOR].0.len(), row.get(AUTHOR)?));
            json::write(&mut body, columns, AUTHOR..columns.len(), value)?;
        } else {
            json::write(&mut body, columns, 0..columns.len(), value)?;
        }
        body.push(b'}');
        if count == limit {
            let (score, id): (i64, [u8; 16]) = (row.get(columns.len())?, row.get(columns.len() + 1)?);
            last = format!("\"{score},{}\"", Uuid::from_bytes(id));
        }
    }
    body.extend_from_slice(b"],\"next\":");
    body.extend_from_slice(if is_last { b"null" } else { last.as_bytes() });
    body.push(b'}');
    Ok(body)
}

/// Everybody who is signed in may read users.
fn users(connection: &Connection, reader: Uuid, places: &[Place]) -> Result<Vec<([u8; 16], Vec<u8>)>> {
    let mut ids: Vec<&[u8; 16]> = places.iter().map(|(_, id)| id).collect();
    ids.sort_unstable();
    ids.dedup();
    let sql = format!("{USERS}{})", vec!["?"; ids.len()].join(", "));
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter([reader.as_bytes(); 3].into_iter().chain(ids)))?;
    let mut found = Vec::with_capacity(places.len());
    while let Some(row) = rows.next()? {
        found.push((row.get(0)?, person(row)?));
    }
    Ok(found)
}

pub(crate) fn user(connection: &Connection, id: Uuid) -> Result<Vec<u8>> {
    let mut statement = connection.prepare_cached(USER_BY_ID)?;
    let mut rows = statement.query(params_from_iter([id.as_bytes(); 4]))?;
    person(rows.next()?.context("the user is gone")?)
}

fn person(row: &Row<'_>) -> Result<Vec<u8>> {
    let mut body = Vec::with_capacity(256);
    let value = |index| Ok(row.get_ref(index)?);
    json::write(&mut body, USER, 0..OWN.start, value)?;
    if row.get(IS_OWN)? {
        json::write(&mut body, USER, OWN, value)?;
    }
    json::write(&mut body, USER, OWN.end..USER.len(), value)?;
    body.push(b'}');
    Ok(body)
}

pub(crate) fn create_post(connection: &Connection, draft: &Draft) -> Result<(Uuid, Vec<u8>)> {
    draft.check()?;
    let (id, now) = (Uuid::now_v7(), now_ms());
    let values = [
        ValueRef::Blob(id.as_bytes()),
        ValueRef::Integer(now),
        ValueRef::Integer(now),
        ValueRef::Integer(1),
        ValueRef::Text(draft.title.as_bytes()),
        ValueRef::Text(draft.category.as_bytes()),
        ValueRef::Integer(draft.score.into()),
        ValueRef::Integer(draft.published.as_millisecond()),
        ValueRef::Text(draft.body.as_bytes()),
    ];
    connection
        .prepare_cached(POST_INSERT)?
        .execute(params_from_iter(values.map(ToSqlOutput::Borrowed)))?;
    let mut body = Vec::with_capacity(512);
    json::write(&mut body, POST, 0..POST.len(), |index| Ok(values[index]))?;
    body.push(b'}');
    Ok((id, body))
}

/// An error takes back what was inserted.
pub(crate) fn create_article(connection: &Connection, draft: &Draft, user: Uuid) -> Result<(Uuid, Vec<u8>)> {
    draft.check()?;
    let (id, now, user) = (Uuid::now_v7(), now_ms(), user.as_bytes());
    let team = draft.team.context("team is missing")?;
    let author = draft.author.context("author is missing")?;
    let mut statement = connection.prepare_cached(TEAM_READABLE)?;
    ensure!(
        statement.exists(params![team.as_bytes(), user])?,
        "there is no such team"
    );
    let mut statement = connection.prepare_cached(USER_READABLE)?;
    ensure!(statement.exists([author.as_bytes()])?, "there is no such author");
    let published = draft.published.as_millisecond();
    let (title, category, text) = (&draft.title, &draft.category, &draft.body);
    connection.prepare_cached(ARTICLE_INSERT)?.execute(params![
        id.as_bytes(),
        now,
        now,
        1,
        team.as_bytes(),
        author.as_bytes(),
        title,
        category,
        draft.score,
        published,
        text
    ])?;
    let mut statement = connection.prepare_cached(ARTICLE_JUDGED)?;
    let mut rows = statement.query(params![user, user, id.as_bytes()])?;
    let row = rows.next()?.context("the article is gone")?;
    let judged = row.get::<_, bool>(ARTICLE.len())? && row.get::<_, bool>(ARTICLE.len() + 1)?;
    ensure!(judged, "the rule refuses");
    Ok((id, record(row, ARTICLE)?))
}

pub(crate) fn update_post(connection: &Connection, id: Uuid, patch: &Patch) -> Result<Found> {
    check_title(&patch.title)?;
    let mut statement = connection.prepare_cached(POST_BY_ID)?;
    let mut rows = statement.query([id.as_bytes()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let (now, version) = (now_ms(), row.get::<_, i64>(3)? + 1);
    let mut body = Vec::with_capacity(512);
    json::write(&mut body, POST, 0..POST.len(), |index| {
        Ok(match index {
            2 => ValueRef::Integer(now),
            3 => ValueRef::Integer(version),
            4 => ValueRef::Text(patch.title.as_bytes()),
            6 => ValueRef::Integer(patch.score.into()),
            _ => row.get_ref(index)?,
        })
    })?;
    body.push(b'}');
    connection
        .prepare_cached(POST_UPDATE)?
        .execute(params![now, version, patch.title, patch.score, id.as_bytes()])?;
    Ok(Some((body, version)))
}
