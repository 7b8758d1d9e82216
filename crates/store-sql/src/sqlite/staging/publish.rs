//! From the staging file into the live tables, and back: portion by portion, each a short transaction.
//!
//! While an import is incomplete `_ninefold_meta` holds its token and how many turns are in; the portion that is last
//! takes this away in its own transaction, which is what completes the import.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use engine::Model;
use engine::model::{Key, Value};
use engine::ports::staging::{Published, StagePlan};
use engine::ports::store::StoreError;
use rusqlite::Connection;

use super::layout::{Layout, Links};
use crate::compile::{self, Frame, Kind as Stored};
use crate::dialect::Sqlite;
use crate::session::{Session, at_once};
use crate::sqlite::checkpoint::checkpoint;
use crate::sqlite::connection::{self, Timed, has_dangling_references};
use crate::sqlite::error::{store_error, unavailable, write_error};
use crate::sqlite::open::Possession;
use crate::sqlite::options::SqliteOptions;
use crate::sqlite::presence::Presence;
use crate::sqlite::session::{SqliteSession, value};
use crate::staging::Demand;

/// The most that a portion should hold the write lock beside another process; a client's write may have to wait so long.
const HELD_MAX: Duration = Duration::from_millis(4);
/// The same where nobody else writes but this process.
const HELD_ALONE_MAX: Duration = Duration::from_millis(50);
/// The same where nobody waits: the more at once, the fewer pages of the indexes are written again and again.
const HELD_UNSERVED_MAX: Duration = Duration::from_secs(1);
/// Page cache, in KiB: indexes are filled everywhere at once.
const CACHE_KIB: i64 = 64 * 1024;
/// Between two portions others get their turn at least so long.
const PAUSE_MIN: Duration = Duration::from_millis(1);
/// Records in the first portion: a file that is no longer is published at once.
const FIRST_PORTION: u64 = 512;
const PORTION_MAX: u64 = 65_536;
const PORTION_MIN: u64 = 32;
/// Pages that the log grows by between two checkpoints.
const CHECKPOINT_PAGES: u32 = 2000;
/// How long the checks of one portion may take.
const JUDGING_MAX: Duration = Duration::from_secs(60);

/// A connection to both: the live database and what is staged.
pub(super) struct Publisher {
    connection: Timed,
    presence: Presence,
    pub(super) layout: Layout,
    staged: PathBuf,
    /// Who waits meanwhile.
    possession: Possession,
    pub(super) busy_timeout: Duration,
    restart_timeout: Duration,
    wal_pages_max: u32,
    /// The live schema's version when the import began.
    schema: i64,
    /// Records to be published, and how many of them had their turn.
    pub(super) turns: u64,
    pub(super) done: u64,
    /// Records whose links to others of the file are in.
    linked: u64,
    pub(super) refused: u64,
    pub(super) portion: u64,
    portions: u64,
    /// Pages in the log, as the last commit left it, and when it was last copied.
    pages: Arc<AtomicU32>,
    pages_copied: u32,
    /// How long the last portion held the lock.
    held: Duration,
    /// The live database knows of an incomplete import.
    pub(super) is_marked: bool,
}

/// What became of a portion.
pub(super) enum Outcome {
    In,
    /// Something that was checked is otherwise by now; nothing of it is in.
    Conflict,
    /// A judgement of the plan, by its index, does not hold; nothing of it is in.
    Judged(usize),
}

impl Publisher {
    pub(super) fn open(
        live: &Path,
        staged: &Path,
        options: &SqliteOptions,
        layout: Layout,
        possession: Possession,
    ) -> rusqlite::Result<Self> {
        let mut connection = connection::writing(live, options)?;
        let pages = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&pages);
        connection.on_commit(move |pages| counted.store(pages, Ordering::Relaxed))?;
        {
            let connection = connection.connection();
            connection.execute("ATTACH ? AS import", [staged.to_string_lossy()])?;
            connection.pragma_update(Some("import"), "journal_mode", "memory")?;
            connection.pragma_update(Some("import"), "synchronous", "off")?;
            connection.pragma_update(Some("main"), "cache_size", -CACHE_KIB)?;
            // Only the last portion's commit is waited for: it makes those before it durable, too.
            connection.pragma_update(Some("main"), "synchronous", "normal")?;
        }
        let presence = Presence::of(live).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        Ok(Self {
            schema: schema_version(connection.connection())?,
            connection,
            presence,
            layout,
            staged: staged.to_owned(),
            possession,
            busy_timeout: options.busy_timeout,
            restart_timeout: options.restart_timeout,
            wal_pages_max: options.wal_pages_max,
            turns: 0,
            done: 0,
            linked: 0,
            refused: 0,
            portion: FIRST_PORTION,
            portions: 0,
            pages,
            pages_copied: 0,
            held: Duration::ZERO,
            is_marked: false,
        })
    }

    pub(super) fn sql(&self) -> &Connection {
        self.connection.connection()
    }

    /// The next portion; one transaction, or several after a conflict.
    pub(super) fn publish(
        &mut self,
        model: &Model,
        plan: &StagePlan,
        demands: &[Demand],
    ) -> Result<Published, StoreError> {
        self.presence.check().map_err(|reason| unavailable(&reason))?;
        if self.portions == 0 {
            self.keep_staged()?;
        } else if self.possession == Possession::Beside {
            thread::sleep((self.held / 2).max(PAUSE_MIN));
        }
        if self.done < self.turns {
            let range = (self.done + 1, self.turns.min(self.done + self.portion));
            match self.attempt(range, model, plan)? {
                Outcome::In => self.done = range.1,
                Outcome::Conflict | Outcome::Judged(_) => self.one_by_one(range, model, plan, demands)?,
            }
        } else {
            self.link_next().map_err(|error| store_error(&error))?;
        }
        let stopped = self.refused > 0 && !plan.keep_going;
        if !stopped && self.left() == 0 && self.is_marked {
            self.complete().map_err(|error| store_error(&error))?;
        }
        Ok(Published {
            done: self.done - self.refused,
            left: self.left(),
            refused: self.refused,
        })
    }

    /// Records and, where links are published apart, what remains of those.
    fn left(&self) -> u64 {
        let unlinked = if self.has_own_links() {
            self.turns - self.linked
        } else {
            0
        };
        (self.turns - self.done).max(unlinked)
    }

    fn has_own_links(&self) -> bool {
        self.layout.links.iter().any(|links| links.own)
    }

    pub(super) fn attempt(
        &mut self,
        range: (u64, u64),
        model: &Model,
        plan: &StagePlan,
    ) -> Result<Outcome, StoreError> {
        let whole = range == (1, self.turns);
        self.synchronous(whole).map_err(|error| store_error(&error))?;
        connection::begin(self.sql(), self.busy_timeout).map_err(|error| store_error(&error))?;
        let began = Instant::now();
        let outcome = self.portion(range, whole, model, plan);
        let end = if matches!(outcome, Ok(Outcome::In)) {
            "COMMIT"
        } else {
            "ROLLBACK"
        };
        self.sql().execute_batch(end).map_err(|error| store_error(&error))?;
        if let Ok(Outcome::In) = outcome {
            self.adapt(began.elapsed(), range.1 - range.0 + 1);
            self.is_marked = !whole;
            if whole {
                self.linked = self.turns;
            }
        }
        outcome
    }

    /// Within a transaction.
    fn portion(&self, range: (u64, u64), whole: bool, model: &Model, plan: &StagePlan) -> Result<Outcome, StoreError> {
        let failed = |error| store_error(&error);
        if schema_version(self.sql()).map_err(failed)? != self.schema {
            return Err(StoreError::StaleEpoch);
        }
        if let Err(error) = self.insert(range, whole) {
            return match write_error(&error, model) {
                StoreError::UniqueViolation { .. } => Ok(Outcome::Conflict),
                other => Err(other),
            };
        }
        if has_dangling_references(self.sql()) {
            return Ok(Outcome::Conflict);
        }
        if let Some(index) = self.broken(range, model, plan)? {
            return Ok(Outcome::Judged(index));
        }
        if !whole {
            self.mark(range.1).map_err(failed)?;
        }
        Ok(Outcome::In)
    }

    fn insert(&self, (from, to): (u64, u64), whole: bool) -> rusqlite::Result<()> {
        let Layout {
            table, columns, links, ..
        } = &self.layout;
        let names = columns.join(", ");
        let staged = columns
            .iter()
            .map(|column| format!("s.{column}"))
            .collect::<Vec<_>>()
            .join(", ");
        self.sql()
            .prepare_cached(&format!(
                "INSERT INTO main.{table} ({names}) SELECT {staged} FROM {}",
                self.turns_of_range()
            ))?
            .execute([from, to])?;
        for links in links.iter().filter(|links| whole || !links.own) {
            self.insert_links(links, from, to)?;
        }
        Ok(())
    }

    /// The staged records `s` of a range of turns, in their order.
    pub(super) fn turns_of_range(&self) -> String {
        let table = &self.layout.table;
        format!(
            "import._ninefold_turn u CROSS JOIN import.{table} s ON s._rowid_ = u.place \
             WHERE u.turn BETWEEN ?1 AND ?2 ORDER BY u.turn"
        )
    }

    fn insert_links(&self, links: &Links, from: u64, to: u64) -> rusqlite::Result<()> {
        let Links {
            table, source, target, ..
        } = links;
        self.sql()
            .prepare_cached(&format!(
                "INSERT INTO main.{table} ({source}, {target}) SELECT l.{source}, l.{target}
                 FROM (SELECT s.{} AS own FROM {}) r CROSS JOIN import.{table} l ON l.{source} = r.own",
                self.layout.key,
                self.turns_of_range()
            ))?
            .execute([from, to])
            .map(|_| ())
    }

    /// The next portion of links between records of the file, whose both ends are in by now.
    fn link_next(&mut self) -> rusqlite::Result<()> {
        let (from, to) = (self.linked + 1, self.turns.min(self.linked + self.portion));
        connection::begin(self.sql(), self.busy_timeout)?;
        let began = Instant::now();
        let mut own = self.layout.links.iter().filter(|links| links.own);
        let linked = own.try_for_each(|links| self.insert_links(links, from, to));
        match linked {
            Ok(()) => self.sql().execute_batch("COMMIT")?,
            Err(error) => {
                self.sql().execute_batch("ROLLBACK")?;
                return Err(error);
            }
        }
        self.adapt(began.elapsed(), to + 1 - from);
        self.linked = to;
        Ok(())
    }

    /// Which of the checks that memory couldn't judge does not hold for one of the range's records.
    fn broken(&self, range: (u64, u64), model: &Model, plan: &StagePlan) -> Result<Option<usize>, StoreError> {
        if plan.after.is_empty() {
            return Ok(None);
        }
        let collection = model.collection(plan.collection);
        let frame = Frame::reading(model, &plan.bindings);
        let mut session = SqliteSession::writing(&self.connection, Instant::now() + JUDGING_MAX, model);
        for key in self.keys(range, model, plan).map_err(|error| store_error(&error))? {
            let truths = plan.after.iter().map(|judgement| &judgement.holds);
            let (statement, _) = compile::written_row(&Sqlite, frame, (collection, &key), None, truths);
            let rows = at_once(session.query(statement))?;
            let truths = rows.first().map(Vec::as_slice).unwrap_or_default();
            if let Some(index) = truths.iter().position(|truth| *truth != Value::Bool(true)) {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    fn keys(&self, (from, to): (u64, u64), model: &Model, plan: &StagePlan) -> rusqlite::Result<Vec<Key>> {
        let kind = Stored::of_key(model, model.collection(plan.collection));
        let sql = format!("SELECT s.{} FROM {}", self.layout.key, self.turns_of_range());
        let mut statement = self.sql().prepare_cached(&sql)?;
        let mut rows = statement.query([from, to])?;
        let mut keys = Vec::new();
        while let Some(row) = rows.next()? {
            keys.push(Key(vec![value(row.get_ref(0)?, kind).map_or(Value::Null, Value::from)]));
        }
        Ok(keys)
    }

    pub(super) fn synchronous(&self, full: bool) -> rusqlite::Result<()> {
        let mode = if full { "full" } else { "normal" };
        self.sql().pragma_update(Some("main"), "synchronous", mode)
    }

    /// Aims at a portion that holds the lock for as long as it may, by steps: one that was held up says little.
    fn adapt(&mut self, held: Duration, records: u64) {
        self.held = held;
        self.portions += 1;
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
        let aim = match self.possession {
            Possession::Beside => HELD_MAX,
            Possession::Alone => HELD_ALONE_MAX,
            Possession::Unserved => HELD_UNSERVED_MAX,
        };
        let fitting = records.saturating_mul(micros(aim)) / micros(held);
        if records == self.portion || fitting < self.portion {
            let (least, most) = (self.portion / 2, self.portion * 2);
            self.portion = fitting.clamp(least, most).clamp(PORTION_MIN, PORTION_MAX);
        }
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < self.pages_copied {
            // The log was started over.
            self.pages_copied = 0;
        }
        if pages - self.pages_copied >= CHECKPOINT_PAGES {
            self.pages_copied = pages;
            if let Err(error) = self.checkpoint() {
                tracing::warn!(%error, "a checkpoint of the import failed");
            }
        }
    }

    /// Copies the log into the database, and starts the log over when it has grown beyond its bound all the same.
    fn checkpoint(&self) -> rusqlite::Result<()> {
        let progress = checkpoint(self.sql(), "PASSIVE")?;
        // Waiting is no use where a reader keeps much of it from being copied.
        if progress.pages > self.wal_pages_max && progress.pages_left <= self.wal_pages_max / 2 {
            self.sql().busy_timeout(self.restart_timeout)?;
            let restarted = checkpoint(self.sql(), "RESTART");
            self.sql().busy_timeout(self.busy_timeout)?;
            restarted?;
        }
        Ok(())
    }

    /// From now on what is staged must survive a crash and a loss of power: a part of it is going to be live.
    fn keep_staged(&self) -> Result<(), StoreError> {
        for (name, value) in [("journal_mode", "truncate"), ("synchronous", "normal")] {
            let set = self.sql().pragma_update(Some("import"), name, value);
            set.map_err(|error| store_error(&error))?;
        }
        let synced = std::fs::File::open(&self.staged).and_then(|file| file.sync_all());
        synced.map_err(|error| StoreError::Failed(format!("the staged records can't be written to the disk: {error}")))
    }
}

pub(super) fn schema_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA main.schema_version", [], |row| row.get(0))
}
