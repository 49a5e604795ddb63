//! The `validate` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    validate::cli::main()
}
