//! The contents of a page.

use super::{Accuracy, Cell, PagePart, SortableTable, Validation};
use crate::results::{Comparison, FileHash, Manifest, SweepFacts, quoted};
use std::borrow::Cow;

/// A picture from the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedFigure {
    /// The file name without an extension.
    pub name: String,
    /// The picture as SVG text.
    pub svg: String,
}

/// The single values of a JSON file.
#[derive(Debug, Clone, PartialEq)]
pub struct FileValues {
    /// The name of the file.
    pub name: String,
    /// (path, value) of each value that is not a list.
    pub values: Vec<(String, Cell)>,
}

/// The provenance of the results.
#[derive(Debug, Clone, Default)]
pub struct Provenance {
    /// The manifest, with clock time, host and command; absent in a page that must not depend on them.
    pub manifest: Option<Manifest>,
    /// The command, word by word.
    pub command: Vec<String>,
    /// The seed, where there was one.
    pub seed: Option<u64>,
    /// The resolved scenario.
    pub scenario: Option<String>,
    /// The files that were read.
    pub inputs: Vec<FileHash>,
}

impl From<Manifest> for Provenance {
    fn from(manifest: Manifest) -> Self {
        Self {
            seed: manifest.seed,
            scenario: manifest.scenario.clone(),
            inputs: manifest.inputs.clone(),
            command: manifest.command.clone(),
            manifest: Some(manifest),
        }
    }
}

/// Returns which of the two programs the first word of a command names, whatever its path.
pub(super) fn program(word: &str) -> &'static str {
    let name = std::path::Path::new(word).file_stem().unwrap_or_default();
    if name == "validate" { "validate" } else { "igniter" }
}

/// Returns a command without the options that do not change results: where files go, what is printed, the
/// number of threads.
fn without_output(command: &[String]) -> Vec<String> {
    const WITH_VALUE: [&str; 3] = ["-o", "--output", "--threads"];
    const ALONE: [&str; 3] = ["-q", "--quiet", "--json"];
    let mut kept: Vec<String> = Vec::new();
    let mut words = command.iter();
    while let Some(word) = words.next() {
        if kept.is_empty() {
            kept.push(program(word).to_owned());
        } else if WITH_VALUE.contains(&word.as_str()) {
            words.next();
        } else if !ALONE.contains(&word.as_str())
            && !["--output=", "--threads="].iter().any(|flag| word.starts_with(flag))
            && (word.starts_with("--") || !word.starts_with("-o"))
        {
            kept.push(word.clone());
        }
    }
    kept
}

impl Provenance {
    /// Returns the command in shell syntax; `None` where it is not known.
    pub(super) fn words(&self) -> Option<String> {
        let words: Vec<String> = self.command.iter().map(|word| quoted(word)).collect();
        (words.len() > 1).then(|| words.join(" "))
    }
}

/// The contents of a page.
#[derive(Debug, Default)]
pub struct PageSource<'a> {
    /// The heading.
    pub title: String,
    /// The results of `compare` or `simulate`, where present.
    pub comparison: Option<Cow<'a, Comparison>>,
    /// The facts of a sweep, where there was one; its means are among the tables.
    pub sweep: Option<SweepFacts>,
    /// The results of `validate`, where present.
    pub validation: Option<Validation>,
    /// The results of `accuracy`, where present.
    pub accuracy: Option<Accuracy>,
    /// For a sweep that is still running: the number of points that are done, and of all points.
    pub live: Option<(u64, u64)>,
    /// The sections made from tables that commands are known to write.
    pub parts: Vec<PagePart>,
    /// All other tables.
    pub tables: Vec<SortableTable>,
    /// The single values of JSON files.
    pub documents: Vec<FileValues>,
    /// Pictures for which there is no equivalent chart.
    pub figures: Vec<EmbeddedFigure>,
    /// What was left out, and the reasons.
    pub left_out: Vec<String>,
    /// The provenance of the results.
    pub provenance: Provenance,
}

impl<'a> PageSource<'a> {
    /// Reduces the source to a page beside its tables, which depends only on the results and their inputs.
    #[must_use]
    pub fn beside_its_tables(mut self) -> Self {
        self.provenance.command = without_output(&self.provenance.command);
        self.provenance.manifest = None;
        self
    }

    /// Returns the page of a comparison alone. It depends on the results and their inputs, not on when, where
    /// or by which command they were made.
    #[must_use]
    pub fn of_comparison(comparison: &'a Comparison, manifest: &Manifest) -> Self {
        Self {
            title: comparison.scenario.clone(),
            comparison: Some(Cow::Borrowed(comparison)),
            provenance: Provenance {
                manifest: None,
                command: without_output(&manifest.command),
                seed: manifest.seed,
                scenario: manifest.scenario.clone(),
                inputs: manifest.inputs.clone(),
            },
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_name_their_program() {
        let words = ["/usr/bin/validate", "run", "a.toml", "-o", "out"].map(str::to_owned);
        assert_eq!(without_output(&words), ["validate", "run", "a.toml"]);
        assert_eq!(program("./target/debug/igniter"), "igniter");
        assert_eq!(program("python3"), "igniter");
    }

    #[test]
    fn a_command_beside_its_results_says_nothing_that_changes_none_of_them() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let typed =
            words("/a/igniter compare s.toml --threads 2 --seeds 5 -o out --quiet --output=x");
        let provenance = Provenance { command: without_output(&typed), ..Provenance::default() };
        assert_eq!(provenance.words().as_deref(), Some("igniter compare s.toml --seeds 5"));
    }
}
