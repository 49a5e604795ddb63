//! What can be wrong with a scenario file, said so that the user can correct it.

use super::shipped_scenarios;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// One thing that is wrong in a scenario file, and how to put it right.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The file, where that is not the scenario's own but one that it extends.
    pub file: Option<PathBuf>,
    /// The line of the file, from 1; 0 for what stands in no file but was set.
    pub line: usize,
    /// The key path, such as `workload[2].slo_ms` (positions count from 0); empty where the text is not TOML.
    pub key: String,
    /// What stands there: `given -5`, `missing`, `unknown key`, …
    pub what: String,
    /// What may stand there.
    pub allowed: String,
    /// What to do about it.
    pub fix: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}; allowed: {}; fix: {}", self.what, self.allowed, self.fix)
    }
}

/// A scenario file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// The file is not there, or may not be read.
    #[error(
        "{path}: cannot read the scenario file: {source}; allowed: a readable TOML file; \
         fix: check the path and its permissions, or name one that the program carries: {shipped}",
        path = path.display(),
        shipped = shipped_scenarios().collect::<Vec<_>>().join(", ")
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The path names a directory.
    #[error(
        "{path}: is a directory; allowed: a scenario file; fix: name a .toml file in it",
        path = path.display()
    )]
    IsDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// The file is larger than any scenario can sensibly be.
    #[error(
        "{path}: is larger than {limit} bytes; allowed: at most {limit} bytes; fix: check that it is \
         a scenario (arrival times belong in a trace file of their own)",
        path = path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The largest size that is read, in bytes.
        limit: u64,
    },
    /// The file is not text.
    #[error(
        "{path}: is not text (byte {offset} is not UTF-8 or is NUL); allowed: TOML in UTF-8; \
         fix: check that it is a scenario, and save it as UTF-8",
        path = path.display()
    )]
    NotText {
        /// The file.
        path: PathBuf,
        /// The first offending byte, from 0.
        offset: usize,
    },
    /// A value was to be set where there is no place for it.
    #[error(
        "{path}: cannot set {field}: {what}; allowed: {allowed}; fix: correct the path of the field",
        path = path.display()
    )]
    NoSuchField {
        /// The scenario file.
        path: PathBuf,
        /// The path of the field.
        field: String,
        /// Why not.
        what: String,
        /// What would be right.
        allowed: String,
    },
    /// The text is no valid scenario: everything that is wrong with it.
    #[error("{}", list(path, problems))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// All problems in the order of their lines; at least one.
        problems: Vec<Problem>,
    },
}

/// How many problems a message lists.
const LISTED: usize = 100;

/// One line for each problem, then their number.
fn list(path: &std::path::Path, problems: &[Problem]) -> String {
    let mut text = String::new();
    for problem in problems.iter().take(LISTED) {
        let file = problem.file.as_deref().unwrap_or(path).display();
        let line = match problem.line {
            0 => " (as set)".to_owned(),
            line => format!(":{line}"),
        };
        text.push_str(&format!("{file}{line}: {problem}\n"));
    }
    if problems.len() > LISTED {
        text.push_str(&format!("… and {} more\n", problems.len() - LISTED));
    }
    let plural = if problems.len() == 1 { "problem" } else { "problems" };
    text.push_str(&format!("{} {plural} in {}", problems.len(), path.display()));
    text
}
