//! `igniter table`: formats a table for a paper.

use super::args::{TableArgs, TableFormat, TableOf};
use super::files::{check_writable, is_folder, write_file};
use super::names::{display, no_such_name};
use super::{CommandOutcome, output};
use crate::metrics::GpuSummary;
use crate::page::PageError;
use crate::results::{
    Column, Comparison, Manifest, MeansOf, Of, PaperFormat, PaperTable, PlanRow, StrategyResult,
    WorkloadRow, column_words, is_part, means_words, pick, read_comparison, write_csv,
};
use anyhow::{Context, bail, ensure};
use std::collections::BTreeMap;
use std::fs::File;

/// The tables that commands write, in the order in which they are searched for.
const FILES: [&str; 6] =
    ["points.csv", "study.csv", "frontier.csv", "capacity.csv", "accuracy.csv", "comparison.csv"];

pub(super) fn run(args: &TableArgs) -> anyhow::Result<CommandOutcome> {
    if let Some(path) = &args.output {
        check_writable(path)?;
    }
    is_folder(&args.folder)?;
    let manifest = args.folder.join("manifest.json");
    if manifest.is_file() {
        let read = Manifest::read(&manifest);
        let read = read.with_context(|| format!("cannot read {}", manifest.display()))?;
        if let Some(name) = read.changed(&args.folder) {
            bail!(
                "{} was changed since it was written; make the results again, or remove manifest.json to have a table of \
                 what is there",
                args.folder.join(name).display()
            );
        }
    } else if is_part(&args.folder) {
        return Err(PageError::Part { path: args.folder.clone() }.into());
    }
    ensure!(
        args.columns.is_empty() || args.file.is_some() || !args.folder.join("summary.csv").exists(),
        "--columns is for files; name one with --file, such as --file summary.csv"
    );
    let text = match args.file.as_deref() {
        None if args.folder.join("summary.csv").exists() => {
            of_comparison(&read_comparison(&args.folder)?, args)?
        }
        file => of_file(file, args)?,
    };
    match &args.output {
        Some(path) => write_file(path, &text)?,
        None => output::print(&text)?,
    }
    Ok(CommandOutcome::Done)
}

fn of_comparison(comparison: &Comparison, args: &TableArgs) -> anyhow::Result<String> {
    let strategies = [
        "strategy",
        "gpu_count",
        "cost_per_hour",
        "missed",
        "worst_violation_pct",
        "worst_p99_of_slo",
        "power_w",
        "energy_per_request_mj",
    ];
    let workloads = [
        "strategy",
        "workload",
        "model",
        "slo_ms",
        "rate_rps",
        "mean_ms",
        "p99_ms",
        "slo_violation_pct",
        "verdict: SLO",
    ];
    let gpus = ["strategy", "gpu", "kind", "busy_pct", "sm_utilisation_pct", "power_w", "energy_j"];
    let plan = ["strategy", "gpu", "workload", "model", "sm_pct", "batch", "predicted_latency_ms"];
    let means = match args.of {
        TableOf::Strategies => comparison.means_csv(MeansOf::Strategies),
        TableOf::Workloads => comparison.means_csv(MeansOf::Workloads),
        TableOf::Gpus | TableOf::Placements => None,
    };
    let display = &comparison.display;
    if let Some(csv) = means {
        if args.format == TableFormat::Csv && args.display.is_empty() {
            return Ok(csv);
        }
        let mark = args.of == TableOf::Strategies;
        let table = PaperTable::of_csv(csv.as_bytes(), means_words, &[], &[], mark)?;
        return said(table, display, args);
    }
    match args.of {
        TableOf::Strategies => {
            let columns = pick(&StrategyResult::COLUMNS, &strategies);
            made(&columns, &comparison.strategies, args, display)
        }
        TableOf::Workloads => {
            let columns = pick(&WorkloadRow::COLUMNS, &workloads);
            made(&columns, &WorkloadRow::all(comparison), args, display)
        }
        TableOf::Gpus => {
            let columns = pick(&Of::<GpuSummary>::COLUMNS, &gpus);
            made(&columns, &Of::all(comparison, |result| &result.gpus), args, display)
        }
        TableOf::Placements => {
            let columns = pick(&Of::<PlanRow>::COLUMNS, &plan);
            made(&columns, &Of::all(comparison, |result| &result.plan), args, display)
        }
    }
}

fn made<R>(
    columns: &[Column<R>],
    rows: &[R],
    args: &TableArgs,
    display: &BTreeMap<String, String>,
) -> anyhow::Result<String> {
    // Other programs need every digit.
    if args.format == TableFormat::Csv && args.display.is_empty() {
        let mut bytes = Vec::new();
        write_csv(&mut bytes, columns, rows)?;
        return Ok(String::from_utf8(bytes)?);
    }
    // Among workloads, GPUs and placements there is no best one to mark.
    let mark = args.of == TableOf::Strategies;
    said(PaperTable::new(columns, rows, mark), display, args)
}

/// Formats the table with the display names of the scenario, which those of the command line
/// override.
fn said(
    mut table: PaperTable,
    of_scenario: &BTreeMap<String, String>,
    args: &TableArgs,
) -> anyhow::Result<String> {
    let asked = display(&args.display)?;
    let mut names = of_scenario.clone();
    names.extend(asked.clone());
    let known: Vec<String> =
        table.cells().flatten().filter(|text| !text.is_empty()).map(str::to_owned).collect();
    if let Some(unknown) = table.rename(&names).iter().find(|name| asked.contains_key(*name)) {
        return Err(no_such_name(unknown, &known));
    }
    Ok(table.text(args.format.into()))
}

fn of_file(file: Option<&str>, args: &TableArgs) -> anyhow::Result<String> {
    let there = |name: &&str| args.folder.join(name).is_file();
    let Some(name) = file.or_else(|| FILES.into_iter().find(there)) else {
        bail!(
            "{} holds no table that can be shown; give a folder that igniter wrote with -o, or name a CSV file in it \
             with --file",
            args.folder.display()
        );
    };
    let path = args.folder.join(name);
    let sweep = Manifest::read(&args.folder.join("manifest.json")).ok().and_then(|it| it.sweep);
    let axes = sweep.map(|sweep| sweep.axes).unwrap_or_default();
    let read = || PaperTable::of_csv(File::open(&path)?, column_words, &args.columns, &axes, true);
    let table = read().with_context(|| format!("cannot read {}", path.display()))?;
    said(table, &BTreeMap::new(), args)
}

impl From<TableFormat> for PaperFormat {
    fn from(format: TableFormat) -> Self {
        match format {
            TableFormat::Latex => Self::Latex,
            TableFormat::Markdown => Self::Markdown,
            TableFormat::Csv => Self::Csv,
        }
    }
}
