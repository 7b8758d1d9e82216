//! The binary: see [`ninefold::cli`].

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A request is some hundred small allocations, freed on other threads as often as not.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    ninefold::cli::main()
}
