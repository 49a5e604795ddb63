//! The command line: flags, dispatch, exit codes.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | done, but a check failed: something is missing, a verdict is negative |
//! | 2 | could not be done |
//! | 130 | interrupted (Ctrl-C, SIGTERM, SIGHUP) |

mod compare;
mod data;
mod doctor;
mod facts;
mod follow;
mod launch;
mod measured;
mod models;
mod output;
mod planned;
mod profile;
mod run;
mod session;

use crate::guard::{self, GuardOrder};
use crate::signals::{self, Interrupted};
use clap::{Parser, Subcommand};
use igniter::cli::{CommandOutcome, described, parse};
use std::process::ExitCode;

/// Run plans of the program igniter on real NVIDIA Triton servers, and compare measured latency with predicted and
/// simulated latency.
///
/// Exit codes: 0 done; 1 done, but a check failed; 2 could not be done; 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "validate", version, propagate_version = true, max_term_width = 100)]
struct ValidateCli {
    #[command(subcommand)]
    command: ValidateCommand,
}

#[derive(Debug, Subcommand)]
enum ValidateCommand {
    /// Run a plan on real servers, measure every request, compare with the simulation
    Run(Box<run::RunCommand>),
    /// Make tables, figures and verdict again from the files of runs
    Compare(compare::CompareCommand),
    /// Measure models alone and in pairs, and write a profile that `igniter fit` accepts
    Profile(Box<profile::ProfileCommand>),
    /// Convert a folder of images to request inputs
    Data(data::DataCommand),
    /// Export the iGniter artifact's models to ONNX or TensorRT, in a repository for Triton
    Models(models::ModelsCommand),
    /// Check what this machine lacks for validation, and how to fix it
    Doctor(doctor::DoctorCommand),
    /// Measure which SMs MPS grants, whether its clients run side by side, and how long copies take
    Facts(facts::FactsCommand),
    /// Start the servers of a plan for other clients, and stop them at Ctrl-C
    Launch(Box<launch::LaunchCommand>),
    /// Run one process for this program and end it when this program ends
    #[command(hide = true)]
    Guard {
        /// What to run, as JSON
        order: String,
    },
    /// Make a temporary folder for this program and remove it when this program ends
    #[command(hide = true)]
    KeepFolder {
        /// How its name begins
        prefix: String,
        /// The process whose folder it is
        process: u32,
    },
}

/// Runs the program on its command line and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    ExitCode::from(run_program())
}

/// The same, with the exit code as a number. Where the program is a part of another process,
/// [`igniter::cli::set_command_line`] and [`guard::set_program`] come before.
#[must_use]
pub fn run_program() -> u8 {
    let cli: ValidateCli = match parse("validate") {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    match &cli.command {
        ValidateCommand::Guard { order } => return run_guard(order),
        ValidateCommand::KeepFolder { prefix, process } => {
            return hidden(guard::keep_folder(prefix, *process).map(|()| 0));
        }
        _ => {}
    }
    if let Err(error) = signals::watch() {
        eprintln!("validate: cannot watch for Ctrl-C: {error}");
        return 2;
    }
    // Each request in flight has a connection of its own, and each of those is an open file.
    raise_open_files();
    let kept_until_interrupted = matches!(&cli.command, ValidateCommand::Launch(_));
    match dispatch(cli.command) {
        Ok(_) if signals::interrupted() && !kept_until_interrupted => {
            eprintln!("validate: interrupted after everything was measured; all results are kept");
            signals::INTERRUPTED_CODE
        }
        Ok(outcome) => outcome.code(),
        Err(error) if signals::interrupted() => {
            // That it was interrupted was said when the signal came.
            if error.to_string() != Interrupted.to_string() {
                eprintln!("validate: {}", described(&error));
            }
            signals::INTERRUPTED_CODE
        }
        Err(error) => {
            eprintln!("validate: {}", described(&error));
            2
        }
    }
}

/// Lets this process, and what it starts, open as many files as the system allows it, up to what anybody needs.
fn raise_open_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    const ENOUGH: u64 = 65_536;
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard.min(ENOUGH)
    {
        // Where it is refused, the limit is what it was, and a run that meets it says so.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard.min(ENOUGH), hard);
    }
}

fn dispatch(command: ValidateCommand) -> anyhow::Result<CommandOutcome> {
    match command {
        ValidateCommand::Doctor(args) => doctor::run(&args),
        ValidateCommand::Facts(args) => facts::run(&args),
        ValidateCommand::Run(args) => run::run(&args),
        ValidateCommand::Compare(args) => compare::run(&args),
        ValidateCommand::Profile(args) => profile::run(&args),
        ValidateCommand::Data(args) => data::run(&args),
        ValidateCommand::Models(args) => models::run(&args),
        ValidateCommand::Launch(args) => launch::run(&args),
        ValidateCommand::Guard { .. } | ValidateCommand::KeepFolder { .. } => {
            unreachable!("they were run before")
        }
    }
}

/// A guard has its own ways with signals.
fn run_guard(order: &str) -> u8 {
    let order = serde_json::from_str::<GuardOrder>(order).map_err(std::io::Error::other);
    hidden(order.and_then(|order| guard::run(&order)))
}

fn hidden(done: std::io::Result<u8>) -> u8 {
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            2
        }
    }
}
