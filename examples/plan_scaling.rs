//! Time and gap of planners from 10 to 100,000 workloads.
//!
//! `cargo run --release --example plan_scaling -- [STRATEGY…] [--least N] [--most N] [--types N|all]… [-o DIR]`
//!
//! With `-o`, rows go to `DIR/scaling.csv` (those of an earlier call stay, if they are of other strategies or
//! workloads) and the figure of all rows to `DIR/planner-scaling.svg` and `.png`. One thread, unless
//! RAYON_NUM_THREADS says otherwise.

#![allow(clippy::disallowed_types, reason = "measuring time is its purpose")]

mod instances;

use igniter::figures::{ScalingPoint, scaling_figure};
use igniter::plan::{PlanRequest, strategy};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// One plan.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    workloads: usize,
    types: String,
    strategy: String,
    gpus: usize,
    bound: Option<usize>,
    fractional_bound: Option<f64>,
    method: Option<String>,
    gap_pct: Option<f64>,
    seconds: f64,
    threads: usize,
    peak_memory_mib: Option<u64>,
}

#[derive(Debug, Default)]
struct Options {
    names: Vec<String>,
    types: Vec<Option<usize>>,
    least: usize,
    most: usize,
    output: Option<PathBuf>,
}

fn options() -> Options {
    let mut options = Options { least: 10, most: 1000, ..Options::default() };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().expect("the flag needs a value");
        match argument.as_str() {
            "--least" => options.least = value().parse().expect("a number"),
            "--most" => options.most = value().parse().expect("a number"),
            "--types" => options.types.push(value().parse().ok()),
            "-o" => options.output = Some(value().into()),
            name => options.names.push(name.to_owned()),
        }
    }
    if options.names.is_empty() {
        options.names = ["igniter", "ffd"].map(str::to_owned).to_vec();
    }
    if options.types.is_empty() {
        options.types = vec![Some(12), Some(60), Some(120), None];
    }
    options
}

/// The most memory that this process had, in MiB, where the system says.
fn peak_memory_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kb| kb / 1024)
}

fn main() {
    if std::env::var_os("RAYON_NUM_THREADS").is_none() {
        rayon::ThreadPoolBuilder::new().num_threads(1).build_global().expect("a pool");
    }
    let predictor = instances::v100();
    let options = options();
    println!("| workloads | types | strategy | GPUs | bound | gap | seconds |");
    println!("|--:|--:|---|--:|--:|--:|--:|");
    let mut rows: Vec<Row> = Vec::new();
    for count in [10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000] {
        if !(options.least..=options.most).contains(&count) {
            continue;
        }
        for types in options.types.iter().copied() {
            if types.is_some_and(|t| t > count) {
                continue;
            }
            let workloads = instances::noisy(5, count, types);
            let request = PlanRequest::new(&workloads, &predictor).expect("known models");
            for name in &options.names {
                let start = Instant::now();
                let plan = strategy(name).expect("a strategy").plan(&request);
                let seconds = start.elapsed().as_secs_f64();
                let types = types.map_or("all".to_owned(), |t| t.to_string());
                let bound = plan.bound.as_ref().map_or("–".to_owned(), |b| {
                    format!("{} ({}, {:.2})", b.gpus, b.method.as_str(), b.fractional_gpus)
                });
                let gap = plan.gap_pct().map_or("–".to_owned(), |gap| format!("{gap:.2} %"));
                let gpus = plan.gpus.len();
                println!(
                    "| {count} | {types} | {name} | {gpus} | {bound} | {gap} | {seconds:.4} |"
                );
                rows.push(Row {
                    workloads: count,
                    types,
                    strategy: name.clone(),
                    gpus,
                    bound: plan.bound.as_ref().map(|b| b.gpus),
                    fractional_bound: plan.bound.as_ref().map(|b| b.fractional_gpus),
                    method: plan.bound.as_ref().map(|b| b.method.as_str().to_owned()),
                    gap_pct: plan.gap_pct(),
                    seconds,
                    threads: rayon::current_num_threads(),
                    peak_memory_mib: peak_memory_mib(),
                });
            }
        }
    }
    if let Some(folder) = &options.output {
        write(folder, rows).expect("the folder can be written");
    }
}

/// Adds rows to those of earlier calls, and draws all of them.
fn write(folder: &Path, rows: Vec<Row>) -> Result<(), Box<dyn std::error::Error>> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join("scaling.csv");
    let key = |row: &Row| (row.strategy.clone(), row.types.parse::<usize>().ok(), row.workloads);
    let mut all: Vec<Row> = match csv::Reader::from_path(&path) {
        Ok(mut reader) => reader.deserialize().collect::<Result<_, _>>()?,
        Err(_) => Vec::new(),
    };
    all.retain(|old| rows.iter().all(|new| key(new) != key(old)));
    all.extend(rows);
    all.sort_by_key(key);
    let mut writer = csv::Writer::from_path(&path)?;
    for row in &all {
        writer.serialize(row)?;
    }
    writer.flush()?;
    // Every planner where all workloads differ, and ours where they are of 120 types.
    let shown = all
        .iter()
        .filter(|row| row.types == "all" || (row.types == "120" && row.strategy == "optimal"));
    let points: Vec<ScalingPoint> = shown
        .map(|row| ScalingPoint {
            series: match row.types.as_str() {
                "all" => row.strategy.clone(),
                types => format!("{}, {types} types", row.strategy),
            },
            #[expect(clippy::cast_precision_loss, reason = "up to 100,000")]
            workloads: row.workloads as f64,
            seconds: row.seconds,
            gap_pct: row.gap_pct,
        })
        .collect();
    if let Some(figure) = scaling_figure(&points)? {
        std::fs::write(folder.join("planner-scaling.svg"), figure.svg())?;
        std::fs::write(folder.join("planner-scaling.png"), figure.png()?)?;
    }
    Ok(())
}
