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
    purpose: "npm, which fetches the browser tests' driver and the benchmark's peers",
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

pub(crate) const POSTGRES: Tool = Tool {
    names: &["postgres"],
    probe: &["--version"],
    package: "postgresql",
    purpose: "PostgreSQL 15 or later, which the tests of its store talk to (NINEFOLD_TEST_POSTGRES may name one that runs)",
};

pub(crate) const MARIADB: Tool = Tool {
    names: &["mariadbd"],
    probe: &["--no-defaults", "--version"],
    package: "mariadb-server",
    purpose: "MariaDB 10.11 or later, which the tests of its store talk to (NINEFOLD_TEST_MYSQL may name one that runs)",
};

pub(crate) const MARIADB_INSTALL: Tool = Tool {
    names: &["mariadb-install-db"],
    probe: &[],
    package: "mariadb-server",
    purpose: "mariadb-install-db, which makes an empty database of MariaDB",
};

impl Tool {
    /// The program's path, after installing Debian's package if it was missing and we may.
    pub(crate) fn ensure(&self) -> Result<PathBuf> {
        if let Some(found) = self.find() {
            return Ok(found);
        }
        if let Some(mut install) = install() {
            println!("installing {}", self.package);
            process::run(install.arg(self.package))?;
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

/// On the PATH, or where Debian puts servers.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut postgres: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|version| version.path().join("bin")).collect())
        .unwrap_or_default();
    postgres.sort();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into()])
        .chain(postgres.into_iter().rev())
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// Installs the package that is its argument. What the package would start as the machine's own server stays down, and
/// the main cluster that Debian makes of PostgreSQL unmade: neither is ours to have.
const INSTALL: &str = r#"
set -e
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
if ! [ -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi
clusters=/etc/postgresql-common/createcluster.d
if [ "$1" = postgresql ] && ! [ -e "$clusters/ninefold.conf" ]; then
  mkdir -p "$clusters"
  echo 'create_main_cluster = false' >"$clusters/ninefold.conf"
fi
apt-get update -qq
apt-get install -y -qq --no-install-recommends "$1"
"#;

/// How to install a package here, if this machine is one that we may install packages on: we are root, or it is CI's.
fn install() -> Option<Command> {
    if !process::succeeds(Command::new("apt-get").arg("--version")) || !(is_root() || in_ci()) {
        return None;
    }
    let mut command = Command::new(if is_root() { "sh" } else { "sudo" });
    if !is_root() {
        command.args(["--non-interactive", "sh"]);
    }
    command.args(["-c", INSTALL, "install"]);
    Some(command)
}

pub(crate) fn is_root() -> bool {
    process::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true")
}
