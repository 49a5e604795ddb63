//! The reasons why a run can fail.

use crate::domain::nearest;
use crate::fit::FitError;
use crate::metrics::WindowError;
use crate::plan::{PlanError, Violation};
use crate::predictor::BadPrediction;
use crate::profile::ProfileError;
use crate::results::OutputError;
use crate::scenario::ScenarioError;
use crate::sim::SimError;

/// The reasons why a run can fail.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "messages name the fields")]
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
    /// The predictor returns invalid numbers.
    #[error(transparent)]
    Prediction(#[from] BadPrediction),
    /// No plan can be made or read.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The engine rejects the run.
    #[error(transparent)]
    Sim(#[from] SimError),
    /// Plans cannot follow the load.
    #[error("{0}")]
    Replan(String),
    /// The times of the scenario leave nothing to measure.
    #[error(transparent)]
    Window(#[from] WindowError),
    /// Results cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// No predictor has that name.
    #[error("no predictor {given:?}{}; the predictors are: {known}", did_you_mean(given, known))]
    UnknownPredictor { given: String, known: String },
    /// The coefficients file belongs to another predictor than the requested one.
    #[error(
        "{}: holds coefficients of predictor {found}, not {asked}; omit --predictor, or use {found}",
        path.display()
    )]
    OtherPredictor { path: std::path::PathBuf, found: &'static str, asked: String },
    /// Plans for one GPU kind cannot be simulated with a predictor of another.
    #[error("truth {truth} is for GPU kind {found}, but plans are made for {expected}")]
    OtherKind { truth: String, found: String, expected: String },
    /// The SLO is a multiple of a latency that is not known.
    #[error(
        "workload {workload}: slo_x_solo = {factor} needs the latency of model {model} alone on GPU kind {kind}, the \
         first of the scenario, whose profile lacks the model; put a kind that has it first, or give slo_ms"
    )]
    NoSoloLatency { workload: String, factor: f64, model: String, kind: String },
    /// The multiple of the solo latency is no valid SLO.
    #[error(
        "workload {workload}: slo_x_solo = {factor} times the solo latency of {solo_ms:.3} ms gives an SLO of {slo_ms} \
         ms; allowed: 0.01 to 3600000 ms; choose another multiple"
    )]
    SloXSolo { workload: String, factor: f64, solo_ms: f64, slo_ms: f64 },
    /// Two GPU kinds have the same name.
    #[error(
        "two [[gpu]] tables describe GPU kind {kind}; keep one, or give the kinds different names"
    )]
    SameKind { kind: String },
    /// Refining a plan supports one GPU kind only.
    #[error(
        "--refine simulate takes a scenario with one GPU kind; keep one [[gpu]], or name one with --profile"
    )]
    RefineKinds,
    /// The attainment target is not between 0 and 100 %, both excluded.
    #[error(
        "attainment target: must be above 0 and below 100 %, not {given}; the paper's P99 is 99"
    )]
    RefineTarget { given: f64 },
    /// Errors cannot be drawn for a predictor without uncertainty.
    #[error(
        "predictor {predictor} has no error bounds, so no prediction error can be drawn; \
         simulate with one that does, such as contention (--truth contention), or say how large errors are \
         (prediction_error = {{ std_pct = 5 }} in the scenario)"
    )]
    NoUncertainty { predictor: &'static str },
    /// The noise is to be taken from the profile, which has none.
    #[error(
        "workload {workload}: noise_cv = \"profile\", but the profile {profile} has no noise_cv for model {model}: measure it \
         with `validate profile`, write noise_cv = 0.03 (or what you know) below that [[model]] of its profile.toml, \
         or give noise_cv as a number in [engine] or the workload's engine table"
    )]
    NoNoise { workload: String, model: String, profile: String },
    /// The external planning program made no plan.
    #[error("strategy command `{command}`: {message}")]
    StrategyCommand { command: String, message: String },
    /// The plan cannot run.
    #[error("the plan of {strategy} cannot run:{}", listed(violations))]
    Illegal { strategy: String, violations: Vec<Violation> },
    /// The worker threads cannot be started.
    #[error("cannot start {threads} worker threads: {source}")]
    Threads { threads: usize, source: rayon::ThreadPoolBuildError },
}

impl RunError {
    /// Returns whether the error concerns the plans of one strategy only: other strategies may
    /// still work for the same scenario.
    #[must_use]
    pub fn is_of_strategy(&self) -> bool {
        match self {
            Self::Sim(error) => error.is_of_plan(),
            Self::Replan(_) | Self::Illegal { .. } => true,
            _ => false,
        }
    }
}

/// Returns a "did you mean" hint for a misspelt name; empty where no known name is near.
fn did_you_mean(given: &str, known: &str) -> String {
    let known: Vec<&str> = known.split(", ").collect();
    nearest(given, &known).map_or_else(String::new, |near| format!("; did you mean {near:?}?"))
}

fn listed(violations: &[Violation]) -> String {
    violations.iter().map(|violation| format!("\n  {violation}")).collect()
}
