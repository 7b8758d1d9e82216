//! Which steps a database has yet to take, from what it is and remembers, the folder's files, and the model.
//!
//! - An empty database starts from the schema, and is told that it has run every file.
//! - A database that already is what a file leads to is told that it has run it: `dev` changes databases without files.
//! - Other files run one by one, each whole or not at all.
//! - What no file says is for `dev`, and for applications that keep no files; elsewhere it is an error.

use super::diff::diff;
use super::folder::{FileId, Folder, MigrationFile};
use super::step::Step;
use super::target::Target;
use crate::model::Structure;

/// What a database says of itself.
#[derive(Debug, Clone, Default)]
pub struct Found {
    pub structure: Structure,
    /// Files that it has run, in order.
    pub applied: Vec<FileId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Whatever the model needs, with or without files.
    Direct,
    /// Only what files say, unless there are none.
    Files,
}

/// What happens in one transaction.
#[derive(Debug, Clone)]
pub struct Leg {
    /// Empty when the database is already there, and only has to remember.
    pub steps: Vec<Step>,
    pub before: Structure,
    pub after: Structure,
    /// Files that it has run thereby.
    pub files: Vec<FileId>,
    /// Its file says that destroying data is meant.
    pub allow_destructive: bool,
}

/// Why there is no way on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoRoute {
    #[error(
        "migrations/{file} was changed after this database ran it: put it back as it was, and write a new one for the change"
    )]
    Edited { file: String },
    #[error(
        "this database has run migrations/{file}, which is not in the folder: is this an older copy of the application?"
    )]
    Missing { file: String },
    #[error("migrations/{file} comes before {last}, which this database has run already: give it a higher number")]
    TooLate { file: String, last: String },
    #[error("the schema needs what no migration file says: run `ninefold migrate new NAME` first ({})", .steps.join("; "))]
    Unwritten { steps: Vec<String> },
    #[error("this database is not what its migration files make it, so they can't go on from it; missing or different: {}", .differences.join("; "))]
    Diverged { differences: Vec<String> },
}

/// The legs to go, in order; none when the database is where it should be.
///
/// # Errors
/// See [`NoRoute`].
pub fn route(found: &Found, folder: &Folder, target: &Target, mode: Mode) -> Result<Vec<Leg>, NoRoute> {
    let pending = pending(found, folder)?;
    if found.structure.collections.is_empty() && found.applied.is_empty() {
        return from_nothing(folder, target, mode);
    }
    let mut legs = match known_files(found, folder, pending) {
        Ok(legs) => legs,
        Err(_) if mode == Mode::Direct => Vec::new(),
        Err(error) => return Err(error),
    };
    let reached = legs.last().map_or(&found.structure, |leg: &Leg| &leg.after);
    let rest = diff(reached, target);
    if !rest.is_empty() {
        if mode == Mode::Files && !folder.is_empty() {
            return Err(unwritten(&rest));
        }
        let mut leg = Leg {
            steps: rest,
            before: reached.clone(),
            after: target.structure.clone(),
            files: Vec::new(),
            allow_destructive: false,
        };
        if legs.is_empty() && !pending.is_empty() && folder.structure().same_as(&target.structure) {
            leg.files = ids(pending);
        }
        legs.push(leg);
    }
    Ok(legs)
}

/// The files that the database hasn't run. They follow those that it has.
fn pending<'a>(found: &Found, folder: &'a Folder) -> Result<&'a [MigrationFile], NoRoute> {
    for applied in &found.applied {
        let file = folder.files().iter().find(|file| file.id.number == applied.number);
        match file {
            Some(file) if file.id == *applied => {}
            Some(file) if file.id.name == applied.name => {
                return Err(NoRoute::Edited {
                    file: applied.file_name(),
                });
            }
            Some(_) | None => {
                return Err(NoRoute::Missing {
                    file: applied.file_name(),
                });
            }
        }
    }
    let Some(last) = found.applied.iter().max_by_key(|applied| applied.number) else {
        return Ok(folder.files());
    };
    let is_known = |file: &&MigrationFile| found.applied.iter().any(|applied| applied.number == file.id.number);
    let split = folder.files().partition_point(|file| file.id.number <= last.number);
    let (before, after) = folder.files().split_at(split);
    match before.iter().find(|file| !is_known(file)) {
        Some(late) => Err(NoRoute::TooLate {
            file: late.id.file_name(),
            last: last.file_name(),
        }),
        None => Ok(after),
    }
}

fn from_nothing(folder: &Folder, target: &Target, mode: Mode) -> Result<Vec<Leg>, NoRoute> {
    if mode == Mode::Files && !folder.is_empty() {
        let unsaid = diff(&folder.structure(), target);
        if !unsaid.is_empty() {
            return Err(unwritten(&unsaid));
        }
    }
    let leg = Leg {
        steps: diff(&Structure::default(), target),
        before: Structure::default(),
        after: target.structure.clone(),
        files: ids(folder.files()),
        allow_destructive: false,
    };
    let says_nothing = leg.steps.is_empty() && leg.files.is_empty();
    Ok(if says_nothing { Vec::new() } else { vec![leg] })
}

/// From where the database is among the pending files: what it already has is remembered, the rest runs.
fn known_files(found: &Found, folder: &Folder, pending: &[MigrationFile]) -> Result<Vec<Leg>, NoRoute> {
    if pending.is_empty() {
        return Ok(Vec::new());
    }
    let first = folder.files().len() - pending.len();
    let base = match first.checked_sub(1) {
        Some(last) => folder.files()[last].after.clone(),
        None => Structure::default(),
    };
    let runs_from_base = base.same_as(&found.structure);
    let is_there = |file: &MigrationFile| !runs_from_base && file.after.same_as(&found.structure);
    let reached = pending.iter().position(is_there);
    if reached.is_none() && !runs_from_base {
        let differences = diff(&found.structure, &Target::from(base));
        return Err(NoRoute::Diverged {
            differences: differences.iter().map(Step::to_string).collect(),
        });
    }
    let (there, rest) = pending.split_at(reached.map_or(0, |index| index + 1));
    let mut legs = Vec::new();
    if !there.is_empty() {
        legs.push(Leg {
            steps: Vec::new(),
            before: found.structure.clone(),
            after: found.structure.clone(),
            files: ids(there),
            allow_destructive: false,
        });
    }
    let mut before = &found.structure;
    for file in rest {
        legs.push(Leg {
            steps: file.migration.steps.clone(),
            before: before.clone(),
            after: file.after.clone(),
            files: vec![file.id.clone()],
            allow_destructive: file.migration.allow_destructive,
        });
        before = &file.after;
    }
    Ok(legs)
}

fn ids(files: &[MigrationFile]) -> Vec<FileId> {
    files.iter().map(|file| file.id.clone()).collect()
}

fn unwritten(steps: &[Step]) -> NoRoute {
    NoRoute::Unwritten {
        steps: steps.iter().map(Step::to_string).collect(),
    }
}
