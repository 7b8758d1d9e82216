//! What the live database knows of an import that is incomplete.

use rusqlite::{Connection, OptionalExtension, params};

use super::publish::Publisher;
use crate::sqlite::connection;

/// Under this key `_ninefold_meta` has an incomplete import: its token, and how many turns are in.
const UNDER_WAY: &str = "import";

impl Publisher {
    /// In the transaction of a portion: it is not the whole.
    pub(super) fn mark(&self, done: u64) -> rusqlite::Result<()> {
        let value = format!("{} {done}", self.layout.token);
        self.sql()
            .prepare_cached("INSERT OR REPLACE INTO main._ninefold_meta (key, value) VALUES (?, ?)")?
            .execute(params![UNDER_WAY, value])
            .map(|_| ())
    }

    /// Nothing is incomplete any more; durable, with all that was before.
    pub(super) fn complete(&mut self) -> rusqlite::Result<()> {
        self.synchronous(true)?;
        connection::begin(self.sql(), self.busy_timeout)?;
        self.sql()
            .execute("DELETE FROM main._ninefold_meta WHERE key = ?", [UNDER_WAY])?;
        self.sql().execute_batch("COMMIT")?;
        self.is_marked = false;
        Ok(())
    }
}

/// The token of an incomplete import, and how many turns are in.
pub(super) fn under_way(live: &Connection) -> rusqlite::Result<Option<(String, u64)>> {
    let value: Option<String> = live
        .query_row(
            "SELECT value FROM main._ninefold_meta WHERE key = ?",
            [UNDER_WAY],
            |row| row.get(0),
        )
        .optional()?;
    Ok(value.and_then(|value| {
        let (token, done) = value.split_once(' ')?;
        Some((token.to_owned(), done.parse().ok()?))
    }))
}

/// Forgets an import whose staged records are gone.
pub(super) fn forget(live: &Connection) -> rusqlite::Result<()> {
    live.execute("DELETE FROM main._ninefold_meta WHERE key = ?", [UNDER_WAY])
        .map(|_| ())
}
