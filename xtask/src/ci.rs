//! `cargo xtask ci`: exactly what CI runs, step by step, stopping at the first that fails.
//!
//! The tests come last and their result lines end the output, so that the end of a log tells the outcome.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::workspace::Workspace;
use crate::{arrows, process, test};

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let mut clock = StepClock::default();
    clock.step("format", || {
        process::run(&mut workspace.cargo(["fmt", "--all", "--check"]))
    })?;
    clock.step("arrows", || arrows::run(workspace))?;
    clock.step("clippy", || {
        process::run(&mut workspace.cargo([
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ]))
    })?;
    clock.step("docs", || {
        let mut doc = workspace.cargo(["doc", "--workspace", "--no-deps", "--locked"]);
        process::run(doc.env("RUSTDOCFLAGS", "-D warnings"))
    })?;
    let summary = clock.step("tests", || test::run(workspace, None))?;
    clock.print();
    summary.print();
    Ok(())
}

#[derive(Default)]
struct StepClock {
    done: Vec<(&'static str, Duration)>,
}

impl StepClock {
    fn step<T>(&mut self, name: &'static str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        println!("\n== {name}");
        let start = Instant::now();
        let result = work().with_context(|| format!("the step `{name}` failed"))?;
        let took = start.elapsed();
        println!("== {name}: {:.1} s", took.as_secs_f64());
        self.done.push((name, took));
        Ok(result)
    }

    fn print(&self) {
        println!();
        for (name, took) in &self.done {
            println!("{name:<8} {:>7.1} s", took.as_secs_f64());
        }
        let total: Duration = self.done.iter().map(|(_, took)| *took).sum();
        println!("{:<8} {:>7.1} s", "all", total.as_secs_f64());
    }
}
