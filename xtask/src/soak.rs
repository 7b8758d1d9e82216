//! `cargo xtask soak`: the durability tests, many times as long as CI has time for.
//!
//! They are the same tests; `NINEFOLD_SOAK` tells them by how much to go on. Each prints what it has done, and with
//! a failure the seed that finds it again.

use anyhow::{Result, bail};

use crate::process;
use crate::workspace::Workspace;

const FACTOR: u32 = 10;
/// In CI, on two cores, by measurement.
const SECONDS_IN_CI: u32 = 120;

pub(crate) fn run(workspace: &Workspace, options: &[&str]) -> Result<()> {
    let (factor, filter) = match options {
        [] => (FACTOR, None),
        [first, rest @ ..] => match (first.parse(), rest) {
            (Ok(factor), []) => (factor, None),
            (Ok(factor), [filter]) => (factor, Some(filter)),
            (Err(_), []) => (FACTOR, Some(first)),
            _ => bail!("too much said; try `cargo xtask soak 10 kill`"),
        },
    };
    if factor == 0 {
        bail!("0 times is not at all");
    }
    let tests = filter.map_or("durability::".to_owned(), |filter| format!("durability::{filter}"));
    let minutes = (factor * SECONDS_IN_CI).div_ceil(60);
    println!("{tests} {factor} times as long as in CI: all of them take some {minutes} minutes");
    let mut soak = workspace.cargo(["test", "-p", "ninefold", "--test", "it", "--locked"]);
    soak.args([&tests, "--", "--nocapture", "--test-threads", "1"]);
    process::run(soak.env("NINEFOLD_SOAK", factor.to_string()))
}
