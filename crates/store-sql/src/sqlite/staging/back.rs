//! Taking an import back, in portions from its end: what refers comes out before what it refers to.

use engine::ports::store::StoreError;

use super::publish::Publisher;
use crate::sqlite::connection::{self, has_dangling_references};
use crate::sqlite::error::store_error;

/// Records in a portion; deletes are slower than inserts.
const PORTION: u64 = 256;

impl Publisher {
    /// Removes what is in. Answers how many records stay, because others refer to them by now.
    pub(super) fn take_back(&mut self) -> Result<u64, StoreError> {
        self.remove_all().map_err(|error| store_error(&error))
    }

    fn remove_all(&mut self) -> rusqlite::Result<u64> {
        let mut unlinked = self.done;
        while self.layout.links.iter().any(|links| links.own) && unlinked > 0 {
            let from = unlinked.saturating_sub(PORTION) + 1;
            self.removing(|publisher| publisher.remove_links((from, unlinked), true))?;
            unlinked = from - 1;
        }
        let mut kept = 0;
        while self.done > 0 {
            let from = self.done.saturating_sub(PORTION) + 1;
            let range = (from, self.done);
            if !self.remove(range)? {
                for turn in (range.0..=range.1).rev() {
                    kept += u64::from(!self.remove((turn, turn))?);
                }
            }
            self.done = from - 1;
        }
        if self.is_marked {
            self.complete()?;
        }
        Ok(kept)
    }

    /// Whether it could be done.
    fn remove(&self, range: (u64, u64)) -> rusqlite::Result<bool> {
        self.removing(|publisher| {
            publisher.remove_links(range, false)?;
            let (table, key) = (&publisher.layout.table, &publisher.layout.key);
            let sql = format!(
                "DELETE FROM main.{table} WHERE {key} IN (SELECT s.{key} FROM {})",
                publisher.turns_of_range()
            );
            publisher.sql().prepare_cached(&sql)?.execute([range.0, range.1])?;
            publisher.mark(range.0 - 1)
        })
    }

    fn removing(&self, work: impl FnOnce(&Self) -> rusqlite::Result<()>) -> rusqlite::Result<bool> {
        connection::begin(self.sql(), self.busy_timeout)?;
        let done = work(self);
        let keep = done.is_ok() && !has_dangling_references(self.sql());
        self.sql().execute_batch(if keep { "COMMIT" } else { "ROLLBACK" })?;
        done.map(|()| keep)
    }

    fn remove_links(&self, (from, to): (u64, u64), own: bool) -> rusqlite::Result<()> {
        for links in self.layout.links.iter().filter(|links| links.own == own) {
            let (table, source, key) = (&links.table, &links.source, &self.layout.key);
            let sql = format!(
                "DELETE FROM main.{table} WHERE {source} IN (SELECT s.{key} FROM {})",
                self.turns_of_range()
            );
            self.sql().prepare_cached(&sql)?.execute([from, to])?;
        }
        Ok(())
    }
}
