//! What can be wrong with a file, said so that its author can mend it.

use std::fmt;
use std::path::{Path, PathBuf};

/// One thing that is wrong in a file, and how to put it right.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The file, where that is another one than was asked for, such as one that a scenario extends.
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

/// How many problems a message lists.
const LISTED: usize = 100;

/// One line for each problem of a file, then their number.
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
