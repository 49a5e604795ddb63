//! One plan, several seeds: means with their confidence intervals.

use super::SweepError;
use super::point::run_once;
use super::rows::RunRow;
use crate::results::SeedRow;
use crate::run::{Course, Study};
use crate::stats::{confidence_interval, mean};
use rayon::prelude::*;

/// Metrics of a whole run, and metrics of one of its workloads.
const OF_RUN: [&str; 4] =
    ["attainment_pct", "worst_attainment_pct", "workloads_met", "goodput_rps"];
const OF_WORKLOAD: [&str; 3] = ["mean_ms", "p99_ms", "slo_violation_pct"];

/// Runs with `count` seeds, starting at that of the scenario, and summarises the metrics with intervals
/// of this confidence. Every strategy gets the same seeds, and so the same arrivals.
///
/// # Errors
/// When a run fails.
pub fn repeat(
    study: &Study,
    course: &Course,
    count: u64,
    confidence: f64,
) -> Result<Vec<SeedRow>, SweepError> {
    let first = study.scenario().seed;
    let seeds: Vec<u64> = (0..count).map(|i| first.wrapping_add(i)).collect();
    let runs: Vec<RunRow> = seeds
        .into_par_iter()
        .with_max_len(1)
        .map(|seed| RunRow { seed, outcome: run_once(study, course, seed) })
        .collect();
    for run in &runs {
        if let Err(error) = &run.outcome {
            return Err(SweepError::Search(format!("seed {}: {error}", run.seed)));
        }
    }
    let mut rows = Vec::new();
    let mut row = |workload: Option<&str>, metric: &'static str| {
        let values: Vec<f64> = runs.iter().filter_map(|run| run.metric(metric, workload)).collect();
        let Some(mean) = mean(&values) else { return };
        let interval = confidence_interval(&values, confidence);
        // Student's t does not know the limits of a number.
        let most = if metric.ends_with("_pct") { 100.0 } else { f64::INFINITY };
        rows.push(SeedRow {
            strategy: course.strategy().to_owned(),
            workload: workload.unwrap_or_default().to_owned(),
            metric: metric.into(),
            seeds: values.len(),
            mean,
            low: interval.map(|i| (i.mean - i.half_width).max(0.0)),
            high: interval.map(|i| (i.mean + i.half_width).min(most)),
        });
    };
    OF_RUN.iter().for_each(|metric| row(None, metric));
    for workload in study.workloads() {
        OF_WORKLOAD.iter().for_each(|metric| row(Some(workload.name.as_str()), metric));
    }
    Ok(rows)
}
