//! What a page is made of.

use super::{Accuracy, Cell, SortableTable, Validation};
use crate::results::{Comparison, FileHash, Manifest, SweepFacts};
use std::borrow::Cow;

/// A picture of the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedFigure {
    /// Its file name without an extension.
    pub name: String,
    /// It, as SVG text.
    pub svg: String,
}

/// The single values of a JSON file.
#[derive(Debug, Clone, PartialEq)]
pub struct FileValues {
    /// The file.
    pub name: String,
    /// (path, value) of those that are no lists.
    pub values: Vec<(String, Cell)>,
}

/// How the results were made.
#[derive(Debug, Clone, Default)]
pub struct Provenance {
    /// The manifest, with clock time, host and command; absent in a page that must not depend on them.
    pub manifest: Option<Manifest>,
    /// The seed, where there was one.
    pub seed: Option<u64>,
    /// The scenario as it was resolved.
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
            manifest: Some(manifest),
        }
    }
}

/// What a page is made of.
#[derive(Debug, Default)]
pub struct Source<'a> {
    /// The heading.
    pub title: String,
    /// What `compare` or `simulate` left, where they did.
    pub comparison: Option<Cow<'a, Comparison>>,
    /// What a sweep was, where there was one; its means are among the tables.
    pub sweep: Option<SweepFacts>,
    /// What `validate` left, where it did.
    pub validation: Option<Validation>,
    /// What `accuracy` left, where it did.
    pub accuracy: Option<Accuracy>,
    /// All other tables.
    pub tables: Vec<SortableTable>,
    /// The single values of JSON files.
    pub documents: Vec<FileValues>,
    /// Pictures, where there is no chart of the same.
    pub figures: Vec<EmbeddedFigure>,
    /// What was left out, and why.
    pub left_out: Vec<String>,
    /// How all was made.
    pub provenance: Provenance,
}

impl<'a> Source<'a> {
    /// The page of a comparison alone: it depends on the results and on what went in, not on when, where
    /// or by which command they were made.
    #[must_use]
    pub fn of_comparison(comparison: &'a Comparison, manifest: &Manifest) -> Self {
        Self {
            title: comparison.scenario.clone(),
            comparison: Some(Cow::Borrowed(comparison)),
            provenance: Provenance {
                manifest: None,
                seed: manifest.seed,
                scenario: manifest.scenario.clone(),
                inputs: manifest.inputs.clone(),
            },
            ..Self::default()
        }
    }
}
