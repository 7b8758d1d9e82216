//! Judging what is staged, all at once: against itself, and against the live data.

use rusqlite::params;

use super::layout::Layout;
use super::publish::Publisher;
use crate::staging::{Demand, Kind};

/// Records that one statement looks at, so that no reader stays in the way of a checkpoint.
const CHECKED_AT_ONCE: i64 = 20_000;
/// How deep records of one file may refer to each other.
const LEVELS_MAX: usize = 1_000;

impl Publisher {
    /// Judges all that is staged, and settles in which order it is published.
    pub(super) fn check(&mut self, demands: &[Demand], own: &[(u16, String)]) -> rusqlite::Result<u64> {
        for demand in demands {
            self.demand(demand)?;
        }
        while self.order(own)? {}
        self.turns = self.count("_ninefold_turn")?;
        self.count("_ninefold_problem")
    }

    fn count(&self, table: &str) -> rusqlite::Result<u64> {
        let sql = format!("SELECT count(*) FROM import.{table}");
        self.sql().query_row(&sql, [], |row| row.get(0))
    }

    fn demand(&self, demand: &Demand) -> rusqlite::Result<()> {
        let table = &self.layout.table;
        let last: Option<i64> =
            self.sql()
                .query_row(&format!("SELECT max(_rowid_) FROM import.{table}"), [], |row| {
                    row.get(0)
                })?;
        let mut from = 0;
        while from < last.unwrap_or(0) {
            let to = from + CHECKED_AT_ONCE;
            self.judge(demand, from, to)?;
            from = to;
        }
        Ok(())
    }

    /// Notes which records behind one place and up to another a demand is not met by.
    fn judge(&self, Demand { kind, what, fails }: &Demand, behind: i64, to: i64) -> rusqlite::Result<()> {
        let table = &self.layout.table;
        self.sql()
            .prepare_cached(&format!(
                "INSERT OR IGNORE INTO import._ninefold_problem (place, kind, what)
                 SELECT s._rowid_, ?1, ?2 FROM import.{table} s WHERE s._rowid_ > ?3 AND s._rowid_ <= ?4 AND {fails}"
            ))?
            .execute(params![*kind as i64, what, behind, to])
            .map(|_| ())
    }

    /// Each record after those that it refers to. Whether records turned out to be out of reach, so that others may be by
    /// now.
    fn order(&self, own: &[(u16, String)]) -> rusqlite::Result<bool> {
        let Layout { table, key, .. } = &self.layout;
        let sql = self.sql();
        sql.execute("DELETE FROM import._ninefold_turn", [])?;
        let reached = |column: &str| {
            format!(
                "(s.{column} IS NULL OR s.{column} = s.{key}
                  OR EXISTS (SELECT 1 FROM main.{table} t WHERE t.{key} = s.{column})
                  OR EXISTS (SELECT 1 FROM import.{table} t JOIN import._ninefold_turn u ON u.place = t._rowid_
                             WHERE t.{key} = s.{column}))"
            )
        };
        let conditions: String = own
            .iter()
            .map(|(_, column)| format!(" AND {}", reached(column)))
            .collect();
        let waiting = "s._rowid_ NOT IN (SELECT place FROM import._ninefold_problem)";
        let mut round = sql.prepare(&format!(
            "INSERT INTO import._ninefold_turn (place) SELECT s._rowid_ FROM import.{table} s WHERE {waiting}{}
             ORDER BY s._rowid_",
            if own.is_empty() {
                String::new()
            } else {
                format!(" AND s._rowid_ NOT IN (SELECT place FROM import._ninefold_turn){conditions}")
            }
        ))?;
        let rounds = if own.is_empty() { 1 } else { LEVELS_MAX };
        for _ in 0..rounds {
            if round.execute([])? == 0 {
                break;
            }
        }
        let mut found = 0;
        for (field, column) in own {
            found += sql.execute(
                &format!(
                    "INSERT OR IGNORE INTO import._ninefold_problem (place, kind, what)
                     SELECT s._rowid_, ?1, ?2 FROM import.{table} s
                     WHERE s._rowid_ NOT IN (SELECT place FROM import._ninefold_turn) AND NOT {}",
                    reached(column)
                ),
                params![Kind::Unreached as i64, field.to_string()],
            )?;
        }
        Ok(found + self.unlinked()? > 0)
    }

    /// Records whose links name records of the file that are refused.
    fn unlinked(&self) -> rusqlite::Result<usize> {
        let Layout { table, key, links, .. } = &self.layout;
        let mut found = 0;
        for links in links.iter().filter(|links| links.own) {
            let (name, source, target) = (&links.table, &links.source, &links.target);
            found += self.sql().execute(
                &format!(
                    "INSERT OR IGNORE INTO import._ninefold_problem (place, kind, what)
                     SELECT s._rowid_, ?1, ?2 FROM import.{table} s JOIN import.{name} l ON l.{source} = s.{key}
                     WHERE NOT EXISTS (SELECT 1 FROM main.{table} t WHERE t.{key} = l.{target})
                       AND NOT EXISTS (SELECT 1 FROM import.{table} t JOIN import._ninefold_turn u
                                       ON u.place = t._rowid_ WHERE t.{key} = l.{target})"
                ),
                params![Kind::Unreached as i64, links.field.to_string()],
            )?;
        }
        Ok(found)
    }
}
