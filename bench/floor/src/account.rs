//! Signing in, and who a token belongs to: argon2id, a session row, an EdDSA token, and a cache of those seen.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::{Context, Result, ensure};
use argon2::Argon2;
use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, Signer, SigningKey};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::records::{self, now_ms};
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

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: Uuid,
    kind: String,
    sid: Uuid,
    jti: Uuid,
    iat: i64,
    exp: i64,
}

#[derive(Deserialize)]
pub(crate) struct Credentials {
    email: String,
    password: String,
}

pub(crate) struct Accounts {
    key: SigningKey,
    key_id: String,
    /// Who, and until when in milliseconds.
    seen: RwLock<HashMap<String, (Uuid, i64)>>,
    turns: Arc<Semaphore>,
}

impl Accounts {
    /// With the key that Ninefold made in this database.
    pub(crate) fn open() -> Result<Self> {
        let sql = "SELECT id, seed FROM _ninefold_signing_key ORDER BY starts LIMIT 1";
        let (key_id, seed): (String, [u8; 32]) =
            read(|connection| Ok(connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?))?;
        Ok(Self {
            key: SigningKey::from_bytes(&seed),
            key_id,
            seen: RwLock::default(),
            turns: Arc::new(Semaphore::new(
                std::thread::available_parallelism().map_or(1, usize::from),
            )),
        })
    }

    /// Verified once, then remembered.
    pub(crate) fn user(&self, token: &str) -> Result<Uuid> {
        let known = self
            .seen
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(token)
            .copied();
        let (user, until) = match known {
            Some(known) => known,
            None => {
                let claims = self.claims(token)?;
                let fresh = (claims.sub, claims.exp * 1000);
                let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
                seen.insert(token.to_owned(), fresh);
                fresh
            }
        };
        ensure!(now_ms() < until, "the token has expired");
        Ok(user)
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
        let token = self.token(id, session)?;
        let mut body = b"{\"user\":".to_vec();
        body.extend_from_slice(&user);
        let refresh = Uuid::new_v4().simple();
        body.extend_from_slice(
            format!(",\"accessToken\":\"{token}\",\"refreshToken\":\"{refresh}\",\"expiresIn\":900}}").as_bytes(),
        );
        Ok(body)
    }

    fn claims(&self, token: &str) -> Result<Claims> {
        let (signed, signature) = token.rsplit_once('.').context("the token is no JWT")?;
        let (_, payload) = signed.split_once('.').context("the token is no JWT")?;
        let signature = Signature::from_slice(&URL_SAFE_NO_PAD.decode(signature)?)?;
        self.key.verifying_key().verify_strict(signed.as_bytes(), &signature)?;
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload)?)?;
        ensure!(claims.aud == "ninefold", "the token is for somebody else");
        Ok(claims)
    }

    fn token(&self, user: Uuid, session: Uuid) -> Result<String> {
        let iat = now_ms() / 1000;
        let claims = Claims {
            iss: "ninefold".to_owned(),
            aud: "ninefold".to_owned(),
            sub: user,
            kind: "user".to_owned(),
            sid: session,
            jti: Uuid::now_v7(),
            iat,
            exp: iat + 900,
        };
        let header = serde_json::json!({ "typ": "JWT", "alg": "EdDSA", "kid": self.key_id });
        let header = URL_SAFE_NO_PAD.encode(header.to_string());
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims)?));
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes()).to_bytes());
        Ok(format!("{signed}.{signature}"))
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
