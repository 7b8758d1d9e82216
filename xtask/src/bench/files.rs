//! Temporary data, all of it under `target/bench`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::workspace::Workspace;

/// Exists when a template is whole.
const DONE: &str = "whole";

pub(crate) fn folder(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.target.join("bench");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// Makes the folder with `make` unless a former run did; the older ones whose names begin with `prefix` go.
pub(crate) fn made_once(folder: &Path, prefix: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if folder.join(DONE).exists() {
        return Ok(());
    }
    let parent = folder.parent().context("a template lies in a folder")?;
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() && entry.file_name().to_string_lossy().starts_with(prefix) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    println!("loading {}", folder.display());
    fs::create_dir_all(folder)?;
    make(folder)?;
    fs::write(folder.join(DONE), "")?;
    Ok(())
}

/// A fresh copy of a template, on the disk already: the measured syncs shall not write it.
pub(crate) fn copy(template: &Path, to: &Path) -> Result<()> {
    remove(to)?;
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in fs::read_dir(template).with_context(|| format!("cannot read {}", template.display()))? {
        let entry = entry?;
        let path = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &path)?;
        } else {
            fs::copy(entry.path(), &path)?;
            File::open(&path)?.sync_all()?;
        }
    }
    Ok(())
}

pub(crate) fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}

/// What tells a build from another: size and time of change.
pub(crate) fn identity(file: &Path) -> Result<Vec<u8>> {
    let metadata = fs::metadata(file).with_context(|| format!("cannot find {}", file.display()))?;
    Ok(format!("{} {:?}", metadata.len(), metadata.modified()?).into_bytes())
}

/// FNV-1a: tells apart, proves nothing.
pub(crate) fn fingerprint(parts: &[&[u8]]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in parts.iter().flat_map(|part| part.iter()) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash
}
