//! Signing in: argon2id, a session row, a token.

use std::sync::Arc;

use anyhow::{Result, ensure};
use argon2::Argon2;
use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use floor::draft::now_ms;
use floor::tokens::Tokens;
use rusqlite::{Connection, params};
use serde::Deserialize;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::records;
use crate::store::{Writer, read};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const SESSIONS_MAX: usize = 100;
const ACCOUNT: &str = r#"SELECT u."id", u."email", u."verified", u."roles", c.hash FROM "user" u LEFT JOIN _ninefold_credential c ON c.kind = 'user' AND c.subject = u."id" WHERE u."email" = ?"#;
const ACCOUNT_BY_ID: &str = r#"SELECT u."id", u."email", u."verified", u."roles", c.hash FROM "user" u LEFT JOIN _ninefold_credential c ON c.kind = 'user' AND c.subject = u."id" WHERE u."id" = ?"#;
const HASH: &str = "SELECT hash FROM _ninefold_credential WHERE kind = ? AND subject = ?";
const SESSION_INSERT: &str = "INSERT INTO _ninefold_session (id, kind, subject, created, expires, idle_until, generation, rotated, user_agent) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
const OTHER_SESSIONS: &str =
    "SELECT id FROM _ninefold_session WHERE kind = ? AND subject = ? AND id <> ? ORDER BY rotated DESC, id DESC";
const SESSION_DELETE: &str = "DELETE FROM _ninefold_session WHERE id = ?";

#[derive(Deserialize)]
pub(crate) struct Credentials {
    email: String,
    password: String,
}

pub(crate) struct Accounts {
    tokens: Tokens,
    turns: Arc<Semaphore>,
}

impl Accounts {
    /// With the key that Ninefold made in this database.
    pub(crate) fn open() -> Result<Self> {
        let sql = "SELECT id, seed FROM _ninefold_signing_key ORDER BY starts LIMIT 1";
        let (key_id, seed): (String, [u8; 32]) =
            read(|connection| Ok(connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?))?;
        Ok(Self {
            tokens: Tokens::new(key_id, &seed),
            turns: Arc::new(Semaphore::new(
                std::thread::available_parallelism().map_or(1, usize::from),
            )),
        })
    }

    pub(crate) fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    pub(crate) async fn sign_in(&self, writer: &Writer, given: Credentials) -> Result<Vec<u8>> {
        let (id, hash): (Uuid, String) = read(|connection| {
            let mut statement = connection.prepare_cached(ACCOUNT)?;
            Ok(statement.query_row([&given.email], |row| Ok((Uuid::from_bytes(row.get(0)?), row.get(4)?)))?)
        })?;
        let (turn, stored) = (Arc::clone(&self.turns).acquire_owned().await?, hash.clone());
        let verified = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let stored = PasswordHash::new(&stored).map_err(|error| anyhow::anyhow!("a stored hash: {error}"))?;
            Ok::<_, anyhow::Error>(
                Argon2::default()
                    .verify_password(given.password.as_bytes(), &stored)
                    .is_ok(),
            )
        });
        ensure!(verified.await??, "the password is wrong");
        let session = Uuid::now_v7();
        writer
            .write(move |connection| start_session(connection, id, session, &hash))
            .await?;
        let user = read(|connection| {
            connection
                .prepare_cached(ACCOUNT_BY_ID)?
                .query_row([id.as_bytes()], |_| Ok(()))?;
            records::user(connection, id)
        })?;
        let token = self.tokens.token(id, session)?;
        let mut body = b"{\"user\":".to_vec();
        body.extend_from_slice(&user);
        let refresh = Uuid::new_v4().simple();
        body.extend_from_slice(
            format!(",\"accessToken\":\"{token}\",\"refreshToken\":\"{refresh}\",\"expiresIn\":900}}").as_bytes(),
        );
        Ok(body)
    }
}

fn start_session(connection: &Connection, user: Uuid, session: Uuid, shown: &str) -> Result<()> {
    let (user, session, now) = (user.as_bytes(), session.as_bytes(), now_ms());
    let hash: String = connection
        .prepare_cached(HASH)?
        .query_row(params!["user", user], |row| row.get(0))?;
    ensure!(hash == shown, "the password was changed");
    let values = params![
        session,
        "user",
        user,
        now,
        now + 30 * DAY_MS,
        now + 14 * DAY_MS,
        0,
        now,
        None::<String>
    ];
    connection.prepare_cached(SESSION_INSERT)?.execute(values)?;
    let mut statement = connection.prepare_cached(OTHER_SESSIONS)?;
    let others = statement.query_map(params!["user", user, session], |row| row.get::<_, [u8; 16]>(0))?;
    let others: Vec<_> = others.collect::<rusqlite::Result<_>>()?;
    for beyond in others.iter().skip(SESSIONS_MAX - 1) {
        connection.prepare_cached(SESSION_DELETE)?.execute([beyond])?;
    }
    Ok(())
}
