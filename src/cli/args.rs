//! The flags of every command.

use super::common_args::{PrintArgs, ScenarioArgs, ThreadArgs, TruthArgs};
use super::model_args::{
    AccuracyArgs, DesignArgs, FitModelArgs, ImportArgs, PredictArgs, ServersArgs, StudyArgs,
};
use super::planning::{PlanningArgs, RefineArgs};
use super::shared::PlannedScenarioArgs;
use super::strategies;
use super::sweep_args::{CapacityArgs, FrontierArgs, MergeArgs, PlotArgs, ResultArgs, SweepArgs};
use crate::reproduce;
use crate::results::RequestFormat;
use crate::units::Nanoseconds;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;

/// Compare GPU provisioning strategies for DNN inference: fit an interference-aware performance model,
/// plan, simulate.
///
/// Exit codes: 0 done; 1 done, but a check failed (an SLO is missed, a workload is infeasible, a point of a
/// sweep failed); 2 could not be done; 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "igniter", version, propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "Start with: igniter compare paper-12 -o results/paper-12\nThen with a scenario of your own: igniter init mine.toml"
)]
pub(super) struct IgniterCli {
    #[command(subcommand)]
    pub command: IgniterCommand,
}

/// What a percentile is.
const PERCENTILES: &str = "Percentiles are nearest-rank: P99 of n requests is the latency of place ceil(0.99 n) in \
                           ascending order, one that a request really had. Nothing is interpolated.";

/// How to begin with re-planning.
const REPLAN: &str =
    "Example: igniter replan day -o plans.json\nThen: igniter simulate day --plan plans.json";

#[derive(Debug, Subcommand)]
pub(super) enum IgniterCommand {
    /// Write a commented scenario to start from
    #[command(after_help = "Example: igniter init mine.toml --workloads 6")]
    Init(InitArgs),
    /// Read a profile or tables of the iGniter artifact and write them in this program's formats
    Import(ImportArgs),
    /// Fit a predictor to a profile; print or write its coefficients, residuals and range of validity
    Fit(FitModelArgs),
    /// Predict latency, throughput, power and clock of one co-location
    Predict(PredictArgs),
    /// Compare predictions with measured co-locations and with simpler predictors
    Accuracy(AccuracyArgs),
    /// Fit every predictor with every measuring budget; score each on runs that its fit did not see
    Study(StudyArgs),
    /// Rank the measurements that would reduce the uncertainty of predictions most
    Design(DesignArgs),
    /// Simulate published tables of Triton servers, and compare throughput and latency
    Servers(ServersArgs),
    /// Make a provisioning plan and check it
    Plan(PlanArgs),
    /// Prove how few GPUs any plan of a scenario needs
    Bound(BoundArgs),
    /// Make plans that follow the load of a scenario as it changes, by its `replan` table
    #[command(after_help = REPLAN)]
    Replan(ReplanArgs),
    /// Simulate one plan of a scenario
    #[command(after_help = PERCENTILES)]
    Simulate(SimulateArgs),
    /// Plan and simulate a scenario with several strategies: tables, figures, report
    #[command(after_help = PERCENTILES)]
    Compare(CompareArgs),
    /// Explain a scenario in words before it runs: load of each GPU, feasibility, cost
    Check(CheckArgs),
    /// Print the JSON Schema of scenario files, for editors
    Schema(SchemaArgs),
    /// Inspect, convert, generate and fit traces of request arrivals
    Trace(super::trace_args::TraceArgs),
    /// Make one HTML page with charts from a folder of results
    Report(ReportArgs),
    /// Print a table of a folder of results for a paper: LaTeX, Markdown or CSV
    Table(TableArgs),
    /// Compare two folders of results: what differs, by how much, and whether that is more than chance
    Diff(DiffArgs),
    /// Run a scenario at many points: every strategy, several seeds, one row for each workload
    Sweep(SweepArgs),
    /// Combine the shards of a sweep
    Merge(MergeArgs),
    /// Find the highest rate, the tightest SLO or the fewest GPUs at which enough requests meet their SLO
    Capacity(CapacityArgs),
    /// Show cost against SLO attainment for plans with more and more headroom
    Frontier(FrontierArgs),
    /// Draw figures of a sweep or comparison anew: PDF and PGF too, with your size, text and names
    Plot(PlotArgs),
    /// Make the figures of the paper's evaluation and others, with their numbers
    Reproduce(ReproduceArgs),
    /// Write a manual page for every command
    Man {
        /// Write the pages to this folder; it is created if needed
        #[arg(long, short, value_name = "DIR", default_value = "man")]
        output: PathBuf,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// The formats of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum PlanFormat {
    /// One JSON document with predictions
    Json,
    /// The iGniter artifact's: one object for each GPU, `slos` halved; with -o a folder of files
    Igniter,
    /// A file for `docker compose up`: one Triton server for each placement, MPS daemons beside them
    Compose,
    /// Manifests for `kubectl apply`: a pod for each GPU, one Triton container for each placement
    Kubernetes,
}

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// The file to write
    #[arg(value_name = "FILE", default_value = "scenario.toml")]
    pub file: PathBuf,
    /// How many workloads it has; four models take turns
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1000), conflicts_with = "from_plan")]
    pub workloads: u16,
    /// Take workloads, rates and SLOs from plan files of the iGniter artifact (config_gpu1.json …, or their folder)
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub from_plan: Vec<PathBuf>,
    /// Replace the file if it is there
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    pub scenario: PlannedScenarioArgs,
    /// The strategy
    #[arg(long, short, value_name = "NAME", default_value = "igniter", value_parser = strategies::one())]
    pub strategy: String,
    /// Write the scenario to this file, with all defaults filled in; with the artifact's files for --plan, the scenario
    /// that is assumed for them
    #[arg(long, value_name = "FILE")]
    pub scenario_out: Option<PathBuf>,
    /// Write the plan to this file
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The format of the written plan
    #[arg(long, value_enum, default_value_t = PlanFormat::Json)]
    pub format: PlanFormat,
    /// Explain for every workload why it is where it is
    #[arg(long)]
    pub explain: bool,
    #[command(flatten)]
    pub refine: RefineArgs,
    #[command(flatten)]
    pub print: PrintArgs,
    #[command(flatten)]
    pub planning: PlanningArgs,
}

#[derive(Debug, Args)]
#[command(mut_arg("output", |output| output.help(
    "Write the bound and a page to this folder"
)))]
pub(super) struct BoundArgs {
    #[command(flatten)]
    pub scenario: ScenarioArgs,
    #[command(flatten)]
    pub result: ResultArgs,
    #[command(flatten)]
    pub planning: PlanningArgs,
}

#[derive(Debug, Args)]
pub(super) struct ReplanArgs {
    #[command(flatten)]
    pub scenario: ScenarioArgs,
    #[command(flatten)]
    pub print: PrintArgs,
    #[command(flatten)]
    pub planning: PlanningArgs,
    /// The strategy whose rules the plans follow
    #[arg(long, short, value_name = "NAME", default_value = "queueing", value_parser = strategies::one())]
    pub strategy: String,
    /// Write the plans, with every step and its reason, to this JSON file
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Draw GPUs over time, with moves as arrows, into this file: .svg, .png, .pdf or .pgf
    #[arg(long, value_name = "FILE")]
    pub figure: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    pub scenario: ScenarioArgs,
    #[command(flatten)]
    pub planning: PlanningArgs,
    /// The strategies whose plans show load, feasibility and cost, separated by commas
    #[arg(long, visible_alias = "strategy", short, value_name = "NAME,…", value_delimiter = ',', default_value = "igniter", value_parser = strategies::several())]
    pub strategies: Vec<String>,
    #[command(flatten)]
    pub print: PrintArgs,
}

#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// Write the schema to this file
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// The formats of a request log, by name.
fn request_format() -> impl TypedValueParser<Value = RequestFormat> {
    PossibleValuesParser::new(RequestFormat::NAMES)
        .map(|name| RequestFormat::from_name(&name).unwrap_or_default())
}

/// Reads `FROM..TO` in seconds.
fn seconds_range(text: &str) -> Result<(Nanoseconds, Nanoseconds), String> {
    let time = |text: &str| {
        let seconds =
            text.trim().parse().map_err(|_| format!("{text:?} is not a number of seconds"))?;
        Nanoseconds::from_seconds(seconds).map_err(|error| error.to_string())
    };
    let (from, until) =
        text.split_once("..").ok_or_else(|| "give it as FROM..TO, such as 10..12".to_owned())?;
    let (from, until) = (time(from)?, time(until)?);
    if from < until { Ok((from, until)) } else { Err("TO must be after FROM".to_owned()) }
}

#[derive(Debug, Args)]
pub(super) struct SimulateArgs {
    #[command(flatten)]
    pub scenario: PlannedScenarioArgs,
    #[command(flatten)]
    pub truth: TruthArgs,
    /// Make the plan with this strategy
    #[arg(long, short, value_name = "NAME", default_value = "igniter", conflicts_with = "plan", value_parser = strategies::one())]
    pub strategy: String,
    /// Write tables, figures and a report to this folder
    #[arg(long, short, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// With -o: also write every request to requests.csv
    #[arg(long, requires = "output")]
    pub requests: bool,
    /// The format of the request file; parquet writes requests.parquet, with times in ns
    #[arg(long, value_parser = request_format(), value_name = "FORMAT", default_value = "csv", requires = "requests")]
    pub requests_format: RequestFormat,
    /// Write what ran when, GPU by GPU, as a trace for ui.perfetto.dev (about 200 bytes for each
    /// batch, arrival and state of a GPU)
    #[arg(long, value_name = "FILE")]
    pub trace_out: Option<PathBuf>,
    /// Trace only this interval, in seconds from the start of the run, such as 10..12
    #[arg(long, value_name = "FROM..TO", requires = "trace_out", value_parser = seconds_range)]
    pub trace_window: Option<(Nanoseconds, Nanoseconds)>,
    #[command(flatten)]
    pub refine: RefineArgs,
    #[command(flatten)]
    pub threads: ThreadArgs,
    #[command(flatten)]
    pub print: PrintArgs,
    #[command(flatten)]
    pub planning: PlanningArgs,
}

#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    #[command(flatten)]
    pub scenario: PlannedScenarioArgs,
    #[command(flatten)]
    pub truth: TruthArgs,
    /// The strategies, separated by commas
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', default_value = "igniter,ffd", value_parser = strategies::several())]
    pub strategies: Vec<String>,
    /// Simulate every plan with this many seeds, starting at the scenario's, and give means with 95 % confidence intervals
    /// (seeds.csv); the other tables and figures are those of the first seed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub seeds: u16,
    /// Write tables, figures and a report to this folder
    #[arg(long, short, value_name = "DIR")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub refine: RefineArgs,
    #[command(flatten)]
    pub threads: ThreadArgs,
    #[command(flatten)]
    pub print: PrintArgs,
    #[command(flatten)]
    pub planning: PlanningArgs,
}

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// A folder that a command wrote with -o
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Write the page to this file; it needs no other file and no network
    #[arg(long, short, value_name = "FILE", default_value = "report.html")]
    pub output: PathBuf,
    #[command(flatten)]
    pub print: PrintArgs,
}

/// The formats of a table of differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum DiffFormat {
    /// For a terminal
    Text,
    /// As on GitHub
    Markdown,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  igniter compare paper-12 --seeds 10 -o before\n  igniter compare paper-12 --seeds 10 --set \
    'workload.*.slo_ms=20' -o after\n  igniter diff before after\n  igniter diff before after --format markdown\n  igniter diff \
    before after -o diff.html"
)]
pub(super) struct DiffArgs {
    /// The first folder of results
    #[arg(value_name = "A")]
    pub a: PathBuf,
    /// The second, of the same command
    #[arg(value_name = "B")]
    pub b: PathBuf,
    /// The format of what is printed
    #[arg(long, value_enum, default_value_t = DiffFormat::Text)]
    pub format: DiffFormat,
    /// Print every number, those that are the same too
    #[arg(long)]
    pub all: bool,
    /// Write a page with every number to this file
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub print: PrintArgs,
}

/// The formats of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum TableFormat {
    /// A tabular with the rules of the package booktabs
    Latex,
    /// As on GitHub
    Markdown,
    /// With every digit
    Csv,
}

/// What a table of a comparison has a row for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum TableOf {
    /// GPUs, cost, missed SLOs and power
    Strategies,
    /// Latencies and violations
    Workloads,
    /// Where each workload runs
    Placements,
    /// Use and power
    Gpus,
}

#[derive(Debug, Args)]
#[command(after_help = "Example: igniter table results/paper-12 --format latex -o strategies.tex")]
pub(super) struct TableArgs {
    /// A folder that a command wrote with -o: of a comparison, a sweep, a search or a study
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// For a comparison: what the table has a row for
    #[arg(long, value_enum, default_value_t = TableOf::Strategies, conflicts_with = "file")]
    pub of: TableOf,
    /// Take this CSV file of the folder
    #[arg(long, value_name = "NAME")]
    pub file: Option<String>,
    /// Sweeps and other files: show only these columns, by their names in the file
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub columns: Vec<String>,
    /// What to call a strategy, model or workload, such as gpulets=gpu-lets; you can repeat it [default: as the
    /// scenario's table display says; not in CSV]
    #[arg(long, value_name = "NAME=TEXT")]
    pub display: Vec<String>,
    /// The format
    #[arg(long, value_enum, default_value_t = TableFormat::Markdown)]
    pub format: TableFormat,
    /// Write the table to this file
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// All figures, and which are left out where none is named: they take minutes, need the artifact's measurements, or are times.
fn figures_help() -> String {
    let (all, usual) = (reproduce::names(), reproduce::usual());
    let others: Vec<_> = all.iter().filter(|name| !usual.contains(name)).copied().collect();
    format!("{} [default: all but {}]", all.join(", "), others.join(", "))
}

#[derive(Debug, Args)]
pub(super) struct ReproduceArgs {
    #[arg(value_name = "FIGURE", help = figures_help())]
    pub figures: Vec<String>,
    /// Write figures and their numbers to this folder. If you name figures, the others in it are kept
    #[arg(long, short, value_name = "DIR", default_value = "results/paper")]
    pub output: PathBuf,
    #[command(flatten)]
    pub threads: ThreadArgs,
    #[command(flatten)]
    pub print: PrintArgs,
}
