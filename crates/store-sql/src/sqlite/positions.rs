//! Positions of commits, never used twice over all runs.
//!
//! The database holds a mark that no position given out is beyond; each run begins behind the mark that it finds. The mark
//! is moved on in the transaction of a commit, once in half a million.

use engine::ports::store::StoreError;
use engine::query::Position;
use rusqlite::{Connection, OptionalExtension};

use super::error::store_error;

/// How far ahead the mark is set.
const RESERVED: u64 = 1_000_000;
const KEY: &str = "position";

/// Used on the writing thread alone.
#[derive(Default)]
pub(super) struct Positions {
    /// The last one given out, or the mark that this run began behind; `None` before the first commit.
    last: Option<u64>,
    /// The mark that is known to be committed.
    marked: u64,
}

impl Positions {
    /// Within the transaction of a commit: makes sure that the mark is ahead. Answers the mark that this transaction
    /// sees, for [`Positions::take`] to believe in once it is committed.
    pub(super) fn reserve(&mut self, connection: &Connection) -> Result<u64, StoreError> {
        let is_ahead = |mark: u64, last: u64| mark >= last + RESERVED / 2;
        if let Some(last) = self.last
            && is_ahead(self.marked, last)
        {
            return Ok(self.marked);
        }
        let found = stored(connection).map_err(|error| store_error(&error))?;
        let last = *self.last.get_or_insert(found);
        if is_ahead(found, last) {
            return Ok(found);
        }
        let mark = last + RESERVED;
        write(connection, mark).map_err(|error| store_error(&error))?;
        Ok(mark)
    }

    /// After the commit.
    pub(super) fn take(&mut self, marked: u64) -> Position {
        self.marked = self.marked.max(marked);
        let next = self.last.unwrap_or(0) + 1;
        self.last = Some(next);
        Position(next)
    }
}

fn stored(connection: &Connection) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare_cached("SELECT value FROM _ninefold_meta WHERE key = ?")?;
    let stored: Option<i64> = statement.query_row([KEY], |row| row.get(0)).optional()?;
    Ok(stored.and_then(|stored| u64::try_from(stored).ok()).unwrap_or(0))
}

fn write(connection: &Connection, mark: u64) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare_cached("INSERT OR REPLACE INTO _ninefold_meta (key, value) VALUES (?, ?)")?;
    statement.execute(rusqlite::params![KEY, i64::try_from(mark).unwrap_or(i64::MAX)])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        let table = "CREATE TABLE _ninefold_meta (key TEXT NOT NULL PRIMARY KEY, value ANY NOT NULL) STRICT";
        connection.execute_batch(table).unwrap();
        connection
    }

    fn next(positions: &mut Positions, connection: &Connection) -> u64 {
        let marked = positions.reserve(connection).unwrap();
        positions.take(marked).0
    }

    #[test]
    fn another_run_begins_behind_all_of_the_former() {
        let connection = database();
        let mut first = Positions::default();
        let last = (0..5).map(|_| next(&mut first, &connection)).last().unwrap();
        assert_eq!(last, 5);
        assert!(next(&mut Positions::default(), &connection) > last);
    }

    #[test]
    fn a_mark_that_was_rolled_back_is_written_again() {
        let connection = database();
        let mut positions = Positions::default();
        connection.execute_batch("BEGIN").unwrap();
        positions.reserve(&connection).unwrap();
        connection.execute_batch("ROLLBACK").unwrap();
        let position = next(&mut positions, &connection);
        assert!(stored(&connection).unwrap() >= position);
    }

    #[test]
    fn the_mark_stays_ahead_over_many_commits() {
        let connection = database();
        let mut positions = Positions::default();
        for _ in 0..RESERVED + 2 {
            let position = next(&mut positions, &connection);
            debug_assert!(position <= positions.marked);
        }
        assert!(stored(&connection).unwrap() >= positions.last.unwrap());
    }
}
