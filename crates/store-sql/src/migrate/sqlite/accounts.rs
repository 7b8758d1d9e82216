//! Identity's own tables; what is done with them is in `crate::accounts`.

pub(super) const TABLES: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS _ninefold_credential (
        kind TEXT NOT NULL,
        subject BLOB NOT NULL,
        hash TEXT NOT NULL,
        PRIMARY KEY (kind, subject)
    ) STRICT, WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS _ninefold_session (
        id BLOB NOT NULL PRIMARY KEY,
        kind TEXT NOT NULL,
        subject BLOB NOT NULL,
        created INTEGER NOT NULL,
        expires INTEGER NOT NULL,
        idle_until INTEGER NOT NULL,
        generation INTEGER NOT NULL,
        rotated INTEGER NOT NULL,
        user_agent TEXT
    ) STRICT",
    "CREATE INDEX IF NOT EXISTS _ninefold_session_subject ON _ninefold_session (subject)",
    "CREATE INDEX IF NOT EXISTS _ninefold_session_idle_until ON _ninefold_session (idle_until)",
    "CREATE TABLE IF NOT EXISTS _ninefold_one_time_token (
        hash BLOB NOT NULL PRIMARY KEY,
        purpose TEXT NOT NULL,
        kind TEXT,
        subject BLOB,
        email TEXT NOT NULL,
        expires INTEGER NOT NULL
    ) STRICT",
    "CREATE INDEX IF NOT EXISTS _ninefold_one_time_token_subject ON _ninefold_one_time_token (subject)",
    "CREATE INDEX IF NOT EXISTS _ninefold_one_time_token_expires ON _ninefold_one_time_token (expires)",
    "CREATE TABLE IF NOT EXISTS _ninefold_administrator (
        id BLOB NOT NULL PRIMARY KEY,
        email TEXT NOT NULL UNIQUE,
        created INTEGER NOT NULL
    ) STRICT",
    "CREATE TABLE IF NOT EXISTS _ninefold_signing_key (
        id TEXT NOT NULL PRIMARY KEY,
        seed BLOB NOT NULL,
        starts INTEGER NOT NULL,
        expires INTEGER NOT NULL
    ) STRICT",
    "CREATE TABLE IF NOT EXISTS _ninefold_secret (name TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL) STRICT",
];
