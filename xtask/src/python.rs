//! Python environments with what comes from PyPI: the independent implementations that tests compare with, and the
//! peer that the benchmark compares with.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;
use crate::tools;
use crate::workspace::Workspace;

/// The interpreter of the environment `target/NAME` that has what the file `requirements` of the workspace lists. It is
/// made anew when the requirements changed or the interpreter stopped working.
pub(crate) fn prepare(workspace: &Workspace, name: &str, requirements: &str) -> Result<PathBuf> {
    let requirements = workspace.root.join(requirements);
    let wanted = fs::read(&requirements).with_context(|| format!("cannot read {}", requirements.display()))?;
    let environment = workspace.target.join(name);
    let interpreter = environment.join("bin/python");
    // Written last, so an installation that was cut short is not taken for a whole one.
    let stamp = environment.join("requirements.installed");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted)
        && process::succeeds(Command::new(&interpreter).arg("--version"))
    {
        return Ok(interpreter);
    }
    let python = tools::PYTHON.ensure()?;
    println!("setting up {}", environment.display());
    process::run(Command::new(python).args(["-m", "venv", "--clear"]).arg(&environment))?;
    let mut pip = Command::new(&interpreter);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
    ])
    .arg(&requirements);
    process::run(&mut pip)?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(interpreter)
}
