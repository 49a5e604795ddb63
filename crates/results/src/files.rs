//! The tables as files, and back.

use super::control::{ActionRow, WindowRow};
use super::markdown::report_markdown;
use super::output_dir::{OutputDir, OutputError};
use super::tables::{ArrivalRow, Comparison, FigureFile, PlanRow, StrategyResult};
use igniter_model::domain::WorkloadName;
use igniter_sim::metrics::{
    BatchCount, BatchHistogram, CdfPoint, FailedCounts, GpuSeries, GpuSummary, LatencyBin,
    LatencyCdf, LatencySeries, SeriesBin, WorkloadSummary,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// A directory that does not hold the tables of a comparison.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot read {}: {source}; give a directory that `igniter compare` or `igniter simulate` wrote",
    .path.display()
)]
pub struct ReadError {
    path: PathBuf,
    source: io::Error,
}

/// The column that every table begins with.
#[derive(Debug, Serialize)]
struct Key<'a> {
    strategy: &'a str,
}

#[derive(Debug, Serialize, Deserialize)]
struct CdfRow {
    strategy: String,
    workload: WorkloadName,
    fraction: f64,
    latency_ms: f64,
}

#[derive(Debug, Serialize, Deserialize)]
struct SeriesRow {
    strategy: String,
    gpu: usize,
    start_s: f64,
    end_s: f64,
    power_w: f64,
    utilisation: f64,
    sm_utilisation_pct: f64,
    clock_mhz: f64,
}

#[derive(Debug, Serialize, Deserialize)]
struct AdaptationRow {
    strategy: String,
    workload: WorkloadName,
    start_s: f64,
    end_s: f64,
    gpu: usize,
    sm_pct: f64,
    batch: u32,
    completed: u64,
    failed: u64,
    p99_ms: Option<f64>,
}

#[derive(Debug, Serialize)]
struct FailureRow {
    strategy: String,
    workload: WorkloadName,
    requests: u64,
    completed: u64,
    rejected: u64,
    timed_out: u64,
    lost: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct LatencyRow {
    strategy: String,
    workload: WorkloadName,
    start_s: f64,
    end_s: f64,
    completed: u64,
    mean_ms: f64,
    max_ms: f64,
}

#[derive(Debug, Serialize, Deserialize)]
struct BatchRow {
    strategy: String,
    workload: WorkloadName,
    batch_size: u32,
    requests: u64,
}

/// Writes `arrivals.csv` where it was asked for, `summary.csv`, `gpus.csv`, `plan.csv`, `cdf.csv`, `gpu_series.csv`, `latency_series.csv`,
/// `batches.csv` and `summary.json`, `failures.csv` where requests failed, and
/// `actions.csv` and `adaptation.csv` where there is a controller or a fault.
///
/// Real numbers are the shortest decimal text that reads back to the same number.
///
/// # Errors
/// When one of them cannot be written.
pub fn write_tables(dir: &mut OutputDir, comparison: &Comparison) -> Result<(), OutputError> {
    fn keyed<'a, T: Serialize + 'a>(
        comparison: &'a Comparison,
        rows: impl Fn(&'a StrategyResult) -> &'a [T],
    ) -> impl Iterator<Item = (Key<'a>, &'a T)> {
        comparison.strategies.iter().flat_map(move |result| {
            rows(result).iter().map(|row| (Key { strategy: &result.strategy }, row))
        })
    }
    write_csv(dir, "summary.csv", comparison.strategies.iter().flat_map(summary_rows))?;
    write_csv(dir, "gpus.csv", keyed::<GpuSummary>(comparison, |result| &result.gpus))?;
    write_csv(dir, "plan.csv", keyed::<PlanRow>(comparison, |result| &result.plan))?;
    write_csv(dir, "cdf.csv", comparison.strategies.iter().flat_map(cdf_rows))?;
    write_csv(dir, "gpu_series.csv", comparison.strategies.iter().flat_map(series_rows))?;
    write_csv(dir, "latency_series.csv", comparison.strategies.iter().flat_map(latency_rows))?;
    write_csv(dir, "batches.csv", comparison.strategies.iter().flat_map(batch_rows))?;
    // Tables of what most scenarios do not have.
    let failures: Vec<FailureRow> = comparison.strategies.iter().flat_map(failure_rows).collect();
    if !failures.is_empty() {
        write_csv(dir, "failures.csv", failures.into_iter())?;
    }
    let has = |any: fn(&StrategyResult) -> bool| comparison.strategies.iter().any(any);
    if has(|result| !result.actions.is_empty()) {
        write_csv(dir, "actions.csv", comparison.strategies.iter().flat_map(action_rows))?;
    }
    if has(|result| !result.arrivals.is_empty()) {
        write_csv(dir, "arrivals.csv", comparison.strategies.iter().flat_map(arrival_rows))?;
    }
    if has(|result| !result.adaptation.is_empty()) {
        write_csv(dir, "adaptation.csv", comparison.strategies.iter().flat_map(window_rows))?;
    }
    dir.write("summary.json", |file| {
        serde_json::to_writer_pretty(&mut *file, comparison)?;
        file.write_all(b"\n")
    })
}

/// Writes the tables of distributions and of latencies over time alone, `cdf.csv` and `latency_series.csv`.
///
/// # Errors
/// When one of them cannot be written.
pub fn write_latencies(dir: &mut OutputDir, comparison: &Comparison) -> Result<(), OutputError> {
    write_csv(dir, "cdf.csv", comparison.strategies.iter().flat_map(cdf_rows))?;
    write_csv(dir, "latency_series.csv", comparison.strategies.iter().flat_map(latency_rows))
}

/// Writes `report.md`, with the figures that lie in the same directory.
///
/// # Errors
/// When it cannot be written.
pub fn write_report(
    dir: &mut OutputDir,
    comparison: &Comparison,
    figures: &[FigureFile],
) -> Result<(), OutputError> {
    let text = report_markdown(comparison, figures);
    dir.write("report.md", |file| file.write_all(text.as_bytes()))
}

/// Reads back what [`write_tables`] wrote.
///
/// # Errors
/// When a file is missing or does not hold what it should.
pub fn read_comparison(dir: &Path) -> Result<Comparison, ReadError> {
    let at = |name: &str, source: io::Error| ReadError { path: dir.join(name), source };
    let text = std::fs::read(dir.join("summary.json")).map_err(|e| at("summary.json", e))?;
    let mut comparison: Comparison =
        serde_json::from_slice(&text).map_err(|e| at("summary.json", e.into()))?;
    for result in &mut comparison.strategies {
        result.series =
            result.gpus.iter().map(|gpu| GpuSeries { gpu: gpu.gpu, bins: Vec::new() }).collect();
        result.cdf = result
            .workloads
            .iter()
            .map(|w| LatencyCdf { workload: w.workload.clone(), points: Vec::new() })
            .collect();
        let names = || result.workloads.iter().map(|w| w.workload.clone());
        result.latency_series =
            names().map(|workload| LatencySeries { workload, bins: Vec::new() }).collect();
        result.batches =
            names().map(|workload| BatchHistogram { workload, counts: Vec::new() }).collect();
    }
    for row in read_csv::<CdfRow>(dir, "cdf.csv").map_err(|e| at("cdf.csv", e))? {
        let result = comparison.strategies.iter_mut().find(|r| r.strategy == row.strategy);
        let cdf = result.and_then(|r| r.cdf.iter_mut().find(|cdf| cdf.workload == row.workload));
        let cdf = cdf.ok_or_else(|| at("cdf.csv", unknown(&row.strategy)))?;
        cdf.points.push(CdfPoint { fraction: row.fraction, latency_ms: row.latency_ms });
    }
    for row in read_csv::<SeriesRow>(dir, "gpu_series.csv").map_err(|e| at("gpu_series.csv", e))? {
        let result = comparison.strategies.iter_mut().find(|r| r.strategy == row.strategy);
        let series = result.and_then(|r| r.series.iter_mut().find(|series| series.gpu == row.gpu));
        let series = series.ok_or_else(|| at("gpu_series.csv", unknown(&row.strategy)))?;
        series.bins.push(SeriesBin {
            start_s: row.start_s,
            end_s: row.end_s,
            power_w: row.power_w,
            utilisation: row.utilisation,
            sm_utilisation_pct: row.sm_utilisation_pct,
            clock_mhz: row.clock_mhz,
        });
    }
    read_details(dir, &mut comparison)?;
    // Only runs with a controller or a fault have this table.
    if dir.join("adaptation.csv").exists() {
        let rows = read_csv::<AdaptationRow>(dir, "adaptation.csv");
        for row in rows.map_err(|e| at("adaptation.csv", e))? {
            let result = comparison.strategies.iter_mut().find(|r| r.strategy == row.strategy);
            let result = result.ok_or_else(|| at("adaptation.csv", unknown(&row.strategy)))?;
            let AdaptationRow { start_s, end_s, gpu, sm_pct, batch, completed, failed, .. } = row;
            let (workload, p99_ms) = (row.workload, row.p99_ms);
            result.adaptation.push(WindowRow {
                start_s,
                end_s,
                gpu,
                workload,
                sm_pct,
                batch,
                completed,
                failed,
                p99_ms,
            });
        }
    }
    Ok(comparison)
}

/// Reads the tables that folders of earlier versions lack.
fn read_details(dir: &Path, comparison: &mut Comparison) -> Result<(), ReadError> {
    let at = |name: &str, source: io::Error| ReadError { path: dir.join(name), source };
    let name = "latency_series.csv";
    for row in read_csv_if_there::<LatencyRow>(dir, name).map_err(|e| at(name, e))? {
        let result = comparison.strategies.iter_mut().find(|r| r.strategy == row.strategy);
        let series = result
            .and_then(|r| r.latency_series.iter_mut().find(|s| s.workload == row.workload))
            .ok_or_else(|| at(name, unknown(&row.strategy)))?;
        let LatencyRow { start_s, end_s, completed, mean_ms, max_ms, .. } = row;
        series.bins.push(LatencyBin { start_s, end_s, completed, mean_ms, max_ms });
    }
    let name = "batches.csv";
    for row in read_csv_if_there::<BatchRow>(dir, name).map_err(|e| at(name, e))? {
        let result = comparison.strategies.iter_mut().find(|r| r.strategy == row.strategy);
        let batches = result
            .and_then(|r| r.batches.iter_mut().find(|b| b.workload == row.workload))
            .ok_or_else(|| at(name, unknown(&row.strategy)))?;
        batches.counts.push(BatchCount { batch_size: row.batch_size, requests: row.requests });
    }
    Ok(())
}

fn read_csv_if_there<T: DeserializeOwned>(dir: &Path, name: &str) -> io::Result<Vec<T>> {
    if dir.join(name).exists() { read_csv(dir, name) } else { Ok(Vec::new()) }
}

fn unknown(strategy: &str) -> io::Error {
    let text = format!("a row of strategy {strategy:?} has no counterpart in summary.json");
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// Failed requests have a table of their own.
fn summary_rows(result: &StrategyResult) -> impl Iterator<Item = (Key<'_>, WorkloadSummary)> {
    let row = |w: &WorkloadSummary| WorkloadSummary { failed: None, ..w.clone() };
    result.workloads.iter().map(move |w| (Key { strategy: &result.strategy }, row(w)))
}

fn arrival_rows(result: &StrategyResult) -> impl Iterator<Item = (Key<'_>, &ArrivalRow)> {
    result.arrivals.iter().map(|row| (Key { strategy: &result.strategy }, row))
}

fn action_rows(result: &StrategyResult) -> impl Iterator<Item = (Key<'_>, &ActionRow)> {
    result.actions.iter().map(|row| (Key { strategy: &result.strategy }, row))
}

fn window_rows(result: &StrategyResult) -> impl Iterator<Item = AdaptationRow> {
    result.adaptation.iter().map(|row| {
        let WindowRow { start_s, end_s, gpu, sm_pct, batch, completed, failed, p99_ms, .. } = *row;
        let (strategy, workload) = (result.strategy.clone(), row.workload.clone());
        AdaptationRow {
            strategy,
            workload,
            start_s,
            end_s,
            gpu,
            sm_pct,
            batch,
            completed,
            failed,
            p99_ms,
        }
    })
}

fn failure_rows(result: &StrategyResult) -> impl Iterator<Item = FailureRow> {
    result.workloads.iter().filter_map(|w| {
        let FailedCounts { rejected, timed_out, lost } = w.failed?;
        Some(FailureRow {
            strategy: result.strategy.clone(),
            workload: w.workload.clone(),
            requests: w.requests,
            completed: w.completed,
            rejected,
            timed_out,
            lost,
        })
    })
}

fn cdf_rows(result: &StrategyResult) -> impl Iterator<Item = CdfRow> {
    result.cdf.iter().flat_map(|cdf| {
        cdf.points.iter().map(|point| CdfRow {
            strategy: result.strategy.clone(),
            workload: cdf.workload.clone(),
            fraction: point.fraction,
            latency_ms: point.latency_ms,
        })
    })
}

fn series_rows(result: &StrategyResult) -> impl Iterator<Item = SeriesRow> {
    result.series.iter().flat_map(|series| {
        series.bins.iter().map(|bin| SeriesRow {
            strategy: result.strategy.clone(),
            gpu: series.gpu,
            start_s: bin.start_s,
            end_s: bin.end_s,
            power_w: bin.power_w,
            utilisation: bin.utilisation,
            sm_utilisation_pct: bin.sm_utilisation_pct,
            clock_mhz: bin.clock_mhz,
        })
    })
}

fn latency_rows(result: &StrategyResult) -> impl Iterator<Item = LatencyRow> {
    result.latency_series.iter().flat_map(|series| {
        series.bins.iter().map(|bin| LatencyRow {
            strategy: result.strategy.clone(),
            workload: series.workload.clone(),
            start_s: bin.start_s,
            end_s: bin.end_s,
            completed: bin.completed,
            mean_ms: bin.mean_ms,
            max_ms: bin.max_ms,
        })
    })
}

fn batch_rows(result: &StrategyResult) -> impl Iterator<Item = BatchRow> {
    result.batches.iter().flat_map(|batches| {
        batches.counts.iter().map(|count| BatchRow {
            strategy: result.strategy.clone(),
            workload: batches.workload.clone(),
            batch_size: count.batch_size,
            requests: count.requests,
        })
    })
}

fn write_csv<T: Serialize>(
    dir: &mut OutputDir,
    name: &str,
    rows: impl Iterator<Item = T>,
) -> Result<(), OutputError> {
    dir.write(name, |file| {
        let mut writer = csv::Writer::from_writer(file);
        for row in rows {
            writer.serialize(row)?;
        }
        writer.flush()
    })
}

fn read_csv<T: DeserializeOwned>(dir: &Path, name: &str) -> io::Result<Vec<T>> {
    let mut reader = csv::Reader::from_path(dir.join(name))?;
    reader.deserialize().map(|row| row.map_err(io::Error::from)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::small_comparison;
    use crate::{Existing, Manifest};

    #[test]
    fn tables_read_back_to_the_same_comparison() {
        let root = tempfile::tempdir().unwrap();
        let comparison = small_comparison();
        let mut dir = OutputDir::open(root.path(), Existing::Replace).unwrap();
        write_tables(&mut dir, &comparison).unwrap();
        dir.finish(Manifest::start(Vec::new())).unwrap();
        assert_eq!(read_comparison(root.path()).unwrap(), comparison);
    }

    #[test]
    fn columns_are_stable() {
        let root = tempfile::tempdir().unwrap();
        let mut dir = OutputDir::open(root.path(), Existing::Replace).unwrap();
        write_tables(&mut dir, &small_comparison()).unwrap();
        dir.finish(Manifest::start(Vec::new())).unwrap();
        let first = |name: &str| {
            let text = std::fs::read_to_string(root.path().join(name)).unwrap();
            text.lines().next().unwrap().to_owned()
        };
        assert_eq!(
            first("summary.csv"),
            "strategy,workload,model,gpu,served,slo_ms,rate_rps,requests,completed,throughput_rps,\
             mean_ms,p50_ms,p90_ms,p95_ms,p99_ms,p999_ms,max_ms,slo_violation_pct,queue_ms,load_ms,\
             exec_ms,feedback_ms,mean_batch,verdict"
        );
        assert_eq!(
            first("gpus.csv"),
            "strategy,gpu,kind,placements,observed_s,utilisation,sm_utilisation_pct,power_w,\
             peak_power_w,energy_j,clock_mhz,min_clock_mhz"
        );
        assert_eq!(
            first("plan.csv"),
            "strategy,gpu,kind,workload,model,batch,sm_pct,predicted_latency_ms,\
             predicted_throughput_rps,slo_ms"
        );
        assert_eq!(first("cdf.csv"), "strategy,workload,fraction,latency_ms");
        assert_eq!(
            first("gpu_series.csv"),
            "strategy,gpu,start_s,end_s,power_w,utilisation,sm_utilisation_pct,clock_mhz"
        );
    }

    #[test]
    fn a_directory_without_tables_is_a_clear_error() {
        let root = tempfile::tempdir().unwrap();
        let error = read_comparison(root.path()).unwrap_err().to_string();
        assert!(error.contains("summary.json") && error.contains("igniter compare"), "{error}");
    }
}
