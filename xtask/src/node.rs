//! Folders with what comes from npm, exactly as their lock files say.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;
use crate::tools;

/// Fetches the locked packages of `folder`, unless that was done.
pub(crate) fn prepare(folder: &Path) -> Result<()> {
    let lock = folder.join("package-lock.json");
    let wanted = fs::read(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
    let stamp = folder.join("node_modules/package-lock.installed");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    println!("setting up {}", folder.display());
    let npm = tools::NPM.ensure()?;
    process::run(
        Command::new(npm)
            .current_dir(folder)
            .args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]),
    )?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}
