//! The flags of the commands that make, ask and check performance models.

use super::common_args::{PredictorArgs, PrintArgs};
use crate::predictor::solo::PressureUnit;
use crate::profile::{ColocatedRun, ModelProfile, SoloTable, contradictions};
use anyhow::bail;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// igniter_profile.jsonl or gpulet_tables.jsonl of the artifact; or a CSV table: models alone
    /// (model,batch,sm_pct,latency_ms), pairs of which one side was timed (with
    /// neighbour,neighbour_batch,neighbour_sm_pct), or copies of one model in MIG slices
    /// (mig_gpcs,model,batch,copies,latency_ms)
    pub file: PathBuf,
    /// Write to this folder; it must not exist yet
    #[arg(long, short, value_name = "DIR")]
    pub output: PathBuf,
    /// The name of the GPU kind, which these files do not hold. A name that begins with t4, v100, a30, a40, a100,
    /// a100-80gb, h100 or h200 gives a CSV table the published numbers of that kind
    #[arg(long, default_value = "v100")]
    pub kind: String,
    /// Take the rows of this session only, from a table that has a column of that name
    #[arg(long, value_name = "NAME")]
    pub session: Option<String>,
    #[command(flatten)]
    pub print: PrintArgs,
}

/// What stands for a model's pressure on the memory system.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum Pressure {
    /// Dynamic power
    Power,
    /// The mean of L2 and DRAM utilisation
    Utilisation,
    /// Requests per second over the most of the model
    Throughput,
    /// The share of the SMs' time
    Share,
}

impl From<Pressure> for PressureUnit {
    fn from(pressure: Pressure) -> Self {
        match pressure {
            Pressure::Power => Self::Power,
            Pressure::Utilisation => Self::Utilisation,
            Pressure::Throughput => Self::Throughput,
            Pressure::Share => Self::Share,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct FitModelArgs {
    /// A GPU kind (v100), or the folder of a profile
    pub profile: String,
    /// The performance model: igniter (the paper's), contention (this project's, nearer to what was
    /// measured), gpulets, solo or solo_scaled
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
    /// What stands for pressure on the memory system (contention) [default: the first of these that was
    /// measured for every model]
    #[arg(long, value_enum, value_name = "WHAT")]
    pub pressure: Option<Pressure>,
    /// Take the constants of co-locations from this coefficients file of another GPU kind (contention), as if
    /// none were measured on this one
    #[arg(long, value_name = "FILE", conflicts_with = "colocated")]
    pub constants_of: Option<PathBuf>,
    /// Refuse measurements of one configuration that lie 20 % or more apart, instead of keeping them all
    #[arg(long)]
    pub strict: bool,
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
    /// Refuse measurements of one configuration that lie 20 % or more apart, instead of keeping them all
    #[arg(long)]
    pub strict: bool,
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
    /// What stands for pressure on the memory system (contention) [default: the first of these that was
    /// measured for every model]
    #[arg(long, value_enum, value_name = "WHAT")]
    pub pressure: Option<Pressure>,
}

#[derive(Debug, Args)]
pub(super) struct StudyArgs {
    #[command(flatten)]
    pub measured: MeasuredArgs,
    /// Also score the constants of co-locations of this coefficients file of another GPU kind (contention): what they
    /// are worth here without any co-located run
    #[arg(long, value_name = "FILE")]
    pub constants_of: Option<PathBuf>,
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

/// Measurements of one configuration that lie 20 % or more apart, as warnings; an error where they are refused.
pub(super) fn contradicting(
    models: &[ModelProfile],
    solo: Option<&SoloTable>,
    runs: &[ColocatedRun],
    strict: bool,
) -> anyhow::Result<Vec<String>> {
    let none = SoloTable::default();
    let found = contradictions(models, solo.unwrap_or(&none), runs);
    if strict && !found.is_empty() {
        bail!("measurements contradict each other (--strict):\n{}", found.join("\n"));
    }
    Ok(found.into_iter().map(|text| format!("contradictory, all kept: {text}")).collect())
}

#[derive(Debug, Args)]
pub(super) struct ServersArgs {
    /// Static batches of one client: the offline table of NVIDIA's DeepLearningExamples
    pub offline: PathBuf,
    /// Requests of 1 to 256 clients, batched by the server: the online table
    pub online: PathBuf,
    /// Only sections whose name contains TEXT, such as GPUNet
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// Constants of the servers of each page, as --fit writes them [default: those that come with the program]
    #[arg(long, value_name = "FILE")]
    pub constants: Option<PathBuf>,
    /// Choose the rules of each page's servers (batcher, threads, padding) and fit the constants to these tables: score each
    /// third of the sections with what is fitted to the two others, then fit to all and write constants.toml (takes minutes)
    #[arg(long, requires = "output")]
    pub fit: bool,
    /// Write tables and the simulated-against-published figure to this folder
    #[arg(long, short, value_name = "DIR")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub print: PrintArgs,
}
