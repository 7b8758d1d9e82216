//! `cargo xtask test`: every test of the repository, with all of their set-up.
//!
//! Doctests are included on purpose: an example in the documentation is a promise like any other.

mod browser;

use anyhow::Result;

use crate::process;
use crate::python;
use crate::services;
use crate::workspace::Workspace;

/// The result lines of `cargo test`, shown once more at the very end.
pub(crate) struct Summary {
    results: Vec<String>,
}

impl Summary {
    pub(crate) fn print(&self) {
        println!("\ncargo test:");
        for line in &self.results {
            println!("{line}");
        }
    }
}

pub(crate) fn run(workspace: &Workspace, filter: Option<&str>) -> Result<Summary> {
    let browser = browser::prepare(workspace)?;
    let python = python::prepare(workspace, "python", "tests/requirements.txt")?;
    let schemathesis = python::prepare(workspace, "schemathesis", "tests/schemathesis.txt")?;
    // With the tests' own features, so that `cargo test` finds everything built, the binary for the browser included.
    process::run(&mut workspace.cargo(["build", "--workspace", "--bins", "--tests", "--locked"]))?;
    let mut tests = workspace.cargo(["test", "--workspace", "--locked", "--no-fail-fast"]);
    tests
        .env("NINEFOLD_CEL_PYTHON", &python)
        .env("NINEFOLD_OPENAPI_PYTHON", &python)
        .env("NINEFOLD_SCHEMATHESIS", &schemathesis)
        .args(filter);
    let results = services::during(workspace, || {
        process::run_keeping(&mut tests, |line| line.starts_with("test result:"))
    })?;
    browser.run(workspace, filter)?;
    Ok(Summary { results })
}
