//! The flags of the commands that make, ask and check performance models.

use super::common_args::{PredictorArgs, PrintArgs};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// igniter_profile.jsonl or gpulet_tables.jsonl of the artifact
    pub file: PathBuf,
    /// Write to this folder; it must not exist yet
    #[arg(long, short, value_name = "DIR")]
    pub output: PathBuf,
    /// The name of the GPU kind; the artifact's profile does not hold it
    #[arg(long, default_value = "v100")]
    pub kind: String,
    #[command(flatten)]
    pub print: PrintArgs,
}

#[derive(Debug, Args)]
pub(super) struct FitArgs {
    /// A GPU kind (v100), or the folder of a profile
    pub profile: String,
    /// The performance model: igniter, contention, gpulets, solo or solo_scaled
    #[arg(long, value_name = "NAME", default_value = "igniter")]
    pub predictor: String,
    /// Measured co-locations to fit to, in place of the profile's own: CSV with
    /// run,member,model,batch,sm_pct,latency_ms, and optionally std_ms. The predictor igniter cannot use
    /// them; it is only compared with them
    #[arg(long, value_name = "FILE")]
    pub colocated: Option<PathBuf>,
    /// Measured latencies alone, in place of the profile's own: CSV with model,batch,sm_pct,latency_ms
    #[arg(long, value_name = "FILE")]
    pub solo: Option<PathBuf>,
    /// Use --solo only while fitting, to separate interference from errors of the solo curve, and not in
    /// predictions: for solo runs of other configurations than those that you will serve
    #[arg(long, requires = "solo")]
    pub solo_while_fitting: bool,
    /// Kernel lists, one CSV for all models, in place of the profile's own (for wave quantisation in the
    /// predictor contention)
    #[arg(long, value_name = "FILE")]
    pub kernels: Option<PathBuf>,
    /// Write the coefficients to this file
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub print: PrintArgs,
}

#[derive(Debug, Args)]
pub(super) struct PredictArgs {
    /// The members of the co-location, as model:batch:sm_pct (alexnet:4:10 resnet50:8:30 …)
    #[arg(required = true, value_name = "MODEL:BATCH:SM_PCT")]
    pub members: Vec<String>,
    #[command(flatten)]
    pub predictor: PredictorArgs,
    #[command(flatten)]
    pub print: PrintArgs,
}

#[derive(Debug, Args)]
pub(super) struct AccuracyArgs {
    /// Measured co-locations: CSV with run,member,model,batch,sm_pct,latency_ms, and optionally std_ms
    #[arg(long, value_name = "FILE")]
    pub colocated: PathBuf,
    /// Measured latencies alone, for slowdowns: CSV with model,batch,sm_pct,latency_ms
    #[arg(long, value_name = "FILE")]
    pub solo: Option<PathBuf>,
    #[command(flatten)]
    pub predictor: PredictorArgs,
    /// Write tables and the predicted-against-measured figure to this folder
    #[arg(long, short, value_name = "DIR")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub print: PrintArgs,
}

/// What was measured.
#[derive(Debug, Args)]
pub(super) struct MeasuredArgs {
    /// A GPU kind (v100), or the folder of a profile
    #[arg(long, value_name = "KIND|PATH", default_value = "v100")]
    pub profile: String,
    /// Measured co-locations: CSV with run,member,model,batch,sm_pct,latency_ms, and optionally std_ms
    /// [default: those of the profile]
    #[arg(long, value_name = "FILE")]
    pub colocated: Option<PathBuf>,
    /// Measured latencies alone: CSV with model,batch,sm_pct,latency_ms [default: those of the profile]
    #[arg(long, value_name = "FILE")]
    pub solo: Option<PathBuf>,
    /// Kernel lists, one CSV for all models [default: those of the profile]
    #[arg(long, value_name = "FILE")]
    pub kernels: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct StudyArgs {
    #[command(flatten)]
    pub measured: MeasuredArgs,
    /// Seed of all random choices of runs
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How often to choose runs again where a fit uses only some of them
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub repeats: u16,
    /// Write tables and figures to this folder
    #[arg(long, short, value_name = "DIR")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub print: PrintArgs,
}

#[derive(Debug, Args)]
pub(super) struct DesignArgs {
    #[command(flatten)]
    pub measured: MeasuredArgs,
    /// How many co-locations to list
    #[arg(long, short = 'n', default_value_t = 10)]
    pub count: usize,
    /// Write the runs to this CSV file: the co-locations, then every member alone
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub print: PrintArgs,
}
