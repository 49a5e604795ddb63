//! Problems in a file, described so that its author can correct them.

use std::fmt;
use std::path::{Path, PathBuf};

/// One problem in a file, and its fix.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The file, where it is not the requested one but, for example, one that a scenario extends.
    pub file: Option<PathBuf>,
    /// The line of the file, from 1; 0 for a value that was set and is not in a file.
    pub line: usize,
    /// The key path, such as `workload[2].slo_ms` (indexes count from 0); empty where the text is not TOML.
    pub key: String,
    /// The problem: `given -5`, `missing`, `unknown key`, …
    pub what: String,
    /// The allowed values.
    pub allowed: String,
    /// The action that corrects the problem.
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

/// The maximum number of problems that a message lists.
const LISTED: usize = 100;

/// Returns one line for each problem of a file, and then the number of problems.
#[must_use]
pub fn listing(path: &Path, problems: &[Problem]) -> String {
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
