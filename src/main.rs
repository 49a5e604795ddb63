//! The `igniter` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    igniter::cli::main()
}
