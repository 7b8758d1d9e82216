//! The machine, in general terms, and how fast its disk makes a write durable.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::files;
use crate::process;
use crate::tools;
use crate::workspace::Workspace;

const SYNCING: Duration = Duration::from_secs(2);
const PAGE: [u8; 4096] = [7; 4096];

pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: f64,
    pub(crate) system: String,
    /// Appends of 4 KiB, each followed by `fdatasync`.
    pub(crate) syncs_per_second: f64,
    pub(crate) rust: String,
    pub(crate) wrk: String,
    /// PocketBase's version, or the database server's.
    pub(crate) database: String,
}

impl Machine {
    pub(crate) fn look(workspace: &Workspace, database: String) -> Result<Self> {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").context("cannot read /proc/cpuinfo")?;
        let meminfo = fs::read_to_string("/proc/meminfo").context("cannot read /proc/meminfo")?;
        let memory_kib = field(&meminfo, "MemTotal").and_then(|total| total.split(' ').next()?.parse().ok());
        let memory_kib: f64 = memory_kib.context("/proc/meminfo has no MemTotal")?;
        let kernel = process::output(Command::new("uname").args(["-s", "-r"]))?;
        let rust = process::output(Command::new("rustc").arg("--version"))?;
        Ok(Self {
            processor: field(&cpuinfo, "model name").unwrap_or("unknown").to_owned(),
            cores: std::thread::available_parallelism()?.get(),
            memory_gib: memory_kib / 1024.0 / 1024.0,
            system: kernel.trim().to_owned(),
            syncs_per_second: syncs_per_second(workspace)?,
            rust: rust.split_whitespace().nth(1).unwrap_or_default().to_owned(),
            wrk: wrk_version()?,
            database,
        })
    }

    /// The page of results tells it to whoever compares.
    pub(crate) fn write(&self, text: &mut String) {
        let _ = writeln!(
            text,
            "\n## The machine\n\n\
             {}, {} cores, {:.0} GiB of memory, {}. Servers and wrk share it.\n\
             Its disk makes {:.0} appends of 4 KiB durable in a second (`fdatasync`, one after another).",
            self.processor, self.cores, self.memory_gib, self.system, self.syncs_per_second,
        );
    }
}

/// wrk tells its version with exit code 1, so its code says nothing.
fn wrk_version() -> Result<String> {
    let output = Command::new(tools::WRK.ensure()?).arg("--version").output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.split_whitespace().nth(1).unwrap_or("unknown");
    Ok(version.to_owned())
}

fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, value) = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)?;
    Some(value.trim())
}

fn syncs_per_second(workspace: &Workspace) -> Result<f64> {
    let path = files::folder(workspace)?.join("syncs");
    let mut file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let began = Instant::now();
    let mut syncs = 0.0;
    while began.elapsed() < SYNCING {
        file.write_all(&PAGE)?;
        file.sync_data()?;
        syncs += 1.0;
    }
    let rate = syncs / began.elapsed().as_secs_f64();
    fs::remove_file(&path)?;
    Ok(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_field_of_proc() {
        assert_eq!(
            field("MemTotal:       24 kB\nMemFree: 1 kB\n", "MemTotal"),
            Some("24 kB")
        );
        assert_eq!(field("a\t: b\n", "a"), Some("b"));
        assert_eq!(field("a: b\n", "c"), None);
    }
}
