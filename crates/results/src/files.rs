//! Writes the tables as files and reads them back.

use super::markdown::report_markdown;
use super::output_dir::{OutputDir, OutputError};
use super::series_tables::{check_intact, read_tables, without_tables};
use super::tables::{Comparison, Details, FigureFile, PlanRow, StrategyResult};
use crate::{Column, Of, WorkloadRow, pick, write_csv};
use igniter_model::domain::WorkloadName;
use igniter_sim::metrics::GpuSummary;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

/// The file that a comparison is read back from.
const COMPARISON: &str = "comparison.json";

/// A directory that does not hold the tables of a comparison.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot read {}: {source}; give a directory that `igniter compare` or `igniter simulate` of this version wrote (one \
     of an earlier version lacks comparison.json: run its command again, which is in its manifest.json)",
    .path.display()
)]
pub struct ReadError {
    path: PathBuf,
    source: io::Error,
}

/// A comparison with all its details.
#[derive(Serialize, Deserialize)]
struct Saved<'a> {
    comparison: Cow<'a, Comparison>,
    /// Details of each strategy.
    details: Vec<Cow<'a, Details>>,
}

/// Leading columns of tables.
#[derive(Serialize)]
struct OfStrategy<'a> {
    strategy: &'a str,
}

#[derive(Serialize)]
struct OfWorkload<'a> {
    strategy: &'a str,
    workload: &'a WorkloadName,
}

#[derive(Serialize)]
struct OfGpu<'a> {
    strategy: &'a str,
    gpu: usize,
}

/// Writes `summary.csv`, `gpus.csv`, `plan.csv`, `cdf.csv`, `gpu_series.csv`, `latency_series.csv`, `batches.csv`,
/// `summary.json` and `comparison.json`; also `arrivals.csv` if requested, `failures.csv` if requests failed, and
/// `actions.csv` and `adaptation.csv` if there is a controller or a fault.
///
/// Real numbers are written as the shortest decimal text that reads back as the same number. `comparison.json` is for
/// [`read_comparison`] and holds everything that is not in `cdf.csv`, `gpu_series.csv` and `latency_series.csv`;
/// `summary.json` lacks the time series.
///
/// # Errors
/// When a file cannot be written.
pub fn write_tables(dir: &mut OutputDir, comparison: &Comparison) -> Result<(), OutputError> {
    let workloads = WorkloadRow::all(comparison);
    let summary = pick(&WorkloadRow::COLUMNS, &WorkloadRow::SUMMARY);
    dir.write("summary.csv", |file| write_csv(file, &summary, &workloads))?;
    let gpus = pick(&Of::<GpuSummary>::COLUMNS, &Of::<GpuSummary>::FILE);
    dir.write("gpus.csv", |file| write_csv(file, &gpus, &Of::all(comparison, |r| &r.gpus)))?;
    let plan: &[Column<Of<'_, PlanRow>>] = &Of::<PlanRow>::COLUMNS;
    dir.write("plan.csv", |file| write_csv(file, plan, &Of::all(comparison, |r| &r.plan)))?;
    let strategies = || comparison.strategies.iter();
    write_latencies(dir, comparison)?;
    let series = strategies().flat_map(|r| {
        let strategy = r.strategy.as_str();
        let each = r.details.series.iter();
        each.flat_map(move |s| s.bins.iter().map(move |bin| (OfGpu { strategy, gpu: s.gpu }, bin)))
    });
    write_rows(dir, "gpu_series.csv", series)?;
    write_rows(
        dir,
        "batches.csv",
        of_workloads(comparison, |details| {
            Box::new(details.batches.iter().map(|b| (&b.workload, b.counts.as_slice())))
        }),
    )?;
    // Tables of data that most scenarios do not have.
    let failed: Vec<_> = workloads.iter().filter(|row| row.summary.failed.is_some()).collect();
    if !failed.is_empty() {
        let columns = pick(&WorkloadRow::COLUMNS, &WorkloadRow::FAILURES);
        dir.write("failures.csv", |file| write_csv(file, &columns, failed))?;
    }
    if strategies().any(|result| !result.actions.is_empty()) {
        write_rows(dir, "actions.csv", keyed(comparison, |result| &result.actions))?;
    }
    if strategies().any(|result| !result.details.arrivals.is_empty()) {
        write_rows(dir, "arrivals.csv", keyed(comparison, |result| &result.details.arrivals))?;
    }
    if strategies().any(|result| !result.details.adaptation.is_empty()) {
        write_rows(dir, "adaptation.csv", keyed(comparison, |result| &result.details.adaptation))?;
    }
    if !comparison.seeds.is_empty() {
        write_rows(dir, "seeds.csv", comparison.seeds.iter())?;
    }
    let own = |result: &StrategyResult| Cow::Owned(without_tables(comparison, &result.details));
    let details = strategies().map(own).collect();
    let saved = Saved { comparison: Cow::Borrowed(comparison), details };
    dir.write(COMPARISON, |file| Ok(serde_json::to_writer(file, &saved)?))?;
    dir.write("summary.json", |file| {
        serde_json::to_writer_pretty(&mut *file, comparison)?;
        file.write_all(b"\n")
    })
}

/// Writes only the tables of latency distributions and latencies over time, `cdf.csv` and `latency_series.csv`.
///
/// # Errors
/// When a file cannot be written.
pub fn write_latencies(dir: &mut OutputDir, comparison: &Comparison) -> Result<(), OutputError> {
    write_rows(
        dir,
        "cdf.csv",
        of_workloads(comparison, |details| {
            Box::new(details.cdf.iter().map(|cdf| (&cdf.workload, cdf.points.as_slice())))
        }),
    )?;
    write_rows(
        dir,
        "latency_series.csv",
        of_workloads(comparison, |details| {
            Box::new(details.latency_series.iter().map(|s| (&s.workload, s.bins.as_slice())))
        }),
    )
}

/// Writes `report.md`, with links to the figures in the same directory.
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

/// Reads back the output of [`write_tables`].
///
/// # Errors
/// When `comparison.json` does not exist, or it or a table beside it does not have the expected content.
pub fn read_comparison(dir: &Path) -> Result<Comparison, ReadError> {
    let path = dir.join(COMPARISON);
    let read = || -> io::Result<Comparison> {
        check_intact(dir, COMPARISON)?;
        let Saved { comparison, details } = serde_json::from_slice(&std::fs::read(&path)?)?;
        let mut comparison = comparison.into_owned();
        for (result, details) in comparison.strategies.iter_mut().zip(details) {
            result.details = details.into_owned();
        }
        read_tables(dir, &mut comparison)?;
        Ok(comparison)
    };
    read().map_err(|source| ReadError { path: path.clone(), source })
}

fn keyed<'a, T>(
    comparison: &'a Comparison,
    rows: fn(&'a StrategyResult) -> &'a [T],
) -> impl Iterator<Item = (OfStrategy<'a>, &'a T)> {
    let key = |of: Of<'a, T>| (OfStrategy { strategy: &of.result.strategy }, of.row);
    Of::all(comparison, rows).into_iter().map(key)
}

/// Each workload of a strategy with its rows of a table.
type ByWorkload<'a, T> = Box<dyn Iterator<Item = (&'a WorkloadName, &'a [T])> + 'a>;

/// Returns the parts of each workload of each strategy.
fn of_workloads<'a, T>(
    comparison: &'a Comparison,
    rows: fn(&'a Details) -> ByWorkload<'a, T>,
) -> impl Iterator<Item = (OfWorkload<'a>, &'a T)> {
    comparison.strategies.iter().flat_map(move |result| {
        rows(&result.details).flat_map(move |(workload, rows)| {
            rows.iter().map(move |row| (OfWorkload { strategy: &result.strategy, workload }, row))
        })
    })
}

fn write_rows<T: Serialize>(
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

    /// A folder with the small comparison, with and without a manifest.
    fn written(manifest: bool) -> (tempfile::TempDir, Comparison) {
        let root = tempfile::tempdir().unwrap();
        let comparison = small_comparison();
        let mut dir = OutputDir::open(root.path(), Existing::Replace).unwrap();
        write_tables(&mut dir, &comparison).unwrap();
        dir.finish(Manifest::start(Vec::new())).unwrap();
        if !manifest {
            std::fs::remove_file(root.path().join("manifest.json")).unwrap();
        }
        (root, comparison)
    }

    #[test]
    fn tables_that_were_changed_are_refused() {
        type Edit = fn(&str) -> String;
        let edits: [(&str, Edit, &str); 6] = [
            (
                "cdf.csv",
                |text| text.replace("igniter,W1", "igniter,W9"),
                "no \"W9\" of \"igniter\"",
            ),
            (
                "cdf.csv",
                |text| text.replacen("fraction", "part", 1),
                "the columns are not strategy",
            ),
            ("cdf.csv", |text| text.replace(",1.0,", ",1e999,"), "\"1e999\" is no number"),
            (
                "latency_series.csv",
                |text| text.replace("igniter,W1,0.0", "igniter,W1,NaN"),
                "\"NaN\"",
            ),
            ("gpu_series.csv", |text| text.replace("igniter,0,", "igniter,7,"), "no \"7\" of"),
            ("gpu_series.csv", |text| format!("{text}igniter,0\n"), "record with 2 fields"),
        ];
        for (name, edit, words) in edits {
            for manifest in [true, false] {
                let (root, _) = written(manifest);
                let path = root.path().join(name);
                let text = std::fs::read_to_string(&path).unwrap();
                assert_ne!(text, edit(&text), "{name}: {words} changes nothing");
                std::fs::write(&path, edit(&text)).unwrap();
                let error = read_comparison(root.path()).unwrap_err().to_string();
                let words = if manifest { "not as it was written" } else { words };
                assert!(error.contains(name) && error.contains(words), "{error}");
            }
        }
        // A row less is no fault of the table alone.
        let (root, _) = written(true);
        let path = root.path().join("cdf.csv");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.trim_end().rsplit_once('\n').unwrap().0).unwrap();
        assert!(read_comparison(root.path()).unwrap_err().to_string().contains("cut off"));
        std::fs::remove_file(&path).unwrap();
        assert!(read_comparison(root.path()).unwrap_err().to_string().contains("cdf.csv beside"));
    }

    #[test]
    fn folders_of_earlier_versions_have_all_in_one_file() {
        let (root, comparison) = written(false);
        let details = comparison.strategies.iter().map(|r| Cow::Borrowed(&r.details)).collect();
        let saved = Saved { comparison: Cow::Borrowed(&comparison), details };
        std::fs::write(root.path().join(COMPARISON), serde_json::to_vec(&saved).unwrap()).unwrap();
        std::fs::remove_file(root.path().join("cdf.csv")).unwrap();
        assert_eq!(read_comparison(root.path()).unwrap(), comparison);
    }

    #[test]
    fn strategies_of_one_name_are_told_apart() {
        let root = tempfile::tempdir().unwrap();
        let mut comparison = small_comparison();
        comparison.strategies[1].strategy = comparison.strategies[0].strategy.clone();
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
             predicted_throughput_rps,slo_ms,time_slot"
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
        assert!(error.contains("comparison.json") && error.contains("igniter compare"), "{error}");
    }
}
