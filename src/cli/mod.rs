//! The command line: flags, dispatch, exit codes.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | done, but a check failed: an SLO is missed, a workload is infeasible, a point of a sweep failed |
//! | 2 | could not be done |
//! | 130 | interrupted (Ctrl-C, SIGTERM, SIGHUP); nothing half-written is left |

mod accuracy;
mod args;
mod bound;
mod capacity;
mod check;
mod common_args;
mod compare;
mod design;
mod diff;
mod files;
mod fit;
mod follow;
mod frontier;
mod import;
mod init;
mod man;
mod merge;
mod model_args;
mod names;
mod output;
mod plan;
mod planning;
mod plot;
mod predict;
mod progress;
mod replan;
mod report;
mod reproduce;
mod results;
mod schema;
mod serve;
mod servers;
mod shared;
mod simulate;
mod strategies;
mod study;
mod sweep;
mod sweep_args;
mod table;
mod trace;
mod trace_args;

use args::{IgniterCli, IgniterCommand};
use clap::CommandFactory;
pub use common_args::{ChangeArgs, PredictorArgs};
use output::is_closed_pipe;
pub use shared::{
    CommandOutcome, PlannedScenarioArgs, command_line, described, parse, print, say,
    set_command_line, write_page,
};
use std::process::ExitCode;

/// Runs the program on its command line and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    ExitCode::from(run())
}

/// Same as [`main`], but returns the exit code as a number. Where the program is a part of another process, call
/// [`set_command_line`] first.
#[must_use]
pub fn run() -> u8 {
    let cli: IgniterCli = match parse("igniter") {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    if let Err(error) = ctrlc::set_handler(interrupted) {
        output::tell(&format!("cannot watch for Ctrl-C: {error}"));
        return 2;
    }
    match dispatch(cli.command) {
        Ok(outcome) => outcome.code(),
        Err(error) if is_closed_pipe(&error) => 0,
        Err(error) => {
            output::tell(&described(&error));
            2
        }
    }
}

/// Handles Ctrl-C, SIGTERM or SIGHUP: removes unfinished output and ends the process.
fn interrupted() {
    crate::results::discard_unfinished();
    output::tell(&format!("interrupted; {}", sweep::after_interrupt()));
    // 128 + SIGINT, as in shells.
    std::process::exit(130);
}

fn dispatch(command: IgniterCommand) -> anyhow::Result<CommandOutcome> {
    match command {
        IgniterCommand::Init(args) => init::run(&args),
        IgniterCommand::Import(args) => import::run(&args),
        IgniterCommand::Fit(args) => fit::run(&args),
        IgniterCommand::Predict(args) => predict::run(&args),
        IgniterCommand::Accuracy(args) => accuracy::run(&args),
        IgniterCommand::Study(args) => study::run(&args),
        IgniterCommand::Servers(args) => servers::run(&args),
        IgniterCommand::Design(args) => design::run(&args),
        IgniterCommand::Plan(args) => plan::run(&args),
        IgniterCommand::Bound(args) => bound::run(&args),
        IgniterCommand::Replan(args) => replan::run(&args),
        IgniterCommand::Simulate(args) => simulate::run(&args),
        IgniterCommand::Compare(args) => compare::run(&args),
        IgniterCommand::Trace(args) => trace::run(&args),
        IgniterCommand::Check(args) => check::run(&args),
        IgniterCommand::Schema(args) => schema::run(&args),
        IgniterCommand::Report(args) => report::run(&args),
        IgniterCommand::Table(args) => table::run(&args),
        IgniterCommand::Diff(args) => diff::run(&args),
        IgniterCommand::Sweep(args) => sweep::run(&args),
        IgniterCommand::Merge(args) => merge::run(&args),
        IgniterCommand::Capacity(args) => capacity::run(&args),
        IgniterCommand::Frontier(args) => frontier::run(&args),
        IgniterCommand::Plot(args) => plot::run(&args),
        IgniterCommand::Reproduce(args) => reproduce::run(&args),
        IgniterCommand::Man { output } => man::run(&output),
        IgniterCommand::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut IgniterCli::command(), "igniter", &mut text);
            output::print(&String::from_utf8(text)?)?;
            Ok(CommandOutcome::Done)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::IgniterCli;
    use crate::results::{ALONE, OF_FRONTIER};
    use clap::CommandFactory;

    #[test]
    fn commands_to_try_know_the_flags_of_the_program() {
        let program = IgniterCli::command();
        let command = |name: &str| program.find_subcommand(name).unwrap();
        for name in ["simulate", "compare", "check"] {
            for argument in command(name).get_arguments() {
                let Some(long) = argument.get_long().filter(|long| *long != "help") else {
                    continue;
                };
                let flag = format!("--{long}");
                let stands_alone = !argument.get_action().takes_values();
                assert_eq!(ALONE.contains(&&*flag), stands_alone, "{name} {flag}");
            }
        }
        for flag in OF_FRONTIER {
            let known = command("frontier").get_arguments();
            assert!(known.into_iter().any(|a| a.get_long() == flag.strip_prefix("--")), "{flag}");
        }
    }
}
