//! Printing: results to stdout, everything else to stderr.

use super::{CommandOutcome, described};
use crate::compare::{Limits, ValidationResult, comparison_text};
use crate::launch::keep_logs;
use anyhow::Context;
use clap::Args;
use std::fs;
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
    /// Print one JSON document on stdout and nothing else
    #[arg(long)]
    pub(super) json: bool,
    /// Print errors only: no progress, no tables
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

/// Shows progress on stderr if that is a terminal.
#[derive(Debug)]
pub(super) struct RunProgress {
    shown: bool,
}

impl RunProgress {
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

/// Says which GPUs are not used, and why.
pub(super) fn warn_of_left_out(reasons: &[String]) {
    for reason in reasons {
        eprintln!("validate: a GPU is left out: {reason}");
    }
}

/// Keeps in `target` what servers and daemons printed, and says where; the error then names the logs that are kept.
pub(super) fn with_logs(error: anyhow::Error, scratch: &Path, target: &Path) -> anyhow::Error {
    match keep_logs(scratch, target) {
        Ok(kept) if kept.is_empty() => error,
        Ok(kept) => {
            eprintln!("validate: the logs of servers and daemons are in {}", target.display());
            let said = described(&error);
            let now = kept.in_text(&said);
            // The error itself says whether it was an interruption.
            if said == now { error } else { anyhow::anyhow!(now) }
        }
        Err(failed) => {
            eprintln!("validate: cannot keep the logs of servers and daemons: {failed}");
            error
        }
    }
}

/// Prints text on stdout. A reader that went away, as `| head` does, has read enough.
pub(super) fn print(text: &str) -> io::Result<()> {
    match igniter::cli::print(text.trim_end()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Prints a comparison; says whether its verdict is good.
pub(super) fn finish_comparison(
    comparison: &ValidationResult,
    folder: &Path,
    args: &LimitArgs,
) -> anyhow::Result<CommandOutcome> {
    let page = igniter::cli::write_page(folder)?;
    if args.json {
        print(&serde_json::to_string_pretty(comparison)?)?;
    } else if !args.quiet {
        let text = comparison_text(comparison);
        print(&format!("{text}\n\nreport   {}", page.display()))?;
    }
    Ok(CommandOutcome::of(comparison.passed))
}

/// Writes a file of a folder that is whole or absent.
pub(super) fn write_whole(folder: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    whole_file(&folder.join(name), |file| {
        file.write_all(text.as_bytes())?;
        Ok(())
    })
}

/// Lets `write` write a file that is whole or absent, with the permissions of any other new file.
pub(super) fn whole_file<T>(
    path: &Path,
    write: impl FnOnce(&mut io::BufWriter<fs::File>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let part = path.with_file_name(format!(".{name}.part"));
    let failed = || format!("cannot write {}", path.display());
    let written = || {
        let mut file = io::BufWriter::new(fs::File::create(&part).with_context(failed)?);
        let value = write(&mut file)?;
        file.flush().with_context(failed)?;
        fs::rename(&part, path).with_context(failed)?;
        Ok(value)
    };
    let written = written();
    if written.is_err() {
        // Where even that fails, it is gone or cannot be touched.
        let _ = fs::remove_file(&part);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_is_whole_or_absent() {
        let folder = tempfile::tempdir().unwrap();
        write_whole(folder.path(), "a", "text").unwrap();
        let path = folder.path().join("a");
        assert_eq!(fs::read_to_string(&path).unwrap(), "text");
        let plain = folder.path().join("plain");
        fs::write(&plain, "").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&plain), "others may read it as any file");
        let failed: anyhow::Result<()> = whole_file(&path, |file| {
            file.write_all(b"half")?;
            anyhow::bail!("no more")
        });
        assert_eq!(failed.unwrap_err().to_string(), "no more");
        assert_eq!(fs::read_to_string(&path).unwrap(), "text");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing half-written stays");
    }
}
