//! The inputs of results, as their manifest lists them.

use crate::results::Manifest;
use crate::scenario::{Scenario, shipped_text};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

/// The inputs of a study.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StudySources {
    /// Files without duplicates: the scenario and the files that it extends, then those that its
    /// arrivals read.
    pub files: Vec<PathBuf>,
    /// The input texts of predictors without duplicates, with the names under which a manifest
    /// lists them.
    pub texts: Vec<(PathBuf, String)>,
}

impl StudySources {
    /// Adds the files that a scenario's arrivals read: traces and files of rates.
    pub(crate) fn add_arrivals(&mut self, scenario: &Scenario) {
        let mut known: BTreeSet<PathBuf> = self.files.iter().cloned().collect();
        for path in scenario.workloads.iter().flat_map(|workload| workload.arrival.files()) {
            if known.insert(path.clone()) {
                self.files.push(path.clone());
            }
        }
    }

    /// Adds a text unless it is already present.
    pub(crate) fn add_text(&mut self, text: &(PathBuf, String)) {
        if !self.texts.contains(text) {
            self.texts.push(text.clone());
        }
    }

    /// Lists all files and texts in a manifest, with hashes.
    ///
    /// # Errors
    /// When a file can no longer be read.
    pub fn note(&self, manifest: &mut Manifest) -> io::Result<()> {
        for path in &self.files {
            match shipped_text(path) {
                Some(text) => manifest.input(path, text.as_bytes()),
                None => manifest.input_path(path).map_err(|error| naming(path, &error))?,
            }
        }
        for (name, text) in &self.texts {
            manifest.input(name, text.as_bytes());
        }
        Ok(())
    }
}

fn naming(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot read {}: {error}", path.display()))
}
