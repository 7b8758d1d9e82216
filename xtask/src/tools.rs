//! Programs that the tests need and that Cargo does not bring: found, or installed where we may, or named in one sentence.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::process;

pub(crate) struct Tool {
    /// Program names, the preferred one first.
    pub(crate) names: &'static [&'static str],
    /// Arguments with which the program exits with 0 when it is good enough; without any, that it is there is enough.
    pub(crate) probe: &'static [&'static str],
    /// Debian's package.
    pub(crate) package: &'static str,
    /// What it is, and what needs it; ends the sentence of the error.
    pub(crate) purpose: &'static str,
}

pub(crate) const PYTHON: Tool = Tool {
    names: &["python3"],
    probe: &[
        "-c",
        "import ensurepip, venv, sys; sys.exit(sys.version_info < (3, 10))",
    ],
    package: "python3-venv",
    purpose: "Python 3.10 or later with venv, which runs the independent CEL and OpenAPI validators",
};

pub(crate) const NODE: Tool = Tool {
    names: &["node", "nodejs"],
    probe: &["-e", "process.exit(parseInt(process.versions.node) >= 18 ? 0 : 1)"],
    package: "nodejs",
    purpose: "Node.js 18 or later, which runs the browser tests",
};

pub(crate) const NPM: Tool = Tool {
    names: &["npm"],
    probe: &["--version"],
    package: "npm",
    purpose: "npm, which fetches the browser tests' driver",
};

pub(crate) const CHROMIUM: Tool = Tool {
    names: &["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"],
    probe: &["--version"],
    package: "chromium",
    purpose: "Chromium, which the browser tests drive (NINEFOLD_CHROMIUM may name one)",
};

pub(crate) const WRK: Tool = Tool {
    names: &["wrk"],
    // It exits with 0 only when it has measured something.
    probe: &[],
    package: "wrk",
    purpose: "wrk, which puts the load on the benchmark's servers",
};

impl Tool {
    /// The program's path, after installing Debian's package if it was missing and we may.
    pub(crate) fn ensure(&self) -> Result<PathBuf> {
        if let Some(found) = self.find() {
            return Ok(found);
        }
        if let Some(mut apt_get) = apt_get() {
            println!("installing {}", self.package);
            process::run(apt_get().arg("update").arg("-qq"))?;
            process::run(apt_get().args(["install", "-y", "-qq", "--no-install-recommends", self.package]))?;
        }
        match self.find() {
            Some(found) => Ok(found),
            None => bail!(
                "missing {}: install it first (on Debian: `apt-get install {}`)",
                self.purpose,
                self.package
            ),
        }
    }

    fn find(&self) -> Option<PathBuf> {
        let good = |path: &PathBuf| self.probe.is_empty() || process::succeeds(Command::new(path).args(self.probe));
        self.names.iter().filter_map(|name| on_path(name)).find(good)
    }
}

fn on_path(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// How to call apt-get here, if this machine is one that we may install packages on: we are root, or it is CI's.
fn apt_get() -> Option<impl FnMut() -> Command> {
    let root = process::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if !process::succeeds(Command::new("apt-get").arg("--version")) || !(root || in_ci()) {
        return None;
    }
    Some(move || {
        let mut command = Command::new(if root { "apt-get" } else { "sudo" });
        if !root {
            command.args(["--non-interactive", "apt-get"]);
        }
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    })
}

fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true")
}
