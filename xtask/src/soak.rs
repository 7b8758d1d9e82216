//! `cargo xtask soak`: what looks for faults at random, many times as long as CI has time for.
//!
//! The suites of tests are the same as in CI; `NINEFOLD_SOAK` tells them by how much to go on, and with fresh seeds. Each prints
//! what it has done, and with a failure what finds it again. Fuzzing comes last: in CI only its corpus is replayed.

use anyhow::{Result, bail};

use crate::workspace::Workspace;
use crate::{fuzz, process, python};

const FACTOR: u32 = 10;
/// Of each fuzz target, for a factor of one.
const FUZZ_SECONDS: u32 = 30;

struct Suite {
    name: &'static str,
    tests: &'static str,
    /// For a factor of one, on two cores, by measurement.
    seconds: u32,
    /// With the release binary.
    is_optimised: bool,
}

const DURABILITY: Suite = Suite {
    name: "durability",
    tests: "durability::",
    seconds: 120,
    is_optimised: false,
};
const SUITES: [Suite; 3] = [
    DURABILITY,
    Suite {
        name: "openapi",
        tests: "openapi::schemathesis::",
        seconds: 180,
        is_optimised: false,
    },
    // A gigabyte, whatever the factor; beside some minutes of building.
    Suite {
        name: "memory",
        tests: "import::memory::",
        seconds: 12,
        is_optimised: true,
    },
];

pub(crate) fn run(workspace: &Workspace, options: &[&str]) -> Result<()> {
    let (factor, filter) = match options {
        [] => (FACTOR, None),
        [first, rest @ ..] => match (first.parse(), rest) {
            (Ok(factor), []) => (factor, None),
            (Ok(factor), [filter]) => (factor, Some(*filter)),
            (Err(_), []) => (FACTOR, Some(*first)),
            _ => bail!("too much said; try `cargo xtask soak 10 kill`"),
        },
    };
    if factor == 0 {
        bail!("0 times is not at all");
    }
    match filter {
        Some("fuzz") => fuzz(workspace, factor),
        Some(filter) => match SUITES.iter().find(|suite| suite.name == filter) {
            Some(suite) => suite.run(workspace, factor, suite.tests),
            // One part of the longest.
            None => DURABILITY.run(workspace, factor, &format!("{}{filter}", DURABILITY.tests)),
        },
        None => {
            for suite in SUITES {
                suite.run(workspace, factor, suite.tests)?;
            }
            fuzz(workspace, factor)
        }
    }
}

impl Suite {
    fn run(&self, workspace: &Workspace, factor: u32, tests: &str) -> Result<()> {
        let minutes = (factor * self.seconds).div_ceil(60);
        println!(
            "{tests} {factor} times: {} as a whole takes some {minutes} minutes",
            self.name
        );
        let schemathesis = python::prepare(workspace, "schemathesis", "tests/schemathesis.txt")?;
        let mut soak = workspace.cargo(["test", "-p", "ninefold", "--test", "it", "--locked"]);
        if self.is_optimised {
            soak.arg("--release");
        }
        soak.args([tests, "--", "--nocapture", "--test-threads", "1"])
            // A test that lacks what it needs fails.
            .env("CI", "true")
            .env("NINEFOLD_SCHEMATHESIS", schemathesis)
            .env("NINEFOLD_SOAK", factor.to_string());
        process::run(&mut soak)
    }
}

fn fuzz(workspace: &Workspace, factor: u32) -> Result<()> {
    let seconds = FUZZ_SECONDS * factor;
    let targets = fuzz::targets(workspace)?;
    println!("fuzzing: {} targets, {seconds} s each", targets.len());
    fuzz::run_each(workspace, &targets, seconds)
}
