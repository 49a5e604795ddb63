//! What the command lines of `igniter` and `validate` share.

use super::common_args::{ChangeArgs, PredictorArgs};
use crate::page;
use crate::plan::is_artifact_plan;
use crate::results::{Existing, Manifest, OutputDir};
use crate::scenario::shipped_scenarios;
use anyhow::bail;
use clap::{Args, Parser};
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandOutcome {
    /// Done: exit code 0.
    Done,
    /// Done, but a check failed: exit code 1.
    CheckFailed,
}

impl CommandOutcome {
    /// Done, or a failed check.
    #[must_use]
    pub fn of(passed: bool) -> Self {
        if passed { Self::Done } else { Self::CheckFailed }
    }

    /// The exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::CheckFailed => 1,
        }
    }
}

/// The command line, where it is not that of the process.
static COMMAND_LINE: OnceLock<Vec<OsString>> = OnceLock::new();

/// Says what the command line is, for a program that is a part of another process: the name of the program, then its
/// arguments. Only the first call counts.
pub fn set_command_line(arguments: Vec<OsString>) {
    let _ = COMMAND_LINE.set(arguments);
}

fn arguments() -> Vec<OsString> {
    COMMAND_LINE.get().cloned().unwrap_or_else(|| std::env::args_os().collect())
}

/// The command line, argument by argument, as manifests list it.
#[must_use]
pub fn command_line() -> Vec<String> {
    arguments().iter().map(|argument| argument.to_string_lossy().into_owned()).collect()
}

/// Parses the command line of `program`. Help and version are printed; so are mistakes.
///
/// # Errors
/// The exit code of a process that has nothing more to do: 0 after help and version, 2 after a mistake or where
/// help cannot be printed.
pub fn parse<C: Parser>(program: &str) -> Result<C, u8> {
    C::try_parse_from(arguments()).map_err(|error| {
        let printed = error.print().and_then(|()| io::stdout().flush());
        match printed {
            _ if error.use_stderr() => 2,
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                say(program, &format!("cannot print: {error}"));
                2
            }
            _ => 0,
        }
    })
}

/// Prints a line of `program` on stderr. Where that fails, no message could reach the user.
pub fn say(program: &str, text: &str) {
    let _ = writeln!(io::stderr().lock(), "{program}: {text}");
}

/// Prints text on stdout, with one line feed at its end.
///
/// # Errors
/// When stdout cannot be written.
pub fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        stdout.write_all(b"\n")?;
    }
    stdout.flush()
}

/// Writes the page of a finished folder of results into it, and says where it is.
///
/// # Errors
/// When the folder cannot be read or written.
pub fn write_page(folder: &Path) -> anyhow::Result<PathBuf> {
    let html = page::page(&page::read_source(folder)?.beside_its_tables());
    let manifest = Manifest::read(&folder.join("manifest.json"))?;
    let mut dir = OutputDir::open(folder, Existing::Keep)?;
    dir.write(page::PAGE, |file| file.write_all(html.as_bytes()))?;
    dir.finish(manifest)?;
    Ok(folder.join(page::PAGE))
}

/// An error with its causes, each once: many errors hold the text of their cause already.
#[must_use]
pub fn described(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// A scenario, or plan files that need none.
#[derive(Debug, Clone, Args)]
pub struct PlannedScenarioArgs {
    /// The scenario: a TOML file, or the name of one that the program carries, such as paper-12; plan files of the
    /// iGniter artifact (--plan) need none
    #[arg(required_unless_present = "plan")]
    pub scenario: Option<PathBuf>,
    /// A plan from `igniter plan`, or plan files of the iGniter artifact (config_gpu1.json …, or their folder). The
    /// artifact's need no scenario; what is assumed beyond them is printed
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub plan: Vec<PathBuf>,
    /// Which performance model is used
    #[command(flatten)]
    pub predictor: PredictorArgs,
    /// What is changed of the scenario
    #[command(flatten)]
    pub change: ChangeArgs,
}

impl PlannedScenarioArgs {
    /// The scenario and the plan files. The command line's grammar takes a scenario after `--plan FILE` for another
    /// plan; its name tells it apart.
    #[must_use]
    pub fn files(&self) -> (Option<&Path>, &[PathBuf]) {
        let is_scenario = |path: &&PathBuf| {
            path.extension().is_some_and(|extension| extension == "toml")
                || shipped_scenarios().any(|name| path.as_path() == Path::new(name))
        };
        match (&self.scenario, self.plan.split_last()) {
            (None, Some((last, plans))) if is_scenario(&last) && !plans.is_empty() => {
                (Some(last), plans)
            }
            (scenario, _) => (scenario.as_deref(), &self.plan),
        }
    }

    /// The scenario, where there is one.
    ///
    /// # Errors
    /// When there is none, and a plan is not of the iGniter artifact.
    pub fn scenario(&self) -> anyhow::Result<Option<&Path>> {
        let (scenario, plans) = self.files();
        match plans.iter().find(|path| scenario.is_none() && !is_artifact_plan(path)) {
            None => Ok(scenario),
            Some(path) => bail!(
                "--plan {}: without a scenario only plan files of the iGniter artifact can be used; fix: name the \
                 scenario before --plan",
                path.display()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let inner = || io::Error::other("no room");
        let said = anyhow::Error::from(inner()).context("cannot write a: no room");
        assert_eq!(described(&said), "cannot write a: no room");
        let unsaid = anyhow::Error::from(inner()).context("cannot write a");
        assert_eq!(described(&unsaid), "cannot write a: no room");
    }
}
