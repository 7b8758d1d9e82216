//! The browser tests of `tests/browser`: Chromium, driven by Playwright under Node's test runner, against the real binary.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::node;
use crate::process;
use crate::tools;
use crate::workspace::Workspace;

pub(super) struct Browser {
    node: PathBuf,
    chromium: PathBuf,
}

/// Finds or installs Node.js, Chromium and the locked npm packages.
pub(super) fn prepare(workspace: &Workspace) -> Result<Browser> {
    let browser = Browser {
        node: tools::NODE.ensure()?,
        chromium: chromium()?,
    };
    node::prepare(&workspace.root.join("tests/browser"))?;
    Ok(browser)
}

fn chromium() -> Result<PathBuf> {
    match std::env::var_os("NINEFOLD_CHROMIUM") {
        Some(path) => Ok(path.into()),
        None => tools::CHROMIUM.ensure(),
    }
}

impl Browser {
    pub(super) fn run(&self, workspace: &Workspace, filter: Option<&str>) -> Result<()> {
        let output = fresh_folder(workspace.target.join("browser"))?;
        let mut node = Command::new(&self.node);
        node.current_dir(&workspace.root)
            .env("NINEFOLD_BINARY", workspace.target.join("debug/ninefold"))
            .env("NINEFOLD_CHROMIUM", &self.chromium)
            .env("NINEFOLD_BROWSER_OUTPUT", output)
            .args(["--test", "--test-reporter=spec"]);
        if let Some(filter) = filter {
            node.arg(format!("--test-name-pattern={filter}"));
        }
        process::run(node.args(test_files(workspace)?))
    }
}

/// An empty folder, so that the screenshots and logs in it are all of this run.
fn fresh_folder(path: PathBuf) -> Result<PathBuf> {
    if path.exists() {
        fs::remove_dir_all(&path).with_context(|| format!("cannot empty {}", path.display()))?;
    }
    fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
    Ok(path)
}

fn test_files(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let folder = workspace.root.join("tests/browser");
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(".test.mjs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
