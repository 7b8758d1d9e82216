//! Imports: staged in a file of their own beside the database, judged there, published in short transactions.
//!
//! Everything happens on a thread and a connection of its own, beside the writing thread, and beside another process that
//! serves the database: what the write lock is held for is one portion, and others get their turn between two. `fill` takes
//! the records, `check` judges them, `publish` moves them over, `back` takes them out again; `mark` is what the live database
//! knows of it, so that [`recover`] finds what a process that died left behind.

mod back;
mod check;
mod conflict;
mod fill;
mod layout;
mod mark;
mod publish;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::Model;
use engine::ports::staging::{Problem, Published, StagePlan, Staged};
use engine::ports::store::StoreError;
use rusqlite::Connection;
use uuid::Uuid;

use super::error::{store_error, unavailable};
use super::open::{Place, Possession, beside, try_lock};
use super::options::SqliteOptions;
use super::{Shared, connection};
use crate::staging::{self, Area as _, Demand, Import, problem};
use fill::Fill;
use layout::Layout;
use publish::Publisher;

/// The thread's end.
struct Area {
    model: Arc<Model>,
    plan: StagePlan,
    place: Place,
    shared: Arc<Shared>,
    demands: Vec<Demand>,
    phase: Phase,
    /// Held as long as the import lasts.
    _lock: File,
}

enum Phase {
    Filling(Box<Fill>, Layout),
    Checked(Box<Publisher>),
    Over,
}

/// # Errors
/// Another import is under way, or the staging file can't be made.
pub(super) async fn start(
    place: Place,
    shared: Arc<Shared>,
    model: Arc<Model>,
    plan: StagePlan,
) -> Result<Import, StoreError> {
    let make = move || {
        let lock = lock(&place.path)?.ok_or_else(|| unavailable("another import is under way"))?;
        // What a process that died left behind may have to be taken back first.
        take_back_left(&place.path, &place.options).map_err(|error| store_error(&error))?;
        Area::make(place, shared, model, plan, lock)
    };
    Import::start("sqlite-import", make).await
}

/// Takes back what an import that died left behind; for who takes possession of the database. An import that is alive is
/// left alone.
pub(super) fn recover(live: &Path, options: &SqliteOptions) -> Result<(), StoreError> {
    if !staged(live).exists() {
        return Ok(());
    }
    match lock(live)? {
        Some(_lock) => take_back_left(live, options).map_err(|error| store_error(&error)),
        None => Ok(()),
    }
}

/// Whether the database holds part of an import.
pub(super) fn is_under_way(live: &Connection) -> rusqlite::Result<bool> {
    mark::under_way(live).map(|found| found.is_some())
}

/// Where an import into the database at `live` gathers its records.
fn staged(live: &Path) -> PathBuf {
    beside(live, "-import")
}

fn lock(live: &Path) -> Result<Option<File>, StoreError> {
    try_lock(live, "-import-lock").map_err(|error| StoreError::Failed(error.to_string()))
}

fn take_back_left(live: &Path, options: &SqliteOptions) -> rusqlite::Result<()> {
    let file = staged(live);
    if !file.exists() {
        return Ok(());
    }
    let connection = connection::writing(live, options)?;
    let left = mark::under_way(connection.connection())?;
    if let Some((token, done)) = left {
        let staged = fill::open(&file)?;
        let layout = Layout::kept(&staged).unwrap_or_default();
        drop(staged);
        match layout.filter(|layout| layout.token == token) {
            Some(layout) => {
                let mut publisher = Publisher::open(live, &file, options, layout, Possession::Beside)?;
                publisher.done = done;
                publisher.is_marked = true;
                let kept = publisher
                    .take_back()
                    .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
                tracing::warn!(records = done, kept, "an import that was interrupted is taken back");
            }
            None => {
                tracing::error!(
                    records = done,
                    "an import was interrupted, and what it staged is gone: its records stay"
                );
                mark::forget(connection.connection())?;
            }
        }
    }
    remove(&file);
    Ok(())
}

fn remove(file: &Path) {
    for file in [file.to_owned(), beside(file, "-journal")] {
        if let Err(error) = std::fs::remove_file(&file)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "the staged records could not be deleted");
        }
    }
}

impl Area {
    fn make(
        place: Place,
        shared: Arc<Shared>,
        model: Arc<Model>,
        plan: StagePlan,
        lock: File,
    ) -> Result<Self, StoreError> {
        let layout = Layout::of(&model, plan.collection, Uuid::now_v7().to_string());
        let demands = layout::demands(&model, plan.collection, &layout).map_err(StoreError::Failed)?;
        let fill = connection::reading(&place.path, &place.options)
            .and_then(|reading| {
                let target = (&*model, plan.collection);
                Fill::start(&staged(&place.path), reading.connection(), target, &layout)
            })
            .map_err(|error| store_error(&error))?;
        Ok(Self {
            model,
            plan,
            place,
            shared,
            demands,
            phase: Phase::Filling(Box::new(fill), layout),
            _lock: lock,
        })
    }

    fn checked(&mut self) -> Result<&mut Publisher, StoreError> {
        match &mut self.phase {
            Phase::Checked(publisher) => Ok(publisher),
            Phase::Filling(..) | Phase::Over => Err(StoreError::Failed("an import is checked first".to_owned())),
        }
    }
}

impl staging::Area for Area {
    fn add(&mut self, records: &[Staged]) -> Result<(), StoreError> {
        match &self.phase {
            Phase::Filling(fill, _) => fill.add(&self.model, records),
            Phase::Checked(_) | Phase::Over => Err(StoreError::Failed("records come before the check".to_owned())),
        }
    }

    fn check(&mut self) -> Result<u64, StoreError> {
        let Phase::Filling(fill, layout) = std::mem::replace(&mut self.phase, Phase::Over) else {
            return Err(StoreError::Failed("an import is checked once".to_owned()));
        };
        let own = layout::own_references(&self.model, self.plan.collection);
        let file = staged(&self.place.path);
        let checked = fill.finish().and_then(|()| {
            let Place {
                path,
                options,
                possession,
            } = &self.place;
            let mut publisher = Publisher::open(path, &file, options, layout, *possession)?;
            let refused = publisher.check(&self.demands, &own)?;
            Ok((publisher, refused))
        });
        let (publisher, refused) = checked.map_err(|error| store_error(&error))?;
        self.phase = Phase::Checked(Box::new(publisher));
        Ok(refused)
    }

    fn problems(&mut self, behind: u64, limit: u32) -> Result<Vec<Problem>, StoreError> {
        problems(self.checked()?.sql(), behind, limit).map_err(|error| store_error(&error))
    }

    fn publish(&mut self) -> Result<Published, StoreError> {
        match &mut self.phase {
            Phase::Checked(publisher) => {
                let published = publisher.publish(&self.model, &self.plan, &self.demands);
                self.shared.start_over();
                published
            }
            Phase::Filling(..) | Phase::Over => Err(StoreError::Failed("an import is checked first".to_owned())),
        }
    }

    fn take_back(&mut self) -> Result<u64, StoreError> {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            // Complete, or nothing is in yet.
            Phase::Checked(publisher) if !publisher.is_marked => Ok(0),
            Phase::Checked(mut publisher) => {
                let kept = publisher.take_back();
                self.shared.start_over();
                kept
            }
            Phase::Filling(..) | Phase::Over => Ok(0),
        }
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        match self.take_back() {
            Ok(_) => remove(&staged(&self.place.path)),
            // The file stays for who opens the database next.
            Err(error) => tracing::error!(%error, "an import could not be taken back"),
        }
    }
}

fn problems(connection: &Connection, behind: u64, limit: u32) -> rusqlite::Result<Vec<Problem>> {
    let mut statement = connection.prepare_cached(
        "SELECT place, kind, what FROM import._ninefold_problem WHERE place > ? ORDER BY place LIMIT ?",
    )?;
    let rows = statement.query_map([behind, u64::from(limit)], |row| {
        let (place, kind, what): (u64, i64, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(problem(place, kind, &what))
    })?;
    rows.collect()
}
