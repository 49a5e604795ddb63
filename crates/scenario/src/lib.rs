//! Scenario files: workloads, GPUs, times and options, as a checked value made from TOML.
//!
//! A scenario names the workloads with their arrivals, the GPU kind, the simulated time and the seed.
//! The way from text to [`Scenario`] has two steps: every key is read and checked on its own, then
//! values are compared with each other. All problems of a file are reported together, each with its
//! line, key path, given value, allowed range and fix; an unknown key is a problem too.
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
    /// Its name, fit for a folder or a table.
    pub name: String,
    /// The seed from which all random streams of a run are derived.
    pub seed: u64,
    /// How long requests arrive, in simulated time.
    pub duration: Nanoseconds,
    /// How much is cut from the statistics at the start.
    pub warmup: Nanoseconds,
    /// How much is cut from the statistics at the end. `warmup + cooldown < duration`.
    pub cooldown: Nanoseconds,
    /// How latencies are remembered.
    pub percentiles: Percentiles,
    /// The kinds of GPU that a plan may use, as many of each as it needs: at least one.
    pub gpus: Vec<ScenarioGpu>,
    /// How the engine models a GPU.
    pub engine: EngineSpec,
    /// Who changes shares and batch sizes while a run goes on, and what fails.
    pub control: Control,
    /// What is asked of planners.
    pub plan: PlanOptions,
    /// How plans follow load; `None`: one plan for the whole run.
    pub replan: Option<ReplanSpec>,
    /// How far the simulated GPU is off its predictor, drawn from the seed.
    pub prediction_error: Option<ErrorDraw>,
    /// What figures and tables call strategies, workloads, models and stages, by their names.
    pub display: BTreeMap<String, String>,
    /// What is to be served: at least one workload, their names unique.
    pub workloads: Vec<ScenarioWorkload>,
}

/// A kind of GPU of a scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct ScenarioGpu {
    /// Which profile describes it.
    pub profile: ProfileChoice,
    /// A price in place of the profile's own.
    pub price_per_hour: Option<Dollars>,
}

/// How a scenario names a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProfileChoice {
    /// By the name of its GPU kind: a folder of `profiles/`.
    Kind(GpuKindName),
    /// By a path, as seen from where the program runs.
    Path(PathBuf),
}

/// A workload of a scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct ScenarioWorkload {
    /// Model, SLO and rate.
    pub workload: Workload,
    /// The SLO as a multiple of the solo latency, where it was given so. The SLO in `workload` is then an hour until a
    /// `igniter::run::Study`, which knows the GPU, puts the right one there and removes this.
    pub slo_x_solo: Option<f64>,
    /// How its requests arrive. The path of a trace is as seen from where the program runs.
    pub arrival: ArrivalSpec,
    /// How its server forms batches.
    pub batching: BatchingSpec,
    /// What its server costs beside what the predictor says.
    pub server: ServerSpec,
}

/// The defaults of a scenario that no other type has; those of the engine and of the batcher are in
/// [`EngineSpec`] and [`BatchingSpec`].
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
    /// The workloads as the engine takes them.
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

    /// Reads and checks a scenario file. Traces that it names must exist.
    ///
    /// # Errors
    /// When the file cannot be read as text, or with everything that is wrong in it.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        Document::load(path)?.scenario()
    }

    /// Checks the text of a scenario. `file` names it in messages, gives its default name, and its
    /// folder is where relative paths in the text start; nothing is read from disk, so `extends` is refused
    /// (that is for [`Document::load`]).
    ///
    /// # Errors
    /// With everything that is wrong in the text.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ScenarioError> {
        let folder = file.parent().unwrap_or(Path::new(""));
        Self::checked(Problems::new(text), text, (file, folder), (&disk::NoDisk, None))
    }

    /// Checks a text; `file` names it, and relative paths start at the folder beside it.
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

    /// The resolved scenario: canonical TOML with every default written out.
    ///
    /// Parsed again with a `file` that has no folder, it gives an equal scenario. Paths are written as
    /// seen from where the program runs, which is what such a `file` means.
    #[must_use]
    pub fn to_toml(&self) -> String {
        write::to_toml(self)
    }
}

/// A sweep file in the place of a scenario: what it lacks of a scenario is beside the point.
const SWEEP: reader::KeyRule<'_> = reader::KeyRule {
    allowed: "a scenario file",
    fix: "run it with `igniter sweep`, or name the scenario that its key `scenario` names",
};

/// Whether a name is fit for a folder or a table.
fn is_scenario_name(name: &str) -> bool {
    igniter_model::domain::is_name(name)
        && !name.contains(['/', '\\'])
        && name != "."
        && name != ".."
}

/// The file's name without its extension, as far as that is a scenario name.
fn default_name(file: &Path) -> String {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    stem.filter(|name| is_scenario_name(name)).unwrap_or_else(|| "scenario".to_owned())
}
