//! The command line: one file per command, each a struct of arguments with a `run`.
//!
//! A command that fails says one clear sentence on stderr and ends with 1 (the user's mistake), 2 (usage) or 3 (the
//! environment); see [`Failure`].

mod admin;
mod backup;
mod check;
mod dev;
mod explain;
mod export;
mod import;
mod introspect;
mod migrate;
mod new;
#[cfg(test)]
mod reference;
mod relocate;
mod restore;
mod seed;
mod serve;
mod signals;
mod target;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Failure;
use crate::telemetry;

/// The whole backend in one binary.
///
/// An application is a folder with a schema.graphql: what its types are, how they relate, and who may do what. Ninefold
/// serves it: REST with live queries, sign-in, documentation.
#[derive(Debug, Parser)]
#[command(name = "ninefold", version, after_help = EXAMPLES, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  ninefold new shop            a new application in the folder shop
  ninefold dev shop            serve it and follow every change of its schema
  ninefold serve shop          serve it in production

Exit codes: 0 well, 1 a mistake in the application or request, 2 usage, 3 the environment.
`ninefold COMMAND --help` shows a command's options and examples.";

#[derive(Debug, Subcommand)]
enum Command {
    New(new::New),
    Dev(dev::Dev),
    Serve(serve::Serve),
    Seed(seed::Seed),
    Import(import::Import),
    Export(export::Export),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Move(relocate::Move),
    Check(check::Check),
    Explain(explain::Explain),
    Introspect(introspect::Introspect),
    Migrate(migrate::Migrate),
    Admin(admin::Admin),
}

/// Runs the process's own command line.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::New(command) => command.run(),
        Command::Dev(command) => in_runtime(command.run()),
        Command::Serve(command) => in_runtime(command.run()),
        Command::Seed(command) => in_runtime(command.run()),
        Command::Import(command) => in_runtime(command.run()),
        Command::Export(command) => in_runtime(command.run()),
        Command::Backup(command) => in_runtime(command.run()),
        Command::Restore(command) => in_runtime(command.run()),
        Command::Move(command) => in_runtime(command.run()),
        Command::Check(command) => command.run(),
        Command::Explain(command) => in_runtime(command.run()),
        Command::Introspect(command) => in_runtime(command.run()),
        Command::Migrate(command) => in_runtime(command.run()),
        Command::Admin(command) => in_runtime(command.run()),
    };
    telemetry::flush();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            failure.exit_code()
        }
    }
}

fn in_runtime(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::environment(format!("the machine gives no threads: {error}")))?;
    runtime.block_on(command)
}
