//! The flags of sweeps and searches.

use super::common_args::{PrintArgs, ScenarioArgs, ThreadArgs};
use super::strategies;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Where results go, and how they are printed.
#[derive(Debug, Clone, Args)]
pub(super) struct ResultArgs {
    /// Write results to this folder
    #[arg(long, short, value_name = "DIR")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub print: PrintArgs,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Files, tables and job arrays: docs/sweeps.md",
    mut_arg("output", |output| output.required_unless_present("dry_run").help(
        "Write tables to this folder; each shard writes to a folder inside it"
    ))
)]
pub(super) struct SweepArgs {
    /// The sweep, a TOML file
    pub sweep: PathBuf,
    /// Run only shard I of N, with I from 0
    #[arg(long, value_name = "I/N")]
    pub shard: Option<String>,
    /// Run the shard of this task in a job array of N tasks (Slurm, Kubernetes, PBS, LSF, Grid Engine, AWS Batch, …)
    #[arg(long, value_name = "N", conflicts_with = "shard")]
    pub shards: Option<u32>,
    /// Continue an unfinished sweep; finished points are kept
    #[arg(long)]
    pub resume: bool,
    /// Confirm more than ten million points
    #[arg(long)]
    pub yes: bool,
    /// Show what is done so far, with the explorer, in a page on this machine alone (127.0.0.1)
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "0", require_equals = true, conflicts_with_all = ["shard", "shards", "dry_run"])]
    pub serve: Option<u16>,
    /// Check the sweep and print its size, without running it
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub threads: ThreadArgs,
    #[command(flatten)]
    pub result: ResultArgs,
}

#[derive(Debug, Args)]
#[command(mut_arg("output", |output| output.help(
    "Write tables to this folder [default: the first folder, where it holds the shards]"
)))]
pub(super) struct MergeArgs {
    /// Folders of shards, or the folder that holds them
    #[arg(required = true, value_name = "DIR")]
    pub folders: Vec<PathBuf>,
    #[command(flatten)]
    pub result: ResultArgs,
}

/// How candidates are judged.
#[derive(Debug, Clone, Args)]
pub(super) struct JudgeArgs {
    /// The strategies, separated by commas
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', default_value = "igniter,ffd", value_parser = strategies::several())]
    pub strategies: Vec<String>,
    /// Percent of all requests that must meet their SLO
    #[arg(long, value_name = "PCT", default_value_t = 99.0)]
    pub target: f64,
    /// Every workload must reach the target, not only all requests together
    #[arg(long)]
    pub worst: bool,
    /// Let several GPUs share a workload (strategies that can: gpulets, optimal, …)
    #[arg(long)]
    pub replicas: bool,
    /// The confidence level of a verdict, above 0 and below 1
    #[arg(long, default_value_t = 0.95)]
    pub confidence: f64,
    /// The fewest seeds for each candidate
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(2..))]
    pub least: u16,
    /// The most seeds for each candidate; a candidate that is then still undecided fails
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(2..))]
    pub most: u16,
}

/// What `capacity` looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FindArg {
    /// The highest factor of all rates; plans are made for these rates
    Rate,
    /// The lowest factor of all SLOs; plans are made for these SLOs
    Slo,
    /// The lowest cost, and so the fewest GPUs, of plans with more or less headroom of throughput
    #[value(alias = "cost")]
    Gpus,
}

#[derive(Debug, Args)]
#[command(mut_arg("output", |output| output.help(
    "Write the table to this folder"
)))]
pub(super) struct CapacityArgs {
    #[command(flatten)]
    pub scenario: ScenarioArgs,
    /// What to look for
    #[arg(long, value_enum, default_value_t = FindArg::Rate)]
    pub find: FindArg,
    #[command(flatten)]
    pub judge: JudgeArgs,
    /// With rate and slo: plan once, for the scenario as it is, and change only what is simulated
    #[arg(long)]
    pub keep_plan: bool,
    /// The lowest factor (rate, slo) or headroom in percent (gpus) to try
    #[arg(long)]
    pub from: Option<f64>,
    /// The highest factor or headroom to try
    #[arg(long)]
    pub to: Option<f64>,
    /// Stop when the interval is this narrow; with gpus, the step from one headroom to the next
    #[arg(long)]
    pub precision: Option<f64>,
    #[command(flatten)]
    pub threads: ThreadArgs,
    #[command(flatten)]
    pub result: ResultArgs,
}

#[derive(Debug, Args)]
#[command(mut_arg("output", |output| output.help(
    "Write table and figure to this folder"
)))]
pub(super) struct FrontierArgs {
    #[command(flatten)]
    pub scenario: ScenarioArgs,
    #[command(flatten)]
    pub judge: JudgeArgs,
    /// The highest headroom of planned throughput to try, in percent
    #[arg(long, default_value_t = 300.0)]
    pub to: f64,
    /// The step from one headroom to the next, in percent
    #[arg(long, default_value_t = 10.0)]
    pub step: f64,
    #[command(flatten)]
    pub threads: ThreadArgs,
    #[command(flatten)]
    pub result: ResultArgs,
}

/// The kinds of figures of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum PlotKind {
    /// SLO attainment over an axis, with confidence bands and a marker at the target
    Attainment,
    /// Cost over an axis
    Cost,
    /// A number over two axes, one panel for each strategy
    Heatmap,
    /// Cost against SLO attainment, with the plans that no other beats in both
    Pareto,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  igniter plot out --format pdf --width 3.3                  every figure of a comparison, for a column\n  \
        igniter plot out --figures p99 --display gpulets=gpu-lets --order queueing,gpulets --format pdf,pgf\n  igniter plot sweep --kind \
        heatmap --x load --rows cv\n  igniter plot sweep --y gpu_count --name gpus                      GPUs over load\n  igniter plot \
        sweep --kind pareto --x gpu_count --target 99          the fewest GPUs that hold 99 %",
    mut_arg("output", |output| output.help(
    "Write the figures to figures/ in this folder [default: in the folder of the results]"
)))]
pub(super) struct PlotArgs {
    /// The folder of a sweep, or of a comparison or simulation
    pub dir: PathBuf,
    /// Comparisons: draw only figures whose names begin with NAME, such as p99 or plan [default: all]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub figures: Vec<String>,
    /// Sweeps: the kind of figure
    ///
    /// [default: attainment]
    #[arg(long, value_enum)]
    pub kind: Option<PlotKind>,
    /// The column on the x axis, such as an axis of the sweep or gpu_count [default: the last axis]
    #[arg(long)]
    pub x: Option<String>,
    /// The column to show [default: attainment_pct, or cost_per_hour]
    #[arg(long)]
    pub y: Option<String>,
    /// Heat maps: the column on the y axis [default: the axis before the last]
    #[arg(long)]
    pub rows: Option<String>,
    /// Draw a panel for each value of this column
    #[arg(long)]
    pub panels: Option<String>,
    /// Draw only points with this value in a column, such as cv=4; you can repeat it
    #[arg(long, value_name = "COLUMN=VALUE")]
    pub only: Vec<String>,
    /// The target of the marker, in percent
    #[arg(long, default_value_t = 99.0)]
    pub target: f64,
    /// Use a logarithmic x axis
    #[arg(long)]
    pub log: bool,
    /// Sweeps: the name of the files, without an extension
    #[arg(long)]
    pub name: Option<String>,
    #[command(flatten)]
    pub look: LookArgs,
    #[command(flatten)]
    pub result: ResultArgs,
}

/// The kinds of files that a figure is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FormatArg {
    /// Vectors with embedded fonts
    Svg,
    /// 300 pixels per inch
    Png,
    /// Vectors for papers, text outlined
    Pdf,
    /// For \input in LaTeX, which sets the text in the font of your document
    Pgf,
}

/// How figures look.
#[derive(Debug, Args)]
#[command(next_help_heading = "Look")]
pub(super) struct LookArgs {
    /// The files to write
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [FormatArg::Svg, FormatArg::Png])]
    pub format: Vec<FormatArg>,
    /// The width of every figure in inches [default: 3.5, or 7.16 for what needs both columns]
    #[arg(long, value_name = "INCHES")]
    pub width: Option<f64>,
    /// The height of charts, as a multiple of the usual
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    pub height: f64,
    /// The size of legends and titles in points; tick labels are an eighth smaller
    #[arg(long, value_name = "PT", default_value_t = 8.0)]
    pub font_size: f64,
    /// The title of the x axis
    #[arg(long, value_name = "TEXT")]
    pub x_label: Option<String>,
    /// The title of the y axis
    #[arg(long, value_name = "TEXT")]
    pub y_label: Option<String>,
    /// Draw no titles above panels
    #[arg(long)]
    pub no_titles: bool,
    /// What to call a strategy, model or workload, such as gpulets=gpu-lets; you can repeat it
    #[arg(long, value_name = "NAME=TEXT")]
    pub display: Vec<String>,
    /// Draw only these strategies, in this order
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub order: Vec<String>,
}
