//! The `validate` binary: will run a provisioning plan on real GPUs and compare it with its prediction.
//!
//! It has no commands yet, and says so. There are no placeholders that pretend to measure something.

use clap::Parser;
use clap::error::ErrorKind;
use std::process::ExitCode;

/// Will run a plan of `igniter` on real GPUs through NVIDIA Triton. It has no commands yet.
///
/// What is planned: to start one Triton server for each placement of a plan with its share of the GPU
/// (NVIDIA MPS), to send the arrivals of the scenario, to measure every request, and to compare
/// measured with predicted latency and throughput. To check a machine (driver, MPS, Triton) and to
/// profile models on it will belong here too. None of it exists yet: this version only answers
/// --help and --version.
///
/// What to use now: `igniter plan` makes a plan, `igniter simulate` replays arrivals against it in a
/// simulated cluster, and `igniter compare` does both for several strategies. Those need no GPU.
#[derive(Debug, Parser)]
#[command(version, override_usage = "validate [--help | --version]")]
struct Arguments {}

fn main() -> ExitCode {
    match Arguments::try_parse() {
        Err(answer)
            if matches!(answer.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) =>
        {
            // Who closes the pipe has read enough.
            let _ = answer.print();
            ExitCode::SUCCESS
        }
        _ => {
            let given: Vec<String> = std::env::args_os()
                .skip(1)
                .map(|argument| argument.to_string_lossy().into_owned())
                .collect();
            eprintln!("{}", refusal(&given));
            ExitCode::from(2)
        }
    }
}

/// Why nothing was done, and what to do instead.
fn refusal(given: &[String]) -> String {
    let asked = if given.is_empty() {
        "validate has no commands yet, so there is nothing that it could do".to_owned()
    } else {
        format!("validate has no commands yet, so it cannot do `{}`", given.join(" "))
    };
    format!(
        "error: {asked}\n\
         allowed: --help, --version\n\
         fix: use `igniter compare` to try a plan in simulation; `validate --help` says what is planned"
    )
}
