//! `igniter table`: a table for a paper.

use super::args::{TableArgs, TableFormat, TableOf};
use super::files::{check_writable, write_file};
use super::{Outcome, output};
use crate::metrics::GpuSummary;
use crate::results::{
    Column, Comparison, Manifest, Of, PaperFormat, PaperTable, PlanRow, StrategyResult,
    WorkloadRow, column_words, pick, read_comparison, write_csv,
};
use anyhow::{Context, bail, ensure};
use std::collections::BTreeMap;
use std::fs::File;

/// Tables that commands write, in the order in which they are looked for.
const FILES: [&str; 6] =
    ["points.csv", "study.csv", "frontier.csv", "capacity.csv", "accuracy.csv", "comparison.csv"];

pub(super) fn run(args: &TableArgs) -> anyhow::Result<Outcome> {
    if let Some(path) = &args.output {
        check_writable(path)?;
    }
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
    Ok(Outcome::Done)
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
    let mut display = comparison.display.clone();
    display.extend(super::plot::display(&args.display)?);
    match args.of {
        TableOf::Strategies => {
            let columns = pick(&StrategyResult::COLUMNS, &strategies);
            made(&columns, &comparison.strategies, args, &display)
        }
        TableOf::Workloads => {
            let columns = pick(&WorkloadRow::COLUMNS, &workloads);
            made(&columns, &WorkloadRow::all(comparison), args, &display)
        }
        TableOf::Gpus => {
            let columns = pick(&Of::<GpuSummary>::COLUMNS, &gpus);
            made(&columns, &Of::all(comparison, |result| &result.gpus), args, &display)
        }
        TableOf::Placements => {
            let columns = pick(&Of::<PlanRow>::COLUMNS, &plan);
            made(&columns, &Of::all(comparison, |result| &result.plan), args, &display)
        }
    }
}

fn made<R>(
    columns: &[Column<R>],
    rows: &[R],
    args: &TableArgs,
    display: &BTreeMap<String, String>,
) -> anyhow::Result<String> {
    // Other programs want every digit.
    if args.format == TableFormat::Csv {
        let mut bytes = Vec::new();
        write_csv(&mut bytes, columns, rows)?;
        return Ok(String::from_utf8(bytes)?);
    }
    // Among workloads, GPUs and placements none is best.
    let mark = args.of == TableOf::Strategies;
    Ok(PaperTable::new(columns, rows, mark).named(display).text(args.format.into()))
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
    let read = || PaperTable::of_csv(File::open(&path)?, column_words, &args.columns, true);
    let table = read().with_context(|| format!("cannot read {}", path.display()))?;
    let table = if args.format == TableFormat::Csv {
        table
    } else {
        table.named(&super::plot::display(&args.display)?)
    };
    Ok(table.text(args.format.into()))
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
