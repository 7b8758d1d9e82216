//! Developer commands: `cargo xtask help` lists them.
//!
//! Each command does its own set-up, so that a fresh clone needs Rust and a C compiler and nothing else by hand. A
//! command either does all of its work or fails with one sentence that says what is missing: nothing is skipped.

mod arrows;
mod bench;
mod ci;
mod fuzz;
mod node;
mod process;
mod python;
mod services;
mod soak;
mod test;
mod tools;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::workspace::Workspace;

const HELP: &str = "\
Usage: cargo xtask COMMAND

  ci             all that CI runs: format, arrows, clippy, docs, tests
  test [FILTER]  every test, or those whose name contains FILTER: Rust, then the browser; sets up what they need
  services up|down|status
                 the servers that tests talk to, private ones: PostgreSQL, MariaDB, and one that speaks MongoDB's protocol
  services up mysql
                 the same, with MySQL in the place of MariaDB
  soak [FACTOR] [FILTER]
                 what looks for faults at random, FACTOR (10) times as long as in CI; docs/testing.md says what it is
  bench [CASE..] [--rounds N] [--seconds S] [--records N] [--big] [--cold-build]
                 measure Ninefold beside PocketBase and a hand-written floor; bench/README.md says how and what
  bench --postgres [CASE..] [--rounds N] [--seconds S] [--records N]
                 the same on PostgreSQL, beside another floor, PostGraphile, Express and Django REST framework
  fuzz [TARGET] [SECONDS]
                 feed what reads input of strangers with what coverage leads to, each TARGET for SECONDS (60)
  arrows         check which crate may depend on which
  help           this text

Environment:
  NINEFOLD_CHROMIUM  the Chromium or Chrome that the browser tests drive, when it is not on the PATH
  NINEFOLD_TEST_POSTGRES, NINEFOLD_TEST_MYSQL, NINEFOLD_TEST_MONGODB
                     the URLs of servers to test against instead of those of `services`; the tests make databases there
  NINEFOLD_TEST_MYSQL_PROGRAMS
                     the folder with `mysqld`, `mysql` and `mysqldump`, where the second is MySQL and not MariaDB
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["ci"] => ci::run(&Workspace::locate()?),
        ["test"] => test::run(&Workspace::locate()?, None).map(|summary| summary.print()),
        ["test", filter] => test::run(&Workspace::locate()?, Some(filter)).map(|summary| summary.print()),
        ["bench", options @ ..] => bench::run(&Workspace::locate()?, options),
        ["soak", options @ ..] => soak::run(&Workspace::locate()?, options),
        ["fuzz", options @ ..] => fuzz::run(&Workspace::locate()?, options),
        ["services", arguments @ ..] => services::run(&Workspace::locate()?, arguments),
        ["arrows"] => arrows::run(&Workspace::locate()?),
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        _ => bail!("`{}` is not a command; try `cargo xtask help`", arguments.join(" ")),
    }
}
