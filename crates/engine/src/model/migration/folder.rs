//! The folder `migrations/`: numbered files, and the structure that they lead to.
//!
//! `0001_initial.toml`, `0002_add_phone.toml` … run in the order of their numbers. A file's checksum is kept in every
//! database that has run it.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::diff::diff;
use super::file::Migration;
use super::target::Target;
use crate::model::Structure;

#[cfg(test)]
mod tests;

/// A file's identity, as databases remember it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileId {
    pub number: u32,
    /// `add_phone`.
    pub name: String,
    /// SHA-256 of the text, whatever its line ends.
    pub checksum: [u8; 32],
}

impl FileId {
    /// `0002_add_phone.toml`.
    pub fn file_name(&self) -> String {
        format!("{:04}_{}.toml", self.number, self.name)
    }
}

/// A file, read and replayed.
#[derive(Debug, Clone)]
pub struct MigrationFile {
    pub id: FileId,
    pub migration: Migration,
    /// As it is after this file and all before it.
    pub after: Structure,
}

/// All files, in order.
#[derive(Debug, Clone, Default)]
pub struct Folder {
    files: Vec<MigrationFile>,
}

/// Why a folder can't be used; each is for its author to mend.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{file} is not a migration's name: write a number and a name, as in 0001_initial.toml")]
    Name { file: String },
    #[error("{first} and {second} have the same number: give the later one the next free number")]
    SameNumber { first: String, second: String },
    #[error("{file}: {message}")]
    Syntax { file: String, message: String },
    #[error("{file}, step {step}: {message}")]
    Misfit { file: String, step: usize, message: String },
}

impl Folder {
    /// Reads `path`; a folder that isn't there is empty. Files that don't end in `.toml` are not ours.
    ///
    /// # Errors
    /// See [`FolderError`].
    pub fn read(path: &Path) -> Result<Self, FolderError> {
        let failed = |source| FolderError::Io {
            path: path.to_owned(),
            source,
        };
        let entries = match fs::read_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            entries => entries.map_err(failed)?,
        };
        let mut texts = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let text = fs::read_to_string(&path).map_err(|source| FolderError::Io { path, source })?;
                texts.push((name, text));
            }
        }
        Self::of(texts)
    }

    /// From the names and texts of files, in any order.
    ///
    /// # Errors
    /// See [`FolderError`].
    pub fn of(texts: impl IntoIterator<Item = (String, String)>) -> Result<Self, FolderError> {
        let mut read = Vec::new();
        for (file, text) in texts {
            let id = identify(&file, &text)?;
            let migration = Migration::parse(&text).map_err(|message| FolderError::Syntax { file, message })?;
            read.push((id, migration));
        }
        read.sort_by_key(|(id, _)| id.number);
        if let Some([(first, _), (second, _)]) = read.array_windows().find(|[(a, _), (b, _)]| a.number == b.number) {
            return Err(FolderError::SameNumber {
                first: first.file_name(),
                second: second.file_name(),
            });
        }
        let mut folder = Self::default();
        for (id, migration) in read {
            let after = replay(&id, &migration, folder.structure())?;
            folder.files.push(MigrationFile { id, migration, after });
        }
        Ok(folder)
    }

    pub fn files(&self) -> &[MigrationFile] {
        &self.files
    }

    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// What all files together make.
    pub fn structure(&self) -> Structure {
        self.files.last().map(|file| file.after.clone()).unwrap_or_default()
    }

    /// What the next file has to say for the model; without steps when nothing is missing.
    pub fn missing(&self, target: &Target) -> Migration {
        Migration {
            allow_destructive: false,
            steps: diff(&self.structure(), target),
        }
    }

    /// Writes `migration` as the next file of the folder at `path`, and returns where.
    ///
    /// # Errors
    /// When `name` has no letter or digit, or the file can't be written; one that is there is never overwritten.
    pub fn write_next(&self, path: &Path, name: &str, migration: &Migration) -> Result<PathBuf, FolderError> {
        let text = migration.to_toml();
        let id = FileId {
            number: self.files.last().map_or(1, |file| file.id.number + 1),
            name: plain_name(name).ok_or_else(|| FolderError::Name { file: name.to_owned() })?,
            checksum: checksum(&text),
        };
        let file = path.join(id.file_name());
        let write = || {
            fs::create_dir_all(path)?;
            fs::File::create_new(&file)?.write_all(text.as_bytes())
        };
        match write() {
            Ok(()) => Ok(file),
            Err(source) => Err(FolderError::Io { path: file, source }),
        }
    }
}

fn replay(id: &FileId, migration: &Migration, mut structure: Structure) -> Result<Structure, FolderError> {
    let misfit = |step: usize, message: String| FolderError::Misfit {
        file: id.file_name(),
        step,
        message,
    };
    for (index, step) in migration.steps.iter().enumerate() {
        step.replay(&mut structure)
            .map_err(|error| misfit(index + 1, error.0))?;
    }
    structure
        .check()
        .map_err(|message| misfit(migration.steps.len(), message))?;
    Ok(structure)
}

fn identify(file: &str, text: &str) -> Result<FileId, FolderError> {
    let parsed = file.strip_suffix(".toml").and_then(|stem| {
        let (number, name) = stem.split_once('_')?;
        let number = number.parse().ok()?;
        Some(FileId {
            number,
            name: name.to_owned(),
            checksum: checksum(text),
        })
    });
    parsed
        .filter(|id| id.file_name() == file)
        .ok_or_else(|| FolderError::Name { file: file.to_owned() })
}

fn checksum(text: &str) -> [u8; 32] {
    Sha256::digest(text.replace("\r\n", "\n")).into()
}

/// `Add phone!` → `add_phone`.
fn plain_name(name: &str) -> Option<String> {
    let words = name
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    let joined = words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("_");
    (!joined.is_empty()).then_some(joined)
}
