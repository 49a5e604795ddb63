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
    /// The performance model: igniter (the paper's), contention (this project's, nearer to what was
    /// measured), gpulets, solo or solo_scaled [default: that of a coefficients file, else igniter]
    #[arg(long, value_name = "NAME")]
    pub predictor: Option<String>,
}

/// What is changed of a scenario.
#[derive(Debug, Clone, Args)]
pub struct ChangeArgs {
    /// Replace the scenario's seed
    #[arg(long)]
    pub seed: Option<u64>,
    /// Set any key of the scenario, by the same paths as in sweeps: duration_s=10, workload.W1.rate_rps=250,
    /// workload.*.slo_ms=20, 'arrival={process="gamma",cv=2}'; give it several times for several keys
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    pub set: Vec<(String, toml::Value)>,
}

/// Reads `KEY=VALUE`, the value as in a TOML file; what is none is text.
fn setting(text: &str) -> Result<(String, toml::Value), String> {
    let (key, value) = text
        .split_once('=')
        .filter(|(key, _)| !key.trim().is_empty())
        .ok_or_else(|| "give it as KEY=VALUE, such as workload.W1.rate_rps=250".to_owned())?;
    let value = value.trim();
    let read = toml::from_str::<toml::Table>(&format!("value = {value}"));
    let read = read.ok().filter(|table| table.len() == 1).and_then(|mut it| it.remove("value"));
    Ok((key.trim().to_owned(), read.unwrap_or_else(|| toml::Value::String(value.to_owned()))))
}

/// How a scenario is run.
#[derive(Debug, Clone, Args)]
pub(super) struct ScenarioArgs {
    /// The scenario: a TOML file, or the name of one that the program carries, such as paper-12
    pub scenario: PathBuf,
    #[command(flatten)]
    pub predictor: PredictorArgs,
    #[command(flatten)]
    pub change: ChangeArgs,
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
