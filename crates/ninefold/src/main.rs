//! The binary: see [`ninefold::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    ninefold::cli::main()
}
