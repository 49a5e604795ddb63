//! A sweep file, read and checked before anything runs.

use super::SweepError;
use super::axis::Values;
use super::cache::Cache;
use super::file::RawSweep;
use super::first_point::first_point;
use super::grid::{SweepGrid, SweepPoint};
use super::seeds::SeedList;
use crate::input::toml_keys::{KeyRule, read_toml};
use crate::predictor::ErrorDraw;
use crate::results::{FileHash, formula_note, hex};
use crate::run::{Extensions, KindPredictors, StudySources, replace_kinds};
use crate::scenario::{Document, Scenario, shipped_text};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use toml::Value;

/// The maximum number of points without a confirmation.
pub const MOST_POINTS: u64 = 10_000_000;

/// The maximum size of a sweep file, in bytes.
const LONGEST: u64 = 10 * 1024 * 1024;

/// The version of the layout of a sweep's files; part of its identity, like the version of the program.
const FORMAT: &str = "igniter/sweep/v1";

/// A checked sweep.
#[derive(Debug)]
pub struct Sweep {
    pub(super) path: PathBuf,
    pub(super) name: String,
    pub(super) document: Document,
    profile: Option<String>,
    pub(super) strategies: Vec<String>,
    /// The predictors; `None` stands for the default of the profile.
    pub(super) predictors: Vec<Option<String>>,
    /// The truths; `None` stands for the predictor that made the plans.
    pub(super) truths: Vec<Option<String>>,
    prediction_error: bool,
    /// The scenario without its axes, where all points share the plans that are made for it.
    pub(super) planned: Option<Scenario>,
    pub(super) seeds: SeedList,
    pub(super) grid: SweepGrid,
    points: u64,
    pub(super) cache: Cache,
    /// The scenario at the first point.
    first: Scenario,
    /// Notes for readers of the tables.
    notes: Vec<String>,
    /// All files that were read.
    inputs: Vec<FileHash>,
    id: String,
}

impl Sweep {
    /// Reads a sweep file and its scenario, and makes the predictors of the first point.
    ///
    /// # Errors
    /// When a file cannot be read, a key is unknown or has a value that is not allowed, an axis names no field of
    /// the scenario, or a strategy or predictor does not exist.
    pub fn load(path: &Path) -> Result<Self, SweepError> {
        let text = crate::input::read_text(path, LONGEST)
            .map_err(|source| SweepError::Unreadable { path: path.to_owned(), source })?;
        Self::read(path, &text, None, Extensions::default())
    }

    /// Reads the text of a sweep file like [`Sweep::load`], for a scenario that is already loaded: the scenario name in
    /// the text is not looked up. Strategies and predictors may be the caller's own.
    ///
    /// # Errors
    /// As [`Sweep::load`].
    pub fn of_text(
        path: &Path,
        text: &str,
        scenario: Document,
        own: Extensions,
    ) -> Result<Self, SweepError> {
        Self::read(path, text, Some(scenario), own)
    }

    fn read(
        path: &Path,
        text: &str,
        scenario: Option<Document>,
        own: Extensions,
    ) -> Result<Self, SweepError> {
        let folder = path.parent().unwrap_or(Path::new(""));
        // A scenario that cannot be read is reported below, when the rest is known to be sound.
        let load = |file: &Path| match &scenario {
            Some(document) => Some(document.clone()),
            None => Document::load_from(folder, file).ok(),
        };
        let raw = RawSweep::parse(path, text, &own, &load)?;
        // A scenario that the caller passed in has no file, so its TOML text is the input.
        let given = scenario.as_ref().map(|document| document.to_toml(Path::new("")));
        let scenario = match scenario {
            Some(document) => document,
            None => Document::load_from(folder, &raw.scenario)?,
        };
        let scenario = scenario.set_from(folder);
        let optional = |list: Vec<String>| match list.is_empty() {
            true => vec![None],
            false => list.into_iter().map(Some).collect(),
        };
        let (document, first) = first_point(path, &scenario, raw.set, &raw.grid)?;
        let planned = match raw.keep_plan {
            false => None,
            true => Some(document.scenario().map_err(|source| SweepError::FirstPoint {
                path: path.to_owned(),
                place: "keep_plan: without the axes the scenario, for which the plans are made, does"
                    .to_owned(),
                source: Box::new(source),
            })?),
        };
        let planned = planned.map(|s| adjusted(s, raw.profile.as_deref(), raw.prediction_error));
        let (first_seed, mut seeds) = raw.seeds;
        seeds.first = match first_seed {
            Some(seed) => seed,
            None => document.scenario().map_or(1, |scenario| scenario.seed),
        };
        let fingerprint = own.fingerprint.clone();
        let mut sweep = Self {
            path: path.to_owned(),
            name: raw.name.unwrap_or_else(|| default_name(path)),
            strategies: raw.strategies,
            predictors: optional(raw.predictors),
            truths: optional(raw.truths),
            prediction_error: raw.prediction_error,
            planned,
            seeds,
            points: raw.points,
            cache: Cache::new(own),
            first: adjusted(first, raw.profile.as_deref(), raw.prediction_error),
            profile: raw.profile,
            document,
            grid: raw.grid,
            notes: Vec::new(),
            inputs: Vec::new(),
            id: String::new(),
        };
        sweep.check_workload(text)?;
        sweep.notes = sweep.part_notes();
        sweep.note_inputs(text, given)?;
        let plain: toml::Table = toml::from_str(text).expect("it was read as TOML before");
        sweep.id = sweep.identity(plain, &fingerprint);
        Ok(sweep)
    }

    /// Returns the name: the given one, or that of the file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the number of points, over all shards together.
    #[must_use]
    pub fn points(&self) -> u64 {
        self.points
    }

    /// Returns the minimum number of runs of each point: one for each strategy, predictor, truth and seed.
    #[must_use]
    pub fn runs_of_a_point(&self) -> u64 {
        let arms = self.strategies.len() * self.predictors.len() * self.truths.len();
        arms as u64 * self.seeds.least
    }

    /// Returns the identifier that distinguishes this sweep from any other: it covers the version of the program and
    /// the content of all files.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the scenario of the first point.
    #[must_use]
    pub fn first_scenario(&self) -> &Scenario {
        &self.first
    }

    /// Returns the input files, as the manifest lists them.
    #[must_use]
    pub fn inputs(&self) -> &[FileHash] {
        &self.inputs
    }

    /// Returns notes on the axes for readers of the tables.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Returns a note about names that a spreadsheet would take for formulas.
    #[must_use]
    pub fn formula_note(&self) -> Option<String> {
        let texts = self.grid.fields().flat_map(|field| match &field.values {
            Values::List(values) => values.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        });
        let names = self.first.workloads.iter().map(|w| w.workload.name.as_str());
        let columns = self.grid.fields().map(|field| field.column.as_str());
        formula_note(names.chain(columns).chain(texts))
    }

    /// Returns notes on axes with keys of `arrival` that some workloads do not have.
    fn part_notes(&self) -> Vec<String> {
        let all = self.first.workloads.len();
        let note = |field: &super::grid::SweptField| {
            let reached = self.document.arrivals_reached(&field.path)?;
            (reached.len() < all).then(|| {
                format!(
                    "The axis {} changes {} of {all} workloads, whose arrivals have that key: {}.",
                    field.path,
                    reached.len(),
                    reached.join(", ")
                )
            })
        };
        self.grid.fields().filter_map(note).collect()
    }

    /// Returns the confidence level of all intervals.
    #[must_use]
    pub fn confidence(&self) -> f64 {
        self.seeds.confidence
    }

    /// Checks that a very large number of points was confirmed.
    ///
    /// # Errors
    /// When there are more than [`MOST_POINTS`] and `confirmed` is false.
    pub fn check_size(&self, confirmed: bool) -> Result<(), SweepError> {
        if confirmed || self.points <= MOST_POINTS {
            return Ok(());
        }
        let (points, limit) = (self.points, MOST_POINTS);
        Err(SweepError::TooManyPoints { path: self.path.clone(), points, limit })
    }

    /// Returns the scenario at a point.
    pub(super) fn at(&self, point: &SweepPoint) -> Result<Scenario, SweepError> {
        let mut document = self.document.clone();
        for (field, value) in self.grid.fields().zip(&point.values) {
            document.set(&field.path, value.clone())?;
        }
        Ok(adjusted(document.scenario()?, self.profile.as_deref(), self.prediction_error))
    }

    /// Rejects a workload of `seeds` that the scenario does not have.
    fn check_workload(&self, text: &str) -> Result<(), SweepError> {
        let Some(wanted) = self.seeds.until.as_ref().and_then(|until| until.workload.as_deref())
        else {
            return Ok(());
        };
        let known: Vec<&str> =
            self.first.workloads.iter().map(|w| w.workload.name.as_str()).collect();
        if known.contains(&wanted) {
            return Ok(());
        }
        let near = crate::domain::nearest(wanted, &known);
        let fix = near.map_or_else(
            || "name a workload of the scenario".to_owned(),
            |near| format!("did you mean {near:?}?"),
        );
        let rule = KeyRule { allowed: &known.join(", "), fix: &fix };
        let refused = read_toml(text, |mut table, problems| {
            let field = table.field("seeds")?.table()?.field("workload")?;
            field.refuse::<()>(problems, rule).given()
        });
        let problems = refused.expect_err("a problem was just added");
        Err(SweepError::Invalid { path: self.path.clone(), problems })
    }

    /// Records the inputs of the sweep, and makes sure that all predictors can be made.
    fn note_inputs(&mut self, text: &str, given: Option<String>) -> Result<(), SweepError> {
        let mut sources = match given {
            None => StudySources { files: self.document.files().to_vec(), texts: Vec::new() },
            Some(text) => {
                let name = self.document.files()[0].clone();
                StudySources { files: Vec::new(), texts: vec![(name, text)] }
            }
        };
        sources.add_arrivals(&self.first);
        self.add_predictors(&self.first, &mut sources)?;
        for point in self.grid.points_of_texts() {
            // A point that cannot be read, or names a missing file, fails when it is run, and is recorded then.
            let Ok(scenario) = self.at(&point) else { continue };
            sources.add_arrivals(&scenario);
            let _ = self.add_predictors(&scenario, &mut sources);
        }
        sources.files.retain(|path| self.document.files().contains(path) || path.is_file());
        let mut inputs = vec![FileHash::of_bytes(&self.path, text.as_bytes())];
        for path in sources.files.iter().filter(|path| **path != self.path) {
            inputs.push(match shipped_text(path) {
                Some(text) => FileHash::of_bytes(path, text.as_bytes()),
                None => FileHash::of(path).map_err(SweepError::file(path))?,
            });
        }
        let texts = sources.texts.iter();
        inputs.extend(texts.map(|(path, text)| FileHash::of_bytes(path, text.as_bytes())));
        self.inputs = inputs;
        Ok(())
    }

    /// Adds the inputs of the predictors of a scenario.
    fn add_predictors(
        &self,
        scenario: &Scenario,
        sources: &mut StudySources,
    ) -> Result<(), SweepError> {
        for predictor in &self.predictors {
            for truth in &self.truths {
                let kinds = self.cache.kinds(scenario, predictor.as_deref(), truth.as_deref())?;
                for KindPredictors { source, truth } in &kinds {
                    let loaded = std::iter::once(source).chain(truth);
                    loaded.flat_map(|l| &l.inputs).for_each(|text| sources.add_text(text));
                }
            }
        }
        Ok(())
    }

    /// Returns a hash of everything that the results depend on. Comments and the locations of files do not count.
    fn identity(&self, mut plain: toml::Table, own: &str) -> String {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        part(FORMAT.as_bytes());
        part(env!("CARGO_PKG_VERSION").as_bytes());
        plain.remove("scenario");
        part(plain.to_string().as_bytes());
        for input in &self.inputs[1..] {
            part(input.sha256.as_bytes());
        }
        if !own.is_empty() {
            part(own.as_bytes());
        }
        hex(&hash.finalize())
    }
}

/// Returns the name of the file without its extension, or `sweep` where that has hidden characters.
fn default_name(path: &Path) -> String {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let visible = |name: &String| !name.chars().any(crate::domain::is_hidden);
    stem.filter(visible).unwrap_or_else(|| "sweep".to_owned())
}

/// Returns the scenario with the settings of the sweep that are not fields of the scenario.
fn adjusted(mut scenario: Scenario, profile: Option<&str>, prediction_error: bool) -> Scenario {
    if let Some(profile) = profile {
        replace_kinds(&mut scenario, profile);
    }
    if prediction_error {
        scenario.prediction_error = Some(ErrorDraw::Uncertainty);
    }
    scenario
}
