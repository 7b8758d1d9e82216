//! A portion that can't be published as it was checked: others wrote meanwhile.

use engine::Model;
use engine::ports::staging::StagePlan;
use engine::ports::store::StoreError;
use rusqlite::params;

use super::publish::{Outcome, Publisher};
use crate::sqlite::error::{store_error, unavailable};
use crate::staging::{Demand, Kind};

/// How often a record is tried that others are in the way of for moments only.
const ATTEMPTS_MAX: u32 = 8;

impl Publisher {
    /// After a conflict: those records that can be published are, one transaction each; of the others it is noted what
    /// stands against them.
    pub(super) fn one_by_one(
        &mut self,
        (from, to): (u64, u64),
        model: &Model,
        plan: &StagePlan,
        demands: &[Demand],
    ) -> Result<(), StoreError> {
        for turn in from..=to {
            if let Some((kind, what)) = self.alone(turn, model, plan, demands)? {
                self.refuse(turn, kind, &what).map_err(|error| store_error(&error))?;
                self.refused += 1;
            }
            self.done = turn;
            if self.refused > 0 && !plan.keep_going {
                return Ok(());
            }
        }
        Ok(())
    }

    /// One record. What stands against it, if anything does.
    fn alone(
        &mut self,
        turn: u64,
        model: &Model,
        plan: &StagePlan,
        demands: &[Demand],
    ) -> Result<Option<(Kind, String)>, StoreError> {
        for _ in 0..ATTEMPTS_MAX {
            match self.attempt((turn, turn), model, plan)? {
                Outcome::In => return Ok(None),
                Outcome::Judged(index) => return Ok(Some((Kind::Judged, index.to_string()))),
                Outcome::Conflict => {}
            }
            for demand in demands {
                if self.is_unmet(demand, turn).map_err(|error| store_error(&error))? {
                    return Ok(Some((demand.kind, demand.what.clone())));
                }
            }
            // What stood against it is gone again.
        }
        Err(unavailable("a record that others keep changing can't be published"))
    }

    fn is_unmet(&self, Demand { fails, .. }: &Demand, turn: u64) -> rusqlite::Result<bool> {
        let table = &self.layout.table;
        self.sql()
            .prepare_cached(&format!(
                "SELECT EXISTS (SELECT 1 FROM import._ninefold_turn u JOIN import.{table} s ON s._rowid_ = u.place
                                WHERE u.turn = ? AND {fails})"
            ))?
            .query_row([turn], |row| row.get(0))
    }

    /// Takes a record's turn away, and notes why.
    fn refuse(&self, turn: u64, kind: Kind, what: &str) -> rusqlite::Result<()> {
        let place: i64 = self.sql().query_row(
            "SELECT place FROM import._ninefold_turn WHERE turn = ?",
            [turn],
            |row| row.get(0),
        )?;
        self.sql().execute(
            "INSERT OR IGNORE INTO import._ninefold_problem (place, kind, what) VALUES (?, ?, ?)",
            params![place, kind as i64, what],
        )?;
        self.sql()
            .execute("DELETE FROM import._ninefold_turn WHERE turn = ?", [turn])
            .map(|_| ())
    }
}
