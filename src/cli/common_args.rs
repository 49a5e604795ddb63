//! Flags that several commands have.

use clap::Args;
use std::path::PathBuf;

/// How results are printed.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct PrintArgs {
    /// Print one JSON document on stdout and nothing else
    #[arg(long)]
    pub json: bool,
    /// Print errors only: no progress, no tables
    #[arg(long, short)]
    pub quiet: bool,
}

/// Which performance model is used.
#[derive(Debug, Clone, Args)]
pub struct PredictorArgs {
    /// A GPU kind (v100), a profile folder, or a coefficients file from `igniter fit`
    #[arg(long, value_name = "KIND|PATH")]
    pub profile: Option<String>,
    /// The performance model: igniter, contention, gpulets, solo or solo_scaled [default: that of a
    /// coefficients file, else igniter]
    #[arg(long, value_name = "NAME")]
    pub predictor: Option<String>,
}

/// How a scenario is run.
#[derive(Debug, Clone, Args)]
pub(super) struct ScenarioArgs {
    /// The scenario, a TOML file
    pub scenario: PathBuf,
    #[command(flatten)]
    pub predictor: PredictorArgs,
    /// Replace the scenario's seed
    #[arg(long)]
    pub seed: Option<u64>,
}

/// How many threads work.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct ThreadArgs {
    /// Worker threads; results do not depend on it [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
}

/// What stands for the real GPU.
#[derive(Debug, Clone, Args)]
pub(super) struct TruthArgs {
    /// Simulate with another predictor than the one that plans: a name (fitted to the same profile) or a
    /// coefficients file from `igniter fit` [default: the predictor that plans]
    #[arg(long, value_name = "NAME|FILE")]
    pub truth: Option<String>,
    /// Let the simulated GPU differ from its predictor by one error for each model, drawn from the seed and
    /// the predictor's own uncertainty (the predictor igniter has none)
    #[arg(long)]
    pub prediction_error: bool,
}
