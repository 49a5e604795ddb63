//! Scenario files: workloads, GPUs, times and options, read from TOML into a checked value.
//!
//! A scenario names the workloads with their arrivals, the GPU kind, the simulated time and the seed. Text becomes a
//! [`Scenario`] in two steps: first each key is read and checked on its own, then values are compared with each other.
//! All problems of a file are reported together, each with its line, key path, given value, allowed range and fix. An
//! unknown key is a problem too.
//!
//! `docs/scenarios.md` lists every key with its range and its default; `igniter schema` prints them as a JSON
//! Schema.
//!
//! # Example
//! ```
//! use igniter_scenario::Scenario;
//! use std::path::Path;
//!
//! let text = r#"
//!     version = 1
//!     duration_s = 60
//!     [[gpu]]
//!     kind = "v100"
//!     [[workload]]
//!     name = "W1"
//!     model = "alexnet"
//!     slo_ms = 10
//!     rate_rps = 1200
//! "#;
//! let scenario = Scenario::parse(text, Path::new("small.toml"))?;
//! assert_eq!(scenario.name, "small");
//! assert_eq!(Scenario::parse(&scenario.to_toml(), Path::new("any.toml"))?, scenario);
//!
//! let error = Scenario::parse(&text.replace("slo_ms = 10", "slo = 10"), Path::new("small.toml"));
//! assert!(error.unwrap_err().to_string().contains("did you mean `slo_ms`?"));
//! # Ok::<(), igniter_scenario::ScenarioError>(())
//! ```

mod arrival;
mod batching;
mod catalogue;
mod check;
mod control;
mod disk;
mod display;
mod document;
mod error;
mod layer;
mod planning;
mod raw;
mod replan;
mod schema;
mod server;
mod shipped;
mod source;
mod suggest;
#[cfg(test)]
mod tests;
mod write;
mod write_arrival;

pub use batching::triton_release;
pub use catalogue::Catalogue;
pub use document::Document;
pub use error::ScenarioError;
pub use igniter_model::input::toml_keys::Problem;
pub use schema::{json_schema, keys};
pub use shipped::{shipped_scenarios, shipped_text};

use igniter_model::domain::{GpuKindName, Workload};
use igniter_model::input::toml_keys as reader;
use igniter_model::input::toml_keys as rules;
use igniter_model::predictor::ErrorDraw;
use igniter_model::units::{Dollars, Nanoseconds};
use igniter_plan::PlanOptions;
use igniter_plan::replan::ReplanSpec;
use igniter_sim::arrivals::ArrivalSpec;
use igniter_sim::metrics::Percentiles;
use igniter_sim::{BatchingSpec, Control, EngineSpec, ServerSpec, SimWorkload};
use reader::{FilePlace, Problems, TomlTable};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::de::DeTable;

/// A checked scenario with all defaults filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Name, valid as the name of a folder or a table.
    pub name: String,
    /// The seed from which all random streams of a run are derived.
    pub seed: u64,
    /// Simulated time during which requests arrive.
    pub duration: Nanoseconds,
    /// Time excluded from the statistics at the start.
    pub warmup: Nanoseconds,
    /// Time excluded from the statistics at the end. `warmup + cooldown < duration`.
    pub cooldown: Nanoseconds,
    /// Method by which latencies are recorded for percentiles.
    pub percentiles: Percentiles,
    /// GPU kinds that a plan may use, each without a limit on the number of GPUs; at least one.
    pub gpus: Vec<ScenarioGpu>,
    /// Options of the engine's GPU model.
    pub engine: EngineSpec,
    /// The controller that changes shares and batch sizes during a run, and the injected faults.
    pub control: Control,
    /// Options for the planners.
    pub plan: PlanOptions,
    /// Options for replanning as load changes; `None` means one plan for the whole run.
    pub replan: Option<ReplanSpec>,
    /// Error of the predictor relative to the simulated GPU, drawn from the seed.
    pub prediction_error: Option<ErrorDraw>,
    /// Display names, in figures and tables, of strategies, workloads, models and stages, by their names.
    pub display: BTreeMap<String, String>,
    /// Workloads to serve: at least one, with unique names.
    pub workloads: Vec<ScenarioWorkload>,
}

/// A kind of GPU of a scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct ScenarioGpu {
    /// The profile that describes the kind.
    pub profile: ProfileChoice,
    /// Price that replaces the one of the profile.
    pub price_per_hour: Option<Dollars>,
}

/// The way in which a scenario names a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProfileChoice {
    /// By the name of its GPU kind: a folder of `profiles/`.
    Kind(GpuKindName),
    /// By a path, relative to the program's working directory.
    Path(PathBuf),
}

/// A workload of a scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct ScenarioWorkload {
    /// Model, SLO and rate.
    pub workload: Workload,
    /// The SLO as a multiple of the solo latency, if it was given that way. The SLO in `workload` is then a placeholder
    /// of one hour until `igniter::run::Study`, which knows the GPU, sets the real one and clears this field.
    pub slo_x_solo: Option<f64>,
    /// Arrival process of its requests. The path of a trace is relative to the program's working directory.
    pub arrival: ArrivalSpec,
    /// Batching options of its server.
    pub batching: BatchingSpec,
    /// Server overheads beyond the predictor's values.
    pub server: ServerSpec,
}

/// Scenario defaults that no other type holds; those of the engine and of the batcher are in [`EngineSpec`] and
/// [`BatchingSpec`].
#[derive(Debug, Clone, PartialEq)]
pub struct Defaults {
    /// `seed`
    pub seed: u64,
    /// `warmup_s`
    pub warmup: Nanoseconds,
    /// `cooldown_s`
    pub cooldown: Nanoseconds,
    /// `percentiles`
    pub percentiles: Percentiles,
    /// `workload.arrival`
    pub arrival: ArrivalSpec,
    /// `workload.arrival.gaps` of a process whose rate follows a shape or a file
    pub gaps: ArrivalSpec,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            seed: 1,
            warmup: Nanoseconds::new(1_000_000_000),
            cooldown: Nanoseconds::new(1_000_000_000),
            percentiles: Percentiles::Exact,
            arrival: ArrivalSpec::Constant,
            gaps: ArrivalSpec::Poisson,
        }
    }
}

impl Scenario {
    /// Returns the workloads in the form that the engine takes.
    #[must_use]
    pub fn sim_workloads(&self) -> Vec<SimWorkload> {
        let of = |entry: &ScenarioWorkload| SimWorkload {
            workload: entry.workload.clone(),
            arrival: entry.arrival.clone(),
            batching: entry.batching.clone(),
            server: entry.server,
        };
        self.workloads.iter().map(of).collect()
    }

    /// Reads and checks a scenario file. The traces that it names must exist.
    ///
    /// # Errors
    /// When the file cannot be read as text, or with every problem in it.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        Document::load(path)?.scenario()
    }

    /// Checks the text of a scenario. `file` names it in messages and gives its default name; relative paths in the
    /// text start at the folder of `file`. Nothing is read from disk, so `extends` is refused (use [`Document::load`]
    /// for that).
    ///
    /// # Errors
    /// With every problem in the text.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ScenarioError> {
        let folder = file.parent().unwrap_or(Path::new(""));
        Self::checked(Problems::new(text), text, (file, folder), (&disk::NoDisk, None))
    }

    /// Checks a text. `file` names it; relative paths start at `folder`.
    fn checked(
        mut problems: Problems<'_>,
        text: &str,
        (file, folder): (&Path, &Path),
        outside: (&dyn disk::Disk, Option<&dyn Catalogue>),
    ) -> Result<Self, ScenarioError> {
        let (document, errors) = DeTable::parse_recoverable(text);
        let invalid = |problems: Problems<'_>| ScenarioError::Invalid {
            path: file.into(),
            problems: problems.finish(),
        };
        if !errors.is_empty() {
            problems.add_syntax_errors(&errors);
            return Err(invalid(problems));
        }
        let top = FilePlace { key: String::new(), offset: 0 };
        let table = TomlTable::new(document.get_ref(), top);
        if table.has("scenario") && !table.has("workload") {
            problems.add(table.place(), "is a sweep file", SWEEP);
            return Err(invalid(problems));
        }
        let raw = raw::read(table, &mut problems, folder);
        check::check(raw, &mut problems, default_name(file), outside)
            .filter(|_| problems.is_empty())
            .ok_or_else(|| invalid(problems))
    }

    /// Returns the resolved scenario: canonical TOML with every default written out.
    ///
    /// Parsing it again with a `file` that has no folder gives an equal scenario, because paths are written relative to
    /// the program's working directory.
    #[must_use]
    pub fn to_toml(&self) -> String {
        write::to_toml(self)
    }
}

/// Reported when a sweep file is given instead of a scenario; the keys that it lacks are then not reported.
const SWEEP: reader::KeyRule<'_> = reader::KeyRule {
    allowed: "a scenario file",
    fix: "run it with `igniter sweep`, or name the scenario that its key `scenario` names",
};

/// Whether a name is valid as the name of a folder or a table.
fn is_scenario_name(name: &str) -> bool {
    igniter_model::domain::is_name(name)
        && !name.contains(['/', '\\'])
        && name != "."
        && name != ".."
}

/// Returns the file name without its extension if it is a valid scenario name, and "scenario" otherwise.
fn default_name(file: &Path) -> String {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    stem.filter(|name| is_scenario_name(name)).unwrap_or_else(|| "scenario".to_owned())
}
