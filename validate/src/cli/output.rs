//! Printing: results to stdout, everything else to stderr.

use super::Outcome;
use crate::compare::{Comparison, Limits, comparison_text};
use clap::Args;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

/// The flags of commands that end with a comparison.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Verdict and output")]
pub(super) struct LimitArgs {
    /// Allowed error of the simulated mean latency, in percent of the measured
    #[arg(long, value_name = "PCT", default_value_t = Limits::default().mean_pct)]
    max_mean_error: f64,
    /// Allowed error of the simulated P99 latency, in percent
    #[arg(long, value_name = "PCT", default_value_t = Limits::default().p99_pct)]
    max_p99_error: f64,
    /// Allowed error of the predicted time of a full batch, in percent
    #[arg(long, value_name = "PCT", default_value_t = Limits::default().batch_pct)]
    max_batch_error: f64,
    /// Print one JSON document on stdout, and nothing else there
    #[arg(long)]
    pub(super) json: bool,
    /// No progress on stderr and no table on stdout; errors are still printed
    #[arg(long, short)]
    pub(super) quiet: bool,
}

impl LimitArgs {
    pub(super) fn limits(&self) -> Limits {
        Limits {
            mean_pct: self.max_mean_error,
            p99_pct: self.max_p99_error,
            batch_pct: self.max_batch_error,
        }
    }
}

/// Says on stderr what is going on, where somebody looks.
#[derive(Debug)]
pub(super) struct Progress {
    shown: bool,
}

impl Progress {
    pub(super) fn new(quiet: bool) -> Self {
        Self { shown: !quiet && io::stderr().is_terminal() }
    }

    pub(super) fn at(&self, what: &str) {
        if self.shown {
            eprintln!("{what} …");
        }
    }
}

/// Says where models run that could have used a GPU.
pub(super) fn warn_of_cpu(reason: Option<&str>) {
    if let Some(reason) = reason {
        eprintln!("validate: no GPU: {reason}; the models run on the CPU");
    }
}

/// Prints text on stdout. A reader that went away, as `| head` does, has read enough.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    let written =
        stdout.write_all(text.trim_end().as_bytes()).and_then(|()| stdout.write_all(b"\n"));
    match written.and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Prints a comparison; says whether its verdict is good.
pub(super) fn finish_comparison(
    comparison: &Comparison,
    folder: &Path,
    args: &LimitArgs,
) -> anyhow::Result<Outcome> {
    if args.json {
        print(&serde_json::to_string_pretty(comparison)?)?;
    } else if !args.quiet {
        let report = folder.join("report.md");
        print(&format!(
            "{}\n\nreport   {}\nto look at: igniter report {folder} -o {folder}.html",
            comparison_text(comparison),
            report.display(),
            folder = folder.display()
        ))?;
    }
    Ok(Outcome::of(comparison.passed))
}
