//! The statements, as Ninefold's compiler writes them for `bench/app/schema.graphql`, and their rows as JSON.

use anyhow::{Result, ensure};
use rusqlite::{Connection, Row, params};
use serde::Deserialize;
use uuid::Uuid;

macro_rules! plain {
    ($table:literal) => {
        concat!(
            r#"SELECT t0."id", t0."created", t0."updated", t0."version", t0."title", t0."category", t0."score", "#,
            r#"t0."published", t0."body" FROM ""#,
            $table,
            r#"" AS t0 WHERE t0."id" = ?"#
        )
    };
}

const MEMBER: &str =
    r#"EXISTS (SELECT 1 FROM "team_members" AS l1 WHERE l1."team_id" = t0."team" AND l1."user_id" = ?)"#;
const POST: &str = plain!("post");
const NOTE: &str = plain!("note");
/// The relations of an article, in the order of its columns.
const RELATIONS: &[&str] = &["team", "author"];

/// Texts that are put together once.
pub(crate) struct Sql {
    article: String,
    articles: String,
    article_created: String,
}

impl Sql {
    pub(crate) fn new() -> Self {
        let columns = r#"t0."id", t0."created", t0."updated", t0."version", t0."team", t0."author", t0."title", t0."category", t0."score", t0."published", t0."body""#;
        Self {
            article: format!(r#"SELECT {columns} FROM "article" AS t0 WHERE t0."id" = ? AND {MEMBER}"#),
            articles: format!(
                r#"SELECT {columns}, t0."score", t0."id" FROM "article" AS t0 WHERE ({MEMBER} AND t0."category" = ?) ORDER BY 12 DESC, 13 DESC LIMIT ?"#
            ),
            article_created: format!(
                r#"SELECT {columns}, ({MEMBER}) IS TRUE, ({MEMBER}) IS TRUE FROM "article" AS t0 WHERE t0."id" = ?"#
            ),
        }
    }
}

const POSTS: &str = r#"SELECT t0."id", t0."created", t0."updated", t0."version", t0."title", t0."category", t0."score", t0."published", t0."body", t0."score", t0."id" FROM "post" AS t0 WHERE t0."category" = ? ORDER BY 10 DESC, 11 DESC LIMIT ?"#;
const POST_INSERT: &str = r#"INSERT INTO "post" ("id", "created", "updated", "version", "title", "category", "score", "published", "body") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"#;
const POST_UPDATE: &str = r#"UPDATE "post" SET "updated" = ?, "version" = ?, "title" = ?, "score" = ? WHERE "id" = ?"#;
const TEAM_READABLE: &str = r#"SELECT 1 FROM "team" AS t0 WHERE t0."id" = ? AND EXISTS (SELECT 1 FROM "team_members" AS l1 WHERE l1."team_id" = t0."id" AND l1."user_id" = ?)"#;
const USER_READABLE: &str = r#"SELECT 1 FROM "user" AS t0 WHERE t0."id" = ?"#;
const ARTICLE_INSERT: &str = r#"INSERT INTO "article" ("id", "created", "updated", "version", "team", "author", "title", "category", "score", "published", "body") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"#;
const USERS: &str = r#"SELECT t0."id", t0."created", t0."updated", t0."version", t0."email", t0."verified", t0."roles", t0."name", (t0."id" = ?) IS TRUE, (t0."id" = ?) IS TRUE, (t0."id" = ?) IS TRUE, t0."id" FROM "user" AS t0 WHERE t0."id" IN ("#;

#[derive(Deserialize)]
pub(crate) struct Draft {
    #[serde(default)]
    team: Option<Uuid>,
    #[serde(default)]
    author: Option<Uuid>,
    title: String,
    category: String,
    score: i32,
    published: jiff::Timestamp,
    body: String,
}

#[derive(Deserialize)]
pub(crate) struct Patch {
    title: String,
    score: i32,
}

impl Draft {
    fn check(&self) -> Result<()> {
        check_title(&self.title)?;
        ensure!(self.category.chars().count() <= 40, "category is too long");
        ensure!(self.body.chars().count() <= 4000, "body is too long");
        Ok(())
    }
}

fn check_title(title: &str) -> Result<()> {
    ensure!(
        (1..=200).contains(&title.chars().count()),
        "title must have 1 to 200 characters"
    );
    Ok(())
}

pub(crate) fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// A record's JSON and its version.
pub(crate) type Found = Option<(Vec<u8>, i64)>;

pub(crate) fn open(connection: &Connection, table: &str, id: Uuid) -> Result<Found> {
    let sql = if table == "posts" { POST } else { NOTE };
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([id.as_bytes()])?;
    rows.next()?.map(|row| written(row, &[])).transpose()
}

pub(crate) fn article(connection: &Connection, sql: &Sql, id: Uuid, user: Uuid) -> Result<Found> {
    let mut statement = connection.prepare_cached(&sql.article)?;
    let mut rows = statement.query(params![id.as_bytes(), user.as_bytes()])?;
    rows.next()?.map(|row| written(row, RELATIONS)).transpose()
}

fn written(row: &Row<'_>, relations: &[&str]) -> Result<(Vec<u8>, i64)> {
    let mut body = Vec::with_capacity(512);
    write_record(&mut body, row, relations, &mut Vec::new())?;
    Ok((body, row.get(3)?))
}

pub(crate) fn posts(connection: &Connection, category: &str, limit: u32) -> Result<Vec<u8>> {
    let mut statement = connection.prepare_cached(POSTS)?;
    let mut rows = statement.query(params![category, limit + 1])?;
    let mut page = Page::new(limit);
    while let Some(row) = rows.next()? {
        page.add(row, &[])?;
    }
    page.finish(None)
}

/// With `expand`, the authors are fetched by one more statement on the same snapshot.
pub(crate) fn articles(
    connection: &Connection,
    sql: &Sql,
    user: Uuid,
    category: &str,
    limit: u32,
    expand: bool,
) -> Result<Vec<u8>> {
    let snapshot = connection.unchecked_transaction()?;
    let mut page = Page::new(limit);
    let mut statement = connection.prepare_cached(&sql.articles)?;
    let mut rows = statement.query(params![user.as_bytes(), category, limit + 1])?;
    while let Some(row) = rows.next()? {
        page.add(row, RELATIONS)?;
    }
    drop(rows);
    drop(statement);
    let body = page.finish(expand.then_some((connection, user)))?;
    snapshot.commit()?;
    Ok(body)
}

pub(crate) fn user(connection: &Connection, id: Uuid) -> Result<Vec<u8>> {
    const SQL: &str = r#"SELECT t0."id", t0."created", t0."updated", t0."version", t0."email", t0."verified", t0."roles", t0."name", (t0."id" = ?) IS TRUE, (t0."id" = ?) IS TRUE, (t0."id" = ?) IS TRUE FROM "user" AS t0 WHERE t0."id" = ?"#;
    let id = id.as_bytes();
    let mut statement = connection.prepare_cached(SQL)?;
    let mut body = Vec::with_capacity(256);
    let mut rows = statement.query(params![id, id, id, id])?;
    let row = rows.next()?.ok_or_else(|| anyhow::anyhow!("the user is gone"))?;
    write_user(&mut body, row)?;
    Ok(body)
}

/// Everybody who is signed in may read users; address and roles only their own.
fn users(connection: &Connection, reader: Uuid, ids: &[[u8; 16]]) -> Result<Vec<([u8; 16], Vec<u8>)>> {
    let sql = format!("{USERS}{}", vec!["?"; ids.len()].join(", ") + ")");
    let mut statement = connection.prepare_cached(&sql)?;
    for (index, id) in [reader.as_bytes(); 3].into_iter().chain(ids).enumerate() {
        statement.raw_bind_parameter(index + 1, id)?;
    }
    let mut rows = statement.raw_query();
    let mut found = Vec::with_capacity(ids.len());
    while let Some(row) = rows.next()? {
        let mut body = Vec::with_capacity(256);
        write_user(&mut body, row)?;
        found.push((row.get(0)?, body));
    }
    Ok(found)
}

pub(crate) fn create_post(connection: &Connection, draft: &Draft) -> Result<(Uuid, Vec<u8>)> {
    draft.check()?;
    let (id, now) = (Uuid::now_v7(), now_ms());
    let values = params![
        id.as_bytes(),
        now,
        now,
        1,
        draft.title,
        draft.category,
        draft.score,
        draft.published.as_millisecond(),
        draft.body
    ];
    connection.prepare_cached(POST_INSERT)?.execute(values)?;
    let mut body = Vec::with_capacity(512);
    write_head(&mut body, id, now, now, 1);
    write_content(
        &mut body,
        &draft.title,
        &draft.category,
        draft.score.into(),
        draft.published.as_millisecond(),
        &draft.body,
    )?;
    Ok((id, body))
}

/// `None`: the rule refuses.
pub(crate) fn create_article(
    connection: &Connection,
    sql: &Sql,
    draft: &Draft,
    user: Uuid,
) -> Result<Option<(Uuid, Vec<u8>)>> {
    draft.check()?;
    let (Some(team), Some(author)) = (draft.team, draft.author) else {
        anyhow::bail!("team and author must be given");
    };
    let user = user.as_bytes();
    let is_there = |sql: &str, values: &[&[u8; 16]]| -> Result<bool> {
        let mut statement = connection.prepare_cached(sql)?;
        Ok(statement.exists(rusqlite::params_from_iter(values))?)
    };
    ensure!(
        is_there(TEAM_READABLE, &[team.as_bytes(), user])?,
        "there is no such team"
    );
    ensure!(
        is_there(USER_READABLE, &[author.as_bytes()])?,
        "there is no such author"
    );
    let (id, now) = (Uuid::now_v7(), now_ms());
    let values = params![
        id.as_bytes(),
        now,
        now,
        1,
        team.as_bytes(),
        author.as_bytes(),
        draft.title,
        draft.category,
        draft.score,
        draft.published.as_millisecond(),
        draft.body
    ];
    connection.prepare_cached(ARTICLE_INSERT)?.execute(values)?;
    let mut statement = connection.prepare_cached(&sql.article_created)?;
    let mut rows = statement.query(params![user, user, id.as_bytes()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    if !(row.get::<_, bool>(11)? && row.get::<_, bool>(12)?) {
        return Ok(None);
    }
    let (body, _) = written(row, RELATIONS)?;
    Ok(Some((id, body)))
}

pub(crate) fn update_post(connection: &Connection, id: Uuid, patch: &Patch) -> Result<Found> {
    check_title(&patch.title)?;
    let mut statement = connection.prepare_cached(POST)?;
    let mut rows = statement.query([id.as_bytes()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let (now, version) = (now_ms(), row.get::<_, i64>(3)? + 1);
    let mut body = Vec::with_capacity(512);
    write_head(&mut body, id, row.get(1)?, now, version);
    write_content(
        &mut body,
        &patch.title,
        text(row, 5)?,
        patch.score.into(),
        row.get(7)?,
        text(row, 8)?,
    )?;
    drop(rows);
    drop(statement);
    let values = params![now, version, patch.title, patch.score, id.as_bytes()];
    connection.prepare_cached(POST_UPDATE)?.execute(values)?;
    Ok(Some((body, version)))
}

/// `{"items":[…],"next":"…"|null}`
struct Page {
    body: Vec<u8>,
    /// Where each record's author stands in the body, and who it is.
    authors: Vec<(usize, [u8; 16])>,
    last: Option<(i64, Uuid)>,
    seen: u32,
    limit: u32,
}

impl Page {
    fn new(limit: u32) -> Self {
        let mut body = Vec::with_capacity(64 + 512 * limit as usize);
        body.extend_from_slice(b"{\"items\":[");
        Self {
            body,
            authors: Vec::with_capacity(limit as usize),
            last: None,
            seen: 0,
            limit,
        }
    }

    fn add(&mut self, row: &Row<'_>, relations: &[&str]) -> Result<()> {
        self.seen += 1;
        if self.seen > self.limit {
            return Ok(());
        }
        if self.seen > 1 {
            self.body.push(b',');
        }
        write_record(&mut self.body, row, relations, &mut self.authors)?;
        if self.seen == self.limit {
            let score = if relations.is_empty() { 6 } else { 8 };
            self.last = Some((row.get(score)?, id(row, 0)?));
        }
        Ok(())
    }

    fn finish(mut self, expand: Option<(&Connection, Uuid)>) -> Result<Vec<u8>> {
        self.body.push(b']');
        match self.last.filter(|_| self.seen > self.limit) {
            Some((score, id)) => self
                .body
                .extend_from_slice(format!(",\"next\":\"{score},{id}\"}}").as_bytes()),
            None => self.body.extend_from_slice(b",\"next\":null}"),
        }
        match expand {
            Some((connection, reader)) if !self.authors.is_empty() => self.expanded(connection, reader),
            _ => Ok(self.body),
        }
    }

    /// The records in the place of their ids.
    fn expanded(self, connection: &Connection, reader: Uuid) -> Result<Vec<u8>> {
        const QUOTED: usize = 38;
        let mut ids: Vec<_> = self.authors.iter().map(|(_, id)| *id).collect();
        ids.sort_unstable();
        ids.dedup();
        let users = users(connection, reader, &ids)?;
        let mut body = Vec::with_capacity(2 * self.body.len());
        let mut copied = 0;
        for (at, id) in &self.authors {
            if let Some((_, user)) = users.iter().find(|(found, _)| found == id) {
                body.extend_from_slice(&self.body[copied..*at]);
                body.extend_from_slice(user);
                copied = at + QUOTED;
            }
        }
        body.extend_from_slice(&self.body[copied..]);
        Ok(body)
    }
}

fn write_record(
    body: &mut Vec<u8>,
    row: &Row<'_>,
    relations: &[&str],
    authors: &mut Vec<(usize, [u8; 16])>,
) -> Result<()> {
    write_head(body, id(row, 0)?, row.get(1)?, row.get(2)?, row.get(3)?);
    for (index, name) in relations.iter().enumerate() {
        body.extend_from_slice(format!(",\"{name}\":").as_bytes());
        let id = id(row, 4 + index)?;
        if *name == "author" {
            authors.push((body.len(), *id.as_bytes()));
        }
        write_id(body, id);
    }
    let at = 4 + relations.len();
    write_content(
        body,
        text(row, at)?,
        text(row, at + 1)?,
        row.get(at + 2)?,
        row.get(at + 3)?,
        text(row, at + 4)?,
    )
}

fn write_head(body: &mut Vec<u8>, id: Uuid, created: i64, updated: i64, version: i64) {
    body.extend_from_slice(b"{\"id\":");
    write_id(body, id);
    body.extend_from_slice(b",\"created\":");
    write_time(body, created);
    body.extend_from_slice(b",\"updated\":");
    write_time(body, updated);
    body.extend_from_slice(b",\"version\":");
    body.extend_from_slice(version.to_string().as_bytes());
}

fn write_content(
    body: &mut Vec<u8>,
    title: &str,
    category: &str,
    score: i64,
    published: i64,
    text: &str,
) -> Result<()> {
    body.extend_from_slice(b",\"title\":");
    serde_json::to_writer(&mut *body, title)?;
    body.extend_from_slice(b",\"category\":");
    serde_json::to_writer(&mut *body, category)?;
    body.extend_from_slice(b",\"score\":");
    body.extend_from_slice(score.to_string().as_bytes());
    body.extend_from_slice(b",\"published\":");
    write_time(body, published);
    body.extend_from_slice(b",\"body\":");
    serde_json::to_writer(&mut *body, text)?;
    body.push(b'}');
    Ok(())
}

fn write_user(body: &mut Vec<u8>, row: &Row<'_>) -> Result<()> {
    write_head(body, id(row, 0)?, row.get(1)?, row.get(2)?, row.get(3)?);
    if row.get(8)? {
        body.extend_from_slice(b",\"email\":");
        serde_json::to_writer(&mut *body, text(row, 4)?)?;
    }
    if row.get(9)? {
        body.extend_from_slice(format!(",\"verified\":{}", row.get::<_, bool>(5)?).as_bytes());
    }
    if row.get(10)? {
        body.extend_from_slice(format!(",\"roles\":{}", text(row, 6)?).as_bytes());
    }
    body.extend_from_slice(b",\"name\":");
    serde_json::to_writer(&mut *body, text(row, 7)?)?;
    body.push(b'}');
    Ok(())
}

fn text<'r>(row: &'r Row<'_>, index: usize) -> Result<&'r str> {
    Ok(row.get_ref(index)?.as_str()?)
}

fn id(row: &Row<'_>, index: usize) -> Result<Uuid> {
    Ok(Uuid::from_slice(row.get_ref(index)?.as_blob()?)?)
}

fn write_id(body: &mut Vec<u8>, id: Uuid) {
    body.push(b'"');
    body.extend_from_slice(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
    body.push(b'"');
}

/// `"2026-01-02T03:04:05.000Z"`, from milliseconds since 1970.
fn write_time(body: &mut Vec<u8>, ms: i64) {
    let (days, rest) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    // Howard Hinnant's civil_from_days: years begin in March, eras have 400 years.
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    body.push(b'"');
    for (number, digits, end) in [
        (year, 4, b'-'),
        (month, 2, b'-'),
        (day, 2, b'T'),
        (rest / 3_600_000, 2, b':'),
        (rest / 60_000 % 60, 2, b':'),
        (rest / 1000 % 60, 2, b'.'),
        (rest % 1000, 3, b'Z'),
    ] {
        let mut divisor = 10_i64.pow(digits - 1);
        while divisor > 0 {
            body.push(b'0' + u8::try_from(number / divisor % 10).unwrap_or(0));
            divisor /= 10;
        }
        body.push(end);
    }
    body.push(b'"');
}
