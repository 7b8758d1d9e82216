//! `cargo xtask fuzz`: libFuzzer, guided by coverage, on the stable toolchain.
//!
//! The targets are `testkit::fuzz`'s; what is found goes into `fuzz/corpus`, which the tests of every store replay.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::process;
use crate::workspace::Workspace;

/// Of each target.
const SECONDS: u32 = 300;
/// Longer inputs find little that shorter ones don't, and take their time for it.
const INPUT_BYTES_MAX: u32 = 4096;
/// For one input, in seconds.
const INPUT_S_MAX: u32 = 20;

pub(crate) fn run(workspace: &Workspace, options: &[&str]) -> Result<()> {
    let (target, seconds) = match options {
        [] => (None, SECONDS),
        [target] => (Some(*target), SECONDS),
        [target, seconds, ..] => (
            Some(*target),
            seconds.parse().context("the seconds are a whole number")?,
        ),
    };
    let corpus = workspace.root.join("fuzz/corpus");
    let mut targets: Vec<String> = Vec::new();
    for entry in fs::read_dir(&corpus).with_context(|| format!("cannot read {}", corpus.display()))? {
        targets.push(entry?.file_name().to_string_lossy().into_owned());
    }
    targets.sort();
    targets.retain(|name| target.is_none_or(|wanted| wanted == name));
    ensure!(
        !targets.is_empty(),
        "there is no such target; fuzz/corpus has a folder for each"
    );
    if !process::succeeds(Command::new("cargo").args(["fuzz", "--version"])) {
        process::run(Command::new("cargo").args(["install", "cargo-fuzz", "--locked"]))?;
    }
    for target in targets {
        let mut fuzz = Command::new("cargo");
        // Without a sanitizer: those need a nightly toolchain, and there is next to no unsafe code of ours.
        fuzz.current_dir(workspace.root.join("fuzz"))
            .args(["fuzz", "run", "--sanitizer", "none", "--release", &target, "--"])
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-max_len={INPUT_BYTES_MAX}"))
            .arg(format!("-timeout={INPUT_S_MAX}"));
        process::run(&mut fuzz)?;
    }
    Ok(())
}
