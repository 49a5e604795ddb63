//! The programs `igniter` and `validate`, as parts of this library.

use pyo3::prelude::*;
use std::ffi::OsString;
use std::path::PathBuf;

/// Runs `igniter` on a command line, the name of the program first, and gives its exit code. Signals are the program's from
/// then on, so this is for a process of its own.
#[pyfunction]
pub(crate) fn run_igniter(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    igniter::cli::set_command_line(arguments);
    py.detach(igniter::cli::run)
}

/// The same of `validate`; `program` is the file that starts it again, which guards the servers that it starts.
#[pyfunction]
pub(crate) fn run_validate(py: Python<'_>, arguments: Vec<OsString>, program: PathBuf) -> u8 {
    igniter::cli::set_command_line(arguments);
    validate::guard::set_program(program);
    py.detach(validate::cli::run_program)
}
