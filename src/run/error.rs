//! Why a run could not be done.

use crate::fit::FitError;
use crate::metrics::WindowError;
use crate::plan::{PlanError, Violation};
use crate::profile::ProfileError;
use crate::results::OutputError;
use crate::scenario::ScenarioError;
use crate::sim::SimError;

/// Why a run could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The scenario cannot be used.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The profile cannot be used.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The predictor cannot be fitted or read.
    #[error(transparent)]
    Fit(#[from] FitError),
    /// No plan can be made or read.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The engine refuses the run.
    #[error(transparent)]
    Sim(#[from] SimError),
    /// The times of the scenario leave nothing to measure.
    #[error(transparent)]
    Window(#[from] WindowError),
    /// Results cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// No predictor of that name.
    #[error("no predictor {given:?}; the predictors are: {known}")]
    UnknownPredictor {
        /// The name given.
        given: String,
        /// Those that exist.
        known: String,
    },
    /// A coefficients file of another predictor than the one asked for.
    #[error(
        "{}: holds coefficients of predictor {found}, not {asked}; omit --predictor, or use {found}",
        path.display()
    )]
    OtherPredictor {
        /// The file.
        path: std::path::PathBuf,
        /// Whose coefficients it holds.
        found: &'static str,
        /// The predictor that was asked for.
        asked: String,
    },
    /// Plans of one GPU kind cannot be simulated with a predictor of another.
    #[error("truth {truth} is for GPU kind {found}, but plans are made for {expected}")]
    OtherKind {
        /// What was asked for.
        truth: String,
        /// The GPU kind that it is for.
        found: String,
        /// The GPU kind of the plans.
        expected: String,
    },
    /// The SLO is a multiple of a latency that is not known.
    #[error(
        "workload {workload}: slo_x_solo = {factor} needs the latency of model {model} alone on GPU kind {kind}, the \
         first of the scenario, whose profile lacks the model; put a kind that has it first, or give slo_ms"
    )]
    NoSoloLatency {
        /// The workload.
        workload: String,
        /// The multiple.
        factor: f64,
        /// The model.
        model: String,
        /// The first GPU kind.
        kind: String,
    },
    /// The SLO as a multiple is no SLO.
    #[error(
        "workload {workload}: slo_x_solo = {factor} times the solo latency of {solo_ms:.3} ms gives an SLO of {slo_ms} \
         ms; allowed: 0.01 to 3600000 ms; choose another multiple"
    )]
    SloXSolo {
        /// The workload.
        workload: String,
        /// The multiple.
        factor: f64,
        /// The solo latency.
        solo_ms: f64,
        /// What they give.
        slo_ms: f64,
    },
    /// Two GPU kinds of one name.
    #[error(
        "two [[gpu]] tables describe GPU kind {kind}; keep one, or give the kinds different names"
    )]
    SameKind {
        /// The name.
        kind: String,
    },
    /// Refining takes one GPU kind.
    #[error(
        "--refine simulate takes a scenario with one GPU kind; keep one [[gpu]], or name one with --profile"
    )]
    RefineKinds,
    /// A target that is no percentage that can be reached or missed.
    #[error(
        "attainment target: must be above 0 and below 100 %, not {given}; the paper's P99 is 99"
    )]
    RefineTarget {
        /// The given one.
        given: f64,
    },
    /// Errors cannot be drawn for a predictor without uncertainty.
    #[error(
        "predictor {predictor} has no error bounds, so no prediction error can be drawn; \
         simulate with one that does, such as contention (--truth contention), or say how large errors are \
         (prediction_error = {{ std_pct = 5 }} in the scenario)"
    )]
    NoUncertainty {
        /// The predictor of the simulation.
        predictor: &'static str,
    },
    /// Noise is to be as measured, but none was measured.
    #[error(
        "workload {workload}: noise_cv = \"profile\", but the profile {profile} has no noise_cv for model {model}: measure it \
         with `validate profile`, write noise_cv = 0.03 (or what you know) below that [[model]] of its profile.toml, \
         or give noise_cv as a number in [engine] or the workload's engine table"
    )]
    NoNoise {
        /// The workload.
        workload: String,
        /// Its model.
        model: String,
        /// The profile.
        profile: String,
    },
    /// A plan that cannot run.
    #[error("the plan of {strategy} cannot run:{}", listed(violations))]
    Illegal {
        /// Who made it.
        strategy: String,
        /// What is wrong with it.
        violations: Vec<Violation>,
    },
    /// The worker threads cannot be started.
    #[error("cannot start {threads} worker threads: {source}")]
    Threads {
        /// How many.
        threads: usize,
        /// Why.
        source: rayon::ThreadPoolBuildError,
    },
}

fn listed(violations: &[Violation]) -> String {
    violations.iter().map(|violation| format!("\n  {violation}")).collect()
}
