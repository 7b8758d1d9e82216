//! `cargo xtask fuzz`: libFuzzer, guided by coverage, on the stable toolchain.
//!
//! The inputs of `fuzz/corpus`, which the tests replay, are where it begins. What it comes by is kept in the build folder and
//! gone on with the next time; of that, what is worth it goes into `fuzz/corpus` by hand.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::process;
use crate::workspace::Workspace;

/// Of each target.
const SECONDS: u32 = 60;
/// Longer inputs find little that shorter ones don't, and take their time for it.
const INPUT_BYTES_MAX: u32 = 4096;
/// For one input, in seconds.
const INPUT_S_MAX: u32 = 20;
const CARGO_FUZZ: &str = "0.13.2";

pub(crate) fn run(workspace: &Workspace, options: &[&str]) -> Result<()> {
    let (target, seconds) = match options {
        [] => (None, SECONDS),
        [target] => (Some(*target), SECONDS),
        [target, seconds, ..] => (
            Some(*target),
            seconds.parse().context("the seconds are a whole number")?,
        ),
    };
    let mut targets = targets(workspace)?;
    targets.retain(|name| target.is_none_or(|wanted| wanted == name));
    ensure!(
        !targets.is_empty(),
        "there is no such target; fuzz/corpus has a folder for each"
    );
    run_each(workspace, &targets, seconds)
}

/// The names of all.
pub(crate) fn targets(workspace: &Workspace) -> Result<Vec<String>> {
    let corpus = workspace.root.join("fuzz/corpus");
    let mut targets = Vec::new();
    for entry in fs::read_dir(&corpus).with_context(|| format!("cannot read {}", corpus.display()))? {
        targets.push(entry?.file_name().to_string_lossy().into_owned());
    }
    targets.sort();
    Ok(targets)
}

pub(crate) fn run_each(workspace: &Workspace, targets: &[String], seconds: u32) -> Result<()> {
    let cargo_fuzz = install(workspace)?;
    let build = workspace.target.join("fuzz");
    // The fuzz crate is outside of the workspace, and has the versions that the workspace has.
    fs::copy(
        workspace.root.join("Cargo.lock"),
        workspace.root.join("fuzz/Cargo.lock"),
    )
    .context("cannot copy Cargo.lock")?;
    for target in targets {
        let found = build.join("corpus").join(target);
        fs::create_dir_all(&found).with_context(|| format!("cannot make {}", found.display()))?;
        let mut fuzz = Command::new(&cargo_fuzz);
        // Without a sanitizer: those need a nightly toolchain, and there is next to no unsafe code of ours.
        fuzz.current_dir(workspace.root.join("fuzz"))
            .args(["fuzz", "run", "--sanitizer", "none", "--release", "--target-dir"])
            .args([&build, &PathBuf::from(target), &found])
            .arg(workspace.root.join("fuzz/corpus").join(target))
            .arg("--")
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-max_len={INPUT_BYTES_MAX}"))
            .arg(format!("-timeout={INPUT_S_MAX}"))
            .arg("-print_final_stats=1");
        process::run(&mut fuzz)?;
    }
    Ok(())
}

/// cargo-fuzz, into the build folder.
fn install(workspace: &Workspace) -> Result<PathBuf> {
    let tools = workspace.target.join("tools");
    let program = tools.join("bin/cargo-fuzz");
    if !process::succeeds(Command::new(&program).args(["fuzz", "--version"])) {
        let mut install = workspace.cargo(["install", "cargo-fuzz", "--locked", "--version", CARGO_FUZZ, "--root"]);
        process::run(install.arg(&tools))?;
    }
    Ok(program)
}
