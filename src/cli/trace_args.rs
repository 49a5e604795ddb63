//! The flags of `igniter trace`.

use super::common_args::PrintArgs;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct TraceArgs {
    #[command(subcommand)]
    pub command: TraceCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum TraceCommand {
    /// Show rate, burstiness and peak of a trace, or of the arrivals of a scenario
    Inspect(InspectArgs),
    /// Read a trace of another format, map it to workloads, re-scale it, and write arrival_s,workload
    Convert(ConvertArgs),
    /// Write the arrivals of all workloads of a scenario as a trace
    Generate(GenerateArgs),
    /// Fit gamma distributions to the gaps of a trace, as a whole and in windows
    Fit(FitTraceArgs),
}

/// How a trace is read.
#[derive(Debug, Clone, Args)]
pub(super) struct ReadingArgs {
    /// Its format: igniter, table (any CSV file or JSON lines with a column of times), azure-functions-2019,
    /// azure-functions-2021, azure-llm, burstgpt, alibaba-pai-2020, alibaba-pods-2023, alibaba-dlrm-2025,
    /// alibaba-genai-2026, alibaba-spot-2026, google-2011, google-2019, mooncake, bailian, servegen, intervals
    /// (perf_analyzer's --request-intervals) or timestamps [default: recognised from the first line]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// The column (or JSON key) that holds times; its number, from 1, in a file without a header
    #[arg(long, value_name = "COLUMN")]
    pub time_column: Option<String>,
    /// The column that names the service (function, model, client) of a request
    #[arg(long, value_name = "COLUMN")]
    pub key_column: Option<String>,
    /// The unit of times: s, ms, us, ns, min, date, or auto (recognised from the first one) [default: that of the
    /// format]
    #[arg(long, value_name = "UNIT")]
    pub unit: Option<String>,
    /// Sort rows that are out of order instead of refusing them
    #[arg(long)]
    pub sort: bool,
    /// Start this many seconds after the start of the trace
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
    pub start: f64,
    /// End this many seconds after --start
    #[arg(long, value_name = "SECONDS")]
    pub length: Option<f64>,
    /// The seed of all random numbers [default: 1, or that of the scenario]
    #[arg(long)]
    pub seed: Option<u64>,
}

impl ReadingArgs {
    /// The seed for what is drawn from a trace.
    pub(super) fn seed(&self) -> u64 {
        self.seed.unwrap_or(1)
    }
}

#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// A trace of any known format, also packed by gz, zst, xz or bz2, or a scenario (.toml)
    pub file: PathBuf,
    #[command(flatten)]
    pub reading: ReadingArgs,
    #[command(flatten)]
    pub print: PrintArgs,
}

/// How the arrivals of a trace are re-scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Rescaling {
    /// The same arrivals, --rate-scale times faster
    Replay,
    /// AlpaServe's MAF1 (Azure Functions 2019, ServeGen): arrivals drawn with --rate-scale times the rate of the
    /// file and the coefficient of variation --cv
    Maf1,
    /// AlpaServe's MAF2: a gamma distribution fitted to each window of each workload, and arrivals drawn with
    /// --rate-scale times its rate and --cv times its coefficient of variation
    Maf2,
}

#[derive(Debug, Args)]
pub(super) struct ConvertArgs {
    /// A trace of any known format, also packed by gz, zst, xz or bz2
    pub file: PathBuf,
    /// Write the trace to this file, gzipped if its name ends in .gz
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// Assign the keys (functions) to these n workloads: key i to workload i mod n [default: each key is a
    /// workload]
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub workloads: Vec<String>,
    /// Assign requests instead of keys: request i to workload i mod n
    #[arg(long, requires = "workloads")]
    pub round_robin: bool,
    /// How to re-scale the arrivals
    #[arg(long, value_enum, default_value_t = Rescaling::Replay)]
    pub rescale: Rescaling,
    /// Multiply rates by this factor
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    pub rate_scale: f64,
    /// With maf1: the coefficient of variation [default: that of the file, or 1]. With maf2: what it is multiplied by
    #[arg(long, value_name = "CV")]
    pub cv: Option<f64>,
    /// With maf2: the length of a window, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5400.0)]
    pub window: f64,
    #[command(flatten)]
    pub print: PrintArgs,
}

#[derive(Debug, Args)]
pub(super) struct GenerateArgs {
    /// The scenario
    pub scenario: PathBuf,
    /// Write the trace to this file, gzipped if its name ends in .gz
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// Replace the scenario's seed
    #[arg(long)]
    pub seed: Option<u64>,
    #[command(flatten)]
    pub print: PrintArgs,
}

#[derive(Debug, Args)]
pub(super) struct FitTraceArgs {
    /// A trace of any known format, also packed by gz, zst, xz or bz2
    pub file: PathBuf,
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// The length of a window, in seconds [default: a tenth of the trace]
    #[arg(long, value_name = "SECONDS")]
    pub window: Option<f64>,
    #[command(flatten)]
    pub print: PrintArgs,
}
